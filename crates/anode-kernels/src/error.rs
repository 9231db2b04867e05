//! Errors of computations on a device.

use std::error::Error;
use std::sync::Arc;

use anode_core::ode::SolveError;

/// The failure of a device, with the error that its driver reported. Results that were read after it are zeros.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct DeviceFailure(Arc<dyn Error + Send + Sync>);

impl DeviceFailure {
    /// A failure with this cause.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(cause))
    }
}

/// [`Device::capture`](super::Device::capture) on a device that has no graphs.
#[derive(Debug, thiserror::Error)]
#[error("this device does not capture work")]
pub(super) struct NoCapture;

/// An error of a solve on a device. There are only these two causes, so the enum is exhaustive.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ComputeError {
    /// The solver stopped, or [`SolveError::Overflow`] was found after it.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceFailure),
}

impl ComputeError {
    /// Whether the solve diverged, see [`SolveError::is_divergence`].
    pub fn is_divergence(&self) -> bool {
        matches!(self, Self::Solve(error) if error.is_divergence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_solver_are_divergences_and_messages_are_those_of_the_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("the device is lost")]
        struct Lost;

        let overflow = ComputeError::from(SolveError::Overflow);
        assert!(overflow.is_divergence());
        assert_eq!(overflow.to_string(), SolveError::Overflow.to_string());
        assert!(!ComputeError::from(SolveError::NoEmbedded("euler")).is_divergence());
        let lost = ComputeError::from(DeviceFailure::new(Lost));
        assert!(!lost.is_divergence() && lost.to_string() == "the device is lost");
    }
}
