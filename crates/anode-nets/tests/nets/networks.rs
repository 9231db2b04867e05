//! Networks: counts of the papers, gradients against finite differences, the same bits everywhere.

use std::sync::{Arc, Mutex};

use super::kernels::numbers;
use anode_core::gradient::{Block, Ledger, Method};
use anode_core::ode::{At, DifferentiableField, Grid, Pass, SolveError, Vector, VectorField, solver};
use anode_nets::evolution::{Evaluation, Law, Memory, Terms};
use anode_nets::net::{
    Evolution, Form, LayerSpec, Mode, NETWORKS, NetSpec, Network, NetworkError, OdeField, Running, Segment,
    SegmentSpec, Sharing, Solve, Steps, Updates, WeightStepping, network,
};

fn solve(name: &str, steps: usize, method: Method) -> Solve {
    Solve { tableau: solver(name).unwrap(), steps: Steps::Fixed(steps), method }
}

fn built(name: &str, form: Form, width: usize, classes: usize) -> Network {
    Network::new(&(network(name).unwrap().build)(form, width, classes))
}

/// Logits and gradient for the cotangent `bar` of the logits.
fn gradient(net: &Network, images: &Vec<f64>, theta: &Vec<f64>, bar: &Vec<f64>, solve: Solve) -> (Vec<f64>, Vec<f64>) {
    let ledger = Ledger::new();
    let (logits, kept) = net.forward(images, theta, solve, &ledger).unwrap();
    let mut theta_bar = vec![0.0; theta.len()];
    net.backward(kept, theta, bar, &mut theta_bar, solve, &ledger).unwrap();
    assert_eq!(ledger.cost().live_bytes, 0, "everything kept is given back");
    (logits, theta_bar)
}

/// A small network with every kind of layer and segment.
fn small() -> NetSpec {
    let conv = |channels, stride, bias| LayerSpec::Conv { channels, kernel: [3, 3], stride, bias };
    NetSpec {
        input: [2, 8, 8],
        segments: vec![
            SegmentSpec::Plain(vec![conv(3, 1, true), LayerSpec::NormRelu, LayerSpec::MaxPool(2)]),
            SegmentSpec::Residual {
                main: vec![conv(3, 1, false), LayerSpec::NormRelu],
                shortcut: vec![LayerSpec::Relu],
            },
            SegmentSpec::Ode(vec![conv(3, 1, false), LayerSpec::NormRelu, conv(3, 1, false), LayerSpec::NormRelu]),
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

/// Central differences of `bar . logits` in every `every`-th parameter, at several distances: the nearest counts, since
/// a difference across the kink of a ReLU is no derivative.
fn differences_agree(
    net: &Network,
    (images, bar): (&Vec<f64>, &Vec<f64>),
    theta: &Vec<f64>,
    solve: Solve,
    every: usize,
    to: f64,
) {
    let (_, found) = gradient(net, images, theta, bar, solve);
    let value = |theta: &Vec<f64>| -> f64 {
        let logits = net.forward(images, theta, solve, &Ledger::new()).unwrap().0;
        logits.iter().zip(bar).map(|(y, w)| y * w).sum()
    };
    let scale = found.iter().fold(0.0f64, |m, g| m.max(g.abs()));
    for i in (0..theta.len()).step_by(every) {
        let at = |d: f64| {
            let mut moved = theta.to_vec();
            moved[i] += d;
            value(&moved)
        };
        let error = |d: f64| ((at(d) - at(-d)) / (2.0 * d) - found[i]).abs() / scale;
        // Truncation and rounding balance at different distances; the first is the usual one.
        let distances = [1e-5, 1e-4, 1e-6, 1e-7];
        assert!(distances.into_iter().any(|d| error(d) < to), "parameter {i}: {:?}", distances.map(error));
    }
}

#[test]
fn the_gradient_of_a_whole_network_agrees_with_finite_differences() {
    let net = Network::new(&small());
    let theta: Vec<f64> = net.initial(15);
    let (images, bar) = (numbers(16, 3 * 128), numbers(17, 15));
    for (name, method) in [("euler", Method::Full), ("heun", Method::Anode), ("rk4", Method::Revolve(2))] {
        let solve = solve(name, 2, method);
        differences_agree(&net, (&images, &bar), &theta, solve, 1, 1e-7);
    }
}

#[test]
fn every_network_has_the_gradient_of_finite_differences_in_both_forms() {
    for registered in NETWORKS {
        for form in [Form::Ode, Form::Baseline] {
            let width = registered.width_unit.max(2);
            let net = built(registered.name, form, width, 3);
            let theta: Vec<f64> = net.initial(22);
            let (images, bar) = (numbers(23, 2 * 3072), numbers(24, 6));
            let solve = solve("euler", 2, Method::Anode);
            differences_agree(&net, (&images, &bar), &theta, solve, theta.len() / 3, 1e-6);
        }
    }
}

#[test]
fn running_statistics_move_once_for_each_forward_evaluation_under_every_method() {
    let images = numbers(18, 3 * 128);
    let statistics = |method| {
        let net = Network::new(&small());
        let theta: Vec<f64> = net.initial(19);
        let solve = solve("rk4", 3, method);
        let ledger = Ledger::new();
        let (_, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
        let after_forward = net.statistics();
        net.backward(kept, &theta, &vec![1.0; 15], &mut vec![0.0; theta.len()], solve, &ledger).unwrap();
        assert_eq!(net.statistics(), after_forward, "{method}: a replay must not count again");
        after_forward
    };
    let full = statistics(Method::Full);
    for method in [Method::Anode, Method::Uniform(2), Method::Revolve(2), Method::ReverseTime, Method::StoredAdjoint] {
        assert_eq!(statistics(method), full, "{method}");
    }
}

#[test]
fn a_field_that_moves_a_state_gives_the_bits_of_an_evaluation_and_an_axpy() {
    for (name, width) in [("resnet4", 4), ("sqnxt", 8), ("alexnet", 8)] {
        let net = built(name, Form::Ode, width, 10);
        let theta: Vec<f32> = net.initial(30);
        let chains = net.segments().iter().filter_map(|segment| match segment {
            Segment::Ode(chain, _) => Some(chain.clone()),
            _ => None,
        });
        for chain in chains {
            let field = || {
                let statistics = Arc::new(Mutex::new(Running::new(net.statistics())));
                (
                    OdeField::<f32>::new(chain.clone(), statistics.clone(), Mode::Training(Updates::default())),
                    statistics,
                )
            };
            let theta = theta[chain.parameters.clone()].to_vec();
            let z: Vec<f32> = numbers(31, 3 * chain.input_len).into_iter().map(|x| x as f32).collect();
            let at = At { t: 0.0, step: 0, stage: 0, pass: Pass::Forward };
            let ((plain, statistics), mut dz, mut end) = (field(), vec![0.0; z.len()], z.clone());
            plain.eval(at, &z, &theta, &mut dz).unwrap();
            assert!(end.axpy_is_finite(0.3, &dz));

            let ((moving, moved_statistics), mut moved) = (field(), z.clone());
            assert!(moving.advance(at, &mut moved, &theta, 0.3).unwrap().unwrap());
            assert!(moved == end && statistics.lock().unwrap().kept == moved_statistics.lock().unwrap().kept, "{name}");
            let mut taped = z.clone();
            let (tape, finite) = moving.advance_taped(at, &mut taped, &theta, 0.3).unwrap().unwrap();
            assert!(finite && taped == end, "{name}");

            let expected = plain.eval_taped(at, &z, &theta, &mut dz).unwrap();
            assert_eq!(plain.tape_bytes(&expected), plain.tape_bytes(&tape));
            let mut bars = (vec![0.0; z.len()], vec![0.0; theta.len()]);
            plain.vjp(&expected, &theta, &z, &mut bars.0, &mut bars.1).unwrap();
            let mut theta_bar = vec![0.0; theta.len()];
            let (z_bar, _) =
                plain.vjp_consuming(tape, &theta, z.clone(), Some(vec![7.0; z.len()]), &mut theta_bar).unwrap();
            assert!(bars == (z_bar, theta_bar), "{name}");
            let mut wild = z.clone();
            wild[5] = f32::NAN;
            assert_eq!(moving.advance(at, &mut wild, &theta, 0.3), Some(Ok(false)), "{name}");
        }
    }
}

#[test]
fn networks_have_the_parameters_and_multiply_adds_of_the_papers() {
    let counts = [
        ("resnet4", 7_706),
        ("resnet10", 44_186),
        ("resnet18", 11_173_962),
        ("sqnxt", 461_466),
        ("alexnet", 1_756_682),
    ];
    for (name, count) in counts {
        let width = network(name).unwrap().width;
        for form in [Form::Ode, Form::Baseline] {
            assert_eq!(built(name, form, width, 10).parameter_count(), count, "{name} {form:?}");
        }
        let features = built(name, Form::Ode, width, 10).parameters().iter().rev().nth(1).unwrap().shape[1];
        assert_eq!(
            built(name, Form::Ode, width, 100).parameter_count(),
            count + 90 * (features + 1),
            "{name}, 100 classes"
        );
    }
    // ANODE, section 7: the part outside the ODE blocks, and one evaluation of all four fields.
    for (name, outside, field) in [("resnet18", 253.4e6, 302.0e6), ("sqnxt", 15.1e6, 9.44e6)] {
        let net = built(name, Form::Ode, network(name).unwrap().width, 10);
        let (one, two) = (net.macs(1, 1) as f64, net.macs(1, 2) as f64);
        assert!(((two - one) / field - 1.0).abs() < 0.005, "{name}: {}", two - one);
        assert!(((2.0 * one - two) / outside - 1.0).abs() < 0.005, "{name}: {}", 2.0 * one - two);
    }
}

#[test]
fn initial_values_are_those_of_the_released_code() {
    let largest = |net: &Network, name: &str| {
        let theta: Vec<f64> = net.initial(1);
        let place = net.parameters().iter().find(|p| p.name == name).unwrap();
        theta[place.range.clone()].iter().fold(0.0f64, |m, x| m.max(x.abs()))
    };
    // Xavier's uniform with gain sqrt 2, bias 0; U(+-1/sqrt(fan in)) without bias.
    let net = built("sqnxt", Form::Ode, 64, 10);
    let bound = 2f64.sqrt() * (6.0 / f64::from((3 + 64) * 9)).sqrt();
    assert!((0.98..=1.0).contains(&(largest(&net, "segment0.layer0.weight") / bound)));
    assert_eq!(largest(&net, "segment0.layer0.bias"), 0.0);
    let net = built("resnet18", Form::Ode, 64, 10);
    assert!((0.98..=1.0).contains(&(largest(&net, "segment0.layer0.weight") * 27f64.sqrt())));
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let gradient = || {
        let net = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10));
        let theta: Vec<f32> = net.initial(20);
        let images: Vec<f32> = numbers(21, 21 * 3072).into_iter().map(|x| x as f32).collect();
        let solve = Solve { tableau: solver("midpoint").unwrap(), steps: Steps::Fixed(2), method: Method::Anode };
        let (logits, kept) = net.forward(&images, &theta, solve, &Ledger::new()).unwrap();
        let mut bar = vec![0.0; theta.len()];
        net.backward(kept, &theta, &vec![0.1; logits.len()], &mut bar, solve, &Ledger::new()).unwrap();
        logits.into_iter().chain(bar).map(f32::to_bits).collect::<Vec<_>>()
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(gradient);
    let one = on(1);
    assert!(on(2) == one && on(3) == one && on(5) == one);
}

fn evolution(stepping: WeightStepping, terms: Terms) -> Evolution {
    let law = Law::new(terms);
    let (sharing, memory) = (Sharing::Channel, Memory::None);
    Evolution { law, sharing, stepping, memory, evaluation: Evaluation::Steps, allow_unstable: false }
}

const STEPPINGS: [WeightStepping; 3] =
    [WeightStepping::Together, WeightStepping::Matching { weight_steps: 3 }, WeightStepping::Final { weight_steps: 3 }];

#[test]
fn networks_with_evolving_weights_have_the_gradient_of_finite_differences() {
    let (images, bar) = (numbers(25, 3 * 128), numbers(26, 15));
    for stepping in STEPPINGS {
        let solve = solve("heun", 2, Method::Anode);
        let net = Network::new(&small()).with_evolution(evolution(stepping, Terms::Rda), solve).unwrap();
        // Two convolutions of three channels, four coefficients each.
        assert_eq!(net.parameter_count(), net.weight_count() + 24);
        let mut theta: Vec<f64> = net.initial(27);
        assert!(theta[net.weight_count()..].iter().all(|p| *p == 0.0), "it starts as a neural ODE");
        for (p, draw) in theta[net.weight_count()..].iter_mut().zip(numbers(28, 24)) {
            *p = 0.1 * draw;
        }
        differences_agree(&net, (&images, &bar), &theta, solve, 1, 1e-7);
        let full = gradient(&net, &images, &theta, &bar, Solve { method: Method::Full, ..solve });
        assert!(full == gradient(&net, &images, &theta, &bar, solve), "the same bits under every schedule");
    }
}

#[test]
fn weights_that_do_not_evolve_give_the_bits_of_the_plain_network() {
    let (images, bar) = (numbers(29, 3 * 128), numbers(30, 15));
    let plain = Network::new(&small());
    let theta: Vec<f64> = plain.initial(31);
    for stepping in STEPPINGS {
        for method in [Method::Full, Method::Anode, Method::ReverseTime] {
            let solve = solve("euler", 3, method);
            let net = Network::new(&small()).with_evolution(evolution(stepping, Terms::Constant), solve).unwrap();
            let plain = Network::new(&small());
            assert!(gradient(&net, &images, &theta, &bar, solve) == gradient(&plain, &images, &theta, &bar, solve));
            assert_eq!(net.statistics(), plain.statistics());
            let evaluated = |net: &Network| net.evaluate(&images, &theta, solve).unwrap();
            assert_eq!(evaluated(&net), evaluated(&plain));
        }
    }
}

#[test]
fn steps_may_have_batch_norms_of_their_own() {
    let (images, bar) = (numbers(32, 3 * 128), numbers(33, 15));
    // Two more norms of three channels.
    let net = Network::with_norms(&small(), 2);
    assert_eq!(net.parameter_count(), Network::new(&small()).parameter_count() + 12);
    let mut theta: Vec<f64> = net.initial(34);
    for (x, draw) in theta.iter_mut().zip(numbers(35, net.parameter_count())) {
        *x += 0.1 * draw;
    }
    let evolving_theta = [theta.clone(), vec![0.1; 24]].concat();
    let full = solve("heun", 2, Method::Full);
    let evolving = |solve| {
        let net = Network::with_norms(&small(), 2);
        net.with_evolution(evolution(WeightStepping::Together, Terms::Rda), solve).unwrap()
    };
    differences_agree(&net, (&images, &bar), &theta, full, 1, 1e-7);
    differences_agree(&evolving(full), (&images, &bar), &evolving_theta, full, 3, 1e-7);
    let exact = gradient(&net, &images, &theta, &bar, full);
    let exact_evolving = gradient(&evolving(full), &images, &evolving_theta, &bar, full);
    for method in [Method::Full, Method::Anode, Method::Revolve(1)] {
        let solve = Solve { method, ..full };
        let net = Network::with_norms(&small(), 2);
        let before = net.statistics();
        assert!(gradient(&net, &images, &theta, &bar, solve) == exact, "{method} is not bit-identical");
        assert!(
            net.statistics().iter().zip(&before).all(|(a, b)| a != b),
            "every step has statistics, and all have moved"
        );
        assert!(gradient(&evolving(solve), &images, &evolving_theta, &bar, solve) == exact_evolving, "{method}");
    }
    // ANODEV2, section 4 of the experiments: 7,706 and four more sets of the block's 64 parameters.
    let spec = (network("resnet4").unwrap().build)(Form::Ode, 16, 10);
    assert_eq!(Network::with_norms(&spec, 5).parameter_count(), 7_962);
}

#[test]
fn vectors_that_do_not_fit_the_network_are_refused() {
    let net = Network::new(&small());
    let solve = solve("heun", 2, Method::Anode);
    let (images, theta) = (numbers(40, 3 * 128), net.initial::<f64>(41));
    let said = |found: Result<(), NetworkError>| match found {
        Err(error @ (NetworkError::Solve(SolveError::Argument(_)) | NetworkError::Images { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let backward = |theta_of: &Vec<f64>, bar: usize, theta_bar: usize| {
        let (logits, kept) = net.forward(&images, &theta, solve, &Ledger::new()).unwrap();
        assert_eq!(logits.len(), 15);
        net.backward(kept, theta_of, &vec![1.0; bar], &mut vec![0.0; theta_bar], solve, &Ledger::new())
    };
    let n = theta.len();
    backward(&theta, 15, n).unwrap();
    for wrong in [&theta[1..].to_vec(), &[&theta[..], &[0.0]].concat(), &vec![]] {
        assert!(said(net.forward(&images, wrong, solve, &Ledger::new()).map(|_| ())).contains("theta"));
        assert!(said(net.evaluate(&images, wrong, solve).map(|_| ())).contains("theta"));
        assert!(said(net.reversal_errors(&images, wrong, solve).map(|_| ())).contains("theta"));
        assert!(said(backward(wrong, 15, n)).contains("theta"));
        assert!(said(backward(&theta, 15, wrong.len())).contains("gradient for theta"));
    }
    let before = net.statistics();
    for wrong in [&images[1..].to_vec(), &vec![0.0], &vec![]] {
        assert!(said(net.forward(wrong, &theta, solve, &Ledger::new()).map(|_| ())).contains("images"));
        assert!(said(net.evaluate_batch(wrong, &theta, solve).map(|_| ())).contains("images"));
        assert!(said(net.recalibrated(true, &theta, solve, [wrong.clone()]).map(|_| ())).contains("images"));
    }
    // An empty batch has no statistics, and leaves the running ones.
    assert_eq!(net.statistics(), before);
    let Segment::Ode(chain, _) = &net.segments()[2] else { panic!("an ODE block") };
    let running = Arc::new(Mutex::new(Running::new(before.clone())));
    let field = OdeField::<f64>::new(chain.clone(), running.clone(), Mode::Training(Updates::default()));
    let block = Block { field: &field, tableau: solve.tableau, grid: Grid::unit(2) };
    let own = theta[chain.parameters.clone()].to_vec();
    let refused = Method::Full.forward(&block, &vec![], &own, &Ledger::new()).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("state: length 0, expected a positive multiple of"), "{refused}");
    let uneven = vec![0.5; chain.input_len + 5];
    let refused = Method::Full.forward(&block, &uneven, &own, &Ledger::new()).map(|_| ()).unwrap_err().to_string();
    let (found, image) = (chain.input_len + 5, chain.input_len);
    assert!(refused.contains(&format!("length {found}, expected a positive multiple of {image}")), "{refused}");
    assert_eq!(running.lock().unwrap().kept, before);
    for wrong in [14, 16, 0] {
        assert!(said(backward(&theta, wrong, n)).contains("cotangent"));
    }
    let statistics = net.statistics();
    assert!(said(net.set_statistics(&statistics[1..])).contains("statistics"));
    assert_eq!(net.statistics(), statistics);
}

#[test]
fn a_field_with_running_statistics_refuses_the_gradient_that_it_has_not() {
    // The state and the field of the first ODE block with batch norm.
    let net = Network::new(&small());
    let Segment::Ode(chain, _) = &net.segments()[2] else { panic!("an ODE block") };
    let theta = numbers(61, chain.parameters.len());
    let running = || Arc::new(Mutex::new(Running::new(net.statistics())));
    let z = numbers(60, 2 * chain.input_len);
    for (method, name) in [(Method::Full, "euler"), (Method::Anode, "heun"), (Method::Leapfrog, "euler")] {
        let gradient = |mode| {
            let field = OdeField::<f64>::new(chain.clone(), running(), mode);
            let block = Block { field: &field, tableau: solver(name).unwrap(), grid: Grid::unit(2) };
            method.gradient(&block, &z, &theta, |end| end.clone())
        };
        let refused = gradient(Mode::Evaluation).unwrap_err().to_string();
        assert!(refused.contains("running statistics") && refused.contains("`Training`"), "{refused}");
        assert!(gradient(Mode::Watching).unwrap().theta.iter().all(|x| x.is_finite()));
    }
    // Without batch norm, there is nothing to refuse.
    let conv = LayerSpec::Conv { channels: 1, kernel: [1, 1], stride: 1, bias: false };
    let net = Network::new(&NetSpec { input: [1, 1, 1], segments: vec![SegmentSpec::Ode(vec![conv])] });
    let Segment::Ode(chain, _) = &net.segments()[0] else { panic!("an ODE block") };
    let field = OdeField::<f64>::new(chain.clone(), running(), Mode::Evaluation);
    let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(2) };
    let found = Method::Full.gradient(&block, &vec![1.0], &vec![1.0], |_| vec![1.0]).unwrap();
    assert_eq!((found.z0, found.theta), (vec![2.25], vec![1.5]));
}

#[test]
fn an_evaluation_takes_the_steps_of_training_under_every_method() {
    // One ODE block with f(z) = w z and w = 1: two Euler steps give 1.5^2, two leapfrog steps 2.625, and two reversible
    // Euler steps 0.999 * 1.5 + 0.001 * 1.75 + 0.875.
    let conv = LayerSpec::Conv { channels: 1, kernel: [1, 1], stride: 1, bias: false };
    let spec = NetSpec { input: [1, 1, 1], segments: vec![SegmentSpec::Ode(vec![conv])] };
    let (image, theta) = (vec![1.0f64], vec![1.0f64]);
    for (method, expected) in [(Method::Anode, 2.25), (Method::Leapfrog, 2.625), (Method::Reversible, 2.37525)] {
        let solve = solve("euler", 2, method);
        let net = Network::new(&spec);
        let trained = net.forward(&image, &theta, solve, &Ledger::new()).unwrap().0;
        assert!((trained[0] - expected).abs() < 1e-15, "{method}: {trained:?}");
        let recalibrated = net.recalibrated(false, &theta, solve, [image.clone()]).unwrap();
        let found = [
            net.evaluate(&image, &theta, solve).unwrap(),
            net.evaluate_batch(&image, &theta, solve).unwrap(),
            recalibrated.evaluate(&image, &theta, solve).unwrap(),
        ];
        assert_eq!(found, [(); 3].map(|()| trained.clone()), "{method}");
        // The unknowns of the evolution are 0, so the weight stays.
        let evolution = evolution(WeightStepping::Together, Terms::Rda);
        let net = Network::new(&spec).with_evolution(evolution, solve).unwrap();
        let theta: Vec<f64> = [1.0].into_iter().chain(vec![0.0; net.parameter_count() - 1]).collect();
        let trained = net.forward(&image, &theta, solve, &Ledger::new()).unwrap().0;
        assert_eq!(net.evaluate(&image, &theta, solve).unwrap(), trained, "{method}, evolving weights");
    }
}

#[test]
fn a_reversal_error_is_that_of_the_solver_of_the_method() {
    // f(z) = z from the ends above: two Euler steps back multiply by 0.5^2, and two leapfrog steps back, which start
    // with the velocity f(z(1)), end at 0.984375.
    let conv = LayerSpec::Conv { channels: 1, kernel: [1, 1], stride: 1, bias: false };
    let net = Network::new(&NetSpec { input: [1, 1, 1], segments: vec![SegmentSpec::Ode(vec![conv])] });
    for (method, back) in [(Method::Anode, 2.25 / 4.0), (Method::Leapfrog, 0.984375)] {
        let rho = net.reversal_errors(&vec![1.0f64], &vec![1.0], solve("euler", 2, method)).unwrap();
        assert_eq!(rho, [1.0 - back], "{method}");
        let found = net.reversals(&vec![1.0f64], &vec![1.0], solve("euler", 2, method)).unwrap();
        assert_eq!(
            (found[0].shape, &found[0].start[..], found[0].back.as_deref()),
            ([1; 3], &[1.0][..], Some(&[back][..]))
        );
    }
}

#[test]
fn definitions_whose_layers_do_not_fit_are_refused() {
    let conv = |channels, kernel, stride| LayerSpec::Conv { channels, kernel, stride, bias: false };
    let same = conv(16, [3, 3], 1);
    let plain = |part| SegmentSpec::Plain(vec![part]);
    for (segment, why) in [
        (SegmentSpec::Ode(vec![conv(32, [3, 3], 1), LayerSpec::NormRelu]), "ODE block from [16, 8, 8] to [32, 8, 8]"),
        (SegmentSpec::Ode(vec![conv(16, [3, 3], 2)]), "ODE block from [16, 8, 8] to [16, 4, 4]"),
        (
            SegmentSpec::Residual { main: vec![conv(32, [3, 3], 1)], shortcut: vec![] },
            "main path that ends in [32, 8, 8] and a shortcut that ends in [16, 8, 8]",
        ),
        (
            SegmentSpec::Residual { main: vec![same], shortcut: vec![conv(16, [1, 1], 2)] },
            "main path that ends in [16, 8, 8] and a shortcut that ends in [16, 4, 4]",
        ),
        (plain(LayerSpec::MaxPool(3)), "windows of 3 x 3"),
        (plain(LayerSpec::AveragePool(0)), "windows of 0 x 0"),
        (plain(conv(16, [3, 3], 0)), "stride of 0"),
        (plain(conv(16, [0, 3], 1)), "kernel of [0, 3]"),
        (plain(conv(16, [31, 3], 1)), ""),
        (plain(conv(0, [3, 3], 1)), "no outputs"),
    ] {
        let spec = NetSpec { input: [3, 8, 8], segments: vec![plain(same), segment, plain(LayerSpec::Linear(10))] };
        if why.is_empty() {
            spec.check().unwrap();
            continue;
        }
        let refused = spec.check().unwrap_err().to_string();
        assert!(refused.starts_with("segment 1 of the network") && refused.contains(why), "{refused}");
        let panic = std::panic::catch_unwind(|| Network::new(&spec).classes()).unwrap_err();
        assert!(panic.downcast_ref::<String>().is_some_and(|text| text.contains(why)));
    }
    for registered in NETWORKS {
        for form in [Form::Ode, Form::Baseline] {
            (registered.build)(form, registered.width_unit, 10).check().unwrap();
        }
    }
    small().check().unwrap();
}

#[test]
fn coefficients_of_parameters_that_do_not_fit_are_refused() {
    let solve = solve("euler", 2, Method::Anode);
    let net = Network::new(&small()).with_evolution(evolution(WeightStepping::Together, Terms::Rda), solve).unwrap();
    let theta = net.initial::<f32>(27);
    // Two convolutions of three channels, whose coefficients are named once for each convolution.
    assert_eq!(net.coefficients(&theta).unwrap().len(), 8);
    for wrong in [&theta[1..], &[]] {
        let refused = net.coefficients(wrong).unwrap_err().to_string();
        assert!(refused.contains("theta: length"), "{refused}");
    }
}

#[test]
fn weights_that_evolve_already_are_refused() {
    let solve = solve("euler", 2, Method::Anode);
    let net = Network::new(&small()).with_evolution(evolution(WeightStepping::Together, Terms::Rda), solve).unwrap();
    let refused = net.with_evolution(evolution(WeightStepping::Together, Terms::Rda), solve).err().unwrap();
    assert!(refused.to_string().contains("evolve already"), "{refused}");
}

#[test]
fn kernels_with_even_sides_are_refused() {
    for kernel in [[2, 2], [3, 4], [0, 1]] {
        let conv = LayerSpec::Conv { channels: 1, kernel, stride: 1, bias: false };
        let spec = NetSpec { input: [1, 4, 4], segments: vec![SegmentSpec::Plain(vec![conv])] };
        let refused = spec.check().unwrap_err().to_string();
        assert!(refused.contains("allowed: odd sides"), "{refused}");
    }
}

#[test]
#[should_panic(expected = "a kernel of [4, 4] with even sides")]
fn a_convolution_field_with_an_even_kernel_is_refused_when_it_is_made() {
    anode_nets::problems::ConvField::<f64>::new([1, 4, 4], 4, anode_kernels::Activation::Tanh);
}
