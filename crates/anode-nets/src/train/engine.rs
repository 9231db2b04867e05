//! Where a network is trained: what the training loop asks of the CPU, or of a device.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use crate::data::DataSet;
use crate::gradient::Ledger;
use crate::net::{EvaluationMode, Network, Solve};
use crate::ode::SolveError;

use super::border::{Learner, StepError};
use super::crossing::{Crossing, said};
use super::device::DeviceLearner;
use super::evaluate::evaluate;
use super::trainer::TrainError;

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

    /// Replaces the last gradient.
    fn set_last(&mut self, gradient: Vec<f32>);

    /// One step of descent along the last gradient, which goes.
    fn update(&mut self, learning_rate: f64) -> Result<(), StepError>;

    /// An error where what was read since the last call may be wrong, because the device failed.
    fn sound(&self) -> Result<(), SolveError>;

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
    fn set_statistics(&self, statistics: &[f64]) -> Result<(), StepError>;

    /// Logits in evaluation mode.
    fn evaluate(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f32>, SolveError>;

    /// Mean cross-entropy and accuracy on the test images, with a choice of batch norm's statistics.
    fn evaluate_in(&self, data: &DataSet, solve: Solve, mode: EvaluationMode) -> Result<(f64, f64), TrainError>;

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

    fn set_last(&mut self, gradient: Vec<f32>) {
        self.last = gradient;
    }

    fn update(&mut self, learning_rate: f64) -> Result<(), StepError> {
        // Memory is scarcest in the next sweep.
        self.learner.update(learning_rate, &std::mem::take(&mut self.last))
    }

    fn sound(&self) -> Result<(), SolveError> {
        Ok(())
    }

    fn theta(&self) -> Vec<f32> {
        self.learner.theta().to_vec()
    }

    fn set(&mut self, theta: &[f32], velocity: &[f32]) -> Result<(), StepError> {
        self.learner.set_theta(theta)?;
        self.learner.set_velocity(velocity)
    }

    fn velocity(&self) -> Result<Vec<f32>, StepError> {
        Ok(self.learner.velocity().to_vec())
    }

    fn rest(&mut self) -> Result<(), StepError> {
        self.learner.set_velocity(&vec![0.0; self.network.parameter_count()])
    }

    fn statistics(&self) -> Vec<f64> {
        self.network.statistics()
    }

    fn set_statistics(&self, statistics: &[f64]) -> Result<(), StepError> {
        Ok(self.network.set_statistics(statistics)?)
    }

    fn evaluate(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f32>, SolveError> {
        self.network.evaluate(&images, self.learner.theta(), solve)
    }

    fn evaluate_in(&self, data: &DataSet, solve: Solve, mode: EvaluationMode) -> Result<(f64, f64), TrainError> {
        evaluate(&self.network, self.learner.theta(), solve, data, mode)
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
        let found = told(|| self.learner.gradient(images, labels, solve, ledger))?;
        self.last = Some(found.theta);
        Ok(Measured { loss: found.loss, logits: found.logits, norm: found.norm })
    }

    fn last(&mut self) -> Vec<f32> {
        self.last.take().map_or(vec![], |theta| self.learner.network().device().download(&theta))
    }

    fn set_last(&mut self, gradient: Vec<f32>) {
        self.last = Some(self.learner.network().device().upload(gradient));
    }

    fn update(&mut self, learning_rate: f64) -> Result<(), StepError> {
        match self.last.take() {
            Some(last) => told(|| self.learner.update(learning_rate, &last)),
            None => Ok(()),
        }
    }

    fn sound(&self) -> Result<(), SolveError> {
        match self.learner.network().device().settle() {
            Err(error) if !error.is_divergence() => Err(error),
            _ => Ok(()),
        }
    }

    fn theta(&self) -> Vec<f32> {
        self.learner.theta()
    }

    fn set(&mut self, theta: &[f32], velocity: &[f32]) -> Result<(), StepError> {
        told(|| {
            self.learner.set_theta(theta)?;
            self.learner.set_velocity(velocity)
        })
    }

    fn velocity(&self) -> Result<Vec<f32>, StepError> {
        told(|| Ok(self.learner.velocity()))
    }

    fn rest(&mut self) -> Result<(), StepError> {
        let rest = vec![0.0; self.learner.network().parameter_count()];
        told(|| self.learner.set_velocity(&rest))
    }

    fn statistics(&self) -> Vec<f64> {
        self.learner.network().statistics()
    }

    fn set_statistics(&self, statistics: &[f64]) -> Result<(), StepError> {
        Ok(self.learner.network().set_statistics(statistics)?)
    }

    fn evaluate(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f32>, SolveError> {
        self.learner.evaluate(images, solve)
    }

    fn evaluate_in(&self, data: &DataSet, solve: Solve, mode: EvaluationMode) -> Result<(f64, f64), TrainError> {
        self.learner.evaluate_in(data, solve, mode)
    }

    fn reversal_errors(&self, images: Vec<f32>, solve: Solve) -> Result<Vec<f64>, SolveError> {
        self.learner.reversal_errors(images, solve)
    }
}

/// dfdx and cudarc panic where a device fails in the middle of a loss or a copy: an error like any other here.
fn told<T>(work: impl FnOnce() -> Result<T, StepError>) -> Result<T, StepError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        if ["DriverError", "CublasError"].iter().any(|error| text.contains(error)) {
            return Err(said(text).into());
        }
        resume_unwind(panic)
    })
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn panics_of_a_device_are_errors_and_others_are_panics() {
        let error = told::<()>(|| panic!("{}", "Cuda(Driver(DriverError(CUDA_ERROR_LAUNCH_FAILED)))")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("LAUNCH_FAILED") && text.contains("last checkpoint"), "{text}");
        assert!(std::panic::catch_unwind(|| told::<()>(|| panic!("{}", "a bug"))).is_err());
    }
}
