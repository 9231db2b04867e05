//! An object-safe interface between the training loop and a learner on any device.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::data::DataSet;
use crate::gradient::Ledger;
use crate::kernels::{ComputeError, DeviceFailure};
use crate::net::{EvaluationMode, NetworkError, Reversal, Solve};

use super::batches::BatchImages;
use super::dfdx_bridge::{TrainingDevice, is_of_driver, said};
use super::learner::{Learner, StepError};
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

/// A network with its parameters, statistics and optimiser on some device. Arguments and results are in host memory.
pub(super) trait Engine {
    /// Loss and gradient of a batch.
    fn gradient(
        &mut self,
        images: BatchImages,
        labels: &[u8],
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<Measured, StepError>;

    /// The last gradient, given away.
    fn last(&mut self) -> Vec<f32>;

    /// Replaces the last gradient.
    fn set_last(&mut self, gradient: Vec<f32>);

    /// One step of descent along the last gradient, which goes.
    fn update(&mut self, learning_rate: f64) -> Result<(), StepError>;

    /// An error where what was read since the last call may be wrong, because the device failed.
    fn sound(&self) -> Result<(), DeviceFailure>;

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

    /// Mean cross-entropy and accuracy on the test images, with a choice of batch norm's statistics.
    fn evaluate_in(&self, data: &DataSet, solve: Solve, mode: EvaluationMode) -> Result<(f64, f64), TrainError>;

    /// The reversibility error of every ODE block.
    fn reversal_errors(&self, images: BatchImages, solve: Solve) -> Result<Vec<f64>, NetworkError>;

    /// The states of every ODE block, before it and as the reverse solve finds them.
    fn reversals(&self, images: BatchImages, solve: Solve) -> Result<Vec<Reversal<f32>>, NetworkError>;
}

/// A learner and its last gradient.
pub(super) struct Learning<D: TrainingDevice> {
    pub learner: Learner<D>,
    pub last: Option<D::Buffer<f32>>,
}

impl<D: TrainingDevice> Learning<D> {
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Learner<D>) -> Result<T, StepError>) -> Result<T, StepError> {
        let device = self.learner.device().clone();
        guarded(|| device.synchronize(), || work(&mut self.learner))
    }
}

impl<D: TrainingDevice> Engine for Learning<D> {
    fn gradient(
        &mut self,
        images: BatchImages,
        labels: &[u8],
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<Measured, StepError> {
        self.last = None;
        let found = self.guarded(|learner| learner.gradient(images, labels, solve, ledger))?;
        self.last = Some(found.theta);
        Ok(Measured { loss: found.loss, logits: found.logits, norm: found.norm })
    }

    fn last(&mut self) -> Vec<f32> {
        self.last.take().map_or(vec![], |theta| self.learner.device().download(&theta))
    }

    fn set_last(&mut self, gradient: Vec<f32>) {
        self.last = Some(self.learner.device().upload(gradient));
    }

    fn update(&mut self, learning_rate: f64) -> Result<(), StepError> {
        // Freed after the step, because the next sweep needs the most memory.
        match self.last.take() {
            Some(last) => self.guarded(|learner| learner.update(learning_rate, &last)),
            None => Ok(()),
        }
    }

    fn sound(&self) -> Result<(), DeviceFailure> {
        match self.learner.device().synchronize() {
            Err(ComputeError::Device(failure)) => Err(failure),
            _ => Ok(()),
        }
    }

    fn theta(&self) -> Vec<f32> {
        self.learner.theta()
    }

    fn set(&mut self, theta: &[f32], velocity: &[f32]) -> Result<(), StepError> {
        self.guarded(|learner| {
            learner.set_theta(theta)?;
            learner.set_velocity(velocity)
        })
    }

    fn velocity(&self) -> Result<Vec<f32>, StepError> {
        guarded(|| self.learner.device().synchronize(), || Ok(self.learner.velocity()))
    }

    fn rest(&mut self) -> Result<(), StepError> {
        let rest = vec![0.0; self.learner.network().parameter_count()];
        self.guarded(|learner| learner.set_velocity(&rest))
    }

    fn statistics(&self) -> Vec<f64> {
        self.learner.network().statistics()
    }

    fn set_statistics(&self, statistics: &[f64]) -> Result<(), StepError> {
        Ok(self.learner.network().set_statistics(statistics)?)
    }

    fn evaluate_in(&self, data: &DataSet, solve: Solve, mode: EvaluationMode) -> Result<(f64, f64), TrainError> {
        self.learner.evaluate_in(data, solve, mode)
    }

    fn reversal_errors(&self, images: BatchImages, solve: Solve) -> Result<Vec<f64>, NetworkError> {
        self.learner.reversal_errors(images, solve)
    }

    fn reversals(&self, images: BatchImages, solve: Solve) -> Result<Vec<Reversal<f32>>, NetworkError> {
        self.learner.reversals(images, solve)
    }
}

/// Executes `work` on a device. dfdx and cudarc panic if the device fails in the middle of a copy or when memory is
/// freed. A panic after which `synchronize` reports a failure of the device is returned as that failure. If memory
/// for a copy is lacking, the device does not fail, and the panic of dfdx is the only report.
fn guarded<T>(
    synchronize: impl FnOnce() -> Result<(), ComputeError>,
    work: impl FnOnce() -> Result<T, StepError>,
) -> Result<T, StepError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| match synchronize() {
        Err(ComputeError::Device(failure)) => Err(failure.into()),
        _ => match panic.downcast_ref::<String>().filter(|text| is_of_driver(text)) {
            Some(text) => Err(said(text).into()),
            None => resume_unwind(panic),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ode::SolveError;

    #[test]
    fn a_panic_of_a_failed_device_is_its_failure_and_others_stay_panics() {
        let lost = || Err(DeviceFailure::new(std::io::Error::other("lost")).into());
        let error = guarded::<()>(lost, || panic!("in a copy")).unwrap_err();
        assert!(matches!(error, StepError::Forward(NetworkError::Device(why)) if why.to_string() == "lost"));
        let full = || panic!("{}", "unwrap on an Err value: Driver(DriverError(CUDA_ERROR_OUT_OF_MEMORY))");
        let error = guarded::<()>(|| Ok(()), full).unwrap_err().to_string();
        assert!(error.contains("no memory left for a tensor of dfdx"), "{error}");
        for result in [Ok(()), Err(ComputeError::from(SolveError::Overflow))] {
            let panicked = catch_unwind(AssertUnwindSafe(|| guarded::<()>(|| result.clone(), || panic!("a bug"))));
            assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"a bug"));
        }
    }
}
