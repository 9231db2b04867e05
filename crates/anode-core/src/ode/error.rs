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
    /// The state left the finite numbers, or it or theta was not finite from the start. Records contain this text.
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
    /// The cotangent left the finite numbers in the backward sweep, or dJ/dz(t1) was not finite.
    #[error(
        "step {step} (t = {t}): the cotangent is no longer finite in the backward sweep; the cotangent of the end or \
        the vjp of the field is not finite, or the cotangent overflows"
    )]
    CotangentNotFinite {
        /// Step, from 0, in forward time.
        step: usize,
        /// Time of the step.
        t: f64,
    },
    /// dJ/dtheta is not finite, although the cotangents of all states are. Returned by functions that compute both
    /// sweeps in one call.
    #[error(
        "the gradient for theta is not finite, although the states and their cotangents are; test the vjp of the field \
        with `vjp_error`"
    )]
    ThetaGradientNotFinite,
    /// An adaptive solve has no finite start: the state overflowed before the solve, or the field overflows there.
    #[error(
        "the start of the solve (t = {t}), or the derivative there, is not finite; in a backward solve, the cotangent \
        of the end or the vjp of the field"
    )]
    StartNotFinite {
        /// Time of the start.
        t: f64,
    },
    /// The state left the finite numbers, which was found only after the sweep.
    #[error(
        "the state is not finite; check that the initial state and theta are finite, take more steps, or use a field \
        of smaller norm"
    )]
    Overflow,
    /// The error control requires steps below the resolution of time: for the tolerance, or because f is not finite, or
    /// the solution grows without bound, shortly after `t`.
    #[error(
        "step {step} (t = {t}): the error control requires a step of {h:e}, below the resolution of time; the field or \
        the solution may not be finite there, or the tolerance is too tight"
    )]
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
            Self::NotFinite { .. } | Self::CotangentNotFinite { .. } | Self::StartNotFinite { .. } => true,
            Self::ThetaGradientNotFinite | Self::Overflow => true,
            Self::StepUnderflow { .. } | Self::TooManySteps { .. } => true,
            Self::Field { .. } | Self::NoEmbedded(_) | Self::Argument(_) => false,
        }
    }
}
