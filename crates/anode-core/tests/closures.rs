//! Fields given by closures, in single precision.

use anode_core::gradient::{Block, Method};
use anode_core::ode::{At, Closure, ClosureField, DifferentiableField, Grid, Pass, integrate, solver, vjp_error};

/// dz/dt = theta_0 z + theta_1 t z, whose solution is z(1) = exp(theta_0 + theta_1 / 2) z(0).
fn growth() -> impl DifferentiableField<Vector = Vec<f32>> {
    ClosureField::new(
        |t: f64, z: &[f32], theta: &[f32], dz: &mut [f32]| dz[0] = (theta[0] + theta[1] * t as f32) * z[0],
        |t: f64, z: &[f32], theta: &[f32], c: &[f32], z_bar: &mut [f32], theta_bar: &mut [f32]| {
            z_bar[0] += (theta[0] + theta[1] * t as f32) * c[0];
            theta_bar[0] += z[0] * c[0];
            theta_bar[1] += t as f32 * z[0] * c[0];
        },
    )
}

#[test]
fn a_closure_in_single_precision_solves_exponential_decay() {
    let decay = Closure::new(|_t, z: &[f32], dz: &mut [f32]| dz[0] = -z[0]);
    let mut z = vec![1.0];
    integrate(&decay, solver("rk4").unwrap(), &Grid::unit(20), &mut z, &vec![]).unwrap();
    assert!((z[0] - (-1.0f32).exp()).abs() < 2e-6, "{}", z[0]);
}

#[test]
fn a_closure_field_in_single_precision_has_the_known_gradient() {
    let field = growth();
    let block = Block { field: &field, tableau: solver("rk4").unwrap(), grid: Grid::unit(20) };
    let (z0, theta) = (vec![2.0], vec![0.3, 0.4]);
    // J = z(1), and 0.3 + 0.4 / 2 = 0.5.
    let end = 2.0 * 0.5f32.exp();
    let full = Method::Full.gradient(&block, &z0, &theta, |_| vec![1.0]).unwrap();
    for (found, expected) in
        [full.end[0], full.z0[0], full.theta[0], full.theta[1]].into_iter().zip([end, end / 2.0, end, end / 2.0])
    {
        assert!((found - expected).abs() < 1e-5 * expected, "{found} instead of {expected}");
    }
    for method in [Method::Anode, Method::Revolve(3)] {
        let found = method.gradient(&block, &z0, &theta, |_| vec![1.0]).unwrap();
        assert_eq!((found.end, found.z0, found.theta), (full.end.clone(), full.z0.clone(), full.theta.clone()));
    }
}

#[test]
fn a_closure_field_in_single_precision_passes_the_check_of_its_vjp() {
    let field = growth();
    let (z, theta) = (vec![2.0], vec![0.3, 0.4]);
    let error = vjp_error(&field, 0.7, &z, &theta).unwrap();
    assert!(error < 1e-3, "{error:e}");
    // The tape is a time in double precision and a state in single precision.
    let at = At { t: 0.7, step: 0, stage: 0, pass: Pass::Forward };
    let tape = field.eval_taped(at, &z, &theta, &mut vec![0.0]).unwrap();
    assert_eq!(field.tape_bytes(&tape), 8 + 4);
}
