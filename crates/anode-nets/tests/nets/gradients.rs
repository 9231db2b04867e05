//! Gradient methods against finite differences, dfdx's tape, and each other.

use super::block_gradients::{end, finite_differences, gradient, numbers, slope};
use anode_core::gradient::{Block, Ledger, Method};
use anode_core::ode::{
    At, DifferentiableField, FieldError, Grid, Real, SOLVERS, TimeParameters, TimeRule, VectorField, relative_distance,
    solver,
};
use anode_kernels::Activation;
use anode_nets::problems::{ConvField, Dense, dfdx_tape_gradient};
use proptest::prelude::*;

/// The methods that take the steps of the block's tableau.
const METHODS: [Method; 8] = [
    Method::Full,
    Method::Anode,
    Method::Uniform(3),
    Method::Revolve(2),
    Method::Online(2),
    Method::ReverseTime,
    Method::StoredAdjoint,
    Method::InterpolatedAdjoint,
];

/// dz/dt = cos(3 t) tanh(theta_0 z) + theta_1 t^2: time enters twice.
struct Timed;

impl VectorField for Timed {
    type Vector = Vec<f64>;
    fn eval(&self, at: At, z: &Vec<f64>, theta: &Vec<f64>, dz: &mut Vec<f64>) -> Result<(), FieldError> {
        for (dz, z) in dz.iter_mut().zip(z) {
            *dz = (3.0 * at.t).cos() * (theta[0] * z).tanh() + theta[1] * at.t * at.t;
        }
        Ok(())
    }
}

impl DifferentiableField for Timed {
    type Tape = (f64, Vec<f64>);
    fn eval_taped(&self, at: At, z: &Vec<f64>, theta: &Vec<f64>, dz: &mut Vec<f64>) -> Result<Self::Tape, FieldError> {
        self.eval(at, z, theta, dz)?;
        Ok((at.t, z.clone()))
    }
    fn vjp(
        &self,
        (t, z): &Self::Tape,
        theta: &Vec<f64>,
        cotangent: &Vec<f64>,
        z_bar: &mut Vec<f64>,
        theta_bar: &mut Vec<f64>,
    ) -> Result<(), FieldError> {
        for ((z, c), z_bar) in z.iter().zip(cotangent).zip(z_bar) {
            let slope = (3.0 * t).cos() * (1.0 - (theta[0] * z).tanh().powi(2)) * c;
            *z_bar += slope * theta[0];
            theta_bar[0] += slope * z;
            theta_bar[1] += t * t * c;
        }
        Ok(())
    }
    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        8 * (1 + tape.1.len())
    }
}

fn agrees_with_finite_differences<F: DifferentiableField<Vector = Vec<f64>>>(
    field: &F,
    z0: &Vec<f64>,
    theta: &Vec<f64>,
) {
    for tableau in SOLVERS {
        for grid in [Grid::unit(3), Grid::Times(vec![0.0, 0.1, 0.45, 1.0])] {
            let block = Block { field, tableau, grid };
            let expected = finite_differences(z0, theta, |z0, theta| end(Method::Full, &block, z0, theta));
            for method in METHODS.into_iter().filter(|m| m.is_exact()) {
                let (z_bar, theta_bar) = gradient(method, &block, z0, theta, &Ledger::new());
                let found: Vec<f64> = z_bar.into_iter().chain(theta_bar).collect();
                let error = relative_distance(&found, &expected);
                assert!(error < 1e-7, "{} {method}: {error:e}", tableau.name);
            }
        }
    }
}

#[test]
fn exact_methods_agree_with_finite_differences_for_every_tableau() {
    agrees_with_finite_differences(&Dense::tanh(4), &numbers(1, 4, 1.0), &numbers(2, 16, 1.0));
}

#[test]
fn time_dependent_fields_are_differentiated_at_the_times_of_their_stages() {
    agrees_with_finite_differences(&Timed, &numbers(3, 3, 1.0), &vec![0.8, -1.3]);
}

#[test]
fn parameters_at_knots_are_differentiated_through_their_interpolation() {
    for rule in [TimeRule::Hold, TimeRule::Linear] {
        let field = TimeParameters::new(Dense::<f64>::tanh(3), vec![0.1, 0.4, 0.5, 0.9], rule).unwrap();
        agrees_with_finite_differences(&field, &numbers(12, 3, 1.0), &numbers(13, 4 * 9, 1.0));
    }
}

#[test]
fn exact_methods_agree_with_the_full_tape_of_dfdx() {
    let n = 12;
    let (z0, w): (Vec<f64>, Vec<f64>) = (numbers(6, n, 1.0), numbers(7, n * n, 0.5));
    for activation in [Activation::Tanh, Activation::Relu, Activation::Softplus, Activation::None] {
        let field = Dense::new(n, activation, 1.0);
        for tableau in SOLVERS {
            for steps in [1, 2, 5, 16] {
                let block = Block { field: &field, tableau, grid: Grid::unit(steps) };
                let oracle = dfdx_tape_gradient(activation, tableau, steps, &z0, &w, &vec![0.0; n]).unwrap();
                for method in METHODS.into_iter().filter(|m| m.is_exact()) {
                    let (z_bar, w_bar) = gradient(method, &block, &z0, &w, &Ledger::new());
                    let (dz, dw) = (relative_distance(&z_bar, &oracle.z0), relative_distance(&w_bar, &oracle.w));
                    assert!(dz < 1e-12 && dw < 1e-12, "{} {method} Nt={steps}: {dz:e} {dw:e}", tableau.name);
                }
            }
        }
    }
}

#[test]
fn reverse_time_gradient_error_falls_with_slopes_one_two_three_four() {
    let n = 8;
    let (z0, w): (Vec<f64>, Vec<f64>) = (numbers(8, n, 1.0), numbers(9, n * n, 0.8));
    let field = Dense::tanh(n);
    for (name, expected) in [("euler", 1.0), ("midpoint", 2.0), ("heun", 3.0), ("rk4", 4.0)] {
        let mut points = (vec![], vec![]);
        for steps in [16, 32, 64, 128] {
            let block = Block { field: &field, tableau: solver(name).unwrap(), grid: Grid::unit(steps) };
            let exact = gradient(Method::Full, &block, &z0, &w, &Ledger::new());
            let reverse = gradient(Method::ReverseTime, &block, &z0, &w, &Ledger::new());
            points.0.push((1.0 / steps as f64, relative_distance(&reverse.0, &exact.0)));
            points.1.push((1.0 / steps as f64, relative_distance(&reverse.1, &exact.1)));
        }
        for (what, points) in [("z0", points.0), ("W", points.1)] {
            let measured = slope(&points);
            assert!((measured - expected).abs() < 0.2, "{name}, {what}: slope {measured} of {points:?}");
        }
    }
}

#[test]
fn euler_adjoints_are_the_ones_of_the_paper() {
    // One Euler step: DTO takes the Jacobian at z0, OTD at z1 (ANODE, section 4).
    let (z0, lambda) = (vec![0.7f64], vec![1.9]);
    let field = Dense::<f64>::tanh(1);
    let slope = |z: f64| 1.0 - (1.9 * z).tanh().powi(2);
    let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(1) };
    let z1 = z0[0] + (1.9 * z0[0]).tanh();
    let discrete = gradient(Method::Anode, &block, &z0, &lambda, &Ledger::new());
    assert!((discrete.0[0] - (1.0 + 1.9 * slope(z0[0])) * z1).abs() < 1e-14);
    assert!((discrete.1[0] - slope(z0[0]) * z0[0] * z1).abs() < 1e-14);
    for method in [Method::StoredAdjoint, Method::ReverseTime] {
        let continuous = gradient(method, &block, &z0, &lambda, &Ledger::new());
        assert!((continuous.0[0] - (1.0 + 1.9 * slope(z1)) * z1).abs() < 1e-14);
        assert!((continuous.1[0] - slope(z1) * z1 * z1).abs() < 1e-14);
    }
}

#[test]
fn costs_are_those_of_the_theory() {
    let (n, nt) = (16, 12);
    let (z0, w): (Vec<f64>, Vec<f64>) = (numbers(10, n, 1.0), numbers(11, n * n, 0.5));
    let field = Dense::tanh(n);
    let block = Block { field: &field, tableau: solver("rk4").unwrap(), grid: Grid::unit(nt) };
    let cost = |method| {
        let ledger = Ledger::new();
        gradient(method, &block, &z0, &w, &ledger);
        ledger.cost()
    };
    let (state, tape) = (8 * n, 4 * 2 * 8 * n);
    let evaluations = |steps: usize| 4 * steps as u64;
    for (method, steps, peak) in [
        (Method::Full, nt, nt * tape),
        (Method::Anode, 2 * nt, nt * tape),
        (Method::Uniform(3), 2 * nt, 2 * state + nt / 3 * tape),
        (Method::Revolve(3), nt + anode_core::gradient::revolve_optimum(nt, 3), 3 * state + tape),
        (Method::ReverseTime, 2 * nt, state),
        (Method::StoredAdjoint, 2 * nt, nt * state),
    ] {
        let found = cost(method);
        assert_eq!(found.vjps, evaluations(nt), "{method}");
        assert_eq!(found.function_evaluations, evaluations(steps), "{method}");
        assert_eq!(found.peak_bytes, peak, "{method}");
    }
    // The rows of docs/mathematics.md: steps recomputed, and the tapes of the longest stretch.
    assert_eq!((cost(Method::Full).replayed_steps, cost(Method::Anode).replayed_steps), (0, nt as u64));
    for m in 1..=nt {
        let repeats = (1..).find(|&r| anode_core::gradient::binomial(m + r, m) >= nt).unwrap();
        let formula = repeats * nt - anode_core::gradient::binomial(m + repeats, repeats - 1);
        assert_eq!(cost(Method::Revolve(m)).replayed_steps, formula as u64, "revolve:{m}");
        let uniform = cost(Method::Uniform(m));
        assert_eq!(uniform.replayed_steps, nt as u64, "uniform:{m}");
        let stretch = nt.div_ceil(m) * tape;
        assert!(uniform.peak_bytes >= stretch && uniform.peak_bytes <= (m - 1) * state + stretch, "uniform:{m}");
    }
    let interpolated = cost(Method::InterpolatedAdjoint);
    assert_eq!(interpolated.function_evaluations, evaluations(2 * nt) + 1, "one more for the rate at the end");
    assert_eq!(interpolated.peak_bytes, 2 * (nt + 1) * state);
    assert!(cost(Method::Online(3)).peak_bytes <= 3 * state + tape);
}

#[test]
fn a_byte_budget_is_kept_and_one_too_small_says_what_is_needed() {
    let (n, nt) = (16, 40);
    let (z0, w): (Vec<f64>, Vec<f64>) = (numbers(10, n, 1.0), numbers(11, n * n, 0.5));
    let field = Dense::tanh(n);
    let block = Block { field: &field, tableau: solver("rk4").unwrap(), grid: Grid::unit(nt) };
    let full = gradient(Method::Full, &block, &z0, &w, &Ledger::new());
    let (state, tape) = (8 * n, 4 * 2 * 8 * n);
    for budget in [state + tape, 3 * state + tape, 10 * (state + tape), 39 * tape, 40 * tape] {
        let ledger = Ledger::new();
        assert_eq!(gradient(Method::Within(budget), &block, &z0, &w, &ledger), full);
        assert!(ledger.cost().peak_bytes <= budget, "{} of {budget}", ledger.cost().peak_bytes);
        assert_eq!(ledger.cost().replayed_steps == 0, budget == 40 * tape, "with room for all, nothing is replayed");
    }
    let refused = Method::Within(state + tape - 1).forward(&block, &z0, &w, &Ledger::new()).err().unwrap().to_string();
    assert!(refused.contains(&format!("the least that works is {}", state + tape)), "{refused}");
}

fn same_bits<R: Real, F: DifferentiableField<Vector = Vec<R>>>(
    block: &Block<F>,
    z0: &Vec<R>,
    theta: &Vec<R>,
    m: usize,
) {
    let bits = |method| {
        let (z, w) = gradient(method, block, z0, theta, &Ledger::new());
        z.iter().chain(&w).map(|x| x.f64().to_bits()).collect::<Vec<_>>()
    };
    let full = bits(Method::Full);
    for method in [Method::Anode, Method::Uniform(m), Method::Revolve(m), Method::Online(m)] {
        assert_eq!(bits(method), full, "{} {method} Nt={}", block.tableau.name, block.grid.steps());
    }
}

fn same_bits_of_both_fields<R: Real>(
    activation: Activation,
    tableau: usize,
    steps: usize,
    m: usize,
    n: usize,
    seed: u64,
) {
    let (tableau, grid) = (SOLVERS[tableau], Grid::unit(steps));
    let dense = Dense::<R>::new(n, activation, 1.0);
    let block = Block { field: &dense, tableau, grid: grid.clone() };
    same_bits(&block, &numbers(seed, n, 1.0), &numbers(seed + 1, n * n, 1.0), m);
    let conv = ConvField::<R>::new([1 + n % 3, 2 + n, 5], 3, activation);
    let block = Block { field: &conv, tableau, grid };
    same_bits(&block, &numbers(seed, conv.state_len(), 1.0), &numbers(seed + 1, conv.kernel_len(), 0.3), m);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_schedules_give_the_same_bits(
        tableau in 0..SOLVERS.len(), steps in 1usize..40, m in 1usize..9, n in 1usize..6, seed in any::<u32>(),
        relu in any::<bool>(),
    ) {
        let activation = if relu { Activation::Relu } else { Activation::Tanh };
        same_bits_of_both_fields::<f32>(activation, tableau, steps, m, n, seed.into());
        same_bits_of_both_fields::<f64>(activation, tableau, steps, m, n, seed.into());
    }
}

#[test]
fn the_tape_of_dfdx_refuses_problems_without_steps_and_vectors_that_do_not_fit() {
    let tape = |steps, z0: &[f64], w: &[f64], target: &[f64]| {
        dfdx_tape_gradient(Activation::Tanh, SOLVERS[0], steps, z0, w, target).unwrap_err()
    };
    assert!(tape(0, &[1.0], &[0.5], &[0.0]).contains("steps is 0"));
    assert!(tape(1, &[], &[], &[]).contains("z0 has 0 numbers"));
    assert!(tape(1, &[1.0], &[0.5, 0.5], &[0.0]).contains("w and target have [2, 1] numbers"));
}
