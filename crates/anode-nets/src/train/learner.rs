//! A network in training, on any device. dfdx computes the loss and the cotangent of the logits, and a step of gradient
//! descent is one kernel. No activation leaves the device. A step waits for three copies to the host: the logits, the
//! norm of the gradient, and whether all numbers are finite. On a device that captures work, the sweeps of repeated
//! steps are replayed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::data::DataSet;
use crate::gradient::Ledger;
use crate::kernels::{self, Descent};
use crate::net::{EvaluationMode, Network, NetworkError, Reversal, Solve};
use crate::ode::{Vector, expect_shape};

use super::batches::BatchImages;
use super::capture::{Capture, CaptureState, PlainStep};
use super::dfdx_bridge::TrainingDevice;
use super::evaluate::{cross_entropy_sum, evaluate};
use super::trainer::TrainError;

/// Parameters, optimiser and network on a device. Weights decay; the unknowns of a weight evolution, which come after
/// them in theta, do not.
pub struct Learner<D: TrainingDevice = kernels::Cpu> {
    network: Arc<Network<D>>,
    loss: D::Loss,
    /// The parameters, as the network reads them.
    theta: D::Buffer<f32>,
    velocity: D::Buffer<f32>,
    /// The rate is that of the step.
    descent: Descent,
    capture: Mutex<Capture<D>>,
}

/// The loss and the gradient of one batch.
pub struct Gradient<D: TrainingDevice = kernels::Cpu> {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Logits `[n, classes]`.
    pub logits: Vec<f32>,
    /// Euclidean norm of the gradient.
    pub norm: f64,
    /// dJ/dtheta, on the device.
    pub theta: D::Buffer<f32>,
}

/// An error of a training step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// An ODE block could not be solved forwards.
    #[error("forward: {0}")]
    Forward(#[source] NetworkError),
    /// The gradient of an ODE block could not be computed.
    #[error("backward: {source}")]
    Backward {
        /// The loss of the batch.
        loss: f64,
        /// The cause.
        source: NetworkError,
    },
    /// A label that the network has no class for.
    #[error("label {label}, but the network has {classes} classes")]
    Label {
        /// The label.
        label: u8,
        /// The classes of the network.
        classes: usize,
    },
}

impl<E: Into<NetworkError>> From<E> for StepError {
    fn from(error: E) -> Self {
        Self::Forward(error.into())
    }
}

impl StepError {
    /// Whether a solve diverged, see [`NetworkError::is_divergence`].
    pub fn is_divergence(&self) -> bool {
        match self {
            Self::Forward(source) | Self::Backward { source, .. } => source.is_divergence(),
            Self::Label { .. } => false,
        }
    }
}

impl<D: TrainingDevice> Learner<D> {
    /// Creates a learner with these parameters and zero velocity, on the device of `network`.
    ///
    /// # Errors
    /// Another number of parameters than the network has; a device that fails.
    pub fn new(network: Arc<Network<D>>, theta: Vec<f32>, momentum: f64, weight_decay: f64) -> Result<Self, StepError> {
        expect_shape("theta", &[theta.len()], "the network", &[network.parameter_count()])?;
        let (device, decaying) = (network.device(), network.weight_count());
        let loss = device.open_loss()?;
        let theta = device.upload(theta);
        let velocity = theta.zeros_like();
        let descent = Descent { learning_rate: 0.0, momentum, weight_decay, decaying };
        let learner = Self { network, loss, theta, velocity, descent, capture: Mutex::new(Capture::new()) };
        learner.device().synchronize()?;
        Ok(learner)
    }

    /// The network on its device.
    pub fn network(&self) -> &Network<D> {
        &self.network
    }

    pub(super) fn device(&self) -> &D {
        self.network.device()
    }

    /// The parameters, in host memory. Waits.
    pub fn theta(&self) -> Vec<f32> {
        self.device().download(&self.theta)
    }

    /// Computes loss and gradient of a batch with `labels`. Launches all work of the sweeps, then waits for the logits,
    /// the norm of the gradient, and whether all numbers are finite.
    ///
    /// # Errors
    /// See [`StepError`]; labels that do not fit the network or the images.
    pub fn gradient(
        &self,
        images: impl Into<BatchImages>,
        labels: &[u8],
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<Gradient<D>, StepError> {
        let targets = targets(labels, self.network.classes())?;
        let images = images.into().to(self.device());
        let mut capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sweeps) = capture.sweeps(labels.len(), solve) {
            sweeps.forward(&images, &self.theta)?;
            let (loss, logits_bar) = self.loss(sweeps.logits(), targets, labels)?;
            let theta = sweeps.backward(&logits_bar, ledger).map(Vector::duplicate);
            return self.finished(loss, sweeps.logits(), labels, theta);
        }
        let due = capture.is_due(labels.len(), solve);
        let statistics = if due { self.network.statistics() } else { vec![] };
        let (logits, kept) = self.network.forward(&images, &self.theta, solve, ledger)?;
        // Freed before the backward sweep, which needs the most memory, unless its tapes share them.
        let images = due.then_some(images);
        let (loss, logits_bar) = self.loss(&logits, targets, labels)?;
        let mut theta_bar = self.theta.zeros_like();
        let swept = self.network.backward(kept, &self.theta, &logits_bar, &mut theta_bar, solve, ledger);
        let found = self.finished(loss, &logits, labels, swept.map(|()| theta_bar))?;
        if let Some(images) = images {
            let (theta, gradient) = (&self.theta, &found.theta);
            let plain = PlainStep { images, theta, statistics, logits, logits_bar, gradient };
            capture.check(&self.network, labels.len(), solve, &plain)?;
        }
        Ok(found)
    }

    /// Computes the loss where dfdx sums it in a fixed order, and the cotangent of the logits. Does not wait otherwise.
    fn loss(
        &self,
        logits: &D::Buffer<f32>,
        targets: Vec<f32>,
        labels: &[u8],
    ) -> Result<(Option<f32>, D::Buffer<f32>), StepError> {
        let shape = (labels.len(), self.network.classes());
        expect_shape("the labels", &[shape.0], "the images", &[logits.len() / shape.1.max(1)])?;
        Ok(self.device().cross_entropy(&self.loss, logits, targets, shape)?)
    }

    /// Waits for the logits and the norm of the gradient, and checks that the device computed what was launched.
    fn finished(
        &self,
        loss: Option<f32>,
        logits: &D::Buffer<f32>,
        labels: &[u8],
        theta: Result<D::Buffer<f32>, NetworkError>,
    ) -> Result<Gradient<D>, StepError> {
        let logits = self.device().download(logits);
        let loss = match loss {
            Some(loss) => f64::from(loss),
            None => cross_entropy_sum(&logits, labels) / labels.len().max(1) as f64,
        };
        let norm = theta.as_ref().map_or(f64::NAN, Vector::norm);
        // An overflow on the device comes first: it may be the cause of another error of the backward sweep.
        match self.device().synchronize() {
            // Which sweep it was does not matter to training: both are a divergence.
            Err(error) if error.is_divergence() && loss.is_finite() => {
                return Err(StepError::Backward { loss, source: error.into() });
            }
            Err(error) => return Err(error.into()),
            Ok(()) => {}
        }
        let theta = theta.map_err(|source| StepError::Backward { loss, source })?;
        Ok(Gradient { loss, logits, norm, theta })
    }

    /// Whether the sweeps of this learner's steps are captured and replayed.
    pub fn capture_state(&self) -> CaptureState {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner).state.clone()
    }

    /// One step of stochastic gradient descent, see [`Descent`].
    ///
    /// # Errors
    /// A gradient with another number of components than there are parameters.
    pub fn update(&mut self, learning_rate: f64, gradient: &D::Buffer<f32>) -> Result<(), StepError> {
        expect_shape("the gradient", &[gradient.len()], "theta", &[self.theta.len()])?;
        let descent = Descent { learning_rate, ..self.descent };
        self.network.device().descend(descent, &mut self.theta, &mut self.velocity, gradient);
        Ok(())
    }

    /// The optimiser's velocity, in host memory. Waits.
    pub fn velocity(&self) -> Vec<f32> {
        self.device().download(&self.velocity)
    }

    /// Sets the optimiser's velocity; zeros restart the momentum.
    ///
    /// # Errors
    /// Another number of components than there are parameters.
    pub fn set_velocity(&mut self, velocity: &[f32]) -> Result<(), StepError> {
        expect_shape("the velocity", &[velocity.len()], "theta", &[self.theta.len()])?;
        self.velocity = self.device().upload(velocity.to_vec());
        Ok(())
    }

    /// Sets the parameters. The velocity is unchanged.
    ///
    /// # Errors
    /// Another number of parameters.
    pub fn set_theta(&mut self, theta: &[f32]) -> Result<(), StepError> {
        expect_shape("the new theta", &[theta.len()], "theta", &[self.theta.len()])?;
        self.theta = self.device().upload(theta.to_vec());
        Ok(())
    }

    /// Mean cross-entropy and accuracy on the test images of `data`, see [`evaluate`](super::evaluate()). Waits.
    ///
    /// # Errors
    /// See [`evaluate`](super::evaluate()).
    pub fn evaluate_in(&self, data: &DataSet, solve: Solve, mode: EvaluationMode) -> Result<(f64, f64), TrainError> {
        evaluate::<D, f32>(&self.network, &self.theta, solve, data, mode)
    }

    /// The reversibility error of every ODE block on a batch. Waits.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn reversal_errors(&self, images: impl Into<BatchImages>, solve: Solve) -> Result<Vec<f64>, NetworkError> {
        self.network.reversal_errors(&images.into().to(self.device()), &self.theta, solve)
    }

    /// The states of every ODE block on a batch, before the block and as the reverse solve finds them. Waits.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn reversals(&self, images: impl Into<BatchImages>, solve: Solve) -> Result<Vec<Reversal<f32>>, NetworkError> {
        self.network.reversals(&images.into().to(self.device()), &self.theta, solve)
    }
}

/// Returns labels as rows that are 1 at the label and 0 elsewhere, `[labels.len(), classes]`.
///
/// # Errors
/// A label that is not smaller than `classes`.
fn targets(labels: &[u8], classes: usize) -> Result<Vec<f32>, StepError> {
    if let Some(&label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
        return Err(StepError::Label { label, classes });
    }
    let mut targets = vec![0.0; labels.len() * classes];
    for (row, &label) in targets.chunks_exact_mut(classes.max(1)).zip(labels) {
        row[usize::from(label)] = 1.0;
    }
    Ok(targets)
}
