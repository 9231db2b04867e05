//! The errors of gradients with NaN or infinity name the quantity: state, cotangent, or gradient for theta.

use anode_core::gradient::{AdaptiveBlock, Block, GradientError, Method};
use anode_core::ode::{Adaptive, ClosureField, DifferentiableField, Grid, SolveError, solver};

const METHODS: [Method; 11] = [
    Method::Full,
    Method::Anode,
    Method::Uniform(2),
    Method::Revolve(2),
    Method::Online(2),
    Method::Within(1 << 20),
    Method::ReverseTime,
    Method::StoredAdjoint,
    Method::InterpolatedAdjoint,
    Method::Leapfrog,
    Method::Reversible,
];

/// dz/dt = theta z. Its vjp adds these numbers to the cotangents of z and theta.
fn growth(z_fault: f64, theta_fault: f64) -> impl DifferentiableField<Vector = Vec<f64>> {
    ClosureField::new(
        |_t, z: &[f64], theta: &[f64], dz: &mut [f64]| dz[0] = theta[0] * z[0],
        move |t, z: &[f64], theta: &[f64], c: &[f64], z_bar: &mut [f64], theta_bar: &mut [f64]| {
            // The faults are in the evaluation at t = 0, which every method takes last.
            let at_start = if t == 0.0 { 1.0 } else { 0.0 };
            z_bar[0] += theta[0] * c[0] + if at_start > 0.0 { z_fault } else { 0.0 };
            theta_bar[0] += z[0] * c[0] + if at_start > 0.0 { theta_fault } else { 0.0 };
        },
    )
}

fn found(method: Method, z_fault: f64, theta_fault: f64, cotangent: f64) -> Result<(), GradientError> {
    let field = growth(z_fault, theta_fault);
    let block = Block { field: &field, tableau: solver("heun").unwrap(), grid: Grid::unit(5) };
    method.gradient(&block, &vec![1.0], &vec![0.5], |_| vec![cotangent]).map(|_| ())
}

#[test]
fn every_method_refuses_a_gradient_that_is_not_finite() {
    for method in METHODS {
        assert_eq!(found(method, 0.0, 0.0, 1.0), Ok(()), "{method}");
        let refused = found(method, 0.0, f64::NAN, 1.0).unwrap_err();
        assert_eq!(refused, SolveError::ThetaGradientNotFinite.into(), "{method}");
        assert!(refused.is_divergence() && refused.to_string().contains("`vjp_error`"));
        for (z_fault, cotangent, step) in [(f64::INFINITY, 1.0, 0), (0.0, f64::NAN, 4)] {
            let refused = found(method, z_fault, 0.0, cotangent).unwrap_err();
            let GradientError::Solve(SolveError::CotangentNotFinite { step: at, .. }) = refused else {
                panic!("{method}: {refused}")
            };
            assert_eq!(at, step, "{method}");
            assert!(refused.is_divergence());
        }
    }
}

#[test]
fn a_gradient_for_theta_through_adaptive_steps_is_finite_or_refused() {
    let field = growth(0.0, f64::NAN);
    let (tableau, control) = (solver("dormand-prince").unwrap(), Adaptive::new(1e-6, 1e-8));
    let block = AdaptiveBlock { field: &field, tableau, control, span: (0.0, 1.0) };
    for method in [Method::Anode, Method::Online(2), Method::ReverseTime, Method::InterpolatedAdjoint] {
        let refused = method.gradient_adaptive(&block, &vec![1.0], &vec![0.5], |_| vec![1.0]).unwrap_err();
        assert!(refused.is_divergence(), "{method}: {refused}");
    }
}

#[test]
fn a_field_that_is_not_finite_beyond_some_time_is_no_matter_of_the_tolerance_alone() {
    let field = ClosureField::new(
        |t, _: &[f64], _: &[f64], dz: &mut [f64]| dz[0] = if t < 0.5 { 1.0 } else { f64::NAN },
        |_t, _: &[f64], _: &[f64], _: &[f64], _: &mut [f64], _: &mut [f64]| (),
    );
    let (tableau, control) = (solver("dormand-prince").unwrap(), Adaptive::new(1e-6, 1e-8));
    let block = AdaptiveBlock { field: &field, tableau, control, span: (0.0, 1.0) };
    let refused = Method::Anode.gradient_adaptive(&block, &vec![0.0], &vec![], |_| vec![1.0]).unwrap_err();
    assert!(refused.to_string().contains("may not be finite there, or the tolerance is too tight"), "{refused}");
}
