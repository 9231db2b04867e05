//! Parameters at knots: which knot a step uses.

use anode_core::gradient::{Block, Method};
use anode_core::ode::{
    At, ClosureField, DifferentiableField, Grid, Pass, TimeParameters, TimeRule, VectorField, solver,
};

/// dz/dt = w.
fn sum() -> impl DifferentiableField<Vector = Vec<f64>> {
    ClosureField::new(
        |_t, _: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = w[0],
        |_t, _: &[f64], _: &[f64], c: &[f64], _: &mut [f64], w_bar: &mut [f64]| w_bar[0] += c[0],
    )
}

#[test]
fn every_step_of_a_uniform_grid_holds_the_parameters_of_the_knot_at_which_it_starts() {
    for (t0, t1) in [(0.0, 1.0), (-1.0, 0.1), (3.0, 10.0)] {
        for steps in 1..200 {
            let share = |n: usize| n as f64 / steps as f64;
            let knots = (0..steps).map(|n| t0 * (1.0 - share(n)) + t1 * share(n)).collect();
            let field = TimeParameters::new(sum(), knots, TimeRule::Hold).unwrap();
            let grid = Grid::Uniform { t0, t1, steps };
            let block = Block { field: &field, tableau: solver("euler").unwrap(), grid };
            let found = Method::Full.gradient(&block, &vec![0.0], &vec![1.0; steps], |_| vec![1.0]).unwrap();
            // 1/6 * 5 is less than 5/6: step 5 of 6 must not hold the parameters of step 4.
            let h = (t1 - t0) / steps as f64;
            assert_eq!(found.theta, vec![h; steps], "{steps} steps from {t0} to {t1}");
        }
    }
}

#[test]
fn a_time_before_a_knot_holds_the_parameters_of_the_knot_before() {
    let field = TimeParameters::new(sum(), vec![0.0, 0.5, 1.0], TimeRule::Hold).unwrap();
    let held = |t: f64| {
        let at = At { t, step: 0, stage: 0, pass: Pass::Forward };
        let mut dz = vec![0.0];
        field.eval(at, &vec![0.0], &vec![1.0, 2.0, 3.0], &mut dz).unwrap();
        dz[0]
    };
    let found = [-1.0, 0.0, 0.5 - 1e-13, 0.5, 0.7, 1.0 - 1e-13, 1.0, 2.0].map(held);
    assert_eq!(found, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0]);
}
