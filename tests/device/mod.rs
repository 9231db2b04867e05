//! What a device must show, whichever it is: networks, their gradients and their training as on the CPU.

#![allow(dead_code, reason = "not every test file uses every check")]

use std::sync::{Arc, Mutex};

use anode::data::{Alteration, synthetic};
use anode::gradient::{Ledger, Method};
use anode::kernels::Device;
use anode::net::{DeviceNetwork, Form, NETWORKS, NetSpec, Network, Part, SegmentSpec, Solve, Steps, network};
use anode::ode::{Real, Vector, relative_distance, solver};
use anode::random::{Stream, normal, stream};
use anode::train::{Crossing, DeviceLearner};

pub fn solve(name: &str, steps: usize, method: Method) -> Solve {
    Solve { tableau: solver(name).unwrap(), steps: Steps::Fixed(steps), method }
}

/// A small network with every kind of layer and segment.
pub fn small() -> NetSpec {
    let conv = |channels, stride, bias| Part::Conv { channels, kernel: [3, 3], stride, bias };
    NetSpec {
        input: [2, 8, 8],
        segments: vec![
            SegmentSpec::Plain(vec![conv(3, 1, true), Part::NormRelu, Part::MaxPool(2)]),
            SegmentSpec::Residual { main: vec![conv(3, 1, false), Part::NormRelu], shortcut: vec![Part::Relu] },
            SegmentSpec::Ode(vec![conv(3, 1, false), Part::NormRelu, Part::Relu, conv(3, 1, false), Part::Norm]),
            SegmentSpec::Residual {
                main: vec![conv(4, 2, false), Part::NormRelu, conv(4, 1, false), Part::Norm],
                shortcut: vec![Part::Conv { channels: 4, kernel: [1, 1], stride: 2, bias: false }, Part::Norm],
            },
            SegmentSpec::Residual { main: vec![conv(4, 1, true), Part::Norm], shortcut: vec![] },
            SegmentSpec::Plain(vec![Part::AveragePool(2), Part::Relu, Part::Linear(6), Part::Relu, Part::Linear(5)]),
        ],
    }
}

/// Logits, gradient, running statistics after it, and logits in evaluation mode.
pub type Found = [Vec<f64>; 4];

fn on_cpu<R: Real>(spec: &NetSpec, n: usize, solve: Solve) -> Found {
    let net = Network::with_norms(spec, 2);
    let (images, theta, bar) = inputs::<R>(&net, spec, n);
    let ledger = Ledger::new();
    let (logits, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
    let mut theta_bar = vec![R::zero(); theta.len()];
    net.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger).unwrap();
    let evaluated = net.evaluate(&images, &theta, solve).unwrap();
    [logits.to_f64(), theta_bar.to_f64(), net.statistics(), evaluated.to_f64()]
}

/// The same numbers in both types, as far as `f32` can hold them.
fn inputs<R: Real>(net: &Network, spec: &NetSpec, n: usize) -> (Vec<R>, Vec<R>, Vec<R>) {
    let draw = |seed, len| {
        let numbers: Vec<f64> = normal(&mut stream(seed, Stream::Data), len, 1.0);
        numbers.into_iter().map(|x| R::of(f64::from(x as f32))).collect()
    };
    let theta = net.initial::<f32>(3).into_iter().map(|x| R::of(x.into())).collect();
    (draw(1, n * spec.input.iter().product::<usize>()), theta, draw(2, n * net.classes()))
}

fn on_device<D: Device, R: Real>(device: &D, spec: &NetSpec, n: usize, solve: Solve) -> Found {
    let host = Arc::new(Network::with_norms(spec, 2));
    let (images, theta, bar) = inputs::<R>(&host, spec, n);
    let net = DeviceNetwork::new(host, device.clone()).unwrap();
    let (images, theta, bar) = (device.upload(images), device.upload(theta), device.upload(bar));
    let ledger = Ledger::new();
    let (logits, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
    let mut theta_bar = theta.zeros_like();
    net.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger).unwrap();
    device.settle().unwrap();
    assert_eq!(ledger.cost().live_bytes, 0, "everything kept is given back");
    let evaluated = net.evaluate(&images, &theta, solve).unwrap();
    [logits.to_f64(), theta_bar.to_f64(), net.statistics(), evaluated.to_f64()]
}

const WHAT: [&str; 4] = ["logits", "gradient", "running statistics", "logits in evaluation"];

/// Double precision to rounding; single precision no further off than the CPU's.
pub fn network_agrees<D: Device>(device: &D, name: &str, spec: &NetSpec, n: usize, solve: Solve) {
    let expected = on_cpu::<f64>(spec, n, solve);
    let found = on_device::<D, f64>(device, spec, n, solve);
    let (single, device_single) = (on_cpu::<f32>(spec, n, solve), on_device::<D, f32>(device, spec, n, solve));
    for (i, what) in WHAT.iter().enumerate() {
        let error = relative_distance(&found[i], &expected[i]);
        assert!(error < 1e-9, "{name}, {what}: {error:e}");
        let (of_cpu, of_device) =
            (relative_distance(&single[i], &expected[i]), relative_distance(&device_single[i], &expected[i]));
        assert!(of_device <= 8.0 * of_cpu + 1e-5, "{name}, {what} in f32: {of_device:e}, on the CPU {of_cpu:e}");
    }
}

/// Every network, narrow, in both forms.
pub fn all_networks_agree<D: Device>(device: &D, width: usize) {
    for registered in NETWORKS {
        for form in [Form::Ode, Form::Baseline] {
            let unit = registered.width_unit;
            let spec = (registered.build)(form, width.next_multiple_of(unit), 10);
            network_agrees(device, registered.name, &spec, 2, solve("euler", 2, Method::Anode));
        }
    }
}

/// Every exact method gives the same bits; every method the CPU's gradient.
pub fn every_method_agrees<D: Device>(device: &D) {
    let gradient = |method| on_device::<D, f64>(device, &small(), 3, solve("heun", 3, method)).to_vec();
    let full = gradient(Method::Full);
    for method in [Method::Anode, Method::Uniform(2), Method::Revolve(1), Method::Revolve(2)] {
        assert!(gradient(method) == full, "{method}");
    }
    for method in [Method::ReverseTime, Method::StoredAdjoint, Method::Leapfrog, Method::Reversible] {
        let expected = on_cpu::<f64>(&small(), 3, solve("heun", 3, method));
        let found = gradient(method);
        let error = relative_distance(&found[1], &expected[1]);
        assert!(error < 1e-8, "{method}: {error:e}");
    }
}

/// The loss of each of `steps` steps of stochastic gradient descent on the CPU, written out, in numbers of type `R`.
fn losses_on_cpu<R: Real>(spec: &NetSpec, steps: usize, solve: Solve) -> Vec<f64> {
    let net = Network::new(spec);
    let mut theta: Vec<R> = net.initial::<f32>(5).into_iter().map(|x| R::of(x.into())).collect();
    let mut velocity = theta.zeros_like();
    (0..steps)
        .map(|step| {
            let (images, labels) = batch(step);
            let images: Vec<R> = images.into_iter().map(|x| R::of(x.into())).collect();
            let ledger = Ledger::new();
            let (logits, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
            let (mut loss, mut bar) = (0.0, vec![]);
            for (row, &label) in logits.chunks_exact(net.classes()).zip(&labels) {
                let sum: f64 = row.iter().map(|x| x.f64().exp()).sum();
                loss += sum.ln() - row[usize::from(label)].f64();
                let hit = |i| if i == usize::from(label) { 1.0 } else { 0.0 };
                let slope = |(i, x): (usize, &R)| R::of((x.f64().exp() / sum - hit(i)) / labels.len() as f64);
                bar.extend(row.iter().enumerate().map(slope));
            }
            let mut theta_bar = theta.zeros_like();
            net.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger).unwrap();
            theta_bar.axpy(R::of(DECAY), &theta);
            velocity.scale(R::of(MOMENTUM));
            velocity.axpy(R::one(), &theta_bar);
            theta.axpy(R::of(-RATE), &velocity);
            loss / labels.len() as f64
        })
        .collect()
}

const MOMENTUM: f64 = 0.9;
const DECAY: f64 = 5e-4;
const RATE: f64 = 0.02;

fn batch(step: usize) -> (Vec<f32>, Vec<u8>) {
    let set = synthetic();
    let indices: Vec<usize> = (6 * step..6 * step + 6).collect();
    set.batch(&set.train, &indices, |_| Alteration::NONE)
}

/// Twenty steps of training on the device and on the CPU, by curves; and twice on the device, by bits.
pub fn training_agrees<D: Crossing>(device: &D) {
    let spec = (network("resnet4").unwrap().build)(Form::Ode, 4, 10);
    let (steps, solve) = (20, solve("euler", 2, Method::Anode));
    let train = |steps| {
        let net = Arc::new(Network::new(&spec));
        let theta = net.initial::<f32>(5);
        let mut learner = DeviceLearner::new(net, device.clone(), &theta, MOMENTUM, DECAY).unwrap();
        let losses: Vec<f64> = (0..steps)
            .map(|step| {
                let (images, labels) = batch(step);
                let ledger = Arc::new(Mutex::new(Ledger::new()));
                let gradient = learner.gradient(images, &labels, solve, &ledger).unwrap();
                assert!(gradient.norm > 0.0 && gradient.logits.len() == 60);
                learner.update(RATE, &gradient.theta).unwrap();
                gradient.loss
            })
            .collect();
        (losses, learner.theta(), learner.network().statistics())
    };
    let (losses, ..) = train(steps);
    let again = train(4);
    assert!(again == train(4) && again.0 == losses[..4], "the same bits twice");
    let (expected, single) = (losses_on_cpu::<f64>(&spec, steps, solve), losses_on_cpu::<f32>(&spec, steps, solve));
    let worst = |losses: &[f64]| losses.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let (of_device, of_cpu) = (worst(&losses), worst(&single));
    assert!(of_device <= 10.0 * of_cpu + 1e-4, "losses off by {of_device:e}, on the CPU by {of_cpu:e}");
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[15..]) < mean(&losses[..5]), "it learns: {losses:?}");
}
