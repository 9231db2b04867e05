//! Gradient methods against finite differences, dfdx's tape, and each other.

use anode::gradient::{Block, Ledger, Method};
use anode::kernels::Activation;
use anode::ode::{
    Adaptive, At, DifferentiableField, ErrorNorm, FieldError, Grid, Real, SOLVERS, VectorField, integrate,
    integrate_adaptive, relative_distance, solver,
};
use anode::problems::{Dense, dfdx_tape_gradient};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const METHODS: [Method; 6] =
    [Method::Full, Method::Anode, Method::Uniform(3), Method::Revolve(2), Method::ReverseTime, Method::StoredAdjoint];

fn numbers<R: Real>(seed: u64, n: usize, scale: f64) -> Vec<R> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| R::of(scale * rng.gen_range(-1.0..1.0))).collect()
}

/// dJ/dz0 and dJ/dtheta of J = |z1|^2 / 2.
fn gradient<F: DifferentiableField<Vector = Vec<R>>, R: Real>(
    method: Method,
    block: &Block<F>,
    z0: &Vec<R>,
    theta: &Vec<R>,
    ledger: &Ledger,
) -> (Vec<R>, Vec<R>) {
    let forward = method.forward(block, z0, theta, ledger).unwrap();
    let cotangent = forward.end().clone();
    let mut theta_bar = vec![R::zero(); theta.len()];
    let z_bar = forward.backward(block, theta, &cotangent, &mut theta_bar, ledger).unwrap();
    assert_eq!(ledger.cost().live_bytes, 0, "{method}: everything that was kept is freed");
    (z_bar, theta_bar)
}

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

fn finite_differences<F: DifferentiableField<Vector = Vec<f64>>>(
    block: &Block<F>,
    z0: &[f64],
    theta: &[f64],
) -> Vec<f64> {
    let loss = |x: &[f64]| {
        let mut z = x[..z0.len()].to_vec();
        integrate(block.field, block.tableau, &block.grid, &mut z, &x[z0.len()..].to_vec()).unwrap();
        z.iter().map(|z| z * z).sum::<f64>() / 2.0
    };
    let x: Vec<f64> = z0.iter().chain(theta).copied().collect();
    (0..x.len())
        .map(|i| {
            let at = |d: f64| {
                let mut moved = x.clone();
                moved[i] += d;
                loss(&moved)
            };
            // Fourth-order central differences.
            let d = 1e-3;
            (8.0 * (at(d) - at(-d)) - (at(2.0 * d) - at(-2.0 * d))) / (12.0 * d)
        })
        .collect()
}

fn agrees_with_finite_differences<F: DifferentiableField<Vector = Vec<f64>>>(
    field: &F,
    z0: &Vec<f64>,
    theta: &Vec<f64>,
) {
    for tableau in SOLVERS {
        for grid in [Grid::unit(3), Grid::Times(vec![0.0, 0.1, 0.45, 1.0])] {
            let block = Block { field, tableau, grid };
            let expected = finite_differences(&block, z0, theta);
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
fn gradients_over_accepted_adaptive_steps_are_exact_for_those_steps() {
    let (z0, w) = (numbers(4, 5, 1.0), numbers(5, 25, 1.0));
    let field = Dense::tanh(5);
    let tableau = solver("dormand-prince").unwrap();
    let control = Adaptive { rtol: 1e-4, atol: 1e-6, norm: ErrorNorm::Torchdiffeq, max_steps: 1000 };
    let solution = integrate_adaptive(&field, tableau, control, (0.0, 1.0), &z0, &w).unwrap();
    let block = Block { field: &field, tableau, grid: Grid::Times(solution.times) };
    let (z_bar, w_bar) = gradient(Method::Anode, &block, &z0, &w, &Ledger::new());
    let found: Vec<f64> = z_bar.into_iter().chain(w_bar).collect();
    assert!(relative_distance(&found, &finite_differences(&block, &z0, &w)) < 1e-7);
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

fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let (mx, my) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    logs.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum::<f64>() / logs.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>()
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
        (Method::Revolve(3), nt + anode::gradient::revolve_optimum(nt, 3), 3 * state + tape),
        (Method::ReverseTime, 2 * nt, state),
        (Method::StoredAdjoint, 2 * nt, nt * state),
    ] {
        let found = cost(method);
        assert_eq!(found.vjps, evaluations(nt), "{method}");
        assert_eq!(found.function_evaluations, evaluations(steps), "{method}");
        assert_eq!(found.peak_bytes, peak, "{method}");
    }
}

fn same_bits<R: Real>(activation: Activation, tableau: usize, steps: usize, m: usize, n: usize, seed: u64) {
    let field = Dense::<R>::new(n, activation, 1.0);
    let (z0, w) = (numbers::<R>(seed, n, 1.0), numbers::<R>(seed + 1, n * n, 1.0));
    let block = Block { field: &field, tableau: SOLVERS[tableau], grid: Grid::unit(steps) };
    let bits = |method| {
        let (z, w) = gradient(method, &block, &z0, &w, &Ledger::new());
        z.iter().chain(&w).map(|x| x.f64().to_bits()).collect::<Vec<_>>()
    };
    let full = bits(Method::Full);
    for method in [Method::Anode, Method::Uniform(m), Method::Revolve(m)] {
        assert_eq!(bits(method), full, "{} {method} Nt={steps}", block.tableau.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_schedules_give_the_same_bits(
        tableau in 0..SOLVERS.len(), steps in 1usize..40, m in 1usize..9, n in 1usize..6, seed in any::<u32>(),
        relu in any::<bool>(),
    ) {
        let activation = if relu { Activation::Relu } else { Activation::Tanh };
        same_bits::<f32>(activation, tableau, steps, m, n, seed.into());
        same_bits::<f64>(activation, tableau, steps, m, n, seed.into());
    }
}
