//! Why a gradient could not be computed.

use crate::ode::SolveError;

/// A gradient that could not be computed: a solve that stopped, or a gradient method that does not fit the block.
///
/// A function that only solves returns [`SolveError`], which converts into this error with `?`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GradientError {
    /// A solve or the vjp of one of its steps stopped.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The gradient method must know the number of steps before the sweep.
    #[error(
        "method `{method}` must know the number of steps before it starts; with adaptive steps, allowed: {allowed}"
    )]
    StepCountNeeded {
        /// The method.
        method: String,
        /// Methods that work with adaptive steps.
        allowed: String,
    },
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
        spoils the gradient of method `{method}` here, or f returns different derivatives for the same arguments; take \
        fewer steps, or a method that stores states (anode, revolve:M)"
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
    /// A checkpoint schedule contains an action that cannot be carried out.
    #[error("the checkpoint schedule is wrong at action {action}: {why}")]
    Schedule {
        /// Index of the action.
        action: usize,
        /// What is wrong.
        why: String,
    },
}

impl GradientError {
    /// Whether a solve diverged, see [`SolveError::is_divergence`].
    pub fn is_divergence(&self) -> bool {
        matches!(self, Self::Solve(error) if error.is_divergence())
    }
}
