//! The training loop, one step at a time.

use std::sync::Arc;

use crate::data::{Alteration, DataSet, IMAGE_LEN};
use crate::gradient::{Cost, Ledger};
use crate::kernels::Cpu;
use crate::net::{EvaluationMode, Network, Reversal, Solve, Steps};
use crate::ode::expect_shape;

use super::batches::{Batch, BatchImages, Batches};
use super::dfdx_bridge::TrainingDevice;
use super::engine::{Engine, Learning, Measured};
use super::evaluate::accuracy;
use super::learner::{Learner, StepError};
use super::random_error::RandomError;
use super::rate::Rate;

/// A loss above this multiple of the first one counts as divergence.
const DIVERGED: f64 = 10.0;

/// How a network is trained (ANODE, section 8).
#[derive(Clone, Debug)]
pub struct Recipe {
    /// How the ODE blocks are solved and differentiated.
    pub solve: Solve,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images per step. The last batch of an epoch may be smaller.
    pub batch: usize,
    /// Largest learning rate.
    pub learning_rate: f64,
    /// The schedule of the learning rate.
    pub rate: Rate,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay, on all weights. The unknowns of a weight evolution do not decay.
    pub weight_decay: f64,
    /// Whether the velocity is set to zero at the start of each epoch.
    pub momentum_restart: bool,
    /// Random crop with padding 4 and random flip.
    pub augment: bool,
    /// An error of random direction that is added to the exact gradient of every step; `None`: no error.
    pub random_error: Option<RandomError>,
    /// Master seed.
    pub seed: u64,
}

/// What one step measured, before its update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepMetrics {
    /// Step, from 0.
    pub step: u64,
    /// Epoch, from 0.
    pub epoch: u64,
    /// Mean cross-entropy of the batch.
    pub loss: f64,
    /// Fraction of the batch that was classified correctly, 0 to 1.
    pub accuracy: f64,
    /// Euclidean norm of the gradient.
    pub gradient_norm: f64,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Evaluations, vjps, steps and bytes of the gradient.
    pub cost: Cost,
    /// Whether this was the last step of its epoch.
    pub ends_epoch: bool,
}

/// Why training stopped early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss or the gradient left the finite, the loss grew past ten times its first value, or an adaptive solve
    /// could not keep its tolerances within the limits: a result.
    #[error("diverged at step {step}: loss {loss}, gradient norm {gradient_norm}{}", because(cause))]
    Diverged {
        /// Step.
        step: u64,
        /// Loss; NaN where the forward sweep already failed.
        loss: f64,
        /// Gradient norm; NaN where the backward sweep failed.
        gradient_norm: f64,
        /// Which solve failed and why, where steps are adaptive. On fixed ones there is but one cause.
        cause: Option<String>,
    },
    /// The step could not be computed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The training part of the data set is empty, or the batch is.
    #[error("there is nothing to train on: {images} images in batches of {batch}")]
    Empty {
        /// Training images.
        images: usize,
        /// Images per batch.
        batch: usize,
    },
    /// The recipe has no epochs.
    #[error("the recipe has 0 epochs; allowed: 1 or more")]
    NoEpochs,
    /// A number of the recipe, or of the data set, is out of range.
    #[error("{field}: {found}; allowed: {allowed}")]
    Argument {
        /// The field of [`Recipe`] or [`DataSet`].
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// All steps of the recipe were taken.
    #[error("all {steps} steps of the recipe were taken; train for more epochs")]
    Complete {
        /// Steps of the recipe.
        steps: u64,
    },
}

fn because(cause: &Option<String>) -> String {
    cause.iter().map(|cause| format!("; {cause}")).collect()
}

/// Refuses numbers with which no step is defined.
fn check(data: &DataSet, recipe: &Recipe) -> Result<(), TrainError> {
    let wrong = |field, found: String, allowed| Err(TrainError::Argument { field, found, allowed });
    let is_size = |x: f64| x.is_finite() && x >= 0.0;
    for (field, x) in [("learning_rate", recipe.learning_rate), ("weight_decay", recipe.weight_decay)] {
        if !is_size(x) {
            return wrong(field, format!("{x:?}"), "a finite number from 0");
        }
    }
    if !(0.0..1.0).contains(&recipe.momentum) {
        return wrong("momentum", format!("{:?}", recipe.momentum), "a number from 0, below 1");
    }
    if let Rate::Drops(drops) = &recipe.rate
        && drops.iter().any(|drop| drop.is_nan())
    {
        return wrong("rate", format!("drops after {drops:?} of the epochs"), "numbers");
    }
    for (field, images) in [("train", &data.train), ("test", &data.test)] {
        let (pixels, labels) = (images.pixels.len(), images.labels.len());
        if labels.checked_mul(IMAGE_LEN) != Some(pixels) {
            return wrong(field, format!("{pixels} bytes of pixels for {labels} labels"), "3072 bytes for each label");
        }
    }
    for (field, numbers, least) in [("mean", &data.mean, f64::NEG_INFINITY), ("deviation", &data.deviation, 0.0)] {
        if numbers.iter().any(|x| !x.is_finite() || *x <= least) {
            return wrong(field, format!("{numbers:?}"), "finite numbers, for the deviation above 0");
        }
    }
    Ok(())
}

/// A network in training.
///
/// ```
/// use std::sync::Arc;
///
/// use anode_core::{gradient::Method, ode::solver};
/// use anode_nets::data::{DataSet, IMAGE_LEN, Images};
/// use anode_nets::net::{Form, Network, Solve, Steps, network};
/// use anode_nets::train::{Rate, Recipe, TrainError, Trainer};
///
/// // Forty dark and bright images: two classes.
/// let labels: Vec<u8> = (0..40).map(|i| i % 2).collect();
/// let pixels = labels.iter().flat_map(|&label| vec![60 + 120 * label; IMAGE_LEN]).collect();
/// let images = Images { pixels, labels };
/// let data = Arc::new(DataSet::new("brightness", 2, ([0.5; 3], [0.25; 3]), images.clone(), images));
///
/// let network = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 2));
/// let recipe = Recipe {
///     solve: Solve { tableau: solver("euler").unwrap(), steps: Steps::Fixed(2), method: Method::Anode },
///     epochs: 3,
///     batch: 20,
///     learning_rate: 0.1,
///     rate: Rate::Drops(vec![0.5]),
///     momentum: 0.9,
///     weight_decay: 5e-4,
///     momentum_restart: false,
///     augment: false,
///     random_error: None,
///     seed: 0,
/// };
/// let mut trainer = Trainer::new(network, data, recipe)?;
/// let mut losses = vec![];
/// while trainer.next_step() < trainer.total_steps() {
///     losses.push(trainer.step()?.loss);
/// }
/// assert!(losses.len() == 6 && losses[5] < losses[0]);
/// # Ok::<(), TrainError>(())
/// ```
///
/// [`save`](super::save) and [`resume`](super::resume) write and read checkpoints between two steps;
/// [`Trainer::evaluate_in`] evaluates the network on the test images.
pub struct Trainer {
    /// A copy on the host. Its running statistics keep their initial values.
    pub(super) network: Network,
    batches: Batches,
    pub(super) recipe: Recipe,
    pub(super) engine: Box<dyn Engine>,
    pub(super) step: u64,
    pub(super) initial_loss: Option<f64>,
}

impl Trainer {
    /// A fresh start on the CPU: parameters from the recipe's seed.
    ///
    /// # Errors
    /// Nothing to train on, no epochs, numbers of the recipe or the data set that are out of range.
    pub fn new(network: Network, data: Arc<DataSet>, recipe: Recipe) -> Result<Self, TrainError> {
        Self::on(Cpu, network, data, recipe)
    }

    /// A fresh start on a device: the same parameters.
    ///
    /// # Errors
    /// As [`Self::new`], and a device that fails.
    pub fn on<D: TrainingDevice>(
        device: D,
        network: Network,
        data: Arc<DataSet>,
        recipe: Recipe,
    ) -> Result<Self, TrainError> {
        if data.train.is_empty() || recipe.batch == 0 {
            return Err(TrainError::Empty { images: data.train.len(), batch: recipe.batch });
        }
        if recipe.epochs == 0 {
            return Err(TrainError::NoEpochs);
        }
        check(&data, &recipe)?;
        let on_device = Arc::new(Network::on(&network, device));
        let theta = network.initial(recipe.seed);
        let learner = Learner::new(on_device, theta, recipe.momentum, recipe.weight_decay)?;
        let batches = Batches::new(data, recipe.seed, recipe.batch, recipe.augment, D::TAKES_BYTES);
        let engine = Box::new(Learning { learner, last: None });
        Ok(Self { network, batches, recipe, engine, step: 0, initial_loss: None })
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.batches.steps_per_epoch()
    }

    /// Steps of the whole recipe.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch() * self.recipe.epochs as u64
    }

    /// The next step, from 0.
    pub fn next_step(&self) -> u64 {
        self.step
    }

    /// The parameters.
    pub fn theta(&self) -> Vec<f32> {
        self.engine.theta()
    }

    /// The running statistics of batch norm.
    pub fn statistics(&self) -> Vec<f64> {
        self.engine.statistics()
    }

    /// Returns the network on the host. Its running statistics are the initial ones; see [`Self::statistics`].
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Sets parameters and running statistics, and the velocity to zero.
    ///
    /// # Errors
    /// Another number of either; the device failed.
    pub fn set_state(&mut self, theta: &[f32], statistics: &[f64]) -> Result<(), TrainError> {
        let expected = [self.network.parameter_count(), self.engine.statistics().len()];
        for (what, found, expected) in
            [("theta", theta.len(), expected[0]), ("statistics", statistics.len(), expected[1])]
        {
            expect_shape(what, &[found], "the network", &[expected]).map_err(StepError::from)?;
        }
        self.engine.set(theta, &vec![0.0; theta.len()])?;
        Ok(self.engine.set_statistics(statistics)?)
    }

    /// Whether what was read of the parameters is right: a device that fails reads zeros.
    ///
    /// # Errors
    /// The device failed.
    pub fn sound(&self) -> Result<(), TrainError> {
        Ok(self.engine.sound().map_err(StepError::from)?)
    }

    /// The coefficients of evolving weights in force: names and values.
    ///
    /// # Errors
    /// See [`Network::coefficients`].
    pub fn coefficients(&self) -> Result<Vec<(String, f64)>, TrainError> {
        // Parameters on a device would be fetched for nothing.
        if self.network.weight_count() == self.network.parameter_count() {
            return Ok(vec![]);
        }
        Ok(self.network.coefficients(&self.theta()).map_err(StepError::from)?)
    }

    /// The learning rate of a step.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let epoch = step / self.steps_per_epoch();
        self.recipe.rate.at(self.recipe.learning_rate, (step, self.total_steps()), (epoch, self.recipe.epochs))
    }

    /// The batch of the next step, which sees it once more.
    pub(super) fn next_batch(&mut self) -> Batch {
        self.batches.of(self.step)
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// [`TrainError::Complete`] after [`Self::total_steps`] steps. Else see [`TrainError`]. After a divergence the
    /// parameters are those before the step.
    pub fn step(&mut self) -> Result<StepMetrics, TrainError> {
        if self.step >= self.total_steps() {
            return Err(TrainError::Complete { steps: self.total_steps() });
        }
        let (epoch, place) = (self.step / self.steps_per_epoch(), self.step % self.steps_per_epoch());
        if self.recipe.momentum_restart && place == 0 && self.step > 0 {
            self.engine.rest()?;
        }
        let (images, labels) = self.batches.take(self.step);
        if self.step + 1 < self.total_steps() {
            self.batches.start(self.step + 1);
        }
        let ledger = Ledger::new();
        let gradient = match self.gradient(images, &labels, &ledger) {
            Ok(gradient) => gradient,
            Err(error) => return Err(self.failed(error)),
        };
        let gradient_norm = gradient.norm;
        let limit = DIVERGED * *self.initial_loss.get_or_insert(gradient.loss);
        if !gradient.loss.is_finite() || !gradient_norm.is_finite() || gradient.loss > limit {
            return Err(self.diverged(gradient.loss, gradient_norm, None));
        }
        let learning_rate = self.learning_rate(self.step);
        self.engine.update(learning_rate)?;
        let cost = ledger.cost();
        let metrics = StepMetrics {
            step: self.step,
            epoch,
            loss: gradient.loss,
            accuracy: accuracy(&gradient.logits, &labels),
            gradient_norm,
            learning_rate,
            cost,
            ends_epoch: place + 1 == self.steps_per_epoch(),
        };
        self.step += 1;
        Ok(metrics)
    }

    /// Loss and gradient of a batch, as the recipe says.
    pub(super) fn gradient(
        &mut self,
        images: BatchImages,
        labels: &[u8],
        ledger: &Ledger,
    ) -> Result<Measured, StepError> {
        match self.recipe.random_error {
            None => self.engine.gradient(images, labels, self.recipe.solve, ledger),
            Some(kind) => self.gradient_with_random_error(kind, images, labels, ledger),
        }
    }

    /// What a gradient that could not be computed means.
    fn failed(&self, error: StepError) -> TrainError {
        if !error.is_divergence() {
            return error.into();
        }
        let loss = if let StepError::Backward { loss, .. } = error { loss } else { f64::NAN };
        let adaptive = matches!(self.recipe.solve.steps, Steps::Adaptive(_));
        self.diverged(loss, f64::NAN, adaptive.then(|| error.to_string()))
    }

    fn diverged(&self, loss: f64, gradient_norm: f64, cause: Option<String>) -> TrainError {
        TrainError::Diverged { step: self.step, loss, gradient_norm, cause }
    }

    /// Mean cross-entropy and accuracy on the test images, batch norm with the running statistics. An image whose
    /// logits are not finite counts as wrong. Both are NaN if there are no test images.
    ///
    /// # Errors
    /// Only a broken field: a state that overflows counts as wrong too.
    pub fn evaluate(&self) -> Result<(f64, f64), TrainError> {
        self.evaluate_in(EvaluationMode::Running)
    }

    /// As [`Self::evaluate`], with a choice of statistics. No mode changes a bit of the training run.
    ///
    /// # Errors
    /// See [`evaluate`](super::evaluate()).
    pub fn evaluate_in(&self, mode: EvaluationMode) -> Result<(f64, f64), TrainError> {
        self.engine.evaluate_in(&self.batches.data, self.recipe.solve, mode)
    }

    /// Number of ODE blocks with constant weights, those of [`Self::block_reversal`].
    pub fn reversible_blocks(&self) -> usize {
        self.network.reversible_blocks()
    }

    /// The reversibility error of every ODE block with constant weights (see [`Network::reversal_errors`]) at the
    /// present parameters, on a fixed batch: the first training images, unaltered, as many as a step has. Infinite if a
    /// forward solve leaves the finite.
    ///
    /// # Errors
    /// A forward solve that fails for another cause.
    pub fn block_reversal(&self) -> Result<Vec<f64>, TrainError> {
        let data = &self.batches.data;
        let indices: Vec<usize> = (0..self.recipe.batch.min(data.train.len())).collect();
        let (images, _) = data.batch(&data.train, &indices, |_| Alteration::NONE);
        match self.engine.reversal_errors(images.into(), self.recipe.solve) {
            Ok(errors) => Ok(errors),
            Err(error) if error.is_divergence() => Ok(vec![f64::INFINITY; self.reversible_blocks()]),
            Err(error) => Err(StepError::from(error).into()),
        }
    }

    /// The states of every ODE block with constant weights at the present parameters, before the block and as the
    /// reverse solve finds them (see [`Network::reversals`]), for the first `count` test images as one batch.
    ///
    /// # Errors
    /// A forward solve that fails.
    pub fn reversals(&self, count: usize) -> Result<Vec<Reversal<f32>>, TrainError> {
        let data = &self.batches.data;
        let indices: Vec<usize> = (0..count.min(data.test.len())).collect();
        let (images, _) = data.batch(&data.test, &indices, |_| Alteration::NONE);
        let found = self.engine.reversals(images.into(), self.recipe.solve);
        Ok(found.map_err(StepError::from)?)
    }
}
