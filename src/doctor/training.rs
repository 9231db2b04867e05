//! Training steps through dfdx on a device, compared with the same steps in double precision on the CPU.

use std::sync::Arc;

use crate::gradient::{Ledger, Method};
use crate::kernels::Cpu;
use crate::net::{LayerSpec, NetSpec, Network, NetworkError, SegmentSpec, Solve, Steps};
use crate::ode::{Real, SolveError, Vector, relative_distance, solver};
use crate::random::{Stream, normal, stream};
use crate::train::{Learner, StepError, TrainingDevice};

use super::Comparison;

/// Images per batch and classes.
pub(super) const SIZES: [usize; 2] = [4, 3];
/// The second step starts from the parameters and the velocity that the first one leaves.
const STEPS: usize = 2;
const MOMENTUM: f64 = 0.9;
const DECAY: f64 = 0.05;
const RATE: f64 = 0.1;
const WHAT: [&str; 3] = ["training, loss", "training, gradient", "training, parameters"];

/// The losses of all steps, the gradients of all steps, and the parameters after the last step.
type Trained = [Vec<f64>; 3];

/// A convolution, an ODE block, a pooling and a linear layer on 8 x 8 images.
pub(super) fn net() -> Network {
    let conv = |channels| LayerSpec::Conv { channels, kernel: [3, 3], stride: 1, bias: false };
    Network::new(&NetSpec {
        input: [2, 8, 8],
        segments: vec![
            SegmentSpec::Plain(vec![conv(4), LayerSpec::NormRelu]),
            SegmentSpec::Ode(vec![conv(4), LayerSpec::NormRelu, conv(4), LayerSpec::Norm]),
            SegmentSpec::Plain(vec![LayerSpec::Relu, LayerSpec::AveragePool(4), LayerSpec::Linear(SIZES[1])]),
        ],
    })
}

/// Images of a batch.
pub(super) fn images(seed: u64) -> Vec<f32> {
    let images: Vec<f64> = normal(&mut stream(seed, Stream::Data), SIZES[0] * 2 * 64, 1.0);
    images.into_iter().map(|x| x as f32).collect()
}

/// A batch, the same for every step.
fn batch() -> (Vec<f32>, Vec<u8>) {
    (images(21), (0..SIZES[0]).map(|i| (i % SIZES[1]) as u8).collect())
}

pub(super) fn solve() -> Result<Solve, SolveError> {
    let tableau = solver("euler").map_err(|error| SolveError::Argument(error.to_string()))?;
    Ok(Solve { tableau, steps: Steps::Fixed(2), method: Method::Anode })
}

/// Trains on `device` in single precision, with dfdx's loss and tape.
fn train<D: TrainingDevice>(device: &D) -> Result<Trained, String> {
    let (net, solve, (images, labels)) = (net(), solve().map_err(|e| e.to_string())?, batch());
    let theta = net.initial::<f32>(20);
    let said = |error: StepError| match error {
        StepError::Forward(NetworkError::Device(failure)) => failure.to_string(),
        error => error.to_string(),
    };
    let net = Arc::new(Network::on(&net, device.clone()));
    let mut learner = Learner::new(net, theta, MOMENTUM, DECAY).map_err(said)?;
    let (mut losses, mut gradients) = (vec![], vec![]);
    for _ in 0..STEPS {
        let ledger = Ledger::new();
        let gradient = learner.gradient(images.clone(), &labels, solve, &ledger).map_err(said)?;
        learner.update(RATE, &gradient.theta).map_err(said)?;
        losses.push(gradient.loss);
        gradients.extend(gradient.theta.to_f64());
    }
    let theta = learner.theta().into_iter().map(f64::from).collect();
    // A failed device reads as zeros.
    device.synchronize().map_err(|error| error.to_string())?;
    Ok([losses, gradients, theta])
}

/// The same steps on the CPU in double precision, without dfdx.
fn reference() -> Result<Trained, String> {
    let (net, solve, (images, labels)) = (net(), solve().map_err(|e| e.to_string())?, batch());
    let mut theta: Vec<f64> = net.initial::<f32>(20).into_iter().map(f64::from).collect();
    let mut velocity = theta.zeros_like();
    let images: Vec<f64> = images.into_iter().map(f64::from).collect();
    let (mut losses, mut gradients) = (vec![], vec![]);
    for _ in 0..STEPS {
        let ledger = Ledger::new();
        let (logits, kept) = net.forward(&images, &theta, solve, &ledger).map_err(|e| e.to_string())?;
        let (mut loss, mut logits_bar) = (0.0, vec![]);
        for (row, &label) in logits.chunks_exact(SIZES[1]).zip(&labels) {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            loss += sum.ln() - row[usize::from(label)];
            let hit = |class| if class == usize::from(label) { 1.0 } else { 0.0 };
            logits_bar.extend(row.iter().enumerate().map(|(i, x)| (x.exp() / sum - hit(i)) / SIZES[0] as f64));
        }
        let mut theta_bar = theta.zeros_like();
        net.backward(kept, &theta, &logits_bar, &mut theta_bar, solve, &ledger).map_err(|e| e.to_string())?;
        losses.push(loss / SIZES[0] as f64);
        gradients.extend(&theta_bar);
        theta_bar.axpy(DECAY, &theta);
        velocity.scale(MOMENTUM);
        velocity.axpy(1.0, &theta_bar);
        theta.axpy(-RATE, &velocity);
    }
    Ok([losses, gradients, theta])
}

/// Takes two training steps on `device` through dfdx, twice, and compares losses, gradients and parameters with the
/// CPU's in double precision. `name` is what computes convolutions. The error may be eight times that of single
/// precision on the CPU.
///
/// # Errors
/// Returns why dfdx's device cannot be opened or what failed in a step.
pub(super) fn compare_training<D: TrainingDevice>(device: &D, name: &str) -> Result<Vec<Comparison>, String> {
    let (first, second) = (train(device)?, train(device)?);
    let (expected, single) = (reference()?, train(&Cpu)?);
    let compared = |i: usize| {
        let error = relative_distance(&first[i], &expected[i]);
        let repeats = first[i].iter().zip(&second[i]).all(|(a, b)| a.to_bits() == b.to_bits());
        Comparison {
            kernel: WHAT[i],
            shape: format!("{STEPS} steps, convolutions: {name}"),
            dtype: f32::NAME,
            error: if error.is_nan() { f64::INFINITY } else { error },
            bound: 8.0 * relative_distance(&single[i], &expected[i]) + 1e-5,
            repeats,
        }
    };
    Ok((0..WHAT.len()).map(compared).collect())
}
