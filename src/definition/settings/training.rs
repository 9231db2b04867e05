//! Settings of the training study (ANODE, section 8).

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evolution::{Border, Memory, Sigma, Terms};
use crate::gradient::{Method, pattern_list};
use crate::net::{self, EvaluationMode, Sharing, WeightStepping};
use crate::train::RandomError;

use super::tolerances::Stepped;
use crate::definition::columns::{self, Written};

use super::{DataChoice, Fault, Faults, MethodName, NetName, SolverName, StudySettings, Tolerances};

/// Train `net` with one gradient method.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// The network.
    pub net: NetName,
    /// Form of the blocks that keep their shape.
    #[serde(default)]
    pub form: NetworkForm,
    /// Nonlinearity of the weight evolution; absent: tanh where weights evolve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<Sigma>,
    /// The other choices of the weight evolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evolution: Option<EvolutionSettings>,
    /// Channels of the first stage; absent: the network's own.
    #[serde(default)]
    pub width: Option<usize>,
    /// The data set, or several in order of preference.
    pub data: DataChoice,
    /// Normalisation of the images; absent: the data set's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// Training images used, from the first; absent: all.
    #[serde(default)]
    pub train_images: Option<usize>,
    /// Test images used, from the first; absent: all.
    #[serde(default)]
    pub test_images: Option<usize>,
    /// Training images, the last of those used, that are held out of training and evaluated in place of the test
    /// images, for the choice of a recipe. Such runs keep no trained network. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<usize>,
    /// The solver of the ODE blocks.
    pub solver: SolverName,
    /// Steps Nt of each ODE block on t in [0, 1]; absent: adaptive steps by `tolerances`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Tolerances by which the solver chooses the steps of each ODE block, in training and evaluation; absent: `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerances: Option<Tolerances>,
    /// Separate batch-norm layers and running statistics per step of an ODE block; the released code shares one layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub norm_per_step: bool,
    /// Keep running statistics for each evaluation (step and stage) of an ODE block, with shared scale and shift;
    /// absent: one set for all steps and stages that share a batch norm, as in the released code.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub statistics_per_evaluation: bool,
    /// The gradient method of the ODE blocks.
    pub method: MethodName,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images per step; a smaller last batch is kept.
    pub batch: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Fractions of `epochs` after which the learning rate falls to a tenth; empty for another `schedule`.
    pub drops: Vec<f64>,
    /// Learning-rate schedule; absent: the rate falls at the `drops`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<RateSchedule>,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay, on every parameter but the unknowns of a weight evolution.
    pub weight_decay: f64,
    /// Set the momentum to zero at the start of each epoch, as the released driver does.
    #[serde(default)]
    pub momentum_restart: bool,
    /// Let the replay of the backward sweep update batch norm's running statistics again, as the released code does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replay_updates_statistics: bool,
    /// Let the evaluations of f in a reverse pass update batch norm's running statistics as well, as a PyTorch module
    /// in training mode does under an adjoint that evaluates f again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reverse_updates_statistics: bool,
    /// Random crop with padding 4 and random flip.
    pub augment: bool,
    /// Add to the exact gradient of `method`, in every step, an error of random direction whose norm is that of the
    /// reverse-time gradient's error on the same batch: a control for the direction of that error. Absent: no error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_error: Option<RandomError>,
    /// Steps between measurements of the reverse-time gradient against the exact one; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_every: Option<usize>,
    /// Evaluations on the test images at the end of an epoch, in addition to that with the running statistics; columns
    /// `test_loss_<mode>` and `test_accuracy_<mode>`, with `_` for `-`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<EvaluationMode>,
    /// Epochs between these evaluations; absent: 1. The last epoch always has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_every: Option<usize>,
    /// Measure the reversibility error of each ODE block at the end of each epoch, on the first `batch` training
    /// images, unaltered and normalised with themselves; columns `reversal_error_block_<k>`, k from 1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub block_reversal: bool,
    /// Steps between checkpoints.
    #[serde(default = "checkpoint_every")]
    pub checkpoint_every: usize,
}

fn checkpoint_every() -> usize {
    50
}

/// Learning-rate schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RateSchedule {
    /// Half a cosine from `learning_rate` to 0.
    Cosine,
    /// Up to `learning_rate` over the first 30 % of the steps, then down to nearly 0.
    OneCycle,
}

/// Form of the blocks of a network that keep their shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Form")]
pub enum NetworkForm {
    /// ODE blocks.
    #[default]
    #[serde(rename = "ode")]
    Ode,
    /// Ordinary residual blocks, the paper's baseline. Solver, steps and method are ignored.
    #[serde(rename = "baseline")]
    Baseline,
    /// ODE blocks whose weights evolve in the same steps (ANODEV2, Configuration 1).
    #[serde(rename = "configuration-1")]
    Configuration1,
    /// ODE blocks whose weights evolve first; step n uses theta(t_n) (ANODEV2, Configuration 2, one reading).
    #[serde(rename = "configuration-2")]
    Configuration2,
    /// ODE blocks whose weights evolve first; every step uses theta(1) (ANODEV2, Configuration 2, the other reading).
    #[serde(rename = "configuration-2-final")]
    Configuration2Final,
}

/// How the weights of ODE blocks evolve; only for the forms `configuration-...`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvolutionSettings {
    /// Terms of the PDE; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// Boundary condition of a kernel; absent: periodic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub border: Option<Border>,
    /// Which kernels share their coefficients; absent: those of a convolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<Sharing>,
    /// Whether the diffusion may become negative; absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_diffusion: Option<bool>,
    /// The kernel K of theta(t); absent: theta = w.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Steps of the weights for each step of the activations, where they evolve first; absent: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_steps: Option<usize>,
    /// Step coefficients that the solver cannot step stably, instead of refusing them; absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_unstable: Option<bool>,
}

impl EvolutionSettings {
    /// Steps of the weights for each step of the activations, where they evolve first.
    pub fn weight_steps(&self) -> usize {
        self.weight_steps.unwrap_or(5)
    }
}

/// A data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataSet {
    /// Generated by the program: 10 classes, 3 x 32 x 32.
    Synthetic,
    /// CIFAR-10 from its official archive in the data folder, or unpacked.
    Cifar10,
    /// CIFAR-100 with its fine labels, as CIFAR-10.
    Cifar100,
    /// CIFAR-10 with every image re-encoded as JPEG, from `cifar10-jpeg.tar.xz` or `cifar10-jpeg/` of the data folder.
    #[serde(rename = "cifar10-jpeg")]
    Cifar10Jpeg,
    /// CIFAR-10 records in the official binary layout from your own folder or archive, relative to the data
    /// folder.
    CifarFolder(PathBuf),
    /// CIFAR-100 records, as `cifar-folder`.
    #[serde(rename = "cifar100-folder")]
    Cifar100Folder(PathBuf),
    /// Colour images of 32 x 32 pixels, PNG or JPEG, in `train/CLASS/` and `test/CLASS/` of a folder, relative to the
    /// data folder.
    ImageFolder(PathBuf),
}

/// Whose mean and standard deviation of each channel normalise the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Normalisation {
    /// Those of CIFAR-10: (0.4914, 0.4822, 0.4465) and (0.2023, 0.1994, 0.2010).
    Cifar10,
    /// Those of CIFAR-100: (0.5071, 0.4865, 0.4409) and (0.2673, 0.2564, 0.2762).
    Cifar100,
}

impl StudySettings for TrainingSettings {
    const WRITES: Written = columns::training::TRAINING;

    fn check(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        let Self { steps, tolerances, ref solver, ref method, form, norm_per_step, .. } = *self;
        Stepped { steps, tolerances, solver, method, form, norm_per_step }.check(&mut faults);
        self.data.check(&mut faults);
        faults.count("epochs", self.epochs);
        faults.count("batch", self.batch);
        faults.count("checkpoint_every", self.checkpoint_every);
        for (at, n) in [
            ("quality_every", self.quality_every),
            ("width", self.width),
            ("train_images", self.train_images),
            ("test_images", self.test_images),
            ("held_out", self.held_out),
        ] {
            n.into_iter().for_each(|n| faults.count(at, n));
        }
        width_fault(&mut faults, self.width, &self.net);
        faults.require(self.held_out.is_none() || self.test_images.is_none(), "test_images", || {
            "a count; the images `held_out` take the place of the test images: omit it".into()
        });
        let held_out = self.held_out.zip(self.train_images).filter(|(held_out, train)| held_out >= train);
        faults.require(held_out.is_none(), "held_out", || {
            "as many as `train_images`, or more; some must be left to train on".into()
        });
        faults.positive("learning_rate", self.learning_rate);
        faults.require((0.0..1.0).contains(&self.momentum), "momentum", || {
            format!("{}; allowed: 0 to below 1", self.momentum)
        });
        faults.require(self.weight_decay.is_finite() && self.weight_decay >= 0.0, "weight_decay", || {
            format!("{}; allowed: finite numbers from 0", self.weight_decay)
        });
        evolution_faults(&mut faults, self.form, self.sigma, self.evolution);
        self.statistics_faults(&mut faults);
        self.random_error_faults(&mut faults);
        faults.require(self.schedule.is_none() || self.drops.is_empty(), "drops", || {
            format!("{:?}; a `schedule` has none: allowed: []", self.drops)
        });
        let evolving_quality = self.form.evolves() && self.quality_every.is_some();
        faults.require(!evolving_quality, "quality_every", || {
            "a count; weights that evolve have no such measurement".into()
        });
        let rising = self.drops.is_sorted_by(|a, b| a < b) && self.drops.iter().all(|d| 0.0 < *d && *d < 1.0);
        faults.require(rising, "drops", || format!("{:?}; allowed: rising fractions between 0 and 1", self.drops));
        faults.require(self.method.as_str() != MethodName::TAPE, "method", || {
            "dfdx-tape; it is written for the dense fields of the gradient-error study only".into()
        });
        faults.0
    }
}

impl TrainingSettings {
    /// A random error where there is no exact gradient, or no reverse-time gradient to measure an error of.
    fn random_error_faults(&self, faults: &mut Faults) {
        let Some(_) = self.random_error else { return };
        let method: Option<Method> = self.method.as_str().parse().ok();
        let exact = |m: Method| m.is_exact() && m.uses_tableau_steps();
        faults.require(method.is_none_or(exact), "random_error", || {
            let allowed = pattern_list(exact);
            format!("an error on an exact gradient; allowed with the methods {allowed}, not `{}`", self.method.as_str())
        });
        faults.require(self.form == NetworkForm::Ode, "random_error", || {
            "as large as that of the reverse-time gradient; allowed with the form ode".into()
        });
    }
}

impl NetworkForm {
    /// Whether the weights of its ODE blocks evolve.
    pub(super) fn evolves(self) -> bool {
        !matches!(self, Self::Ode | Self::Baseline)
    }
}

/// A width that the network cannot have.
pub(super) fn width_fault(faults: &mut Faults, width: Option<usize>, net: &NetName) {
    if let (Some(width), Some(net)) = (width, net::network(net.as_str())) {
        faults.require(width.is_multiple_of(net.width_unit), "width", || {
            format!("{width}; allowed for {}: multiples of {}", net.name, net.width_unit)
        });
    }
}

/// Choices of the weight evolution that do not fit the form, or one another.
pub(super) fn evolution_faults(
    faults: &mut Faults,
    form: NetworkForm,
    sigma: Option<Sigma>,
    evolution: Option<EvolutionSettings>,
) {
    faults.require(form.evolves() || (sigma.is_none() && evolution.is_none()), "evolution", || {
        "weights that evolve; allowed only with the forms configuration-1, configuration-2, configuration-2-final"
            .into()
    });
    let Some(evolution) = evolution else { return };
    evolution.memory.into_iter().for_each(|memory| faults.memory("evolution.memory", memory));
    let first = form != NetworkForm::Configuration1 || evolution.weight_steps.is_none();
    faults.require(first, "evolution.weight_steps", || {
        "a count; in configuration-1 the weights take the steps of the activations".into()
    });
    if let Some(weight_steps) = evolution.weight_steps {
        faults.configuration("evolution", WeightStepping::Matching { weight_steps });
    }
}
