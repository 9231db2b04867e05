//! Captured sweeps on the CUDA device, emulated: the bits of plain ones, also after other work. Work that cannot be
//! captured is refused, and the device stays usable.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::device::{batch, small, solve};
use crate::emulator::{self, Emulator};
use anode::gradient::{Cost, Ledger, Method};
use anode::kernels::cuda::Gpu;
use anode::kernels::{Cpu, Device, Part};
use anode::net::{Form, NetSpec, Network, NetworkError, SegmentSpec, Solve, Steps, network};
use anode::ode::{Adaptive, Real, Vector, solver};
use anode::train::{CaptureState, Learner, TrainingDevice};

const MEMORY: usize = 1 << 28;
const BATCHES: usize = 3;

/// Logits, gradient, statistics and cost of one batch after the other.
type Found = Vec<(Vec<f64>, Vec<f64>, Vec<f64>, Cost)>;

fn numbers<R: Real>(device: &Gpu<Emulator>, seed: usize, len: usize) -> anode::kernels::cuda::Buffer<R, Emulator> {
    let number = |i: usize| R::of(((i * 7919 + seed * 104_729) % 1013) as f64 / 506.0 - 1.0);
    device.upload((0..len).map(number).collect())
}

/// Sweeps of a network over a few batches, captured or not, with other work between them.
fn sweeps<R: Real>(seed: u64, how: Solve, captured: bool) -> Option<Found> {
    let gpu = emulator::device(seed, MEMORY)?;
    let host = Network::with_norms(&small(), 2);
    let net = Network::on(&host, gpu.clone());
    let mut theta = gpu.upload(host.initial::<f32>(3).into_iter().map(|x| R::of(x.into())).collect());
    let mut graph = captured.then(|| net.capture::<R>(3, how).expect("captured sweeps"));
    let found = (0..BATCHES)
        .map(|number| {
            let (images, bar) = (numbers::<R>(&gpu, number, 3 * 128), numbers::<R>(&gpu, 10 + number, 3 * 5));
            let ledger = Ledger::new();
            let dirty = |len| drop(numbers::<R>(&gpu, 20, len));
            let (logits, gradient) = match &mut graph {
                Some(graph) => {
                    graph.forward(&images, &theta).unwrap();
                    // Other work between the sweeps does not get the memory of the graph.
                    (1..2000).step_by(97).for_each(dirty);
                    net.evaluate(&images, &theta, how).unwrap();
                    let gradient = graph.backward(&bar, &ledger).unwrap().duplicate();
                    (graph.logits().to_f64(), gradient)
                }
                None => {
                    let (logits, kept) = net.forward(&images, &theta, how, &ledger).unwrap();
                    let mut gradient = theta.zeros_like();
                    net.backward(kept, &theta, &bar, &mut gradient, how, &ledger).unwrap();
                    (logits.to_f64(), gradient)
                }
            };
            gpu.synchronize().unwrap();
            // A replay reads the parameters of its step.
            theta.axpy(R::of(-0.5), &gradient);
            (logits, gradient.to_f64(), net.statistics(), ledger.cost())
        })
        .collect();
    drop((graph, theta, net));
    assert!(gpu.held().live < 1 << 12, "a dropped graph gives its memory back: {:?}", gpu.held());
    Some(found)
}

#[test]
fn captured_sweeps_have_the_bits_of_plain_ones() {
    for method in [Method::Full, Method::Anode, Method::Revolve(1), Method::ReverseTime, Method::StoredAdjoint] {
        for name in ["euler", "midpoint"] {
            let how = solve(name, 3, method);
            let Some(plain) = sweeps::<f32>(0, how, false) else { return };
            assert!(plain[0].0 != plain[1].0 && plain[0].1 != plain[1].1 && plain[0].2 != plain[1].2);
            assert!(sweeps::<f32>(5, how, true).unwrap() == plain, "{method}, {name}, f32");
            assert!(sweeps::<f64>(0, how, true) == sweeps::<f64>(7, how, false), "{method}, {name}, f64");
        }
    }
}

#[test]
fn replays_change_no_copy_of_captured_results() {
    let Some(gpu) = emulator::device(2, MEMORY) else { return };
    let how = solve("euler", 2, Method::Anode);
    let host = Network::with_norms(&small(), 2);
    let net = Network::on(&host, gpu.clone());
    let theta = gpu.upload(host.initial::<f32>(3));
    let mut graph = net.capture::<f32>(3, how).unwrap();
    graph.forward(&numbers(&gpu, 0, 3 * 128), &theta).unwrap();
    let (shared, part) = (graph.logits().share(), gpu.share_part(Part::new(graph.logits(), 4..15)));
    let first = shared.to_f64();
    graph.forward(&numbers(&gpu, 1, 3 * 128), &theta).unwrap();
    assert!(graph.logits().to_f64() != first, "other images have other logits");
    assert!(shared.to_f64() == first && part.to_f64() == first[4..]);

    // The logits of a network without layers are its images.
    let spec = NetSpec { input: [5, 1, 1], segments: vec![SegmentSpec::Plain(vec![])] };
    let net = Network::on(&Network::new(&spec), gpu.clone());
    let (mut graph, theta) = (net.capture::<f32>(3, how).unwrap(), gpu.zeros::<f32>(0));
    for seed in 0..3 {
        let images = numbers::<f32>(&gpu, seed, 15);
        graph.forward(&images, &theta).unwrap();
        assert_eq!(graph.logits().to_f64(), images.to_f64());
    }
    gpu.synchronize().unwrap();
}

/// Losses, and the final parameters, velocity and statistics.
type Trained = (Vec<f64>, Vec<f32>, Vec<f32>, Vec<f64>);

/// Trains for seven steps on batches of six images, the fifth of which is smaller.
fn train(gpu: &Gpu<Emulator>) -> (Trained, CaptureState) {
    let how = solve("euler", 2, Method::Anode);
    let host = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10));
    let net = Arc::new(Network::on(&host, gpu.clone()));
    let mut learner = Learner::new(net, host.initial(5), 0.9, 5e-4).unwrap();
    let mut costs = vec![];
    let losses = (0..7)
        .map(|step| {
            let (mut images, mut labels) = batch(step);
            if step == 4 {
                images.truncate(4 * 3 * 32 * 32);
                labels.truncate(4);
            }
            let ledger = Ledger::new();
            let gradient = learner.gradient(images, &labels, how, &ledger).unwrap();
            learner.update(0.02, &gradient.theta).unwrap();
            costs.push((step != 4).then(|| ledger.cost()));
            gradient.loss
        })
        .collect();
    costs.retain(Option::is_some);
    assert!(costs.iter().all(|cost| *cost == costs[0]), "a replay costs what a plain step costs");
    let state = learner.capture_state();
    ((losses, learner.theta(), learner.velocity(), learner.network().statistics()), state)
}

#[test]
fn a_training_run_captures_its_steps_and_has_the_same_bits() {
    let Some(plain) = emulator::device(3, MEMORY) else { return };
    plain.driver().refuses_captures.store(true, Ordering::Relaxed);
    let (expected, state) = train(&plain);
    assert_eq!(state, CaptureState::Plain("the work of this emulator cannot be captured in a graph".into()));
    assert_eq!(plain.driver().replays.load(Ordering::Relaxed), 0);

    let gpu = emulator::device(3, MEMORY).unwrap();
    let (found, state) = train(&gpu);
    assert_eq!(state, CaptureState::Captured);
    // The third step is compared with its replay; the fifth has another size; two replays a step.
    assert_eq!(gpu.driver().replays.load(Ordering::Relaxed), 2 * 4);
    assert!(found == expected);

    for wrong in [1, 2] {
        let gpu = emulator::device(3, MEMORY).unwrap();
        gpu.driver().wrong_replay.store(wrong, Ordering::Relaxed);
        let (found, state) = train(&gpu);
        assert_eq!(state, CaptureState::Plain("the replay differs from the captured step".into()));
        assert!(found == expected, "a wrong replay is not used");
    }
}

#[test]
fn a_refused_replay_falls_back_to_plain_launches() {
    let Some(plain) = emulator::device(3, MEMORY) else { return };
    plain.driver().refuses_captures.store(true, Ordering::Relaxed);
    let (expected, _) = train(&plain);
    // The trial replays the forward and the backward sweep.
    for refused in [1, 2] {
        let gpu = emulator::device(3, MEMORY).unwrap();
        gpu.driver().refused_replay.store(refused, Ordering::Relaxed);
        let (found, state) = train(&gpu);
        let CaptureState::Plain(why) = state else { panic!("replay {refused} is refused") };
        assert!(why.contains("the replay is refused") && why.contains("ANODE_CUDA_GRAPHS=0"), "{why}");
        assert!(found == expected && gpu.failure().is_none(), "replay {refused}");
    }
}

#[test]
fn a_refused_replay_is_reported_once_with_a_remedy() {
    let Some(gpu) = emulator::device(3, MEMORY) else { return };
    let net = Network::on(&Network::new(&small()), gpu.clone());
    let (images, theta) = (gpu.zeros(2 * 128), gpu.zeros(net.parameter_count()));
    let mut sweeps = net.capture::<f32>(2, solve("euler", 2, Method::Anode)).unwrap();
    gpu.driver().refused_replay.store(1, Ordering::Relaxed);
    sweeps.forward(&images, &theta).unwrap();
    let why = gpu.synchronize().unwrap_err().to_string();
    assert!(why.contains("the replay is refused") && why.contains("ANODE_CUDA_GRAPHS=0"), "{why}");
    gpu.synchronize().expect("the device has not failed");
    sweeps.forward(&images, &theta).unwrap();
    gpu.synchronize().expect("the next replay is executed");
}

#[test]
fn a_graph_that_leaves_too_little_memory_is_not_used() {
    let Some(roomy) = emulator::device(0, MEMORY) else { return };
    let (expected, _) = train(&roomy);
    let most = roomy.held().peak;
    let small = emulator::device(0, most).unwrap();
    let (found, state) = train(&small);
    assert!(found == expected && matches!(&state, CaptureState::Plain(why) if why.contains("memory")), "{state:?}");
}

#[test]
fn refused_captures_leave_the_device_usable() {
    let Some(gpu) = emulator::device(0, MEMORY) else { return };
    let x = gpu.upload(vec![1.0f32, 2.0]);
    let mut graph = anode::kernels::cuda::Graph::default();
    let said = |found: Result<(), anode::kernels::ComputeError>| found.unwrap_err().to_string();
    let refused = [
        said(gpu.capture(&mut graph, || drop(x.to_f64()))),
        said(gpu.capture(&mut graph, || drop(gpu.upload(vec![1.0f32])))),
        said(gpu.capture(&mut graph, || assert!(x.norm() >= 0.0))),
    ];
    for (why, what) in refused.iter().zip(["a copy from", "a copy to", "a copy from"]) {
        assert!(why.contains(what) && why.ends_with("the device cannot be captured in a graph"), "{why}");
    }
    let inner = gpu.capture(&mut graph, || said(gpu.capture(&mut Default::default(), || ())));
    assert!(inner.unwrap().contains("another capture"), "one capture at a time");
    let other = emulator::device(0, MEMORY).unwrap();
    let second = said(other.capture(&mut graph, || ()));
    assert!(second.contains("a second device"), "{second}");
    let mixed = gpu.capture(&mut graph, || other.upload(vec![3.0f32]).to_f64());
    assert_eq!(mixed.unwrap(), [3.0], "another device computes as before");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        gpu.capture(&mut Default::default(), || panic!("in the work"))
    }));
    assert!(panicked.is_err());
    assert_eq!(x.to_f64(), [1.0, 2.0], "the device stays usable");
    assert!(gpu.synchronize().is_ok());
    assert!(Cpu.capture(&mut (), || ()).unwrap_err().to_string().contains("does not capture"));

    let net = Network::on(&Network::new(&small()), gpu.clone());
    let adaptive = Steps::Adaptive(Adaptive::new(1e-2, 1e-2));
    let adaptive = Solve { tableau: solver("dormand-prince").unwrap(), steps: adaptive, method: Method::Anode };
    assert!(matches!(net.capture::<f32>(2, adaptive), Err(NetworkError::NotCaptured("adaptive steps"))));
    let mut sweeps = net.capture::<f32>(2, solve("euler", 2, Method::Anode)).unwrap();
    let theta = gpu.zeros(net.parameter_count());
    for (images, theta) in [(gpu.zeros(128), &theta), (gpu.zeros(256), &gpu.zeros(3))] {
        assert!(matches!(sweeps.forward(&images, theta), Err(NetworkError::Solve(_))));
    }
    assert!(matches!(sweeps.backward(&gpu.zeros(3), &Ledger::new()), Err(NetworkError::Solve(_))));
    let bar = gpu.zeros(2 * 5);
    let early = sweeps.backward(&bar, &Ledger::new()).unwrap_err().to_string();
    assert!(early.contains("needs a forward sweep"), "{early}");
    sweeps.forward(&gpu.zeros(256), &theta).unwrap();
    assert!(sweeps.backward(&bar, &Ledger::new()).is_ok());
    assert!(sweeps.backward(&bar, &Ledger::new()).is_err(), "its tapes are overwritten");
}

/// Takes a third step that overflows: without the overflow it would be captured. Returns whether it diverged, and why.
fn overflow<D: TrainingDevice>(device: &D, method: Method) -> (bool, String) {
    let host = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10));
    let theta: Vec<f32> = host.initial(5);
    let net = Arc::new(Network::on(&host, device.clone()));
    let mut learner = Learner::new(net, theta.clone(), 0.9, 0.0).unwrap();
    let (images, labels) = batch(0);
    let gradient =
        |learner: &Learner<D>| learner.gradient(images.clone(), &labels, solve("euler", 2, method), &Ledger::new());
    for _ in 0..2 {
        gradient(&learner).unwrap();
    }
    learner.set_theta(&theta.iter().map(|x| x * 1e20).collect::<Vec<_>>()).unwrap();
    let error = gradient(&learner).map(|_| ()).unwrap_err();
    device.synchronize().expect("the overflow was reported once");
    learner.set_theta(&theta).unwrap();
    gradient(&learner).expect("the device stays usable");
    (error.is_divergence(), error.to_string())
}

#[test]
fn an_overflow_is_a_divergence_with_every_method() {
    for method in [Method::Anode, Method::ReverseTime, Method::StoredAdjoint, Method::Leapfrog, Method::Reversible] {
        let Some(gpu) = emulator::device(0, MEMORY) else { return };
        let (expected, on_cpu) = overflow(&Cpu, method);
        let (found, on_gpu) = overflow(&gpu, method);
        assert!(expected && found, "{method}: {on_cpu}; {on_gpu}");
    }
}
