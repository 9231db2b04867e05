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
    /// An adaptive solve has no finite start: the state overflowed before the solve, or the field overflows there.
    #[error("the start of the solve (t = {t}), or the derivative there, is not finite")]
    StartNotFinite {
        /// Time of the start.
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
    #[error("{limit} steps were attempted and t = {t} reached; allow more steps or loosen the tolerance")]
    TooManySteps {
        /// The limit on attempted steps.
        limit: usize,
        /// Time reached.
        t: f64,
    },
    /// The solver has no embedded error estimate.
    #[error("solver `{0}` has no embedded error estimate, so it cannot choose its steps; use a fixed step")]
    NoEmbedded(&'static str),
    /// An argument that is out of range, or that does not fit the others.
    #[error("{0}")]
    Argument(String),
}

impl SolveError {
    /// Whether the solve could not be done, rather than the call being wrong: numbers that overflowed, before the solve
    /// or in it, or tolerances that cannot be kept within the limits.
    pub fn is_divergence(&self) -> bool {
        match self {
            Self::NotFinite { .. } | Self::StartNotFinite { .. } | Self::Overflow => true,
            Self::StepUnderflow { .. } | Self::TooManySteps { .. } => true,
            Self::Field { .. } | Self::NoEmbedded(_) | Self::Argument(_) => false,
        }
    }
}
