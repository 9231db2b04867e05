//! The forward sweep of a block and its backward sweep, by any method.

use std::fmt;

use crate::ode::{DifferentiableField, SolveError, Vector};

use super::signature::Signature;
use super::{Adjoint, Block, Cost, GradientError, Ledger, Method};

/// The forward sweep of a block: where it ended, and what its method keeps for the backward sweep.
///
/// ```
/// use anode_core::gradient::{Block, Ledger, Method};
/// use anode_core::ode::{ClosureField, Grid, solver};
///
/// // dz/dt = sin(w z), J = z(1)^2 / 2, four Heun steps.
/// let field = ClosureField::new(
///     |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = (w[0] * z[0]).sin(),
///     |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
///         z_bar[0] += w[0] * (w[0] * z[0]).cos() * c[0];
///         w_bar[0] += z[0] * (w[0] * z[0]).cos() * c[0];
///     },
/// );
/// let block = Block { field: &field, tableau: solver("heun").unwrap(), grid: Grid::unit(4) };
/// let (z0, w) = (vec![1.0], vec![0.5]);
/// let ledger = Ledger::new();
/// let forward = Method::Revolve(2).forward(&block, &z0, &w, &ledger).unwrap();
/// let cotangent = forward.end().clone();
/// let mut w_bar = vec![0.0];
/// let z0_bar = forward.backward(&block, &w, &cotangent, &mut w_bar, &ledger).unwrap();
/// assert!(z0_bar[0] > 0.0 && w_bar[0] > 0.0);
/// ```
pub struct Trajectory<F: DifferentiableField, A: Adjoint = Method> {
    end: F::Vector,
    kept: Reversal<F, A>,
}

/// What the backward sweep of a block starts from, without the end of the forward sweep where the method can do without
/// it.
pub struct Reversal<F: DifferentiableField, A: Adjoint = Method> {
    /// `None` after a grid without steps.
    kept: Option<A::Kept<F>>,
    signature: Signature,
}

/// The gradient of a loss of z(t1), with what it cost.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Gradient<V> {
    /// z(t1).
    pub end: V,
    /// dJ/dz(t0).
    pub z0: V,
    /// dJ/dtheta.
    pub theta: V,
    /// Evaluations, vjps, steps and bytes.
    pub cost: Cost,
}

impl<F: DifferentiableField, A: Adjoint> fmt::Debug for Trajectory<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trajectory").field("signature", &self.kept.signature).finish_non_exhaustive()
    }
}

impl<F: DifferentiableField, A: Adjoint> fmt::Debug for Reversal<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reversal").field("signature", &self.signature).finish_non_exhaustive()
    }
}

impl<F: DifferentiableField, A: Adjoint> Trajectory<F, A> {
    pub(super) fn new(end: F::Vector, kept: Reversal<F, A>) -> Self {
        Self { end, kept }
    }

    /// z at the end of the block.
    pub fn end(&self) -> &F::Vector {
        &self.end
    }

    /// z at the end of the block, and what the backward sweep starts from: for callers that need not keep both.
    pub fn into_parts(self) -> (F::Vector, Reversal<F, A>) {
        (self.end, self.kept)
    }

    /// From `cotangent` = dJ/dz(t1): adds dJ/dtheta to `theta_bar` and returns dJ/dz(t0).
    ///
    /// # Errors
    /// A block with another solver or grid than that of the forward sweep, vectors that do not fit the state or theta.
    /// Else see [`GradientError`]; `theta_bar` then holds a part of the sum.
    pub fn backward(
        self,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: &F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        self.kept.backward(block, theta, cotangent.duplicate(), theta_bar, ledger)
    }
}

impl<F: DifferentiableField, A: Adjoint> Reversal<F, A> {
    pub(super) fn new(kept: Option<A::Kept<F>>, signature: Signature) -> Self {
        Self { kept, signature }
    }

    /// As [`Trajectory::backward`]; the cotangent's memory becomes that of the result.
    ///
    /// # Errors
    /// See [`Trajectory::backward`].
    pub fn backward(
        self,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        self.signature.check((block.tableau, &block.grid), theta, &cotangent, theta_bar)?;
        match self.kept {
            None => Ok(cotangent),
            Some(kept) => A::backward_sweep(kept, block, theta, cotangent, theta_bar, ledger),
        }
    }
}

/// Refuses a gradient for theta with a component that is not finite. Waits for a device.
pub(super) fn finite_theta<V: Vector>(theta_bar: &V) -> Result<(), SolveError> {
    if theta_bar.is_finite() { Ok(()) } else { Err(SolveError::ThetaGradientNotFinite) }
}
