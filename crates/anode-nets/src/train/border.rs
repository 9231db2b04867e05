//! The border to dfdx: tape and loss are dfdx's; the network between images and logits is one custom operation on its
//! tape. Steps of descent are taken in place by [`descend`], with the bits of dfdx's `Sgd`.

use std::sync::{Arc, Mutex, PoisonError};

use dfdx::prelude::*;
use dfdx::tensor::CpuError;

use crate::gradient::Ledger;
use crate::kernels::{Descent, descend};
use crate::net::{Network, Solve};
use crate::ode::{SolveError, expect_shape};

/// Parameters and optimiser: the weights, which decay, and behind them the unknowns of a weight evolution, which do
/// not.
pub struct Learner {
    device: Cpu,
    theta: Arc<Vec<f32>>,
    velocity: Vec<f32>,
    /// The first parameters that decay.
    weights: usize,
    momentum: f64,
    weight_decay: f64,
}

/// The loss and the gradient of one batch.
pub struct Gradient {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Logits `[n, classes]`.
    pub logits: Vec<f32>,
    /// dJ/dtheta.
    pub theta: Vec<f32>,
}

/// Why a training step could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// An ODE block could not be solved forwards.
    #[error("forward: {0}")]
    Forward(#[from] SolveError),
    /// The gradient of an ODE block could not be computed.
    #[error("backward: {source}")]
    Backward {
        /// The loss of the batch.
        loss: f64,
        /// The cause.
        source: SolveError,
    },
    /// dfdx refused.
    #[error("dfdx: {0}")]
    Dfdx(String),
}

/// Labels as rows that are 1 at the label and 0 elsewhere, `[labels.len(), classes]`.
///
/// # Errors
/// A label that is no class.
pub(super) fn targets(labels: &[u8], classes: usize) -> Result<Vec<f32>, SolveError> {
    if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
        return Err(SolveError::Argument(format!("label {label}, but the network has {classes} classes")));
    }
    let mut targets = vec![0.0; labels.len() * classes];
    for (row, &label) in targets.chunks_exact_mut(classes.max(1)).zip(labels) {
        row[usize::from(label)] = 1.0;
    }
    Ok(targets)
}

fn dfdx(error: impl std::fmt::Debug) -> StepError {
    StepError::Dfdx(format!("{error:?}"))
}

impl Learner {
    /// A learner with these parameters and no velocity; the first `weights` of them decay.
    pub fn new(theta: Vec<f32>, weights: usize, momentum: f64, weight_decay: f64) -> Self {
        let velocity = vec![0.0; theta.len()];
        let device = Cpu::seed_from_u64(0);
        Self { device, theta: Arc::new(theta), velocity, weights, momentum, weight_decay }
    }

    /// The parameters.
    pub fn theta(&self) -> &Vec<f32> {
        &self.theta
    }

    /// Loss and gradient of a batch with `labels`, by dfdx's tape around the network.
    ///
    /// # Errors
    /// See [`StepError`]; labels that do not fit the network or the images.
    pub fn gradient(
        &self,
        network: &Arc<Network>,
        images: &Vec<f32>,
        labels: &[u8],
        solve: Solve,
        ledger: &Arc<Mutex<Ledger>>,
    ) -> Result<Gradient, StepError> {
        let theta = self.theta.clone();
        let targets = targets(labels, network.classes())?;
        let (output, kept) = network.forward(images, &theta, solve, &lock(ledger))?;
        let shape = (labels.len(), network.classes());
        expect_shape("the labels", &[shape.0], "the images", &[output.len() / shape.1.max(1)])?;
        let logits = self.device.try_tensor_from_vec(output.clone(), shape).map_err(dfdx)?;

        // What the network's vjp finds is left here: dfdx's errors have no room for ours, and its gradients are its
        // own.
        let found = Arc::new(Mutex::new(None));
        let logits_ghost = logits.ghost();
        let (network, ledger, left) = (network.clone(), ledger.clone(), found.clone());
        let mut tape = OwnedTape::default();
        tape.add_backward_op(move |gradients| {
            let logits_bar = gradients.get(&logits_ghost).as_vec();
            let mut theta_bar = vec![0.0; theta.len()];
            let done = network.backward(kept, &theta, &logits_bar, &mut theta_bar, solve, &lock(&ledger));
            let refused = done.is_err();
            *lock(&left) = Some(done.map(|()| theta_bar));
            if refused { Err(CpuError::WrongNumElements) } else { Ok(()) }
        });

        let targets = self.device.try_tensor_from_vec(targets, shape).map_err(dfdx)?;
        let loss = cross_entropy_with_logits_loss(logits.put_tape(tape), targets);
        let value = f64::from(loss.array());
        let swept = loss.try_backward();
        match (lock(&found).take(), swept) {
            (Some(Ok(theta)), Ok(_)) => Ok(Gradient { loss: value, logits: output, theta }),
            (Some(Err(source)), _) => Err(StepError::Backward { loss: value, source }),
            (_, Err(error)) => Err(dfdx(error)),
            (None, Ok(_)) => Err(dfdx("the network's vjp did not run")),
        }
    }

    /// One step of stochastic gradient descent, see [`Descent`].
    ///
    /// # Errors
    /// A gradient with another number of components than there are parameters, fewer parameters than weights.
    pub fn update(&mut self, learning_rate: f64, gradient: &[f32]) -> Result<(), StepError> {
        expect_shape("the gradient", &[gradient.len()], "theta", &[self.theta.len()])?;
        if self.weights > self.theta.len() {
            let why = format!("{} weights decay, but theta has {} parameters", self.weights, self.theta.len());
            return Err(SolveError::Argument(why).into());
        }
        let Self { momentum, weight_decay, weights: decaying, .. } = *self;
        let descent = Descent { learning_rate, momentum, weight_decay, decaying };
        descend(descent, Arc::make_mut(&mut self.theta).as_mut_slice(), &mut self.velocity, gradient);
        Ok(())
    }

    /// The optimiser's velocity.
    pub fn velocity(&self) -> &[f32] {
        &self.velocity
    }

    /// Sets the optimiser's velocity; zeros restart the momentum.
    ///
    /// # Errors
    /// Another number of components than there are parameters.
    pub fn set_velocity(&mut self, velocity: &[f32]) -> Result<(), StepError> {
        expect_shape("the velocity", &[velocity.len()], "theta", &[self.theta.len()])?;
        self.velocity.copy_from_slice(velocity);
        Ok(())
    }

    /// Sets the parameters.
    ///
    /// # Errors
    /// Another number of parameters.
    pub fn set_theta(&mut self, theta: &[f32]) -> Result<(), StepError> {
        expect_shape("the new theta", &[theta.len()], "theta", &[self.theta.len()])?;
        Arc::make_mut(&mut self.theta).copy_from_slice(theta);
        Ok(())
    }
}

/// A lock whose holder panicked is still a lock: what it holds is replaced as a whole, or only counts.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
