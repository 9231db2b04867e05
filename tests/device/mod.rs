//! What a device must show, whichever it is: networks, their gradients and their training as on the CPU.

#![allow(dead_code, reason = "not every test file uses every check")]

use std::sync::Arc;

use anode::data::{Alteration, synthetic};
use anode::evolution::{
    Configuration, CoupledBlock, Coupling, Evaluation, History, Law, Memory, Piece, Reading, Sigma, Symbol, Terms,
    WeightField,
};
use anode::gradient::{Ledger, Method};
use anode::kernels::{Activation, Device};
use anode::net::{
    Evolution, Form, LayerSpec, NETWORKS, NetSpec, Network, NetworkError, SegmentSpec, Sharing, Solve, Steps,
    WeightStepping, network,
};
use anode::ode::{Adaptive, Controller, Real, SolveError, Vector, relative_distance, solver};
use anode::problems::ConvField;
use anode::random::{Stream, normal, stream};
use anode::train::{Learner, StepError, TrainingDevice};

pub fn solve(name: &str, steps: usize, method: Method) -> Solve {
    Solve { tableau: solver(name).unwrap(), steps: Steps::Fixed(steps), method }
}

/// A small network with every kind of layer and segment.
pub fn small() -> NetSpec {
    let conv = |channels, stride, bias| LayerSpec::Conv { channels, kernel: [3, 3], stride, bias };
    NetSpec {
        input: [2, 8, 8],
        segments: vec![
            SegmentSpec::Plain(vec![conv(3, 1, true), LayerSpec::NormRelu, LayerSpec::MaxPool(2)]),
            SegmentSpec::Residual {
                main: vec![conv(3, 1, false), LayerSpec::NormRelu],
                shortcut: vec![LayerSpec::Relu],
            },
            SegmentSpec::Ode(vec![
                conv(3, 1, false),
                LayerSpec::NormRelu,
                LayerSpec::Relu,
                conv(3, 1, false),
                LayerSpec::Norm,
            ]),
            SegmentSpec::Residual {
                main: vec![conv(4, 2, false), LayerSpec::NormRelu, conv(4, 1, false), LayerSpec::Norm],
                shortcut: vec![
                    LayerSpec::Conv { channels: 4, kernel: [1, 1], stride: 2, bias: false },
                    LayerSpec::Norm,
                ],
            },
            SegmentSpec::Residual { main: vec![conv(4, 1, true), LayerSpec::Norm], shortcut: vec![] },
            SegmentSpec::Plain(vec![
                LayerSpec::AveragePool(2),
                LayerSpec::Relu,
                LayerSpec::Linear(6),
                LayerSpec::Relu,
                LayerSpec::Linear(5),
            ]),
        ],
    }
}

/// Logits, gradient, running statistics after it, and logits in evaluation mode.
pub type Found = [Vec<f64>; 4];

fn on_cpu<R: Real>(net: Network, pixels: usize, n: usize, solve: Solve) -> Found {
    let (images, theta, bar) = inputs::<R>(&net, pixels, n);
    let ledger = Ledger::new();
    let (logits, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
    let mut theta_bar = vec![R::zero(); theta.len()];
    net.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger).unwrap();
    let evaluated = net.evaluate(&images, &theta, solve).unwrap();
    [logits.to_f64(), theta_bar.to_f64(), net.statistics(), evaluated.to_f64()]
}

/// The same numbers in both types, as far as `f32` can hold them.
fn inputs<R: Real>(net: &Network, pixels: usize, n: usize) -> (Vec<R>, Vec<R>, Vec<R>) {
    let draw = |seed, len| {
        let numbers: Vec<f64> = normal(&mut stream(seed, Stream::Data), len, 1.0);
        numbers.into_iter().map(|x| R::of(f64::from(x as f32))).collect()
    };
    let mut theta: Vec<R> = net.initial::<f32>(3).into_iter().map(|x| R::of(x.into())).collect();
    // Weights that evolve start as ones that do not.
    theta[net.weight_count()..].iter_mut().enumerate().for_each(|(i, p)| *p = R::of(0.25 - 0.125 * (i % 4) as f64));
    (draw(1, n * pixels), theta, draw(2, n * net.classes()))
}

fn on_device<D: Device, R: Real>(device: &D, net: Network, pixels: usize, n: usize, solve: Solve) -> Found {
    let (images, theta, bar) = inputs::<R>(&net, pixels, n);
    let net = Network::on(&net, device.clone());
    let (images, theta, bar) = (device.upload(images), device.upload(theta), device.upload(bar));
    let ledger = Ledger::new();
    let (logits, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
    let mut theta_bar = theta.zeros_like();
    net.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger).unwrap();
    device.synchronize().unwrap();
    assert_eq!(ledger.cost().live_bytes, 0, "everything kept is given back");
    let evaluated = net.evaluate(&images, &theta, solve).unwrap();
    [logits.to_f64(), theta_bar.to_f64(), net.statistics(), evaluated.to_f64()]
}

const WHAT: [&str; 4] = ["logits", "gradient", "running statistics", "logits in evaluation"];

/// Double precision to rounding; single precision no further off than the CPU's.
pub fn network_agrees<D: Device>(device: &D, name: &str, spec: &NetSpec, n: usize, solve: Solve) {
    built_network_agrees(device, name, || Network::with_norms(spec, 2), spec, n, solve);
}

fn built_network_agrees<D: Device>(
    device: &D,
    name: &str,
    build: impl Fn() -> Network,
    spec: &NetSpec,
    n: usize,
    solve: Solve,
) {
    let pixels = spec.input.iter().product();
    let expected = on_cpu::<f64>(build(), pixels, n, solve);
    let found = on_device::<D, f64>(device, build(), pixels, n, solve);
    let single = on_cpu::<f32>(build(), pixels, n, solve);
    let device_single = on_device::<D, f32>(device, build(), pixels, n, solve);
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
    let net = || Network::with_norms(&small(), 2);
    let gradient = |method| on_device::<D, f64>(device, net(), 128, 3, solve("heun", 3, method)).to_vec();
    let full = gradient(Method::Full);
    for method in [Method::Anode, Method::Uniform(2), Method::Revolve(1), Method::Revolve(2)] {
        assert!(gradient(method) == full, "{method}");
    }
    for method in [Method::ReverseTime, Method::StoredAdjoint, Method::Leapfrog, Method::Reversible] {
        let expected = on_cpu::<f64>(net(), 128, 3, solve("heun", 3, method));
        let found = gradient(method);
        let error = relative_distance(&found[1], &expected[1]);
        assert!(error < 1e-8, "{method}: {error:e}");
    }
}

/// Steps chosen by tolerance: the same ones, so the same numbers.
pub fn adaptive_steps_agree<D: Device>(device: &D) {
    for (method, controller) in [
        (Method::Anode, Controller::Matlab),
        (Method::Online(2), Controller::ProportionalIntegral),
        (Method::ReverseTime, Controller::Torchdiffeq),
        (Method::InterpolatedAdjoint, Controller::Torchdiffeq),
    ] {
        let control = Adaptive { controller, ..Adaptive::new(1e-3, 1e-5) };
        let how = Solve { tableau: solver("dormand-prince").unwrap(), steps: Steps::Adaptive(control), method };
        let net = || Network::new(&small());
        let expected = on_cpu::<f64>(net(), 128, 2, how);
        let found = on_device::<D, f64>(device, net(), 128, 2, how);
        for (i, what) in WHAT.iter().enumerate() {
            let error = relative_distance(&found[i], &expected[i]);
            assert!(error < 1e-8, "{method}, {controller:?}, {what}: {error:e}");
        }
    }
}

/// Weights that evolve by all terms, with coefficients of their own for each channel.
pub fn evolution(stepping: WeightStepping, memory: Memory) -> Evolution {
    let (law, sharing) = (Law::new(Terms::Rda), Sharing::Channel);
    Evolution { law, sharing, stepping, memory, evaluation: Evaluation::Steps, allow_unstable: true }
}

const MEMORIES: [Memory; 3] = [
    Memory::None,
    Memory::Exponential { rate: 2.0, history: History::Rest },
    Memory::Box { width: 0.4, history: History::Zero },
];

/// Both configurations with every memory, in a network.
pub fn evolving_networks_agree<D: Device>(device: &D) {
    for stepping in [
        WeightStepping::Together,
        WeightStepping::Matching { weight_steps: 2 },
        WeightStepping::Final { weight_steps: 3 },
    ] {
        for memory in MEMORIES {
            let how = solve("heun", 2, Method::Anode);
            let build = || Network::new(&small()).with_evolution(evolution(stepping, memory), how).unwrap();
            built_network_agrees(device, &format!("{stepping:?}, {memory:?}"), build, &small(), 3, how);
        }
    }
}

/// A coupled block in every configuration, with every memory, under exact methods and others: z(1) and the gradients
/// for z(0), and for w(0) and p, as on the CPU.
pub fn coupled_blocks_agree<D: Device>(device: &D) {
    let draw = |seed, len, std| -> Vec<f64> { normal(&mut stream(seed, Stream::Data), len, std) };
    let pieces =
        || vec![Piece { range: 0..18, grid: [3, 3], groups: 2 }, Piece { range: 18..27, grid: [3, 3], groups: 1 }];
    let sigma = |evaluation| if evaluation == Evaluation::Steps { Sigma::Tanh } else { Sigma::Identity };
    let first = |reading| Configuration::First { steps: 2, weight_steps: 3, reading };
    let configurations = [Configuration::Together { steps: 3 }, first(Reading::Matching), first(Reading::Final)];
    let multiplier = Evaluation::Multiplier(Symbol::Discrete);
    let mut couplings = vec![];
    for configuration in configurations {
        for memory in MEMORIES {
            couplings.push(Coupling { configuration, memory, ..Coupling::together(1) });
        }
        couplings.push(Coupling { configuration, evaluation: multiplier, ..Coupling::together(1) });
    }
    let (image, rk) = ([2, 4, 4], solver("heun").unwrap());
    for terms in [Terms::Rda, Terms::Constant] {
        for &coupling in &couplings {
            let law = Law { sigma: sigma(coupling.evaluation), ..Law::new(terms) };
            let weights = Arc::new(WeightField::<f64>::new(law, 36, pieces()).unwrap());
            let parameters = [draw(1, 36, 0.5), draw(2, weights.parameters(), 0.3)].concat();
            let z0 = draw(3, 32, 1.0);
            let host = ConvField::<f64>::new(image, 3, Activation::Tanh);
            let expected = CoupledBlock::new(Arc::new(host), weights.clone(), rk, coupling).unwrap();
            let field = ConvField::<f64, D>::on(device.clone(), image, 3, Activation::Tanh);
            let block = CoupledBlock::on(device.clone(), Arc::new(field), weights, rk, coupling).unwrap();
            for method in [Method::Full, Method::Anode, Method::Revolve(2), Method::ReverseTime, Method::StoredAdjoint]
            {
                let ledger = Ledger::new();
                let mut bar = vec![0.5; parameters.len()];
                let forward = expected.forward(method, &z0, &parameters, &ledger).unwrap();
                let end = forward.end().clone();
                let z_bar = forward.backward(&expected, &parameters, &end, &mut bar, &ledger).unwrap();

                let there = Ledger::new();
                let mut bar_there = vec![0.5; parameters.len()];
                let forward = block.forward(method, &device.upload(z0.clone()), &parameters, &there).unwrap();
                let end_there = forward.end().clone();
                let z_bar_there = forward.backward(&block, &parameters, &end_there, &mut bar_there, &there).unwrap();
                device.synchronize().unwrap();
                assert_eq!(ledger.cost(), there.cost(), "the same work, and the same bytes");
                for (what, found, expected) in [
                    ("z(1)", end_there.to_f64(), end),
                    ("z(0)", z_bar_there.to_f64(), z_bar),
                    ("w(0) and p", bar_there, bar),
                ] {
                    let error = relative_distance(&found, &expected);
                    assert!(error < 1e-12, "{terms:?}, {coupling:?}, {method}, {what}: {error:e}");
                }
            }
        }
    }
}

/// The loss of each of `steps` steps of stochastic gradient descent on the CPU, written out, in numbers of type `R`.
fn losses_on_cpu<R: Real>(net: Network, steps: usize, solve: Solve) -> Vec<f64> {
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
            let weights = theta_bar.iter_mut().zip(&theta).take(net.weight_count());
            weights.for_each(|(bar, &theta)| *bar = *bar + R::of(DECAY) * theta);
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

pub fn batch(step: usize) -> (Vec<f32>, Vec<u8>) {
    let set = synthetic();
    let indices: Vec<usize> = (6 * step..6 * step + 6).collect();
    set.batch(&set.train, &indices, |_| Alteration::NONE)
}

/// Twenty steps of training on the device and on the CPU, by curves; and twice on the device, by bits.
pub fn training_agrees<D: TrainingDevice>(device: &D) {
    let spec = (network("resnet4").unwrap().build)(Form::Ode, 4, 10);
    let losses = built_training_agrees(device, || Network::new(&spec), 20);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[15..]) < mean(&losses[..5]), "it learns: {losses:?}");
}

/// A network and a learner on the device refuse vectors of another length, and keep what they have.
pub fn vectors_of_other_networks_are_refused<D: TrainingDevice>(device: &D) {
    let solve = solve("euler", 2, Method::Anode);
    let host = Arc::new(Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10)));
    let (theta, statistics) = (host.initial::<f32>(5), host.statistics());
    let longer = [&theta[..], &[0.0]].concat();
    let said = |found: Result<(), StepError>| match found {
        Err(error @ StepError::Forward(NetworkError::Solve(SolveError::Argument(_)) | NetworkError::Images { .. })) => {
            error.to_string()
        }
        Err(error @ StepError::Label { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let refused = |found: Result<(), NetworkError>| said(found.map_err(StepError::from));

    let net = Network::on(&host, device.clone());
    for wrong in [&statistics[1..], &[&statistics[..], &[1.0]].concat(), &[]] {
        assert!(refused(net.set_statistics(wrong)).contains("statistics"));
    }
    assert_eq!(net.statistics(), statistics);
    let marked: Vec<f64> = (0..statistics.len()).map(|i| i as f64).collect();
    net.set_statistics(&marked).unwrap();
    assert_eq!(net.statistics(), marked);

    let net = Arc::new(net);
    let new = |theta: &[f32]| Learner::new(net.clone(), theta.to_vec(), MOMENTUM, DECAY);
    let mut learner = new(&theta).unwrap();
    for wrong in [&theta[1..], &longer, &[]] {
        assert!(said(new(wrong).map(|_| ())).contains("theta"));
        assert!(said(learner.set_theta(wrong)).contains("theta"));
        assert!(said(learner.set_velocity(wrong)).contains("velocity"));
        assert!(said(learner.update(RATE, &device.upload(wrong.to_vec()))).contains("gradient"));
    }
    let (images, labels) = batch(0);
    for (images, labels, what) in [
        (images.clone(), &labels[1..], "labels"),
        (images.clone(), &[], "labels"),
        (images[1..].to_vec(), &labels[..], "images"),
        (images, &[10; 6], "label 10"),
    ] {
        let found = learner.gradient(images, labels, solve, &Ledger::new());
        let error = said(found.map(|_| ()));
        assert!(error.contains(what), "{error}");
    }
    assert_eq!((learner.theta(), learner.velocity()), (theta.clone(), vec![0.0; theta.len()]));
}

/// A few steps of training in both configurations of ANODEV2.
pub fn training_of_evolving_weights_agrees<D: TrainingDevice>(device: &D) {
    let spec = (network("resnet4").unwrap().build)(Form::Ode, 4, 10);
    for stepping in [
        WeightStepping::Together,
        WeightStepping::Matching { weight_steps: 5 },
        WeightStepping::Final { weight_steps: 5 },
    ] {
        let how = solve("euler", 2, Method::Anode);
        let build = || Network::new(&spec).with_evolution(evolution(stepping, Memory::None), how).unwrap();
        built_training_agrees(device, build, 4);
    }
}

fn built_training_agrees<D: TrainingDevice>(device: &D, build: impl Fn() -> Network, steps: usize) -> Vec<f64> {
    let solve = solve("euler", 2, Method::Anode);
    let train = |steps| {
        let host = build();
        let net = Arc::new(Network::on(&host, device.clone()));
        let mut learner = Learner::new(net, host.initial(5), MOMENTUM, DECAY).unwrap();
        let losses: Vec<f64> = (0..steps)
            .map(|step| {
                let (images, labels) = batch(step);
                let ledger = Ledger::new();
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
    let expected = losses_on_cpu::<f64>(build(), steps, solve);
    let single = losses_on_cpu::<f32>(build(), steps, solve);
    let worst = |losses: &[f64]| losses.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let (of_device, of_cpu) = (worst(&losses), worst(&single));
    assert!(of_device <= 10.0 * of_cpu + 1e-4, "losses off by {of_device:e}, on the CPU by {of_cpu:e}");
    losses
}
