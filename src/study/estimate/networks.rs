//! Estimates of the studies on networks, from the list of a network's layers: nothing is built, whatever the width.

use crate::definition::settings::{DataSet, NetworkCostSettings, NetworkForm, TrainingSettings};
use crate::gradient::Method;
use crate::net::{self, LayerSpec, SegmentSpec};
use crate::study::StudyError;
use crate::study::network::Chosen;

use super::Estimate;
use super::solve::{Solved, adaptive_steps, method, stages};

/// Numbers of an image.
const IMAGE: f64 = 3.0 * 32.0 * 32.0;
/// Classes of the largest data set.
const CLASSES: usize = 100;
/// Images of a data set of unknown size.
const IMAGES: usize = 50_000;
/// Most images of any data set.
const MOST_IMAGES: usize = 1_000_000;

/// A chain of layers, per image.
#[derive(Clone, Copy, Default)]
struct Layers {
    parameters: f64,
    /// Parameters of batch norms.
    norms: f64,
    macs: f64,
    /// Numbers that a tape keeps: the input of each layer that is no batch norm and no ReLU.
    kept: f64,
    input: f64,
}

fn layers(shape: &mut [f64; 3], parts: &[LayerSpec]) -> Layers {
    let mut found = Layers { input: shape.iter().product(), ..Layers::default() };
    for part in parts {
        let [channels, height, width] = *shape;
        let input: f64 = shape.iter().product();
        match *part {
            LayerSpec::Conv { channels: out, kernel, stride, bias } => {
                let (out, area) = (out as f64, (kernel[0] * kernel[1]) as f64);
                let weights = out * channels * area;
                *shape = [out, (height / stride as f64).ceil(), (width / stride as f64).ceil()];
                found.parameters += weights + if bias { out } else { 0.0 };
                found.macs += weights * shape[1] * shape[2];
                found.kept += input;
            }
            LayerSpec::Norm | LayerSpec::NormRelu => {
                found.parameters += 2.0 * channels;
                found.norms += 2.0 * channels;
            }
            LayerSpec::Relu => {}
            LayerSpec::AveragePool(window) | LayerSpec::MaxPool(window) => {
                *shape = [channels, (height / window as f64).floor(), (width / window as f64).floor()];
                found.kept += input;
            }
            LayerSpec::Linear(outputs) => {
                found.parameters += input * outputs as f64 + outputs as f64;
                found.macs += input * outputs as f64;
                found.kept += input;
                *shape = [outputs as f64, 1.0, 1.0];
            }
        }
    }
    found
}

/// A network with how it is solved.
struct SolvedNetwork<'a> {
    network: &'a Chosen,
    /// Steps of each ODE block.
    steps: f64,
    stages: f64,
    method: Method,
}

/// What one gradient of a network needs.
struct Gradient {
    parameters: f64,
    bytes: f64,
    macs: f64,
    evaluations: f64,
}

impl<'a> SolvedNetwork<'a> {
    fn new(network: &'a Chosen) -> Result<Self, StudyError> {
        let steps = match (network.steps, &network.tolerances) {
            (None, Some(tolerances)) => adaptive_steps(tolerances, &network.solver)?,
            (steps, _) => steps.unwrap_or(1) as f64,
        };
        let method = method(&network.method).unwrap_or(Method::Full);
        Ok(Self { network, steps, stages: stages(&network.solver)?, method })
    }

    fn gradient(&self, batch: f64) -> Result<Gradient, StudyError> {
        let name = self.network.net.as_str();
        let unknown = || StudyError::failed("settings", format!("no network `{name}`"));
        let registered = net::network(name).ok_or_else(unknown)?;
        let form = if self.network.form == NetworkForm::Baseline { net::Form::Baseline } else { net::Form::Ode };
        let spec = (registered.build)(form, self.network.width.unwrap_or(registered.width), CLASSES);
        let real = 4.0;
        let mut found = Gradient { parameters: 0.0, bytes: 0.0, macs: 0.0, evaluations: 0.0 };
        let mut shape = spec.input.map(|n| n as f64);
        let mut widest = IMAGE;
        for segment in &spec.segments {
            match segment {
                SegmentSpec::Plain(parts) => {
                    let chain = layers(&mut shape, parts);
                    found.add_plain(&chain, batch * real);
                    widest = widest.max(chain.kept);
                }
                SegmentSpec::Residual { main, shortcut } => {
                    let mut other = shape;
                    let (main, shortcut) = (layers(&mut shape, main), layers(&mut other, shortcut));
                    found.add_plain(&main, batch * real);
                    found.add_plain(&shortcut, batch * real);
                    widest = widest.max(main.kept);
                }
                SegmentSpec::Ode(parts) => {
                    let chain = layers(&mut shape, parts);
                    let own = if self.network.norm_per_step { (self.steps - 1.0).max(0.0) * chain.norms } else { 0.0 };
                    found.parameters += chain.parameters + own;
                    let (state, tape) = (chain.input * batch * real, chain.kept * batch * real);
                    let solved = Solved { blocks: 1.0, steps: self.steps, stages: self.stages, state, tape };
                    found.bytes += solved.bytes(self.method) + self.weights(chain.parameters * real);
                    let evaluations = solved.evaluations(self.method);
                    found.evaluations += evaluations;
                    // A vjp takes two products for the one of an evaluation.
                    found.macs += 1.5 * evaluations * chain.macs * batch;
                    widest = widest.max(chain.kept);
                }
            }
        }
        found.bytes += 2.0 * widest * batch * real;
        Ok(found)
    }

    /// What the evolution of the weights of a block keeps, where they evolve.
    fn weights(&self, bytes: f64) -> f64 {
        let evolution = self.network.evolution.unwrap_or_default();
        let parts = if evolution.memory.is_some() { 2.0 } else { 1.0 };
        match self.network.form {
            NetworkForm::Ode | NetworkForm::Baseline => 0.0,
            // A state of the weights beside each state of the activations.
            NetworkForm::Configuration1 => parts * bytes * (2.0 + self.steps),
            NetworkForm::Configuration2 | NetworkForm::Configuration2Final => {
                let solved = Solved {
                    blocks: 1.0,
                    steps: evolution.weight_steps() as f64 * self.steps,
                    stages: self.stages,
                    state: parts * bytes,
                    tape: 2.0 * parts * bytes,
                };
                solved.bytes(self.method)
                    + if self.network.form == NetworkForm::Configuration2 { self.steps * bytes } else { bytes }
            }
        }
    }
}

impl Gradient {
    fn add_plain(&mut self, chain: &Layers, bytes: f64) {
        self.parameters += chain.parameters;
        self.bytes += chain.kept * bytes;
        self.macs += 3.0 * chain.macs * bytes / 4.0;
    }
}

pub fn network_cost(settings: &NetworkCostSettings) -> Result<Estimate, StudyError> {
    let batch = settings.batch as f64;
    let network = Chosen::from(settings);
    // Beside the network's own gradient, its baseline's and the neural ODE's, one after the other.
    let baseline = SolvedNetwork::new(&network.as_baseline())?.gradient(batch)?;
    let own = SolvedNetwork::new(&network)?.gradient(batch)?;
    let bytes = own.bytes.max(baseline.bytes) + 4.0 * (4.0 * own.parameters + 5.0 * batch * IMAGE);
    let repeats = 3.0;
    Ok(Estimate {
        bytes,
        multiply_adds: repeats * (2.0 * own.macs + baseline.macs),
        evaluations: repeats * 2.0 * own.evaluations,
    })
}

/// Bytes of the log, the last checkpoint and the network of a training run.
pub fn disk(settings: &TrainingSettings) -> Result<f64, StudyError> {
    /// A line of `steps.csv` and one of `times.csv`.
    const LINES: f64 = 150.0;
    let (steps, batch, _) = size(settings);
    let parameters = SolvedNetwork::new(&Chosen::from(settings))?.gradient(batch)?.parameters;
    // Parameters and velocity in the checkpoint, parameters in the network.
    Ok(LINES * steps + 4.0 * 3.0 * parameters)
}

/// The number of steps of a training run, estimated from its settings.
pub fn steps(settings: &TrainingSettings) -> f64 {
    size(settings).0
}

/// Steps, images per step, and images that are held.
fn size(settings: &TrainingSettings) -> (f64, f64, f64) {
    let size = |set: &DataSet| match set {
        DataSet::Synthetic => (5_000, 5_000),
        DataSet::Cifar10 | DataSet::Cifar100 | DataSet::Cifar10Jpeg => (IMAGES, IMAGES + 10_000),
        DataSet::CifarFolder(_) | DataSet::Cifar100Folder(_) | DataSet::ImageFolder(_) => (MOST_IMAGES, 0),
    };
    // Of several sets the largest counts: which one is present is not known here.
    let (known, held) = settings.data.sets().iter().map(size).max().unwrap_or((0, 0));
    let named = settings.train_images.unwrap_or(IMAGES).min(known);
    let named = named.saturating_sub(settings.held_out.unwrap_or(0)).max(1) as f64;
    let batch = (settings.batch as f64).min(named);
    (settings.epochs as f64 * (named / batch).ceil(), batch, held as f64)
}

pub fn training(settings: &TrainingSettings) -> Result<Estimate, StudyError> {
    let (steps, batch, held) = size(settings);
    let network = Chosen::from(settings);
    let solved = SolvedNetwork::new(&network)?;
    // How many steps an adaptive solve takes is not known; one is enough to tell whether a run fits.
    let least = SolvedNetwork { steps: settings.steps.map_or(1.0, |n| n as f64), ..solved };
    let (work, memory) = (solved.gradient(batch)?, least.gradient(batch)?);
    // Parameters, gradient and velocity, each here and in dfdx; the images, and two batches of them.
    let bytes = memory.bytes + 4.0 * (6.0 * memory.parameters + 2.0 * batch * IMAGE) + held * IMAGE;
    // Optimiser and copies pass over the parameters a few times per step.
    // A random error is as large as the difference of two gradients.
    let gradients = if settings.random_error.is_some() { 2.0 } else { 1.0 };
    let multiply_adds = steps * (gradients * work.macs + 8.0 * work.parameters);
    Ok(Estimate { bytes, multiply_adds, evaluations: steps * gradients * work.evaluations })
}
