//! Solvers against their order conditions, analytic solutions and the known facts on the reversal problems.

use super::block_gradients::slope;
use anode_core::ode::{
    Adaptive, At, ButcherTableau, Closure, Controller, FieldError, Grid, Pass, SOLVERS, SolveError, VectorField,
    integrate, integrate_adaptive, integrate_back, reversal_error, solver,
};
use anode_nets::problems::ScalarRelu;
use proptest::prelude::*;

/// A rooted tree as the list of its children: the order conditions are sums over these (Hairer, Norsett, Wanner I,
/// II.2).
#[derive(Clone)]
struct Tree(Vec<Tree>);

impl Tree {
    fn order(&self) -> usize {
        1 + self.0.iter().map(Tree::order).sum::<usize>()
    }
    fn density(&self) -> f64 {
        self.order() as f64 * self.0.iter().map(Tree::density).product::<f64>()
    }
    /// Elementary weight of stage i: the product over the children of sum_j a_ij weight_j.
    fn weights(&self, t: &ButcherTableau) -> Vec<f64> {
        let children: Vec<Vec<f64>> = self.0.iter().map(|c| c.weights(t)).collect();
        (0..t.stages())
            .map(|i| children.iter().map(|w| t.a[i].iter().zip(w).map(|(a, w)| a * w).sum::<f64>()).product())
            .collect()
    }
}

/// All rooted trees of this order; duplicates do no harm.
fn trees(order: usize) -> Vec<Tree> {
    if order == 1 {
        return vec![Tree(vec![])];
    }
    let mut found = vec![];
    for first in 1..order {
        for child in trees(first) {
            for rest in trees(order - first) {
                let mut children = rest.0.clone();
                children.push(child.clone());
                found.push(Tree(children));
            }
        }
    }
    found
}

fn order_defect(t: &ButcherTableau, b: &[f64], order: usize) -> f64 {
    trees(order)
        .iter()
        .map(|tree| {
            let sum: f64 = tree.weights(t).iter().zip(b).map(|(w, b)| w * b).sum();
            (sum - 1.0 / tree.density()).abs()
        })
        .fold(0.0, f64::max)
}

#[test]
fn tableaus_satisfy_their_order_conditions_and_no_more() {
    for t in SOLVERS {
        assert_eq!((t.a.len(), t.c.len()), (t.stages(), t.stages()), "{}", t.name);
        for (i, row) in t.a.iter().enumerate() {
            assert_eq!(row.len(), i, "{}: row {i} must be explicit", t.name);
            assert!((row.iter().sum::<f64>() - t.c[i]).abs() < 1e-14, "{}: c_{i} is the row sum", t.name);
        }
        let check = |b: &[f64], order: usize, what: &str| {
            for p in 1..=order {
                let defect = order_defect(t, b, p);
                assert!(defect < 1e-13, "{} {what}: order {p} is missed by {defect:e}", t.name);
            }
            assert!(order_defect(t, b, order + 1) > 1e-6, "{} {what}: better than order {order}", t.name);
        };
        check(t.b, t.order, "solution");
        if let Some(e) = &t.embedded {
            check(e.b, e.order, "embedded");
            e.torchdiffeq.iter().for_each(|b| check(b, e.order, "embedded, torchdiffeq"));
        }
    }
}

fn converges(name: &str, field: &impl VectorField<Vector = Vec<f64>>, z0: &[f64], end: &[f64], steps: &[usize; 4]) {
    for t in SOLVERS {
        let steps = steps.map(|n| if t.order >= 4 { n } else { n * 4 });
        let points: Vec<(f64, f64)> = steps
            .iter()
            .map(|&n| {
                let mut z = z0.to_vec();
                integrate(field, t, &Grid::unit(n), &mut z, &vec![]).unwrap();
                (1.0 / n as f64, z.iter().zip(end).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt())
            })
            .collect();
        let measured = slope(&points);
        assert!((measured - t.order as f64).abs() < 0.1, "{name}, {}: slope {measured}, {points:?}", t.name);
    }
}

fn tight(field: &impl VectorField<Vector = Vec<f64>>, z0: &[f64]) -> Vec<f64> {
    let mut z = z0.to_vec();
    integrate(field, solver("tsitouras").unwrap(), &Grid::unit(20_000), &mut z, &vec![]).unwrap();
    z
}

#[test]
fn every_solver_converges_with_its_order_on_a_damped_rotation() {
    let field = Closure::new(|_: f64, z: &[f64], dz: &mut [f64]| {
        dz[0] = -z[0] + 8.0 * z[1];
        dz[1] = -8.0 * z[0] - z[1];
    });
    let (sin, cos, decay) = (8.0f64.sin(), 8.0f64.cos(), (-1.0f64).exp());
    let end = [decay * (cos + 0.5 * sin), decay * (-sin + 0.5 * cos)];
    converges("damped rotation", &field, &[1.0, 0.5], &end, &[192, 256, 320, 384]);
}

#[test]
fn stages_see_their_own_times() {
    let field = Closure::new(|t: f64, _: &[f64], dz: &mut [f64]| dz[0] = 2.0 * t);
    for t in SOLVERS.iter().filter(|t| t.order >= 2) {
        let mut z = vec![0.0];
        integrate(&field, t, &Grid::unit(3), &mut z, &vec![]).unwrap();
        assert!((z[0] - 1.0).abs() < 1e-14, "{}: {}", t.name, z[0]);
    }
}

#[test]
fn every_solver_converges_with_its_order_on_lotka_volterra() {
    let field = Closure::new(|_: f64, z: &[f64], dz: &mut [f64]| {
        dz[0] = 3.0 * (1.5 * z[0] - z[0] * z[1]);
        dz[1] = 3.0 * (-3.0 * z[1] + z[0] * z[1]);
    });
    let z0 = [2.0, 1.0];
    converges("Lotka-Volterra", &field, &z0, &tight(&field, &z0), &[192, 256, 320, 384]);
}

#[test]
fn every_solver_converges_with_its_order_on_a_mildly_stiff_van_der_pol_oscillator() {
    let mu = 5.0;
    let field = Closure::new(move |_: f64, z: &[f64], dz: &mut [f64]| {
        dz[0] = 2.0 * z[1];
        dz[1] = 2.0 * (mu * (1.0 - z[0] * z[0]) * z[1] - z[0]);
    });
    let z0 = [1.0, 1.0];
    converges("Van der Pol", &field, &z0, &tight(&field, &z0), &[96, 112, 128, 160]);
}

fn relu_round_trip(c: f64, name: &str, steps: usize) -> (f64, f64) {
    let field = ScalarRelu::<f64>::new(c);
    let (t, grid) = (solver(name).unwrap(), Grid::unit(steps));
    let mut z = vec![1.0];
    integrate(&field, t, &grid, &mut z, &vec![]).unwrap();
    let forward = (z[0] - field.end()).abs() / field.end();
    integrate_back(&field, t, &grid, &mut z, &vec![]).unwrap();
    (forward, reversal_error(&vec![1.0], &z))
}

#[test]
fn eleven_dormand_prince_steps_reach_one_percent_on_the_scalar_relu_problem() {
    assert!(relu_round_trip(10.0, "dormand-prince", 10).0 > 0.01);
    let (forward, rho) = relu_round_trip(10.0, "dormand-prince", 11);
    assert!(forward <= 0.01 && rho <= 0.01, "{forward} {rho}");
    // Independently computed step counts of the other solvers.
    for (name, steps) in [("rk4", 19), ("midpoint", 134)] {
        assert!(relu_round_trip(10.0, name, steps).0 <= 0.01, "{name}");
        assert!(relu_round_trip(10.0, name, steps - 1).0 > 0.01, "{name}");
    }
}

const CONTROLLERS: [Controller; 4] =
    [Controller::Matlab, Controller::Torchdiffeq, Controller::Scipy, Controller::ProportionalIntegral];

fn adaptive(rtol: f64, atol: f64, controller: Controller) -> Adaptive {
    Adaptive { rtol, atol, controller, max_steps: 100_000 }
}

const PAIRS: [(f64, f64); 3] = [(1e-3, 1e-6), (1e-6, 1e-9), (1e-9, 1e-12)];

#[test]
fn adaptive_dormand_prince_solves_the_mild_relu_problem_both_ways() {
    let field = ScalarRelu::<f64>::new(10.0);
    let t = solver("dormand-prince").unwrap();
    for (norm, (rtol, atol)) in CONTROLLERS.iter().zip(PAIRS) {
        let there =
            integrate_adaptive(&field, t, adaptive(rtol, atol, *norm), (0.0, 1.0), &vec![1.0], &vec![]).unwrap();
        assert!((there.end[0] - field.end()).abs() < 100.0 * (rtol * field.end() + atol));
        let back = integrate_adaptive(&field, t, adaptive(rtol, atol, *norm), (1.0, 0.0), &there.end, &vec![]).unwrap();
        assert!((back.end[0] - 1.0).abs() < 1e4 * rtol, "{norm:?} {}", back.end[0]);
    }
}

#[test]
fn a_stiff_relu_problem_is_lost_at_every_tolerance() {
    let t = solver("dormand-prince").unwrap();
    for c in [100.0, 1e4] {
        for (rtol, atol) in PAIRS {
            let (field, control) = (ScalarRelu::<f64>::new(c), adaptive(rtol, atol, Controller::Matlab));
            let there = integrate_adaptive(&field, t, control, (0.0, 1.0), &vec![1.0], &vec![]).unwrap();
            assert!(there.end[0] < 0.0, "z(1) has overshot zero: {}", there.end[0]);
            let back = integrate_adaptive(&field, t, control, (1.0, 0.0), &there.end, &vec![]).unwrap();
            assert_eq!(back.end, there.end, "the field vanishes below zero, so the reverse solve cannot move");
            assert!((reversal_error(&vec![1.0], &back.end) - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn two_errors_choose_steps_better_than_one_where_stability_limits_them() {
    // Stability holds the steps of z' = -1000 (z - cos t) near 3.3 / 1000; a controller that looks at one error alone
    // runs into the limit and is thrown back again and again.
    let stiff = Closure::new(|t: f64, z: &[f64], dz: &mut [f64]| dz[0] = -1000.0 * (z[0] - t.cos()));
    let t = solver("dormand-prince").unwrap();
    let solve = |controller| {
        integrate_adaptive(&stiff, t, adaptive(1e-4, 1e-6, controller), (0.0, 2.0), &vec![1.0], &vec![]).unwrap()
    };
    let (one, two) = (solve(Controller::Scipy), solve(Controller::ProportionalIntegral));
    assert!((two.end[0] - 2.0f64.cos()).abs() < 2e-3, "{}", two.end[0]);
    assert!(2 * two.rejected < one.rejected, "rejected {} and {}", two.rejected, one.rejected);
}

struct Broken;

impl VectorField for Broken {
    type Vector = Vec<f64>;
    fn eval(&self, at: At, z: &Vec<f64>, _: &Vec<f64>, dz: &mut Vec<f64>) -> Result<(), FieldError> {
        assert_eq!(at.pass, Pass::Forward);
        match (at.step, at.stage, z.len()) {
            (3, 2, 1) => dz[0] = f64::NAN,
            (2, 1, 2) => panic!("out of ideas"),
            (_, _, 3) => return Err(FieldError::Shape { what: "state", expected: 2, found: 3 }),
            _ => dz.fill(0.0),
        }
        Ok(())
    }
}

#[test]
fn errors_of_a_field_name_step_and_stage() {
    let solve = |n: usize| integrate(&Broken, solver("rk4").unwrap(), &Grid::unit(8), &mut vec![0.0; n], &vec![]);
    assert_eq!(solve(1), Err(SolveError::NotFinite { step: 3, stage: 2, t: 0.375 }));
    let panic = std::panic::catch_unwind(|| solve(2)).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"out of ideas"), "a panic is no result");
    let message = solve(3).unwrap_err().to_string();
    assert!(message.contains("state: length 3, expected 2"), "{message}");
}

#[test]
fn adaptive_solves_end_with_an_error_rather_than_without_end() {
    let t = solver("dormand-prince").unwrap();
    let blow_up = Closure::new(|_: f64, z: &[f64], dz: &mut [f64]| dz[0] = 2.0 * z[0] * z[0]);
    for norm in CONTROLLERS {
        let got = integrate_adaptive(&blow_up, t, adaptive(1e-6, 1e-9, norm), (0.0, 1.0), &vec![1.0], &vec![]);
        let got = got.map(|s| s.end).unwrap_err();
        assert!(matches!(got, SolveError::StepUnderflow { t, .. } if (t - 0.5).abs() < 1e-3), "{norm:?} {got}");
        let limited = Adaptive { max_steps: 5, ..adaptive(1e-12, 1e-15, norm) };
        let decay = Closure::new(|_: f64, z: &[f64], dz: &mut [f64]| dz[0] = -50.0 * z[0]);
        let got = integrate_adaptive(&decay, t, limited, (0.0, 1.0), &vec![1.0], &vec![]).map(|s| s.end);
        assert!(matches!(got, Err(SolveError::TooManySteps { limit: 5, .. })), "{got:?}");
    }
    let euler = solver("euler").unwrap();
    let got =
        integrate_adaptive(&blow_up, euler, adaptive(1e-3, 1e-6, Controller::Matlab), (0.0, 1.0), &vec![1.0], &vec![]);
    assert_eq!(got.map(|s| s.end), Err(SolveError::NoEmbedded("euler")));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn accepted_times_are_monotone_and_end_where_asked(rate in -30.0..5.0f64, t1 in 0.1..3.0f64, exponent in 3..7i32) {
        let field = Closure::new(move |_: f64, z: &[f64], dz: &mut [f64]| dz[0] = rate * z[0]);
        let tolerance = 10f64.powi(-exponent);
        for name in ["heun", "bogacki-shampine", "dormand-prince", "tsitouras"] {
            for norm in CONTROLLERS {
                let control = adaptive(tolerance, tolerance * 1e-3, norm);
                let s = integrate_adaptive(&field, solver(name).unwrap(), control, (0.0, t1), &vec![1.0], &vec![]);
                let s = s.unwrap();
                prop_assert_eq!(*s.times.last().unwrap(), t1);
                prop_assert!(s.times.windows(2).all(|w| w[0] < w[1]));
                let mut again = vec![1.0];
                integrate(&field, solver(name).unwrap(), &Grid::Times(s.times), &mut again, &vec![]).unwrap();
                prop_assert_eq!(again, s.end, "the accepted grid repeats the solve, bit for bit");
            }
        }
    }
}
