//! Solvers that are run backwards, adaptive gradients and the continuous adjoints along stored trajectories.

use super::block_gradients::{end, finite_differences, gradient, numbers, slope};
use anode_core::gradient::{AdaptiveBlock, Block, COUPLING, GradientError, Ledger, Method, reference};
use anode_core::ode::{
    Adaptive, Controller, DifferentiableField, Grid, SOLVERS, integrate, integrate_adaptive, relative_distance, solver,
};
use anode_nets::problems::Dense;
use proptest::prelude::*;

#[test]
fn reversible_solvers_have_the_exact_gradient_of_their_own_steps() {
    let field = Dense::<f64>::tanh(4);
    let (z0, w) = (numbers(1, 4, 1.0), numbers(2, 16, 1.0));
    for tableau in SOLVERS {
        for grid in [Grid::unit(5), Grid::Times(vec![0.0, 0.1, 0.45, 1.0])] {
            let block = Block { field: &field, tableau, grid };
            for method in [Method::Leapfrog, Method::Reversible] {
                let expected = finite_differences(&z0, &w, |z0, w| end(method, &block, z0, w));
                let (z_bar, w_bar) = gradient(method, &block, &z0, &w, &Ledger::new());
                let found: Vec<f64> = z_bar.into_iter().chain(w_bar).collect();
                let error = relative_distance(&found, &expected);
                assert!(error < 1e-9, "{} {method}: {error:e}", tableau.name);
            }
        }
    }
}

#[test]
fn reversible_solvers_have_the_order_of_theory() {
    let n = 6;
    let field = Dense::<f64>::tanh(n);
    let (z0, w) = (numbers(3, n, 1.0), numbers(4, n * n, 1.0));
    let mut truth = z0.clone();
    integrate(&field, solver("dormand-prince").unwrap(), &Grid::unit(2000), &mut truth, &w).unwrap();
    let measured = |method, name| {
        let points: Vec<(f64, f64)> = [16, 32, 64, 128]
            .map(|steps| {
                let block = Block { field: &field, tableau: solver(name).unwrap(), grid: Grid::unit(steps) };
                (1.0 / steps as f64, relative_distance(&end(method, &block, &z0, &w), &truth))
            })
            .to_vec();
        slope(&points)
    };
    let found = measured(Method::Leapfrog, "euler");
    assert!((found - 2.0).abs() < 0.1, "leapfrog: {found}");
    for (name, order) in [("euler", 1.0), ("midpoint", 2.0), ("rk3", 3.0), ("rk4", 4.0)] {
        let found = measured(Method::Reversible, name);
        assert!((found - order).abs() < 0.25, "reversible {name}: {found}");
    }
}

#[test]
fn reversible_solvers_need_no_more_memory_for_more_steps() {
    let n = 8;
    let field = Dense::<f64>::tanh(n);
    let (z0, w) = (numbers(5, n, 1.0), numbers(6, n * n, 0.5));
    let (state, tape) = (8 * n, 2 * 8 * n);
    for steps in [1, 2, 8, 32, 128] {
        let block = Block { field: &field, tableau: solver("midpoint").unwrap(), grid: Grid::unit(steps) };
        let cost = |method| {
            let ledger = Ledger::new();
            gradient(method, &block, &z0, &w, &ledger);
            ledger.cost()
        };
        let (steps, leapfrog, reversible) = (steps as u64, cost(Method::Leapfrog), cost(Method::Reversible));
        assert_eq!(leapfrog.peak_bytes, 2 * state + tape);
        assert_eq!((leapfrog.function_evaluations, leapfrog.vjps), (2 * (steps + 1), steps + 1));
        assert_eq!(reversible.peak_bytes, 2 * state + 2 * tape);
        assert_eq!((reversible.function_evaluations, reversible.vjps), (2 * 4 * steps, 4 * steps));
    }
}

#[test]
fn reversed_time_loses_a_gradient_that_the_reversible_solvers_keep() {
    // dz/dt = tanh(-10 z), 12 steps: z(0) cannot be found again by solving backwards with steps of this size.
    let field = Dense::<f64>::tanh(1);
    let block = Block { field: &field, tableau: solver("midpoint").unwrap(), grid: Grid::unit(12) };
    let (z0, w) = (vec![0.3], vec![-10.0]);
    let error = |method: Method| {
        let exact = match method.uses_tableau_steps() {
            true => gradient(Method::Full, &block, &z0, &w, &Ledger::new()).1,
            false => finite_differences(&z0, &w, |z0, w| end(method, &block, z0, w))[1..].to_vec(),
        };
        relative_distance(&gradient(method, &block, &z0, &w, &Ledger::new()).1, &exact)
    };
    assert!(error(Method::ReverseTime) > 0.1, "{}", error(Method::ReverseTime));
    assert!(error(Method::Reversible) < 1e-6, "{}", error(Method::Reversible));
    assert_eq!(error(Method::Anode), 0.0);
}

#[test]
fn interpolated_adjoint_converges_with_the_order_of_the_solver() {
    let n = 8;
    let (z0, w): (Vec<f64>, Vec<f64>) = (numbers(8, n, 1.0), numbers(9, n * n, 0.8));
    let field = Dense::tanh(n);
    for (name, expected) in [("euler", 1.0), ("midpoint", 2.0), ("rk4", 4.0)] {
        let mut points = vec![];
        for steps in [16, 32, 64, 128] {
            let block = Block { field: &field, tableau: solver(name).unwrap(), grid: Grid::unit(steps) };
            let exact = gradient(Method::Full, &block, &z0, &w, &Ledger::new());
            let found = gradient(Method::InterpolatedAdjoint, &block, &z0, &w, &Ledger::new());
            points.push((1.0 / steps as f64, relative_distance(&found.1, &exact.1)));
        }
        let measured = slope(&points);
        assert!((measured - expected).abs() < 0.2, "{name}: slope {measured} of {points:?}");
    }
}

/// dJ/dz0 and dJ/dtheta of J = |z1|^2 / 2 with adaptive steps, and the accepted times.
fn adaptive_gradient<F: DifferentiableField<Vector = Vec<f64>>>(
    method: Method,
    block: &AdaptiveBlock<F>,
    z0: &Vec<f64>,
    theta: &[f64],
    ledger: &Ledger,
) -> Result<(Vec<f64>, Vec<f64>), GradientError> {
    let theta = theta.to_vec();
    let forward = method.forward_adaptive(block, z0, &theta, ledger)?;
    let (cotangent, times) = (forward.end().clone(), forward.solution().times.clone());
    let mut theta_bar = vec![0.0; theta.len()];
    let mut all = forward.backward(block, &theta, &cotangent, &mut theta_bar, ledger)?;
    assert_eq!(ledger.cost().live_bytes, 0, "{method}: everything that was kept is freed");
    all.extend(theta_bar);
    Ok((all, times))
}

fn dense_block(field: &Dense<f64>, tolerance: f64) -> AdaptiveBlock<'_, Dense<f64>> {
    let tableau = solver("dormand-prince").unwrap();
    AdaptiveBlock { field, tableau, control: Adaptive::new(tolerance, tolerance * 1e-2), span: (0.0, 1.0) }
}

#[test]
fn gradients_over_accepted_adaptive_steps_are_exact_for_those_steps() {
    let (z0, w) = (numbers(4, 5, 1.0), numbers(5, 25, 1.5));
    let field = Dense::tanh(5);
    let adaptive = dense_block(&field, 1e-7);
    let (found, times) = adaptive_gradient(Method::Online(3), &adaptive, &z0, &w, &Ledger::new()).unwrap();
    assert!(times.len() > 5);
    let block = Block { field: &field, tableau: adaptive.tableau, grid: Grid::Times(times) };
    let expected = finite_differences(&z0, &w, |z0, w| end(Method::Full, &block, z0, w));
    assert!(relative_distance(&found, &expected) < 1e-7);
}

#[test]
fn continuous_adjoints_with_their_own_steps_converge_with_the_tolerance() {
    let (z0, w) = (numbers(4, 5, 1.0), numbers(5, 25, 1.0));
    let field = Dense::tanh(5);
    let (truth, _) = adaptive_gradient(Method::Anode, &dense_block(&field, 1e-12), &z0, &w, &Ledger::new()).unwrap();
    for method in [Method::ReverseTime, Method::InterpolatedAdjoint] {
        for (tolerance, at_most) in [(1e-3, 1e-2), (1e-6, 1e-4), (1e-9, 1e-7)] {
            let found = adaptive_gradient(method, &dense_block(&field, tolerance), &z0, &w, &Ledger::new()).unwrap().0;
            let error = relative_distance(&found, &truth);
            assert!(error < at_most, "{method} at {tolerance:e}: {error:e}");
        }
    }
}

#[test]
fn a_decay_that_cannot_be_reversed_spoils_the_reversed_state_but_not_the_interpolated_one() {
    // z_1 is drawn to z_2, which rests: dz_1/dt = tanh(30 (z_2 - z_1)). On the way back its error grows like exp(30 t).
    let field = Dense::tanh(2);
    let (z0, w) = (vec![0.3, 0.5], vec![-30.0, 30.0, 0.0, 0.0]);
    let block = dense_block(&field, 1e-6);
    let w_bar = |method| adaptive_gradient(method, &block, &z0, &w, &Ledger::new()).map(|(all, _)| all[2..].to_vec());
    let exact = w_bar(Method::Anode).unwrap();
    let reversed = w_bar(Method::ReverseTime).map_or(f64::INFINITY, |found| relative_distance(&found, &exact));
    let interpolated = relative_distance(&w_bar(Method::InterpolatedAdjoint).unwrap(), &exact);
    assert!(reversed > 0.1, "{reversed:e}");
    assert!(interpolated < 1e-3, "{interpolated:e}");
}

#[test]
fn methods_that_must_know_the_number_of_steps_say_so() {
    let field = Dense::tanh(2);
    let block = dense_block(&field, 1e-3);
    for (method, name) in
        [(Method::Full, "`full`"), (Method::Revolve(3), "`revolve:M`"), (Method::Leapfrog, "`leapfrog`")]
    {
        let refused = adaptive_gradient(method, &block, &vec![1.0, 0.0], &[0.1; 4], &Ledger::new()).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains(name) && text.contains("online:M"), "{text}");
    }
}

const CONTROLLERS: [Controller; 4] =
    [Controller::Matlab, Controller::Torchdiffeq, Controller::Scipy, Controller::ProportionalIntegral];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn online_snapshots_give_the_bits_of_full_storage_on_the_accepted_steps(
        m in 1usize..8, exponent in 2i32..9, n in 1usize..6, seed in any::<u32>(), controller in 0usize..4,
        name in prop::sample::select(vec!["heun", "bogacki-shampine", "dormand-prince", "tsitouras"]),
    ) {
        let field = Dense::<f64>::tanh(n);
        let (z0, w) = (numbers::<f64>(seed.into(), n, 1.0), numbers::<f64>(u64::from(seed) + 1, n * n, 2.0));
        let control = Adaptive { controller: CONTROLLERS[controller], ..Adaptive::new(10f64.powi(-exponent), 1e-9) };
        let adaptive = AdaptiveBlock { field: &field, tableau: solver(name).unwrap(), control, span: (0.0, 1.0) };
        let (state, tape) = (8 * n, adaptive.tableau.solution_stages() * 16 * n);
        let ledger = Ledger::new();
        let (online, times) = adaptive_gradient(Method::Online(m), &adaptive, &z0, &w, &ledger).unwrap();
        prop_assert!(ledger.cost().peak_bytes <= m * state + tape, "at most m snapshots and one step's tape");
        let (anode, _) = adaptive_gradient(Method::Anode, &adaptive, &z0, &w, &Ledger::new()).unwrap();
        let block = Block { field: &field, tableau: adaptive.tableau, grid: Grid::Times(times) };
        let (z_bar, w_bar) = gradient(Method::Full, &block, &z0, &w, &Ledger::new());
        let full: Vec<f64> = z_bar.into_iter().chain(w_bar).collect();
        prop_assert_eq!(&online, &full);
        prop_assert_eq!(&anode, &full);
    }
}

#[test]
fn the_drift_of_a_reversible_solver_is_measured_and_bounds_the_gradient() {
    let field = Dense::<f64>::tanh(4);
    let (z0, w) = (numbers(1, 4, 1.0), numbers(2, 16, 0.5));
    let run = |steps: usize| {
        let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(steps) };
        Method::Reversible.gradient(&block, &z0, &w, |z| z.clone())
    };
    // Rounding grows by 1 / lambda a step.
    let drifts = [100, 5_000, 10_000].map(|steps| run(steps).unwrap().cost.reversal_drift);
    assert!(drifts[0] > 0.0 && drifts[0] < 1e-13, "{drifts:?}");
    let growth = (drifts[2] / drifts[1]).ln() / 5_000.0;
    assert!((growth + COUPLING.ln()).abs() < 2e-4, "{growth} a step: {drifts:?}");
    match run(30_000) {
        Err(error @ GradientError::Drift { steps: 30_000, drift, .. }) => {
            assert!(drift > 1e-3 && !error.is_divergence(), "{drift}");
            assert!(error.to_string().contains("revolve:M"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gradient_within_the_bound_on_the_drift_is_right_to_about_the_drift() {
    // dz/dt = theta z in one dimension: the coupled steps are linear, and their derivatives follow from a product of
    // matrices.
    let field = Dense::<f64>::new(1, anode_kernels::Activation::None, 1.0);
    for (steps, theta) in [(200, -1.3), (10_000, -1.3), (10_000, 0.7)] {
        let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(steps) };
        let found = Method::Reversible.gradient(&block, &vec![0.8], &vec![theta], |_| vec![1.0]).unwrap();
        // y' = l y + (1 - l + x) z, z' = z - (-x) y' with x = h theta, and the same for the derivatives by theta.
        let (l, h) = (COUPLING, 1.0 / steps as f64);
        let x = h * theta;
        let (mut y, mut z, mut dy, mut dz) = (0.8, 0.8, 0.0, 0.0);
        for _ in 0..steps {
            (dy, y) = (l * dy + (1.0 - l + x) * dz + h * z, l * y + (1.0 - l + x) * z);
            (dz, z) = (dz + x * dy + h * y, z + x * y);
        }
        let (of_z0, of_theta) = ((found.z0[0] - y / 0.8).abs() / y.abs(), (found.theta[0] - dy).abs() / dy.abs());
        let drift = found.cost.reversal_drift;
        assert!(of_z0 < 1e-11, "{of_z0:e}");
        assert!(of_theta < 1e-11 + 10.0 * drift, "Nt = {steps}: {of_theta:e}, drift {drift:e}");
    }
}

#[test]
fn leapfrog_measures_its_drift_too() {
    let field = Dense::<f64>::tanh(3);
    let (z0, w) = (numbers(3, 3, 1.0), numbers(4, 9, 2.0));
    let drift = |steps: usize| {
        let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(steps) };
        Method::Leapfrog.gradient(&block, &z0, &w, |z| z.clone()).unwrap().cost.reversal_drift
    };
    // Its way back does not amplify rounding.
    assert!(drift(10_000) > 0.0 && drift(10_000) < 1e-11, "{:e}", drift(10_000));
}

#[test]
fn the_reference_is_right_across_kinks_and_says_how_well_it_is_known() {
    // dz/dt = max(0, z_2) and -1 for z_2 = 0.5 - t: z_1(1) = z_1(0) + z_2(0)^2 / 2, whose derivative by z_2(0) is
    // z_2(0), by theta (a factor of the first rate) z_2(0)^2 / 2. The kink at t = z_2(0) lies on no step.
    let field = anode_core::ode::ClosureField::new(
        |_, z: &[f64], theta: &[f64], dz: &mut [f64]| dz.copy_from_slice(&[theta[0] * z[1].max(0.0), -1.0]),
        |_, z: &[f64], theta: &[f64], c: &[f64], z_bar: &mut [f64], theta_bar: &mut [f64]| {
            z_bar[1] += if z[1] > 0.0 { theta[0] * c[0] } else { 0.0 };
            theta_bar[0] += z[1].max(0.0) * c[0];
        },
    );
    let block = AdaptiveBlock {
        field: &field,
        tableau: solver("dormand-prince").unwrap(),
        control: Adaptive::new(1e-12, 1e-12),
        span: (0.0, 1.0),
    };
    for start in [0.437, 0.1, 0.73] {
        let z0 = vec![1.0, start];
        let found = reference(&block, &z0, &vec![2.0], |_| vec![1.0, 0.0]).unwrap();
        let errors = [found.z0[0] - 1.0, found.z0[1] - 2.0 * start, found.theta[0] - start * start / 2.0].map(f64::abs);
        let known = found.uncertainty_z0.max(found.uncertainty_theta);
        assert!(known < 1e-8 && errors.iter().all(|e| *e <= known.max(1e-11)), "{errors:?} {known:e}");
        // The steps that the forward solve accepts do not see the kink of the adjoint.
        let forward = integrate_adaptive(&field, block.tableau, block.control, block.span, &z0, &vec![2.0]).unwrap();
        let steps = Block { field: &field, tableau: block.tableau, grid: Grid::Times(forward.times) };
        let naive = Method::Full.gradient(&steps, &z0, &vec![2.0], |_| vec![1.0, 0.0]).unwrap();
        let off = (naive.z0[1] - 2.0 * start).abs();
        assert!(off > 1e-7, "{off:e}");
    }
    // A smooth field: as the exact solution says, and as well known.
    let linear = Dense::<f64>::new(1, anode_kernels::Activation::None, 1.0);
    let block = AdaptiveBlock { field: &linear, tableau: block.tableau, control: block.control, span: (0.0, 1.0) };
    let found = reference(&block, &vec![1.5], &vec![-0.7], |z| z.clone()).unwrap();
    let end = 1.5 * (-0.7f64).exp();
    assert!((found.theta[0] - end * end).abs() < 1e-11 && found.uncertainty_theta < 1e-11, "{found:?}");
}

#[test]
fn the_reference_of_a_relu_convolution_is_the_gradient_that_small_steps_tend_to() {
    // The field of `anode-grad` with seed 1: the distance of 128 RK4 steps from the gradient of the equation is
    // 3.8650e-4. Against the gradient of adaptive steps, of first order at kinks, it had been measured as 3.8333e-4.
    let field = anode_nets::problems::ConvField::<f64>::new([3, 12, 12], 3, anode_kernels::Activation::Relu);
    let drawn = |of, n, std| anode_nets::random::normal(&mut anode_nets::random::stream(1, of), n, std);
    let z0 = drawn(anode_nets::random::Stream::Initial, field.state_len(), 1.0);
    let w = drawn(anode_nets::random::Stream::Weights, field.kernel_len(), 0.25);
    let steps = Block { field: &field, tableau: solver("rk4").unwrap(), grid: Grid::unit(128) };
    let coarse = gradient(Method::Full, &steps, &z0, &w, &Ledger::new()).1;
    let block = AdaptiveBlock {
        field: &field,
        tableau: solver("dormand-prince").unwrap(),
        control: Adaptive::new(1e-10, 1e-10),
        span: (0.0, 1.0),
    };
    let found = reference(&block, &z0, &w, |z| z.clone()).unwrap();
    assert!(found.uncertainty_theta < 1e-7, "{:e}", found.uncertainty_theta);
    let error = relative_distance(&coarse, &found.theta);
    assert!((error - 3.8650e-4).abs() < 3e-8, "{error:e}");
}
