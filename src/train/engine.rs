//! Where a network is trained: what the training loop asks of the CPU, or of a device.

use std::sync::{Arc, Mutex};

use crate::gradient::Ledger;
use crate::net::{Network, Solve};
use crate::ode::SolveError;

use super::border::{Learner, StepError};
use super::crossing::Crossing;
use super::device::DeviceLearner;

/// The loss of one batch and the size of its gradient, which stays where it was computed.
pub(super) struct Measured {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Logits `[n, classes]`.
    pub logits: Vec<f32>,
    /// Euclidean norm of the gradient.
    pub norm: f64,
}

/// A network with its parameters, statistics and optimiser, wherever they are. Numbers come and go through host memory.
pub(super) trait Engine {
    /// Loss and gradient of a batch.
    fn gradient(
        &mut self,
        images: Vec<f32>,
        labels: &[u8],
        solve: Solve,
        ledger: &Arc<Mutex<Ledger>>,
    ) -> Result<Measured, StepError>;

    /// The last gradient, given away.
    fn last(&mut self) -> Vec<f32>;

    /// One step of descent along the last gradient, which goes.
    fn update(&mut self, learning_rate: f64) -> Result<(), StepError>;

    /// The parameters.
    fn theta(&self) -> Vec<f32>;

    /// Sets the parameters, then the velocity.
    fn set(&mut self, theta: &[f32], velocity: &[f32]) -> Result<(), StepError>;

    /// The velocity.
    fn velocity(&self) -> Result<Vec<f32>, StepError>;

    /// Sets the velocity to zero.
    fn rest(&mut self) -> Result<(), StepError>;

    /// The running statistics.
    fn statistics(&self) -> Vec<f64>;

    /// Sets the running statistics.
    fn set_statistics(&self, statistics: &[f64]);

    /// Logits in evaluation mode.
    fn evaluate(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f32>, SolveError>;

    /// The reversibility error of every ODE block.
    fn reversal_errors(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f64>, SolveError>;
}

/// The CPU.
pub(super) struct Host {
    pub network: Arc<Network>,
    pub learner: Learner,
    pub last: Vec<f32>,
}

impl Engine for Host {
    fn gradient(
        &mut self,
        images: Vec<f32>,
        labels: &[u8],
        solve: Solve,
        ledger: &Arc<Mutex<Ledger>>,
    ) -> Result<Measured, StepError> {
        let found = self.learner.gradient(&self.network, &images, labels, solve, ledger)?;
        let norm = found.theta.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        self.last = found.theta;
        Ok(Measured { loss: found.loss, logits: found.logits, norm })
    }

    fn last(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.last)
    }

    fn update(&mut self, learning_rate: f64) -> Result<(), StepError> {
        // Memory is scarcest in the next sweep.
        self.learner.update(learning_rate, &std::mem::take(&mut self.last))
    }

    fn theta(&self) -> Vec<f32> {
        self.learner.theta().to_vec()
    }

    fn set(&mut self, theta: &[f32], velocity: &[f32]) -> Result<(), StepError> {
        self.learner.set_theta(theta);
        self.learner.set_velocity(velocity);
        Ok(())
    }

    fn velocity(&self) -> Result<Vec<f32>, StepError> {
        Ok(self.learner.velocity().to_vec())
    }

    fn rest(&mut self) -> Result<(), StepError> {
        self.learner.set_velocity(&vec![0.0; self.network.parameter_count()]);
        Ok(())
    }

    fn statistics(&self) -> Vec<f64> {
        self.network.statistics()
    }

    fn set_statistics(&self, statistics: &[f64]) {
        self.network.set_statistics(statistics);
    }

    fn evaluate(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f32>, SolveError> {
        self.network.evaluate(&images, self.learner.theta(), solve)
    }

    fn reversal_errors(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f64>, SolveError> {
        self.network.reversal_errors(&images, self.learner.theta(), solve)
    }
}

/// A device.
pub(super) struct OnDevice<D: Crossing> {
    pub learner: DeviceLearner<D>,
    pub last: Option<D::Buffer<f32>>,
}

impl<D: Crossing> Engine for OnDevice<D> {
    fn gradient(
        &mut self,
        images: Vec<f32>,
        labels: &[u8],
        solve: Solve,
        ledger: &Arc<Mutex<Ledger>>,
    ) -> Result<Measured, StepError> {
        self.last = None;
        let found = self.learner.gradient(images, labels, solve, ledger)?;
        self.last = Some(found.theta);
        Ok(Measured { loss: found.loss, logits: found.logits, norm: found.norm })
    }

    fn last(&mut self) -> Vec<f32> {
        self.last.take().map_or(vec![], |theta| self.learner.network().device().download(&theta))
    }

    fn update(&mut self, learning_rate: f64) -> Result<(), StepError> {
        match self.last.take() {
            Some(last) => self.learner.update(learning_rate, &last),
            None => Ok(()),
        }
    }

    fn theta(&self) -> Vec<f32> {
        self.learner.theta()
    }

    fn set(&mut self, theta: &[f32], velocity: &[f32]) -> Result<(), StepError> {
        self.learner.set_theta(theta)?;
        self.learner.set_velocity(velocity)
    }

    fn velocity(&self) -> Result<Vec<f32>, StepError> {
        self.learner.velocity()
    }

    fn rest(&mut self) -> Result<(), StepError> {
        self.learner.set_velocity(&vec![0.0; self.learner.network().network().parameter_count()])
    }

    fn statistics(&self) -> Vec<f64> {
        self.learner.network().statistics()
    }

    fn set_statistics(&self, statistics: &[f64]) {
        self.learner.network().set_statistics(statistics);
    }

    fn evaluate(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f32>, SolveError> {
        self.learner.evaluate(images, solve)
    }

    fn reversal_errors(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f64>, SolveError> {
        self.learner.reversal_errors(images, solve)
    }
}
