//! The gradient of the differential equation itself, to tight tolerances, with an estimate of how well it is known.
//!
//! Where a field has kinks (ReLU), the adjoint equation has a coefficient that jumps. Differentiating the steps that a
//! forward solve accepted is then only of first order in the steps that hold a kink, whatever the order of the solver,
//! and the error control of the forward solve does not see it. Here the adjoint chooses the steps: its own error
//! control locates each jump, by steps as small as the tolerance.

use crate::ode::{
    Adaptive, Controller, DifferentiableField, Grid, Pass, Stack, Vector, expect_shape, integrate_observed,
    relative_distance,
};

use super::adaptive::{Augmented, lost_adjoint};
use super::{AdaptiveBlock, Block, GradientError, Ledger, Method};

/// A gradient of the differential equation, not of any steps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reference<V> {
    /// z(t1).
    pub end: V,
    /// dJ/dz(t0).
    pub z0: V,
    /// dJ/dtheta.
    pub theta: V,
    /// Relative distance between two computations of dJ/dz(t0): the continuous adjoint, and the exact gradient of its
    /// steps. It estimates the error of both.
    pub uncertainty_z0: f64,
    /// Relative distance between the same two computations of dJ/dtheta.
    pub uncertainty_theta: f64,
    /// Steps that the second computation takes.
    pub steps: usize,
}

/// The gradient of J for the solution over `block` from `z0`; `cotangent` gives dJ/dz(t1) for z(t1).
///
/// State, adjoint and gradient are integrated backwards together within the block's tolerances, from each state that
/// the forward solve accepted to the one before, so that no error of the state grows on the way back. The steps that
/// this takes are a grid that resolves every jump of the adjoint's coefficients. The exact gradient of these steps,
/// taken forwards, is the second way, whose distance from the first estimates the error. The norm is MATLAB's, which
/// bounds the error of each component. Keeps all accepted states, and O(sqrt N) states and tapes for N steps.
///
/// ```
/// use anode_core::gradient::{AdaptiveBlock, reference};
/// use anode_core::ode::{Adaptive, ClosureField, solver};
/// // dz/dt = -max(0, 2 z): z(1) = exp(-2) z(0).
/// let field = ClosureField::new(
///     |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = -(w[0] * z[0]).max(0.0),
///     |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
///         if w[0] * z[0] > 0.0 {
///             z_bar[0] -= w[0] * c[0];
///             w_bar[0] -= z[0] * c[0];
///         }
///     },
/// );
/// let (tableau, control) = (solver("dormand-prince").unwrap(), Adaptive::new(1e-12, 1e-14));
/// let block = AdaptiveBlock { field: &field, tableau, control, span: (0.0, 1.0) };
/// let found = reference(&block, &vec![1.0], &vec![2.0], |_| vec![1.0]).unwrap();
/// assert!((found.z0[0] - (-2.0f64).exp()).abs() < 1e-11 && found.uncertainty_z0 < 1e-10);
/// ```
///
/// # Errors
/// A cotangent that does not have the shape of the state. Else see [`GradientError`].
pub fn reference<F: DifferentiableField>(
    block: &AdaptiveBlock<F>,
    z0: &F::Vector,
    theta: &F::Vector,
    cotangent: impl Fn(&F::Vector) -> F::Vector,
) -> Result<Reference<F::Vector>, GradientError> {
    let &AdaptiveBlock { field, tableau, span, .. } = block;
    let control = Adaptive { controller: Controller::Matlab, ..block.control };
    let mut states = vec![];
    let forward = integrate_observed(field, tableau, control, span, Pass::Forward, z0, theta, |accepted| {
        states.push(accepted.z.duplicate());
    })?;
    let ledger = Ledger::new();
    let augmented = Augmented { field, theta, past: None, ledger: &ledger };
    let (mut times, mut adjoint, mut sum) = (vec![span.1], cotangent(&forward.end), theta.zeros_like());
    expect_shape("the cotangent", &adjoint.shape(), "the state", &forward.end.shape())?;
    for (i, pair) in forward.times.windows(2).enumerate().rev() {
        let z = states.get(i + 1).unwrap_or(&forward.end);
        let start = Stack(vec![z.duplicate(), adjoint, sum]);
        let (span, nothing) = ((pair[1], pair[0]), Stack(vec![]));
        let back = integrate_observed(&augmented, tableau, control, span, Pass::Reverse, &start, &nothing, |_| ())?;
        times.extend(&back.times[1..]);
        let mut parts = back.end.0.into_iter().skip(1);
        (adjoint, sum) = (parts.next().ok_or_else(lost_adjoint)?, parts.next().ok_or_else(lost_adjoint)?);
    }
    times.reverse();
    let steps = times.len() - 1;
    let fine = Block { field, tableau, grid: Grid::Times(times) };
    let found = Method::Uniform((steps as f64).sqrt().ceil() as usize).gradient(&fine, z0, theta, cotangent)?;
    let (uncertainty_z0, uncertainty_theta) =
        (relative_distance(&adjoint, &found.z0), relative_distance(&sum, &found.theta));
    Ok(Reference { end: forward.end, z0: adjoint, theta: sum, uncertainty_z0, uncertainty_theta, steps })
}
