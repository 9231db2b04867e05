//! Networks whose blocks take adaptive steps: gradients, running statistics, limits.

use std::sync::Arc;

use super::kernels::numbers;
use anode_core::gradient::{Cost, GradientError, Ledger, Method};
use anode_core::ode::{Adaptive, Controller, relative_distance, solver};
use anode_nets::data::{DataSet, synthetic};
use anode_nets::net::{Form, LayerSpec, NetSpec, Network, NetworkError, SegmentSpec, Solve, Steps, network};
use anode_nets::train::{PastSteps, Rate, Recipe, TrainError, Trainer, resume, save};

/// One ODE block between a stem and a head, with `inner` after the first convolution of f.
fn small(inner: LayerSpec) -> NetSpec {
    let conv = |channels| LayerSpec::Conv { channels, kernel: [3, 3], stride: 1, bias: true };
    NetSpec {
        input: [2, 6, 6],
        segments: vec![
            SegmentSpec::Plain(vec![conv(3), LayerSpec::NormRelu]),
            SegmentSpec::Ode(vec![conv(3), inner, conv(3), LayerSpec::Norm]),
            SegmentSpec::Plain(vec![LayerSpec::AveragePool(6), LayerSpec::Linear(4)]),
        ],
    }
}

fn control(tolerance: f64) -> Adaptive {
    Adaptive { rtol: tolerance, atol: tolerance, controller: Controller::Torchdiffeq, max_steps: 1000 }
}

fn adaptive(tolerance: f64, method: Method) -> Solve {
    Solve { tableau: solver("dormand-prince").unwrap(), steps: Steps::Adaptive(control(tolerance)), method }
}

struct Found {
    logits: Vec<f64>,
    gradient: Vec<f64>,
    forward: Cost,
    cost: Cost,
    statistics: Vec<f64>,
}

fn gradient(inner: LayerSpec, solve: Solve) -> Found {
    let net = Network::new(&small(inner));
    let theta: Vec<f64> = net.initial(3);
    let ledger = Ledger::new();
    let (logits, kept) = net.forward(&numbers(4, 5 * 72), &theta, solve, &ledger).unwrap();
    let (forward, statistics) = (ledger.cost(), net.statistics());
    let mut gradient = vec![0.0; theta.len()];
    net.backward(kept, &theta, &numbers(5, 20), &mut gradient, solve, &ledger).unwrap();
    assert_eq!(net.statistics(), statistics, "{}: the way back must not count", solve.method);
    assert_eq!(ledger.cost().live_bytes, 0, "{}: everything kept is given back", solve.method);
    Found { logits, gradient, forward, cost: ledger.cost(), statistics }
}

#[test]
fn gradients_of_adaptive_steps_tend_to_those_of_many_fixed_steps() {
    let fixed = Solve { tableau: solver("rk4").unwrap(), steps: Steps::Fixed(4000), method: Method::Anode };
    // No ReLU inside f: its kinks would bound the order of the steps.
    let truth = gradient(LayerSpec::Norm, fixed);
    for method in [Method::Anode, Method::ReverseTime, Method::InterpolatedAdjoint] {
        let errors = [1e-4, 1e-7, 1e-10].map(|tolerance| {
            let found = gradient(LayerSpec::Norm, adaptive(tolerance, method));
            let logits = relative_distance(&found.logits, &truth.logits);
            (logits, relative_distance(&found.gradient, &truth.gradient))
        });
        let falls = |of: fn(&(f64, f64)) -> f64| of(&errors[2]) < 1e-8 && of(&errors[2]) < 1e-3 * of(&errors[0]);
        assert!(falls(|e| e.0) && falls(|e| e.1), "{method}: {errors:?}");
    }
}

#[test]
fn exact_methods_agree_to_the_last_bit_and_reverse_time_is_another_gradient() {
    let anode = gradient(LayerSpec::NormRelu, adaptive(1e-3, Method::Anode));
    for snapshots in [1, 2, 5] {
        let found = gradient(LayerSpec::NormRelu, adaptive(1e-3, Method::Online(snapshots)));
        assert!(found.logits == anode.logits && found.gradient == anode.gradient, "online:{snapshots}");
    }
    assert_eq!((anode.cost.reverse_steps, anode.cost.rejected_reverse_steps), (0, 0));
    let reverse = gradient(LayerSpec::NormRelu, adaptive(1e-3, Method::ReverseTime));
    assert!(reverse.logits == anode.logits && reverse.cost.reverse_steps > 0);
    let distance = relative_distance(&reverse.gradient, &anode.gradient);
    assert!(distance > 1e-6 && distance < 0.1, "{distance}");
}

#[test]
fn every_forward_evaluation_updates_the_running_statistics_rejected_steps_too() {
    let solve = adaptive(1e-6, Method::Anode);
    let found = gradient(LayerSpec::NormRelu, solve);
    assert!(found.forward.rejected_steps > 0, "the sweep rejects steps: {:?}", found.forward);
    let attempts = found.forward.forward_steps + found.forward.rejected_steps;
    // Two evaluations find the first step size, the first of which also begins the first step.
    assert_eq!(found.forward.function_evaluations, 2 + 6 * attempts);
    // What was there before fades by 0.9 with each update.
    let net = Network::new(&small(LayerSpec::NormRelu));
    let theta: Vec<f64> = net.initial(3);
    let other: Vec<f64> = net.statistics().iter().map(|x| x + 1e9).collect();
    net.set_statistics(&other).unwrap();
    net.forward(&numbers(4, 5 * 72), &theta, solve, &Ledger::new()).unwrap();
    let left = net.statistics().iter().zip(&found.statistics).map(|(a, b)| (a - b) / 1e9).fold(1.0, f64::min);
    let updates = left.ln() / 0.9f64.ln();
    assert!((updates - found.forward.function_evaluations as f64).abs() < 1e-3, "{updates} {:?}", found.forward);
}

#[test]
fn evaluation_takes_adaptive_steps_and_changes_no_statistics() {
    let net = Network::new(&small(LayerSpec::NormRelu));
    let theta: Vec<f64> = net.initial(3);
    let before = net.statistics();
    let images = numbers(4, 5 * 72);
    let fixed = Solve { tableau: solver("rk4").unwrap(), steps: Steps::Fixed(4000), method: Method::Anode };
    let truth = net.evaluate(&images, &theta, fixed).unwrap();
    let error = |tolerance| {
        relative_distance(&net.evaluate(&images, &theta, adaptive(tolerance, Method::Anode)).unwrap(), &truth)
    };
    // The norm is a mean over all numbers of the batch, so an error at the kink of one of them is bounded less tightly.
    let (loose, tight, tighter) = (error(1e-2), error(1e-9), error(1e-10));
    assert!(loose > 0.0 && tight < 1e-6 && tight < loose, "{loose:e} {tight:e}");
    assert!(tighter < 0.5 * tight, "{tight:e} {tighter:e}");
    let rho = |tolerance| net.reversal_errors(&images, &theta, adaptive(tolerance, Method::Anode)).unwrap();
    let (loose, tight) = (rho(1e-2), rho(1e-9));
    assert!(loose.len() == 1 && tight[0] < 1e-6 && tight[0] < loose[0], "{loose:?} {tight:?}");
    assert_eq!(net.statistics(), before);
}

#[test]
fn choices_that_need_fixed_steps_are_refused() {
    let net = Network::new(&small(LayerSpec::NormRelu));
    let theta: Vec<f64> = net.initial(3);
    let refused = net.forward(&numbers(4, 5 * 72), &theta, adaptive(1e-3, Method::Full), &Ledger::new());
    assert!(matches!(refused.err(), Some(NetworkError::Gradient(GradientError::StepCountNeeded { .. }))));
    let solve = adaptive(1e-3, Method::ReverseTime);
    let norms = Network::with_norms(&small(LayerSpec::NormRelu), 2);
    let own: Vec<f64> = norms.initial(3);
    let refused = norms.forward(&numbers(4, 5 * 72), &own, solve, &Ledger::new());
    assert!(matches!(refused.err(), Some(NetworkError::NoFixedEvaluations)));
    let refused = norms.evaluate(&numbers(4, 5 * 72), &own, solve);
    assert!(matches!(refused.err(), Some(NetworkError::NoFixedEvaluations)));
    let (logits, kept) = net.forward(&numbers(4, 5 * 72), &theta, solve, &Ledger::new()).unwrap();
    let fixed = Solve { steps: Steps::Fixed(2), ..solve };
    let refused = net.backward(kept, &theta, &logits, &mut vec![0.0; theta.len()], fixed, &Ledger::new());
    assert!(refused.unwrap_err().to_string().contains("adaptive"));
}

fn trainer(mut set: DataSet, control: Adaptive, method: Method) -> Trainer {
    set.train.truncate(36);
    set.test.truncate(20);
    let recipe = Recipe {
        solve: Solve { steps: Steps::Adaptive(control), ..adaptive(1e-3, method) },
        epochs: 3,
        batch: 12,
        learning_rate: 0.05,
        rate: Rate::Drops(vec![]),
        momentum: 0.9,
        weight_decay: 0.0,
        momentum_restart: false,
        augment: false,
        random_error: None,
        seed: 7,
    };
    let net = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10));
    Trainer::new(net, Arc::new(set), recipe).unwrap()
}

#[test]
fn a_training_on_adaptive_steps_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = || trainer(synthetic(), control(1e-3), Method::ReverseTime);
    let (mut whole, mut parts) = (fresh(), fresh());
    for step in 0..5 {
        if step == 2 {
            save(&parts, folder.path(), "run", &PastSteps::default()).unwrap();
            parts = fresh();
            resume(&mut parts, folder.path(), "run", |_, _| true).unwrap();
        }
        let (a, b) = (whole.step().unwrap(), parts.step().unwrap());
        assert_eq!(a, b);
        assert!(a.cost.forward_steps > 0 && a.cost.reverse_steps > 0, "{:?}", a.cost);
    }
    assert_eq!(whole.theta(), parts.theta());
    assert_eq!(whole.evaluate().unwrap(), parts.evaluate().unwrap());
}

#[test]
fn measuring_the_gradient_of_adaptive_steps_changes_nothing_and_a_tighter_tolerance_brings_it_nearer() {
    let errors = [1e-2, 1e-5].map(|tolerance| {
        let fresh = || trainer(synthetic(), control(tolerance), Method::Online(2));
        let (mut measured, mut plain) = (fresh(), fresh());
        let quality = measured.quality().unwrap();
        assert_eq!(measured.step().unwrap(), plain.step().unwrap());
        assert_eq!((measured.theta(), measured.evaluate().unwrap()), (plain.theta(), plain.evaluate().unwrap()));
        [quality.relative_error, quality.reversal_error]
    });
    assert!((0..2).all(|i| errors[1][i] > 0.0 && errors[1][i] < errors[0][i] && errors[0][i] < 0.5), "{errors:?}");
}

#[test]
fn a_solve_beyond_its_limits_is_a_divergence_that_names_its_cause() {
    let diverged = |mut trainer: Trainer| match trainer.step() {
        Err(TrainError::Diverged { step: 0, loss, cause: Some(cause), .. }) => Some((loss, cause)),
        Ok(_) => None,
        other => panic!("{other:?}"),
    };
    let reverse = |control| trainer(synthetic(), control, Method::ReverseTime);
    let (loss, cause) = diverged(reverse(Adaptive { max_steps: 2, ..control(1e-6) })).unwrap();
    assert!(loss.is_nan() && cause.starts_with("forward: 2 steps were attempted"), "{cause}");
    // Where rounding limits the error, the way back of state, adjoint and gradient takes more steps than the way there.
    let tight = Adaptive { controller: Controller::ProportionalIntegral, ..control(1e-8) };
    let free = reverse(tight).step().unwrap();
    let there = free.cost.forward_steps + free.cost.rejected_steps;
    assert!(free.cost.reverse_steps > there, "{:?}", free.cost);
    let (loss, cause) = diverged(reverse(Adaptive { max_steps: there as usize, ..tight })).unwrap();
    assert!(
        loss == free.loss && cause.starts_with(&format!("backward: {there} steps were attempted")),
        "{loss} {cause}"
    );
    let mut set = synthetic();
    set.deviation = [1e-60; 3];
    let (_, cause) = diverged(trainer(set, control(1e-3), Method::Anode)).unwrap();
    assert!(cause.contains("the start of the solve"), "{cause}");
}
