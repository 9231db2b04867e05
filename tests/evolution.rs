//! The evolution of weights against what is known of the reaction-diffusion-advection equation.

#[path = "../crates/anode-nets/tests/nets/block_gradients.rs"]
#[allow(dead_code)]
mod block_gradients;

use std::f64::consts::PI;
use std::sync::Arc;

use anode::definition::StudyKind;
use anode::definition::settings::Settings;
use anode::evolution::{Border, Diffusion, ExactFlow, Law, Piece, Sigma, Symbol, Terms, WeightField};
use anode::ode::{At, DifferentiableField, Grid, Pass, SOLVERS, VectorField, integrate, relative_distance, solver};
use block_gradients::{numbers, slope};
use proptest::prelude::*;

const SIGMAS: [Sigma; 5] = [Sigma::Identity, Sigma::Tanh, Sigma::Sigmoid, Sigma::Relu, Sigma::Softplus];

fn linear(terms: Terms) -> Law {
    Law { sigma: Sigma::Identity, diffusion: Diffusion::Free, ..Law::new(terms) }
}

/// One kernel of this size.
fn kernel(law: Law, grid: [usize; 2]) -> WeightField<f64> {
    let n = grid[0] * grid[1];
    WeightField::new(law, n, vec![Piece { range: 0..n, grid, groups: 1 }]).unwrap()
}

fn stepped(field: &WeightField<f64>, name: &str, steps: usize, w0: &[f64], p: &[f64]) -> Vec<f64> {
    let mut w = w0.to_vec();
    integrate(field, solver(name).unwrap(), &Grid::unit(steps), &mut w, &p.to_vec()).unwrap();
    w
}

fn at(t: f64) -> At {
    At { t, step: 0, stage: 0, pass: Pass::Forward }
}

#[test]
fn finite_differences_converge_to_the_fourier_solution_with_the_solvers_order() {
    let field = Arc::new(kernel(linear(Terms::Rda), [5, 4]));
    let w0: Vec<f64> = numbers(1, 20, 1.0);
    let flow = ExactFlow::new(field.clone(), Symbol::Discrete).unwrap();
    for tableau in SOLVERS {
        // Larger coefficients keep the errors of order 5 above rounding.
        let scale = if tableau.order > 4 { 4.0 } else { 1.0 };
        let p = [0.2, 0.5, -0.4, 0.3].map(|c| scale * c);
        let exact = flow.at(1.0, &w0, &p).unwrap();
        let steps = [64, 128, 256];
        let error = |&n: &usize| relative_distance(&stepped(&field, tableau.name, n, &w0, &p), &exact);
        let points: Vec<(f64, f64)> = steps.iter().map(|n| (1.0 / *n as f64, error(n))).collect();
        let measured = slope(&points);
        assert!((measured - tableau.order as f64).abs() < 0.1, "{}: {measured} of {points:?}", tableau.name);
    }
}

#[test]
fn the_centred_symbols_converge_to_the_spectral_ones_with_order_two_in_space() {
    // One period of a smooth wave on more and more points, with coefficients scaled to the finer grid.
    let points: Vec<(f64, f64)> = [16, 32, 64]
        .iter()
        .map(|&n| {
            let scale = n as f64 / (2.0 * PI);
            let p = [0.05 * scale * scale, 0.7 * scale, 0.0, 0.1];
            let field = Arc::new(kernel(linear(Terms::Rda), [1, n]));
            let w0: Vec<f64> = (0..n).map(|i| (i as f64 / scale).cos().exp()).collect();
            let flow = |symbol| ExactFlow::new(field.clone(), symbol).unwrap().at(1.0, &w0, &p).unwrap();
            (1.0 / n as f64, relative_distance(&flow(Symbol::Discrete), &flow(Symbol::Spectral)))
        })
        .collect();
    let measured = slope(&points);
    assert!((measured - 2.0).abs() < 0.1, "{measured} of {points:?}");
}

#[test]
fn a_cosine_decays_by_its_own_rate_under_the_multiplier() {
    for ([height, width], [my, mx]) in [([5, 7], [1, 2]), ([3, 3], [1, 1]), ([8, 6], [4, 3]), ([1, 9], [0, 4])] {
        let k = [2.0 * PI * my as f64 / height as f64, 2.0 * PI * mx as f64 / width as f64];
        let place = |i: usize| k[0] * (i / width) as f64 + k[1] * (i % width) as f64;
        let w0: Vec<f64> = (0..height * width).map(|i| place(i).cos()).collect();
        let flow =
            ExactFlow::new(Arc::new(kernel(linear(Terms::Diffusion), [height, width])), Symbol::Spectral).unwrap();
        for (t, d) in [(1.0, 0.1), (0.3, 0.7), (2.0, 0.02)] {
            let factor = (-d * (k[0] * k[0] + k[1] * k[1]) * t).exp();
            let w = flow.at(t, &w0, &[d]).unwrap();
            let error = w.iter().zip(&w0).map(|(w, w0)| (w - factor * w0).abs()).fold(0.0, f64::max);
            assert!(error < 1e-10, "{height} x {width}, t = {t}: {error:e}");
        }
    }
}

#[test]
fn advection_by_whole_pixels_shifts_the_kernel() {
    let [height, width] = [5, 7];
    let w0: Vec<f64> = numbers(2, height * width, 1.0);
    let flow = ExactFlow::new(Arc::new(kernel(linear(Terms::Advection), [height, width])), Symbol::Spectral).unwrap();
    let w = flow.at(1.0, &w0, &[2.0, -1.0]).unwrap();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let from = w0[(y + height - 1) % height * width + (x + 2) % width];
        assert!((w[y * width + x] - from).abs() < 1e-12, "dw/dt = u . grad w gives w(x, t) = w(x + u t, 0)");
    }
}

#[test]
fn the_multiplier_is_a_semigroup_and_no_evolution_is_the_identity_bit_for_bit() {
    let field = Arc::new(
        WeightField::new(
            linear(Terms::Rda),
            60,
            vec![Piece { range: 4..22, grid: [3, 3], groups: 2 }, Piece { range: 30..50, grid: [5, 2], groups: 1 }],
        )
        .unwrap(),
    );
    let (w0, p): (Vec<f64>, Vec<f64>) = (numbers(3, 60, 1.0), numbers(4, 12, 0.4));
    for symbol in [Symbol::Spectral, Symbol::Discrete] {
        let flow = ExactFlow::new(field.clone(), symbol).unwrap();
        let twice = flow.at(0.6, &flow.at(0.3, &w0, &p).unwrap(), &p).unwrap();
        assert!(relative_distance(&twice, &flow.at(0.9, &w0, &p).unwrap()) < 1e-13);
        assert_eq!(flow.at(0.0, &w0, &p).unwrap(), w0);
        assert_eq!(flow.at(0.7, &w0, &[0.0; 12]).unwrap(), w0);
        let moved = flow.at(0.7, &w0, &p).unwrap();
        let evolving = |i: &usize| (4..22).contains(i) || (30..50).contains(i);
        (0..60).for_each(|i| assert_eq!(moved[i] == w0[i], !evolving(&i), "weight {i}"));
    }
}

/// Fourth-order central differences of `loss` along every number of `x`.
fn differences(x: &[f64], loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let at = |i: usize, d: f64| {
        let mut moved = x.to_vec();
        moved[i] += d;
        loss(&moved)
    };
    let d = 1e-3;
    (0..x.len()).map(|i| (8.0 * (at(i, d) - at(i, -d)) - (at(i, 2.0 * d) - at(i, -2.0 * d))) / (12.0 * d)).collect()
}

#[test]
fn the_multiplier_is_differentiated_for_the_start_and_every_coefficient() {
    for diffusion in [Diffusion::Free, Diffusion::Softplus] {
        let law = Law { diffusion, ..linear(Terms::Rda) };
        let pieces =
            vec![Piece { range: 2..20, grid: [3, 3], groups: 2 }, Piece { range: 20..28, grid: [4, 2], groups: 1 }];
        let field = Arc::new(WeightField::new(law, 30, pieces).unwrap());
        let (w0, p, c): (Vec<f64>, Vec<f64>, Vec<f64>) =
            (numbers(5, 30, 1.0), numbers(6, 12, 0.5), numbers(7, 30, 1.0));
        for symbol in [Symbol::Spectral, Symbol::Discrete] {
            let flow = ExactFlow::new(field.clone(), symbol).unwrap();
            let both: Vec<f64> = w0.iter().chain(&p).copied().collect();
            let expected = differences(&both, |x| {
                flow.at(0.8, &x[..30], &x[30..]).unwrap().iter().zip(&c).map(|(w, c)| w * c).sum()
            });
            let (mut w_bar, mut p_bar) = (vec![0.0; 30], vec![0.0; 12]);
            flow.vjp(0.8, (&w0, &p), &c, &mut w_bar, &mut p_bar).unwrap();
            let found: Vec<f64> = w_bar.into_iter().chain(p_bar).collect();
            assert!(relative_distance(&found, &expected) < 1e-9, "{diffusion:?} {symbol:?}");
        }
    }
}

#[test]
fn the_weight_field_is_differentiated_for_the_weights_and_every_coefficient() {
    for sigma in SIGMAS {
        for (border, centred) in [(Border::Periodic, true), (Border::NoFlux, false)] {
            for terms in [Terms::Constant, Terms::Reaction, Terms::Diffusion, Terms::Advection, Terms::Rda] {
                let law = Law { sigma, border, centred, ..Law::new(terms) };
                let pieces = vec![
                    Piece { range: 1..19, grid: [3, 3], groups: 2 },
                    Piece { range: 19..29, grid: [5, 1], groups: 1 },
                ];
                let field = WeightField::new(law, 30, pieces).unwrap();
                let n = field.parameters();
                assert_eq!(n, 3 * terms.coefficients().len());
                // Finite differences must not step over the kink of ReLU: no sum near 0.
                let straight =
                    WeightField::new(Law { sigma: Sigma::Identity, ..law }, 30, field.pieces().cloned().collect());
                let straight = straight.unwrap();
                let draw = |seed| (numbers(seed, 30, 2.0), numbers(seed + 1000, n, 0.9));
                let far = |(w, p): &(Vec<f64>, Vec<f64>)| {
                    let mut x = vec![0.0; 30];
                    straight.eval(at(0.0), w, p, &mut x).unwrap();
                    terms == Terms::Constant || x[1..29].iter().all(|x| x.abs() > 0.03)
                };
                let (w, p) = (8..).map(draw).find(far).unwrap();
                let c: Vec<f64> = numbers(10, 30, 1.0);
                let both: Vec<f64> = w.iter().chain(&p).copied().collect();
                let expected = differences(&both, |x| {
                    let mut dw = vec![0.0; 30];
                    field.eval(at(0.0), &x[..30].to_vec(), &x[30..].to_vec(), &mut dw).unwrap();
                    dw.iter().zip(&c).map(|(w, c)| w * c).sum()
                });
                let (mut dw, mut w_bar, mut p_bar) = (vec![f64::NAN; 30], vec![0.0; 30], vec![0.0; n]);
                let tape = field.eval_taped(at(0.0), &w, &p, &mut dw).unwrap();
                field.vjp(&tape, &p, &c, &mut w_bar, &mut p_bar).unwrap();
                let found: Vec<f64> = w_bar.into_iter().chain(p_bar).collect();
                let error = relative_distance(&found, &expected);
                assert!(error < 1e-9, "{sigma:?} {border:?} {terms:?}: {error:e}");
                let mut plain = vec![f64::NAN; 30];
                field.eval(at(0.0), &w, &p, &mut plain).unwrap();
                assert_eq!(plain, dw, "with and without tape");
                assert_eq!((dw[0], dw[29]), (0.0, 0.0), "weights outside the pieces stay");
            }
        }
    }
}

#[test]
fn at_the_start_no_centred_law_moves_the_weights_and_every_coefficient_learns() {
    let (w, c): (Vec<f64>, Vec<f64>) = (numbers(11, 9, 1.0), numbers(12, 9, 1.0));
    for sigma in SIGMAS {
        for diffusion in [Diffusion::Softplus, Diffusion::Free] {
            let field = kernel(Law { sigma, diffusion, ..Law::new(Terms::Rda) }, [3, 3]);
            let p = vec![0.0; 4];
            let (mut dw, mut w_bar, mut p_bar) = (vec![1.0; 9], vec![0.0; 9], vec![0.0; 4]);
            let tape = field.eval_taped(at(0.0), &w, &p, &mut dw).unwrap();
            field.vjp(&tape, &p, &c, &mut w_bar, &mut p_bar).unwrap();
            assert!(dw.iter().all(|x| *x == 0.0), "{sigma:?}");
            assert!(p_bar.iter().all(|x| *x != 0.0), "{sigma:?} {diffusion:?}: {p_bar:?}");
        }
    }
    let drifting = kernel(Law { sigma: Sigma::Sigmoid, centred: false, ..Law::new(Terms::Rda) }, [3, 3]);
    let mut dw = vec![0.0; 9];
    drifting.eval(at(0.0), &w, &vec![0.0; 4], &mut dw).unwrap();
    assert_eq!(dw, vec![0.5; 9], "without centring a sigmoid drifts");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn diffusion_and_advection_keep_the_mass_to_rounding(
        height in 1usize..7, width in 1usize..7, seed in any::<u32>(), d in 0.0..0.2f64, ux in -1.0..1.0f64,
        uy in -1.0..1.0f64, walls in any::<bool>(),
    ) {
        let border = if walls { Border::NoFlux } else { Border::Periodic };
        let field = Arc::new(kernel(Law { border, ..linear(Terms::Rda) }, [height, width]));
        let w0: Vec<f64> = numbers(seed.into(), height * width, 1.0);
        let p = [d, ux, uy, 0.0];
        let mass = |w: &[f64]| w.iter().sum::<f64>();
        let size: f64 = w0.iter().map(|w| w.abs()).sum();
        for name in ["euler", "rk4"] {
            let w = stepped(&field, name, 20, &w0, &p);
            prop_assert!((mass(&w) - mass(&w0)).abs() < 1e-13 * size, "{} {name}", mass(&w) - mass(&w0));
        }
        if !walls {
            for symbol in [Symbol::Discrete, Symbol::Spectral] {
                let w = ExactFlow::new(field.clone(), symbol).unwrap().at(1.0, &w0, &p).unwrap();
                prop_assert!((mass(&w) - mass(&w0)).abs() < 1e-13 * size);
            }
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name_with_what_is_allowed() {
    let kernels = serde_json::json!({
        "kernel": 4, "deviation": 0.0, "terms": "rda", "coefficients": { "d": -1.0, "ux": 0.0, "uy": 0.0, "r": 0.0 },
        "sigma": "tanh", "solver": "euler", "steps": [32, 30], "frames": 4
    });
    let gradients = serde_json::json!({
        "channels": 0, "kernel": 3, "size": 4, "weights_std": 0.1, "initial_std": 1.0, "coefficients_std": 0.1,
        "activation": "tanh", "terms": "constant", "sigma": "tanh", "solver": "euler", "steps": [2], "dtype": "f64",
        "configuration": { "kind": "matching", "weight_steps": 0 }, "methods": ["anode", "dfdx-tape"],
        "memory": { "kind": "box", "width": 0.0, "history": "rest" }
    });
    let refused = |study, settings: &serde_json::Value| -> Vec<String> {
        let faults = Settings::parse(study, settings.as_object().unwrap()).unwrap_err();
        faults.into_iter().map(|(at, why)| format!("{at}: {why}")).collect()
    };
    let found = refused(StudyKind::KernelEvolution, &kernels).join("\n");
    for text in [
        "kernel: 4; allowed: odd",
        "deviation: 0",
        "coefficients.d: -1; allowed: finite numbers from 0",
        "steps[1]: 30; allowed: multiples of 4",
    ] {
        assert!(found.contains(text), "{text} in {found}");
    }
    let found = refused(StudyKind::CoupledGradient, &gradients).join("\n");
    for text in [
        "channels: 0",
        "terms: `constant`",
        "configuration.weight_steps: 0",
        "methods[1]: dfdx-tape",
        "memory.width: 0",
    ] {
        assert!(found.contains(text), "{text} in {found}");
    }
    let mut odd = kernels.clone();
    odd["sigma"] = "gelu".into();
    let found = refused(StudyKind::KernelEvolution, &odd).join("\n");
    assert!(found.contains("sigma") && found.contains("gelu") && found.contains("softplus"), "{found}");
}
