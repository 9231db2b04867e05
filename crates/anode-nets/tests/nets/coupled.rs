//! The coupled block of ANODEV2: its values, its exact adjoint, and the optimality system beside it.

use std::sync::{Arc, Mutex};

use super::block_gradients::{finite_differences, gradient, numbers, slope};
use anode_core::gradient::{Block, Ledger, Method};
use anode_core::ode::{
    ClosureField, DifferentiableField, Grid, Pair, Real, Stack, Vector, integrate, relative_distance, solver,
};
use anode_kernels::Activation;
use anode_nets::evolution::{
    Configuration, CoupledBlock, CoupledField, Coupling, Diffusion, Evaluation, EvolutionError, History, Law, Memory,
    Piece, Reading, Sigma, Symbol, Terms, UnstableSteps, WeightField,
};
use anode_nets::net::{Form, Kind, Mode, Network, OdeField, Running, Segment, Updates, network};
use anode_nets::problems::ConvField;

const SIGMAS: [Sigma; 5] = [Sigma::Identity, Sigma::Tanh, Sigma::Sigmoid, Sigma::Relu, Sigma::Softplus];

/// The methods that take the steps of the tableau and give their exact gradient.
const SCHEDULES: [Method; 6] =
    [Method::Full, Method::Anode, Method::Uniform(2), Method::Revolve(2), Method::Online(2), Method::Within(1 << 30)];

const CONFIGURATIONS: [Configuration; 4] = [
    Configuration::Together { steps: 3 },
    Configuration::First { steps: 3, weight_steps: 4, reading: Reading::Matching },
    Configuration::First { steps: 2, weight_steps: 4, reading: Reading::Matching },
    Configuration::First { steps: 2, weight_steps: 3, reading: Reading::Final },
];

const MEMORIES: [Memory; 5] = [
    Memory::None,
    Memory::Exponential { rate: 2.0, history: History::Rest },
    Memory::Exponential { rate: 2.0, history: History::Zero },
    Memory::Box { width: 0.4, history: History::Rest },
    Memory::Box { width: 0.15, history: History::Zero },
];

/// A convolution of two channels on 4 x 4 pixels: four 3 x 3 kernels, 36 weights.
fn conv<R: Real>() -> Arc<ConvField<R>> {
    Arc::new(ConvField::new([2, 4, 4], 3, Activation::Tanh))
}

/// Two kernels with a set of coefficients each, one more, and a last one that stays.
fn weights<R: Real>(law: Law) -> Arc<WeightField<R>> {
    let pieces =
        vec![Piece { range: 0..18, grid: [3, 3], groups: 2 }, Piece { range: 18..27, grid: [3, 3], groups: 1 }];
    Arc::new(WeightField::new(law, 36, pieces).unwrap())
}

fn coupled<R: Real>(law: Law, name: &str, coupling: Coupling) -> CoupledBlock<ConvField<R>, R> {
    CoupledBlock::new(conv(), weights(law), solver(name).unwrap(), coupling).unwrap()
}

fn start<R: Real>(block: &CoupledBlock<ConvField<R>, R>, seed: u64) -> (Vec<R>, Vec<R>) {
    let (w0, p): (Vec<R>, Vec<R>) = (numbers(seed, 36, 0.5), numbers(seed + 1, block.weights().parameters(), 0.4));
    (numbers(seed + 2, 32, 1.0), w0.into_iter().chain(p).collect())
}

fn end<R: Real, F: DifferentiableField<Vector = Vec<R>>>(
    method: Method,
    block: &CoupledBlock<F, R>,
    z0: &Vec<R>,
    parameters: &[R],
) -> Vec<R> {
    block.forward(method, z0, parameters, &Ledger::new()).unwrap().end().clone()
}

/// dJ/dz0 and dJ/d(w0, p) of J = |z1|^2 / 2.
fn gradients<R: Real, F: DifferentiableField<Vector = Vec<R>>>(
    method: Method,
    block: &CoupledBlock<F, R>,
    z0: &Vec<R>,
    parameters: &[R],
) -> (Vec<R>, Vec<R>) {
    let found = block.gradient(method, z0, parameters, |end| end.clone()).unwrap();
    assert_eq!(found.cost.live_bytes, 0, "{method}: everything that was kept is freed");
    (found.z0, found.parameters)
}

fn bits<R: Real>((z, w): &(Vec<R>, Vec<R>)) -> Vec<u64> {
    z.iter().chain(w).map(|x| x.f64().to_bits()).collect()
}

fn constant_weights_are_the_plain_block<R: Real>() {
    let plain = anode_core::gradient::patterns(|_| true).into_iter().filter_map(|name| name.parse().ok());
    for method in plain.chain([Method::Uniform(2), Method::Revolve(2), Method::Online(2), Method::Within(1 << 20)]) {
        for configuration in CONFIGURATIONS {
            for memory in MEMORIES.into_iter().filter(|m| m.history() == History::Rest) {
                let coupling = Coupling { configuration, memory, ..Coupling::together(1) };
                let block = coupled::<R>(Law::new(Terms::Constant), "heun", coupling);
                let (z0, w0) = start(&block, 20);
                assert_eq!(block.parameter_count(), 36);
                let field = conv::<R>();
                let grid = Grid::unit(configuration.steps());
                let plain = Block { field: &*field, tableau: solver("heun").unwrap(), grid };
                assert_eq!(
                    end(method, &block, &z0, &w0),
                    super::block_gradients::end(method, &plain, &z0, &w0),
                    "{method}"
                );
                let expected = gradient(method, &plain, &z0, &w0, &Ledger::new());
                assert_eq!(bits(&gradients(method, &block, &z0, &w0)), bits(&expected), "{method}");
            }
        }
    }
}

#[test]
fn constant_weights_give_the_plain_block_bit_for_bit() {
    constant_weights_are_the_plain_block::<f32>();
    constant_weights_are_the_plain_block::<f64>();
}

#[test]
fn coefficients_of_zero_give_the_values_of_the_plain_block_and_its_gradient_to_rounding() {
    let field = conv::<f64>();
    for configuration in CONFIGURATIONS {
        for sigma in SIGMAS {
            let law = Law { sigma, ..Law::new(Terms::Rda) };
            for (evaluation, name) in [(Evaluation::Steps, "rk4"), (Evaluation::Multiplier(Symbol::Discrete), "heun")] {
                if evaluation != Evaluation::Steps && sigma != Sigma::Identity {
                    continue;
                }
                let coupling = Coupling { configuration, evaluation, ..Coupling::together(1) };
                let block = coupled::<f64>(law, name, coupling);
                let (z0, mut parameters) = start(&block, 30);
                let w0 = parameters[..36].to_vec();
                parameters[36..].fill(0.0);
                let grid = Grid::unit(configuration.steps());
                let plain = Block { field: &*field, tableau: solver(name).unwrap(), grid };
                let z1 = super::block_gradients::end(Method::Full, &plain, &z0, &w0);
                assert_eq!(end(Method::Anode, &block, &z0, &parameters), z1, "{sigma:?} {configuration:?}");
                let (z_bar, w_bar) = gradient(Method::Full, &plain, &z0, &w0, &Ledger::new());
                let found = gradients(Method::Anode, &block, &z0, &parameters);
                assert_eq!(found.0, z_bar, "{sigma:?} {configuration:?}");
                assert!(relative_distance(&found.1[..36].to_vec(), &w_bar) < 1e-14);
                assert!(found.1[36..].iter().all(|p| *p != 0.0), "every coefficient learns from the start");
            }
        }
    }
}

fn agrees_with_finite_differences<F: DifferentiableField<Vector = Vec<f64>>>(
    methods: &[Method],
    block: &CoupledBlock<F, f64>,
    z0: &Vec<f64>,
    parameters: &[f64],
    what: &str,
) {
    for &method in methods {
        let expected = finite_differences(z0, parameters, |z0, parameters| end(method, block, z0, parameters));
        let (z_bar, bar) = gradients(method, block, z0, parameters);
        // Each part by itself: a wrong p would hide behind a right z0.
        let cuts = [0, z0.len(), z0.len() + block.weights().weights(), expected.len()];
        let found: Vec<f64> = z_bar.into_iter().chain(bar).collect();
        for (cut, part) in cuts.windows(2).zip(["z0", "w0", "p"]) {
            let (found, expected) = (found[cut[0]..cut[1]].to_vec(), expected[cut[0]..cut[1]].to_vec());
            let error = relative_distance(&found, &expected);
            assert!(error < 1e-7, "{what} {method}, {part}: {error:e}");
        }
    }
}

#[test]
fn the_adjoint_is_exact_for_every_configuration_sigma_and_kernel() {
    for configuration in CONFIGURATIONS {
        for sigma in SIGMAS {
            for memory in MEMORIES {
                for name in ["euler", "heun"] {
                    let law = Law { sigma, ..Law::new(Terms::Rda) };
                    let coupling = Coupling { configuration, memory, ..Coupling::together(1) };
                    let block = coupled::<f64>(law, name, coupling);
                    let (z0, mut parameters) = start(&block, 42);
                    if sigma == Sigma::Relu {
                        // Finite differences must not step over its kink: reaction rules, and no weight is near 0.
                        parameters[..36].iter_mut().for_each(|w| *w += 0.3 * w.signum());
                        parameters[36..].iter_mut().enumerate().for_each(|(i, c)| *c = [0.05, 0.03, -0.03, 0.9][i % 4]);
                    }
                    let what = format!("{name} {configuration:?} {sigma:?} {memory:?}");
                    agrees_with_finite_differences(&[Method::Full], &block, &z0, &parameters, &what);
                }
            }
        }
    }
}

#[test]
fn the_adjoint_is_exact_for_every_solver_term_border_and_solver_of_its_own() {
    for tableau in anode_core::ode::SOLVERS {
        for terms in [Terms::Reaction, Terms::Diffusion, Terms::Advection, Terms::Rda] {
            let law = Law { border: anode_nets::evolution::Border::NoFlux, ..Law::new(terms) };
            let memory = Memory::Box { width: 0.5, history: History::Rest };
            let block = coupled::<f64>(law, tableau.name, Coupling { memory, ..Coupling::together(2) });
            let (z0, parameters) = start(&block, 50);
            let what = format!("{} {terms:?}", tableau.name);
            agrees_with_finite_differences(&[Method::Anode], &block, &z0, &parameters, &what);
        }
    }
    for configuration in CONFIGURATIONS {
        for memory in MEMORIES {
            let coupling = Coupling { configuration, memory, ..Coupling::together(1) };
            let block = coupled::<f64>(Law::new(Terms::Rda), "midpoint", coupling);
            let (z0, parameters) = start(&block, 60);
            let methods = [Method::Leapfrog, Method::Reversible];
            agrees_with_finite_differences(
                &methods,
                &block,
                &z0,
                &parameters,
                &format!("{configuration:?} {memory:?}"),
            );
        }
    }
}

#[test]
fn the_multiplier_inside_a_block_is_differentiated_exactly() {
    for configuration in CONFIGURATIONS {
        for symbol in [Symbol::Discrete, Symbol::Spectral] {
            let law = Law { sigma: Sigma::Identity, ..Law::new(Terms::Rda) };
            let coupling =
                Coupling { configuration, evaluation: Evaluation::Multiplier(symbol), ..Coupling::together(1) };
            let block = coupled::<f64>(law, "rk4", coupling);
            let (z0, parameters) = start(&block, 70);
            let methods = [Method::Full, Method::Leapfrog];
            agrees_with_finite_differences(
                &methods,
                &block,
                &z0,
                &parameters,
                &format!("{configuration:?} {symbol:?}"),
            );
        }
    }
}

fn one_call_is_both_sweeps<R: Real>() {
    let (rda, linear) = (Law::new(Terms::Rda), Law { sigma: Sigma::Identity, ..Law::new(Terms::Rda) });
    let stepped = MEMORIES.map(|memory| (rda, Coupling { memory, ..Coupling::together(1) }));
    let evaluation = Evaluation::Multiplier(Symbol::Discrete);
    let others = [
        (linear, Coupling { evaluation, ..Coupling::together(1) }),
        (Law::new(Terms::Constant), Coupling::together(1)),
    ];
    for configuration in CONFIGURATIONS {
        for (law, coupling) in stepped.into_iter().chain(others) {
            let block = coupled::<R>(law, "heun", Coupling { configuration, ..coupling });
            let (z0, parameters) = start(&block, 75);
            for method in SCHEDULES.into_iter().chain([Method::ReverseTime, Method::StoredAdjoint, Method::Leapfrog]) {
                let ledger = Ledger::new();
                let forward = block.forward(method, &z0, &parameters, &ledger).unwrap();
                let end = forward.end().clone();
                // The cotangent is not the end itself, so that neither can stand for the other.
                let cotangent = |end: &Vec<R>| end.iter().map(|z| R::of(3.0) * *z).collect::<Vec<R>>();
                let mut bar = vec![R::zero(); parameters.len()];
                let z_bar = forward.backward(&block, &parameters, &cotangent(&end), &mut bar, &ledger).unwrap();
                let found = block.gradient(method, &z0, &parameters, cotangent).unwrap();
                let what = format!("{method} {:?}", block.coupling());
                assert_eq!(bits(&(found.z0, found.parameters)), bits(&(z_bar, bar)), "{what}");
                assert_eq!(bits(&(found.end, vec![])), bits(&(end, vec![])), "{what}");
                assert_eq!(found.cost, ledger.cost(), "{what}");
            }
        }
    }
}

#[test]
fn the_gradient_in_one_call_is_that_of_both_sweeps_bit_for_bit() {
    one_call_is_both_sweeps::<f32>();
    one_call_is_both_sweeps::<f64>();
}

#[test]
fn the_gradient_in_one_call_refuses_a_cotangent_of_another_shape() {
    let block = coupled::<f64>(Law::new(Terms::Rda), "heun", Coupling::together(2));
    let (z0, parameters) = start(&block, 76);
    let refused = block.gradient(Method::Anode, &z0, &parameters, |_| vec![1.0; 3]).unwrap_err().to_string();
    assert!(refused.contains("the cotangent"), "{refused}");
}

fn schedules_agree<R: Real>() {
    for configuration in [
        Configuration::Together { steps: 7 },
        Configuration::First { steps: 5, weight_steps: 7, reading: Reading::Matching },
        Configuration::First { steps: 5, weight_steps: 7, reading: Reading::Final },
    ] {
        for memory in MEMORIES {
            for name in ["euler", "rk4"] {
                let coupling = Coupling { configuration, memory, ..Coupling::together(1) };
                let block = coupled::<R>(Law::new(Terms::Rda), name, coupling);
                let (z0, parameters) = start(&block, 80);
                let full = bits(&gradients(Method::Full, &block, &z0, &parameters));
                for method in [Method::Anode, Method::Leapfrog, Method::Reversible] {
                    let end = end(method, &block, &z0, &parameters);
                    assert_eq!(block.solve(method, &z0, &parameters).unwrap(), end, "{method}");
                }
                for method in SCHEDULES {
                    let found = bits(&gradients(method, &block, &z0, &parameters));
                    assert_eq!(found, full, "{method} {name} {configuration:?} {memory:?}");
                }
            }
        }
    }
}

#[test]
fn all_schedules_give_the_same_bits() {
    schedules_agree::<f32>();
    schedules_agree::<f64>();
}

#[test]
fn euler_together_is_euler_with_weights_solved_first_on_the_same_grid() {
    // One stage a step, at its start: two ways to the same numbers, one through the coupled field, one through the
    // table.
    for memory in MEMORIES.into_iter().filter(|m| !matches!(m, Memory::Box { .. })).chain([
        // The past of a box on a whole number of steps lies on nodes.
        Memory::Box { width: 0.5, history: History::Rest },
    ]) {
        let law = Law::new(Terms::Rda);
        let one = coupled::<f64>(law, "euler", Coupling { memory, ..Coupling::together(4) });
        let two = coupled::<f64>(law, "euler", Coupling { memory, ..Coupling::first(4, 4, Reading::Matching) });
        let (z0, parameters) = start(&one, 90);
        let (a, b) = (end(Method::Full, &one, &z0, &parameters), end(Method::Full, &two, &z0, &parameters));
        assert!(relative_distance(&a, &b) < 1e-15, "{memory:?}");
        let (a, b) = (gradients(Method::Full, &one, &z0, &parameters), gradients(Method::Full, &two, &z0, &parameters));
        assert!(relative_distance(&a.0, &b.0) < 1e-13 && relative_distance(&a.1, &b.1) < 1e-13, "{memory:?}");
    }
}

/// dz/dt = theta: z(1) is the integral of theta.
fn identity() -> Arc<impl DifferentiableField<Vector = Vec<f64>>> {
    Arc::new(ClosureField::new(
        |_t, _z: &[f64], theta: &[f64], dz: &mut [f64]| dz.copy_from_slice(theta),
        |_t, _z: &[f64], _theta: &[f64], c: &[f64], _z_bar: &mut [f64], theta_bar: &mut [f64]| {
            theta_bar.iter_mut().zip(c).for_each(|(bar, c)| *bar += c);
        },
    ))
}

fn reacting() -> Arc<WeightField<f64>> {
    let law = Law { sigma: Sigma::Identity, ..Law::new(Terms::Reaction) };
    Arc::new(WeightField::new(law, 1, vec![Piece { range: 0..1, grid: [1, 1], groups: 1 }]).unwrap())
}

#[test]
fn memories_are_the_integrals_that_they_stand_for() {
    // w = exp(r t): theta(t) is known, and z(1) is its integral.
    let (r, rate, width) = (0.7f64, 1.5f64, 0.25f64);
    let grown = |t: f64| ((r * t).exp() - 1.0) / r;
    let exponential = |rest: f64| {
        // theta = c e^{rt} + (rest - c) e^{-rate t}, c = rate / (r + rate).
        let c = rate / (r + rate);
        c * grown(1.0) + (rest - c) * (1.0 - (-rate).exp()) / rate
    };
    // Integral of (I(t) - I(t - width)) / width with I' = exp(r t): twice integrated, J(t) = (grown(t) - t) / r.
    let twice = |t: f64| (grown(t) - t) / r;
    let boxed = (twice(1.0) - twice(1.0 - width)) / width;
    let cases = [
        (Memory::Exponential { rate, history: History::Rest }, exponential(1.0)),
        (Memory::Exponential { rate, history: History::Zero }, exponential(0.0)),
        (Memory::Box { width, history: History::Zero }, boxed),
        (Memory::Box { width, history: History::Rest }, boxed + width / 2.0),
    ];
    for (memory, expected) in cases {
        for (configuration, order) in [
            ((|n| Configuration::Together { steps: n }) as fn(usize) -> Configuration, 4.0),
            (|n| Configuration::First { steps: n, weight_steps: n, reading: Reading::Matching }, 1.0),
        ] {
            let points: Vec<(f64, f64)> = [8, 16, 32]
                .iter()
                .map(|&n| {
                    let coupling = Coupling { configuration: configuration(n), memory, ..Coupling::together(1) };
                    let block = CoupledBlock::new(identity(), reacting(), solver("rk4").unwrap(), coupling).unwrap();
                    let z1 = end(Method::Anode, &block, &vec![0.0], &[1.0, r])[0];
                    (1.0 / n as f64, (z1 - expected).abs())
                })
                .collect();
            let measured = slope(&points);
            assert!((measured - order).abs() < 0.2, "{memory:?}: {measured} of {points:?}");
        }
    }
}

#[test]
fn a_box_memory_has_the_order_of_the_solver_only_if_its_width_ends_on_a_node() {
    // The integral of (I(t) - I(t - width)) / width with I' = exp(r t), as above. 0.3 stands 0.4 of a step behind a
    // node of each grid.
    let r = 0.7f64;
    let twice = |t: f64| (((r * t).exp() - 1.0) / r - t) / r;
    for (width, history, order) in
        [(0.25, History::Rest, 4.0), (0.25, History::Zero, 4.0), (0.3, History::Rest, 3.0), (0.3, History::Zero, 2.0)]
    {
        let past = if history == History::Rest { width / 2.0 } else { 0.0 };
        let expected = (twice(1.0) - twice(1.0 - width)) / width + past;
        let error = |n: usize| {
            let memory = Memory::Box { width, history };
            let coupling = Coupling { memory, ..Coupling::together(n) };
            let block = CoupledBlock::new(identity(), reacting(), solver("rk4").unwrap(), coupling).unwrap();
            (1.0 / n as f64, (block.solve(Method::Full, &vec![0.0], &[1.0, r]).unwrap()[0] - expected).abs())
        };
        let measured = slope(&[8, 128].map(error));
        assert!((measured - order).abs() < 0.2, "{width} {history:?}: {measured}");
    }
}

#[test]
fn the_two_readings_use_the_weights_that_they_name() {
    let (tableau, r) = (solver("rk4").unwrap(), 0.9);
    let grown = |t: f64, steps: usize| {
        let mut w = vec![2.0];
        let grid = Grid::Uniform { t0: 0.0, t1: t, steps };
        integrate(&*reacting(), tableau, &grid, &mut w, &vec![r]).unwrap();
        w[0]
    };
    let z1 = |coupling| {
        let block = CoupledBlock::new(identity(), reacting(), tableau, coupling).unwrap();
        end(Method::Full, &block, &vec![0.0], &[2.0, r])[0]
    };
    let matching = z1(Coupling::first(2, 6, Reading::Matching));
    assert!((matching - (2.0 + grown(0.5, 3)) / 2.0).abs() < 1e-14, "steps at theta(0) and theta(1/2)");
    let last = z1(Coupling::first(2, 6, Reading::Final));
    assert!((last - grown(1.0, 6)).abs() < 1e-14, "both steps at theta(1)");
}

#[test]
fn stepped_weights_converge_to_the_multiplier_with_the_solvers_order() {
    let law = Law { sigma: Sigma::Identity, diffusion: Diffusion::Free, ..Law::new(Terms::Rda) };
    for (name, order) in [("euler", 1.0), ("heun", 2.0), ("rk4", 4.0)] {
        let points: Vec<(f64, f64)> = [32, 64, 128]
            .iter()
            .map(|&n| {
                let of = |evaluation| {
                    let block = coupled::<f64>(law, name, Coupling { evaluation, ..Coupling::together(n) });
                    let (z0, parameters) = start(&block, 100);
                    end(Method::Full, &block, &z0, &parameters)
                };
                let (a, b) = (of(Evaluation::Steps), of(Evaluation::Multiplier(Symbol::Discrete)));
                (1.0 / n as f64, relative_distance(&a, &b))
            })
            .collect();
        let measured = slope(&points);
        assert!((measured - order).abs() < 0.1, "{name}: {measured} of {points:?}");
    }
}

#[test]
fn the_optimality_system_converges_to_the_exact_gradient_with_the_solvers_order() {
    for memory in [MEMORIES[0], MEMORIES[1]] {
        for (name, order) in [("euler", 1.0), ("midpoint", 2.0), ("heun", 3.0), ("rk4", 4.0)] {
            let mut points = [vec![], vec![], vec![]];
            for n in [16, 32, 64, 128] {
                let block = coupled::<f64>(Law::new(Terms::Rda), name, Coupling { memory, ..Coupling::together(n) });
                let (z0, parameters) = start(&block, 110);
                let parts = |method| {
                    let (z_bar, bar) = gradients(method, &block, &z0, &parameters);
                    [z_bar, bar[..36].to_vec(), bar[36..].to_vec()]
                };
                let (exact, continuous) = (parts(Method::Full), parts(Method::ReverseTime));
                for (points, (a, b)) in points.iter_mut().zip(continuous.iter().zip(&exact)) {
                    points.push((1.0 / n as f64, relative_distance(a, b)));
                }
            }
            for (part, points) in ["z0", "w0", "p"].iter().zip(&points) {
                let measured = slope(points);
                assert!((measured - order).abs() < 0.2, "{name} {memory:?} {part}: {measured} of {points:?}");
            }
        }
    }
}

#[test]
fn the_other_continuous_adjoints_converge_too() {
    for configuration in [
        (|n| Configuration::Together { steps: n }) as fn(usize) -> Configuration,
        |n| Configuration::First { steps: n, weight_steps: n, reading: Reading::Matching },
        |n| Configuration::First { steps: n, weight_steps: n, reading: Reading::Final },
    ] {
        for memory in [MEMORIES[0], MEMORIES[3]] {
            for method in [Method::ReverseTime, Method::StoredAdjoint, Method::InterpolatedAdjoint] {
                let error = |n| {
                    let coupling = Coupling { configuration: configuration(n), memory, ..Coupling::together(1) };
                    let block = coupled::<f64>(Law::new(Terms::Rda), "rk4", coupling);
                    let (z0, parameters) = start(&block, 120);
                    let (exact, found) = (
                        gradients(Method::Full, &block, &z0, &parameters),
                        gradients(method, &block, &z0, &parameters),
                    );
                    relative_distance(&found.0, &exact.0).max(relative_distance(&found.1, &exact.1))
                };
                let (coarse, fine) = (error(8), error(32));
                assert!(
                    fine < coarse / 10.0 && fine < 1e-3,
                    "{method} {:?} {memory:?}: {coarse:e} {fine:e}",
                    configuration(8)
                );
            }
        }
    }
}

#[test]
fn the_coupled_field_is_a_field_for_every_solver_and_the_block_is_it_on_a_grid() {
    let field = CoupledField::new(conv::<f64>(), weights(Law::new(Terms::Rda)), MEMORIES[1]).unwrap();
    let block = coupled::<f64>(Law::new(Terms::Rda), "rk4", Coupling { memory: MEMORIES[1], ..Coupling::together(5) });
    let (z0, parameters) = start(&block, 130);
    let p = Pair(vec![], Stack(vec![parameters[36..].to_vec()]));
    let plain = Block { field: &field, tableau: solver("rk4").unwrap(), grid: Grid::unit(5) };
    let from = field.start(z0.clone(), &parameters[..36]);
    let found = Method::Revolve(2).gradient(&plain, &from, &p, |end| {
        let mut cotangent = end.zeros_like();
        cotangent.0.clone_from(&end.0);
        cotangent
    });
    let found = found.unwrap();
    let mut w0_bar = vec![0.0; 36];
    field.start_vjp(&found.z0, &mut w0_bar).unwrap();
    let (z_bar, bar) = gradients(Method::Revolve(2), &block, &z0, &parameters);
    assert_eq!((&found.z0.0, &w0_bar, &found.theta.1.0[0]), (&z_bar, &bar[..36].to_vec(), &bar[36..].to_vec()));
}

#[test]
fn unstable_coefficients_are_refused_with_the_bound_and_the_least_step_count() {
    let law = Law { sigma: Sigma::Identity, diffusion: Diffusion::Free, ..Law::new(Terms::Diffusion) };
    // 3 x 3 kernels: the highest mode has s2 = 6, so Euler needs h <= 2 / (6 d).
    let parameters: Vec<f64> = numbers(140, 36, 0.5).into_iter().chain([0.1, 2.9, 0.1]).collect();
    let z0 = numbers(141, 32, 1.0);
    let couple = |coupling| coupled::<f64>(law, "euler", coupling);
    for coupling in
        [Coupling::together(5), Coupling::first(2, 5, Reading::Matching), Coupling::first(2, 5, Reading::Final)]
    {
        let refused = couple(coupling).forward(Method::Full, &z0, &parameters, &Ledger::new()).err().unwrap();
        let text = refused.to_string();
        assert!(text.contains("piece 0, group 1, with d = 2.9") && text.contains("bound is 0.1149"), "{text}");
        assert!(text.contains("at least 9 steps") && text.contains("allow_unstable"), "{text}");
        assert!(matches!(
            refused,
            EvolutionError::Unstable { piece: 0, group: 1, steps: UnstableSteps { least_steps: Some(9), .. }, .. }
        ));
        let allowed = couple(Coupling { allow_unstable: true, ..coupling });
        assert!(allowed.forward(Method::Full, &z0, &parameters, &Ledger::new()).is_ok());
    }
    for stable in [Coupling::together(9), Coupling::first(2, 9, Reading::Final)] {
        assert!(couple(stable).forward(Method::Full, &z0, &parameters, &Ledger::new()).is_ok());
    }
    let exact = Evaluation::Multiplier(Symbol::Spectral);
    let block = couple(Coupling { evaluation: exact, ..Coupling::together(5) });
    assert!(block.forward(Method::Full, &z0, &parameters, &Ledger::new()).is_ok(), "the exact flow has no bound");
    let memory = Memory::Exponential { rate: 21.0, history: History::Rest };
    let block = coupled::<f64>(Law::new(Terms::Rda), "euler", Coupling { memory, ..Coupling::together(10) });
    let (z0, parameters) = (z0, numbers::<f64>(142, block.parameter_count(), 0.1));
    let text = block.forward(Method::Full, &z0, &parameters, &Ledger::new()).err().unwrap().to_string();
    assert!(text.contains("rate 21") && text.contains("at least 11 steps"), "{text}");
}

#[test]
fn choices_that_exclude_one_another_are_refused_with_what_is_allowed() {
    let refuse = |law: Law, coupling: Coupling| {
        let made = CoupledBlock::new(conv::<f64>(), weights(law), solver("euler").unwrap(), coupling);
        made.err().unwrap().to_string()
    };
    let (tanh, linear) = (Law::new(Terms::Rda), Law { sigma: Sigma::Identity, ..Law::new(Terms::Rda) });
    let exact = Coupling { evaluation: Evaluation::Multiplier(Symbol::Spectral), ..Coupling::together(2) };
    assert!(refuse(tanh, exact).contains("sigma = identity"));
    let memory = Memory::Exponential { rate: 1.0, history: History::Rest };
    assert!(refuse(linear, Coupling { memory, ..exact }).contains("K = delta"));
    for rate in [0.0, -1.0, f64::NAN] {
        let memory = Memory::Exponential { rate, history: History::Rest };
        assert!(refuse(tanh, Coupling { memory, ..Coupling::together(2) }).contains("allowed: finite numbers above 0"));
    }
    assert!(refuse(tanh, Coupling::together(0)).contains("steps is 0"));
    assert!(refuse(tanh, Coupling::first(2, 0, Reading::Final)).contains("weight_steps is 0"));
    let boxed = CoupledField::new(conv::<f64>(), weights(tanh), MEMORIES[3]).err().unwrap().to_string();
    assert!(boxed.contains("coupled block"), "{boxed}");
    let block = coupled::<f64>(tanh, "euler", Coupling::together(2));
    let short = block.forward(Method::Full, &vec![0.0; 32], &vec![0.0; 36], &Ledger::new()).err().unwrap().to_string();
    assert!(short.contains("length 36, expected 48"), "{short}");
}

#[test]
fn the_block_of_a_network_evolves_with_its_norms_constant_and_their_statistics_updated_once() {
    let net = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 2, 10));
    let chain =
        net.segments().iter().find_map(|s| if let Segment::Ode(chain, _) = s { Some(chain.clone()) } else { None });
    let chain = chain.unwrap();
    let pieces = chain.layers().iter().filter_map(|layer| match layer.kind {
        Kind::Conv { shape, .. } => {
            let start = layer.range.start;
            Some(Piece { range: start..start + shape.weight_len(), grid: shape.kernel, groups: shape.channels })
        }
        _ => None,
    });
    let len = chain.parameters.len();
    let law = Law::new(Terms::Rda);
    let weights = Arc::new(WeightField::<f64>::new(law, len, pieces.collect()).unwrap());
    assert_eq!(weights.parameters(), 2 * 2 * 4, "two convolutions, two channels, four coefficients");
    let theta = net.initial::<f64>(3)[chain.parameters.clone()].to_vec();
    let evolving = weights.parameters();
    let parameters: Vec<f64> = theta.into_iter().chain(numbers(150, evolving, 0.3)).collect();
    let z0: Vec<f64> = numbers(151, 2 * chain.input_len, 1.0);
    let euler = solver("euler").unwrap();
    for coupling in
        [Coupling::together(3), Coupling::first(2, 4, Reading::Matching), Coupling::first(2, 4, Reading::Final)]
    {
        let run = |method: Method| {
            let running = Arc::new(Mutex::new(Running::new(net.statistics())));
            let field = OdeField::<f64>::new(chain.clone(), running.clone(), Mode::Training(Updates::default()));
            let block = CoupledBlock::new(Arc::new(field), weights.clone(), euler, coupling).unwrap();
            let found = gradients(method, &block, &z0, &parameters);
            let statistics = running.lock().unwrap().kept.clone();
            (block, found, statistics)
        };
        let (block, (_, bar), statistics) = run(Method::Full);
        for method in [Method::Anode, Method::Revolve(1)] {
            let (_, (_, other), replayed) = run(method);
            assert_eq!((&other, &replayed), (&bar, &statistics), "{method}");
        }
        assert_ne!(statistics, net.statistics(), "the forward sweep updates them");
        // Along one direction, in steps too short to meet the kinks of ReLU.
        let direction: Vec<f64> = numbers(152, parameters.len(), 1.0);
        let loss = |d: f64| {
            let moved: Vec<f64> = parameters.iter().zip(&direction).map(|(p, v)| p + d * v).collect();
            block.solve(Method::Full, &z0, &moved).unwrap().iter().map(|z| z * z).sum::<f64>() / 2.0
        };
        let expected = (loss(1e-7) - loss(-1e-7)) / 2e-7;
        let found: f64 = bar.iter().zip(&direction).map(|(b, v)| b * v).sum();
        assert!((found - expected).abs() < 1e-6 * expected.abs(), "{coupling:?}: {found} and {expected}");
    }
}
