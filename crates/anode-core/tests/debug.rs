//! Every type that a caller handles can be printed, so that `unwrap_err` and `dbg!` work, and shared between threads.

use anode_core::gradient::{AdaptiveBlock, Block, Ledger, Method, Reversal, Trajectory};
use anode_core::ode::{
    Adaptive, ButcherTableau, Closure, ClosureField, Grid, TimeParameters, TimeRule, Workspace, integrate_adaptive,
    solver,
};

fn shared<T: Send + Sync>(x: T) -> T {
    x
}

#[test]
fn blocks_fields_and_trajectories_can_be_printed_and_cloned() {
    let field = shared(ClosureField::new(
        |_t, z: &[f32], theta: &[f32], dz: &mut [f32]| dz[0] = theta[0] * z[0],
        |_t, z: &[f32], theta: &[f32], c: &[f32], z_bar: &mut [f32], theta_bar: &mut [f32]| {
            z_bar[0] += theta[0] * c[0];
            theta_bar[0] += z[0] * c[0];
        },
    ));
    assert_eq!(format!("{field:?}"), "ClosureField { real: \"f32\", .. }");
    let closure = Closure::new(|_t, z: &[f64], dz: &mut [f64]| dz[0] = z[0]);
    assert_eq!(format!("{closure:?}"), "Closure { real: \"f64\", .. }");
    let (tableau, control) = (solver("dormand-prince").unwrap(), Adaptive::new(1e-3, 1e-6));
    let block = shared(Block { field: &field, tableau, grid: Grid::unit(3) });
    let copy = block.clone();
    assert_eq!(copy.grid, block.grid);
    assert!(format!("{copy:?}").starts_with("Block { tableau: \"dormand-prince\", grid: Uniform"));
    let adaptive = AdaptiveBlock { field: &field, tableau, control, span: (0.0, 1.0) };
    let same = adaptive;
    assert!(format!("{same:?}").starts_with("AdaptiveBlock { tableau: \"dormand-prince\", control: Adaptive"));
    let (z0, theta, ledger) = (vec![1.0], vec![0.5], Ledger::new());
    let forward: Trajectory<_> = Method::Anode.forward(&block, &z0, &theta, &ledger).unwrap();
    assert!(format!("{forward:?}").starts_with("Trajectory {"));
    let (_, reversal): (_, Reversal<_>) = forward.into_parts();
    assert!(format!("{reversal:?}").starts_with("Reversal {"));
    let forward = Method::Anode.forward_adaptive(&adaptive, &z0, &theta, &ledger).unwrap();
    assert!(format!("{forward:?}").starts_with("AdaptiveTrajectory {"));
    assert!(Method::Anode.forward(&block, &vec![f32::NAN], &theta, &ledger).unwrap_err().is_divergence());
    let knots = TimeParameters::new(field, vec![0.0, 1.0], TimeRule::Hold).unwrap();
    assert!(format!("{:?}", knots.clone()).starts_with("TimeParameters {"));
    assert!(format!("{:?}", Workspace::<Vec<f64>>::lazy()).starts_with("Workspace {"));
}

#[test]
fn an_adaptive_solve_takes_a_borrowed_tableau() {
    let own = ButcherTableau { name: "own", ..solver("heun").unwrap().clone() };
    assert_ne!(&own, solver("heun").unwrap());
    let decay = Closure::new(|_t, z: &[f64], dz: &mut [f64]| dz[0] = -z[0]);
    let found = integrate_adaptive(&decay, &own, Adaptive::new(1e-6, 1e-9), (0.0, 1.0), &vec![1.0], &vec![]).unwrap();
    assert!((found.end[0] - (-1.0f64).exp()).abs() < 1e-5);
}
