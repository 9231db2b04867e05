//! Errors of networks.

use crate::evolution::EvolutionError;
use crate::gradient::GradientError;
use crate::kernels::{ComputeError, DeviceFailure};
use crate::ode::SolveError;

/// An error of a forward or backward sweep of a network, or of one ODE block on a device.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// An ODE block could not be solved or differentiated, or a vector does not fit the network.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The gradient method does not fit an ODE block.
    #[error(transparent)]
    Gradient(GradientError),
    /// The weights of an ODE block could not be evolved.
    #[error(transparent)]
    Evolution(#[from] EvolutionError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceFailure),
    /// A batch that does not consist of whole images, or that is empty.
    #[error("images have {found} components, but the network takes one or more images of {input} components")]
    Images {
        /// Components of the batch.
        found: usize,
        /// Components of one image.
        input: usize,
    },
    /// A definition of a network whose layers do not fit each other.
    #[error("segment {segment} of the network {why}")]
    Spec {
        /// The segment, from 0.
        segment: usize,
        /// What does not fit, with shapes as channels, height and width.
        why: String,
    },
    /// Batch norms per step, and batch-norm statistics per evaluation, need a fixed number of steps.
    #[error(
        "adaptive steps have no fixed evaluations, so no step or evaluation has its own batch norms or statistics; use \
        fixed steps"
    )]
    NoFixedEvaluations,
    /// Sweeps that depend on numbers that the host reads between launches, see [`Network::capture`].
    ///
    /// [`Network::capture`]: super::Network::capture
    #[error("steps with {0} cannot be captured in a graph; they are launched kernel by kernel")]
    NotCaptured(&'static str),
}

impl From<ComputeError> for NetworkError {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::Solve(error) => error.into(),
            ComputeError::Device(failure) => failure.into(),
        }
    }
}

impl From<GradientError> for NetworkError {
    fn from(error: GradientError) -> Self {
        match error {
            GradientError::Solve(error) => error.into(),
            error => Self::Gradient(error),
        }
    }
}

impl NetworkError {
    /// Whether a solve diverged, see [`SolveError::is_divergence`].
    pub fn is_divergence(&self) -> bool {
        match self {
            Self::Solve(error) => error.is_divergence(),
            Self::Evolution(error) => error.is_divergence(),
            Self::Gradient(_)
            | Self::Device(_)
            | Self::Images { .. }
            | Self::Spec { .. }
            | Self::NoFixedEvaluations
            | Self::NotCaptured(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_divergence_has_the_message_of_the_solver_in_every_layer() {
        let cause = SolveError::NotFinite { step: 3, stage: 1, t: 0.5 };
        let layers = [
            NetworkError::from(cause.clone()),
            ComputeError::from(cause.clone()).into(),
            EvolutionError::from(cause.clone()).into(),
            GradientError::from(cause.clone()).into(),
            EvolutionError::from(GradientError::from(cause.clone())).into(),
        ];
        for error in layers {
            assert!(error.is_divergence());
            assert_eq!(error.to_string(), cause.to_string());
        }
        let failure = DeviceFailure::new(std::io::Error::other("lost"));
        let refused = [
            SolveError::NoEmbedded("euler").into(),
            ComputeError::from(failure).into(),
            EvolutionError::Choice("steps is 0".into()).into(),
            GradientError::Schedule { action: 0, why: "no step starts at the last state, 4".into() }.into(),
            NetworkError::NoFixedEvaluations,
        ];
        assert!(refused.iter().all(|error| !error.is_divergence()));
    }
}
