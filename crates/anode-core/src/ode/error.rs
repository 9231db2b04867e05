//! Why a solve stopped.

use super::FieldError;

/// A solve that could not be finished.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// The field refused.
    #[error("step {step}, stage {stage} (t = {t}): {source}")]
    Field {
        /// Step, from 0.
        step: usize,
        /// Stage, from 0.
        stage: usize,
        /// Time of the stage.
        t: f64,
        /// Why.
        source: FieldError,
    },
    /// The state left the finite numbers.
    #[error(
        "step {step}, stage {stage} (t = {t}): the state is no longer finite; take more steps, or a field of smaller \
        norm"
    )]
    NotFinite {
        /// Step, from 0.
        step: usize,
        /// First stage whose derivative is not finite.
        stage: usize,
        /// Time at the start of the step.
        t: f64,
    },
    /// The state left the finite numbers, which was found only after the sweep.
    #[error("the state is no longer finite; take more steps, or a field of smaller norm")]
    Overflow,
    /// The error control asks for steps below the resolution of time.
    #[error("step {step} (t = {t}): the tolerance asks for a step of {h:e}, below the resolution of time; loosen it")]
    StepUnderflow {
        /// Step, from 0.
        step: usize,
        /// Time.
        t: f64,
        /// The step that was asked for.
        h: f64,
    },
    /// The limit on steps was reached.
    #[error("{limit} steps were taken and t = {t} reached; allow more steps or loosen the tolerance")]
    TooManySteps {
        /// The limit on attempted steps.
        limit: usize,
        /// Time reached.
        t: f64,
    },
    /// The solver has no embedded error estimate.
    #[error("solver `{0}` has no embedded error estimate, so it cannot choose its steps; use a fixed step")]
    NoEmbedded(&'static str),
    /// The gradient method must know the number of steps before the sweep.
    #[error("method `{0}` must know the number of steps before it starts; with adaptive steps, allowed: {1}")]
    StepCountNeeded(String, String),
    /// An argument that is out of range, or that does not fit the others.
    #[error("{0}")]
    Argument(String),
    /// No checkpoint schedule fits the memory that was allowed.
    #[error("{budget} bytes are too few; the least that works is {least}, with {with}")]
    Memory {
        /// The bytes that were allowed.
        budget: usize,
        /// The fewest bytes that work.
        least: usize,
        /// The gradient method that needs them.
        with: String,
    },
    /// A solver that runs backwards did not come back to its start, so its gradient is that of other states.
    #[error(
        "after {steps} steps back the start came out with a relative error of {drift:e}, above {bound:e}: rounding \
        spoils the gradient \
         of method `{method}` here; take fewer steps, or a method that stores states (anode, revolve:M)"
    )]
    Drift {
        /// The gradient method.
        method: &'static str,
        /// Steps of the block.
        steps: usize,
        /// Relative error of the start.
        drift: f64,
        /// The bound on it.
        bound: f64,
    },
    /// A checkpoint schedule asked for the impossible.
    #[error("the checkpoint schedule is wrong at action {action}: {why}")]
    Schedule {
        /// Index of the action.
        action: usize,
        /// What is wrong.
        why: String,
    },
}

impl SolveError {
    /// Whether the solve could not be done, rather than the call being wrong: numbers that overflowed, or tolerances
    /// that cannot be kept within the limits.
    pub fn is_divergence(&self) -> bool {
        matches!(self, Self::NotFinite { .. } | Self::Overflow | Self::StepUnderflow { .. } | Self::TooManySteps { .. })
    }
}
