//! The border to dfdx: parameters, tape, loss and optimiser are dfdx's; the network between images and logits is one
//! custom operation on its tape.

use std::sync::{Arc, Mutex, PoisonError};

use dfdx::optim::{Momentum, SgdConfig, WeightDecay};
use dfdx::prelude::*;
use dfdx::tensor::CpuError;

use crate::gradient::Ledger;
use crate::net::{Network, Solve};
use crate::ode::SolveError;

/// Parameters and optimiser: the weights, which decay, and behind them the unknowns of a weight evolution, which do not.
pub struct Learner {
    device: Cpu,
    weights: Group,
    /// Where there are any: dfdx knows no empty tensors.
    unknowns: Option<Group>,
}

/// Parameters that one optimiser moves.
struct Group {
    parameters: Tensor<(usize,), f32, Cpu>,
    sgd: SgdConfig,
    /// The velocity of `parameters`.
    velocity: Gradients<f32, Cpu>,
}

impl Group {
    fn new(device: &Cpu, theta: &[f32], momentum: f64, weight_decay: f64) -> Result<Self, StepError> {
        let parameters = device.try_tensor_from_vec(theta.to_vec(), (theta.len(),)).map_err(dfdx)?;
        let momentum = Some(Momentum::Classic(momentum));
        let weight_decay = (weight_decay > 0.0).then_some(WeightDecay::L2(weight_decay));
        let mut velocity = Gradients::leaky();
        velocity.try_alloc_for(&parameters).map_err(dfdx)?;
        Ok(Self { parameters, sgd: SgdConfig { lr: 0.0, momentum, weight_decay }, velocity })
    }

    fn update(&mut self, learning_rate: f64, gradient: &[f32]) -> Result<(), StepError> {
        self.sgd.lr = learning_rate;
        let mut gradients = Gradients::leaky();
        let gradients = gradients.get_or_alloc_mut(&self.parameters).map_err(dfdx)?;
        gradients.copy_from_slice(gradient);
        let velocity = self.velocity.get_or_alloc_mut(&self.parameters).map_err(dfdx)?;
        self.sgd.try_update(&mut self.parameters, velocity, gradients).map_err(dfdx)
    }

    fn len(&self) -> usize {
        self.parameters.shape().0
    }
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

fn dfdx(error: impl std::fmt::Debug) -> StepError {
    StepError::Dfdx(format!("{error:?}"))
}

impl Learner {
    /// A learner with these parameters and no velocity; the first `weights` of them decay.
    pub fn new(theta: &[f32], weights: usize, momentum: f64, weight_decay: f64) -> Result<Self, StepError> {
        let device = Cpu::seed_from_u64(0);
        let (weights, unknowns) = theta.split_at(weights);
        let weights = Group::new(&device, weights, momentum, weight_decay)?;
        let unknowns = (!unknowns.is_empty()).then(|| Group::new(&device, unknowns, momentum, 0.0)).transpose()?;
        Ok(Self { device, weights, unknowns })
    }

    /// The parameters.
    pub fn theta(&self) -> Vec<f32> {
        self.groups().flat_map(|group| group.parameters.as_vec()).collect()
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        std::iter::once(&self.weights).chain(&self.unknowns)
    }

    /// The groups with their parts of a vector of all parameters.
    fn groups_with<'a>(&'a mut self, all: &'a [f32]) -> impl Iterator<Item = (&'a mut Group, &'a [f32])> {
        let (weights, unknowns) = all.split_at(self.weights.len());
        std::iter::once((&mut self.weights, weights)).chain(self.unknowns.iter_mut().map(move |g| (g, unknowns)))
    }

    /// Loss and gradient of a batch with `labels`, by dfdx's tape around the network.
    ///
    /// # Errors
    /// See [`StepError`].
    pub fn gradient(
        &self,
        network: &Arc<Network>,
        images: &[f32],
        labels: &[u8],
        solve: Solve,
        ledger: &Arc<Mutex<Ledger>>,
    ) -> Result<Gradient, StepError> {
        let (_, mut tape) = self.weights.parameters.leaky_trace().split_tape();
        let theta = self.theta();
        let (output, kept) = network.forward(images, &theta, solve, &lock(ledger))?;
        let shape = (labels.len(), network.classes());
        let logits = self.device.try_tensor_from_vec(output.clone(), shape).map_err(dfdx)?;

        // dfdx's errors have no room for ours, so a failed solve is left here.
        let failure = Arc::new(Mutex::new(None));
        let ghosts: Vec<_> = self.groups().map(|group| group.parameters.ghost()).collect();
        let logits_ghost = logits.ghost();
        let (network, ledger, reported) = (network.clone(), ledger.clone(), failure.clone());
        tape.add_backward_op(move |gradients| {
            let logits_bar = gradients.get(&logits_ghost).as_vec();
            let mut theta_bar = vec![0.0; theta.len()];
            let done = network.backward(kept, &theta, &logits_bar, &mut theta_bar, solve, &lock(&ledger));
            done.map_err(|error| {
                *lock(&reported) = Some(error);
                CpuError::WrongNumElements
            })?;
            let mut rest = &theta_bar[..];
            for ghost in &ghosts {
                let (part, others) = rest.split_at(ghost.shape().0);
                gradients.get_or_alloc_mut(ghost)?.copy_from_slice(part);
                rest = others;
            }
            Ok(())
        });

        let mut targets = vec![0.0; shape.0 * shape.1];
        for (row, &label) in targets.chunks_exact_mut(shape.1).zip(labels) {
            row[usize::from(label)] = 1.0;
        }
        let targets = self.device.try_tensor_from_vec(targets, shape).map_err(dfdx)?;
        let loss = cross_entropy_with_logits_loss(logits.put_tape(tape), targets);
        let value = f64::from(loss.array());
        let gradients = match loss.try_backward() {
            Ok(gradients) => gradients,
            Err(error) => {
                let failed = lock(&failure).take();
                return Err(failed.map_or_else(|| dfdx(error), |source| StepError::Backward { loss: value, source }));
            }
        };
        let theta = self.groups().flat_map(|group| gradients.get(&group.parameters).as_vec()).collect();
        Ok(Gradient { loss: value, logits: output, theta })
    }

    /// One step of dfdx's stochastic gradient descent.
    pub fn update(&mut self, learning_rate: f64, gradient: &[f32]) -> Result<(), StepError> {
        for (group, gradient) in self.groups_with(gradient) {
            group.update(learning_rate, gradient)?;
        }
        Ok(())
    }

    /// The optimiser's velocity.
    pub fn velocity(&self) -> Vec<f32> {
        self.groups().flat_map(|group| group.velocity.get(&group.parameters).as_vec()).collect()
    }

    /// Sets the optimiser's velocity; zeros restart the momentum.
    pub fn set_velocity(&mut self, velocity: &[f32]) -> Result<(), StepError> {
        for (group, velocity) in self.groups_with(velocity) {
            group.velocity.get_or_alloc_mut(&group.parameters).map_err(dfdx)?.copy_from_slice(velocity);
        }
        Ok(())
    }

    /// Sets the parameters.
    pub fn set_theta(&mut self, theta: &[f32]) {
        for (group, theta) in self.groups_with(theta) {
            group.parameters.copy_from(theta);
        }
    }
}

/// A lock whose holder panicked is still a lock: a panic inside a field is caught and reported by the solver.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
