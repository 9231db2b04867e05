//! A Runge-Kutta method made algebraically reversible, with its exact gradient in O(1) memory (McCallum & Foster 2024,
//! *Efficient, accurate and stable gradients for neural ODEs*).
//!
//! With Psi_h(t, z) the increment of a step of the tableau, two copies of the state are stepped together,
//! y' = lambda y + (1 - lambda) z + Psi_h(t, z) and z' = z - Psi_{-h}(t + h, y'), and both lines can be solved for the
//! old values. y approximates the solution with the tableau's order. The backward sweep recomputes the states up to
//! rounding, so the gradient is that of the steps taken, and nothing but the end is kept.
//!
//! Rounding grows like lambda^-Nt on the way back. Both copies start at z0, so their distance there measures what it
//! has grown to.

use num_traits::Float;

use crate::gradient::block::{Adjoints, finite};
use crate::gradient::{Adjoint, Argument, Block, Descriptor, Extent, ForwardSteps, GradientError, Ledger};
use crate::ode::{DifferentiableField, Pass, Real, Step, Vector, Workspace, combine, distance};

/// Two coupled copies of the state, whose steps can be inverted.
#[derive(Clone, Copy)]
pub struct Reversible;

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "reversible",
    argument: Argument::None,
    exact: true,
    steps: ForwardSteps::CoupledTableau,
    memory: "two states, tapes of one step",
    evaluations: "4 s Nt",
    source: "McCallum & Foster 2024",
    advice: "Use it for long blocks if memory is scarce and the solver has high order.",
};

/// The coupling: below 1 for stability, near 1 for accuracy; the value of the authors' experiments.
pub const COUPLING: f64 = 0.999;

/// Refuses a gradient whose solver did not come back to its start: where the two vectors `a` and `b`, equal but for
/// rounding, differ by more than half of the digits of the largest norm, `scale` among them. Records the drift
/// otherwise.
pub(super) fn returned<V: Vector>(
    method: &'static str,
    steps: usize,
    (a, b): (&V, &V),
    scale: f64,
    ledger: &Ledger,
) -> Result<(), GradientError> {
    let (apart, scale) = (distance(a, b), scale.max(a.norm()).max(b.norm()));
    let drift = if apart == 0.0 { 0.0 } else { apart / scale };
    ledger.drifted(drift);
    let bound = V::Real::epsilon().f64().sqrt();
    if drift <= bound { Ok(()) } else { Err(GradientError::Drift { method, steps, drift, bound }) }
}

/// The pair at the end of a block: all that the backward sweep needs.
pub struct TwoStates<V> {
    /// Approximates the solution.
    y: V,
    z: V,
}

/// Step `n` from its start to its end, and from its end to its start, in a sweep.
fn both_ways<F>(block: &Block<F>, n: usize, pass: Pass) -> (Step, Step)
where
    F: DifferentiableField,
{
    (block.grid.forward(n, pass), Step { pass, ..block.grid.backward(n) })
}

impl Adjoint for Reversible {
    type Kept<F: DifferentiableField> = TwoStates<F::Vector>;

    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    /// Both copies over the grid, from y = z = z0.
    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, TwoStates<F::Vector>), GradientError> {
        let (mut y, mut z) = (z0.duplicate(), z0.duplicate());
        let mut workspace = Workspace::lazy();
        let real = <F::Vector as Vector>::Real::of;
        for n in 0..block.grid.steps() {
            ledger.step(false);
            let (there, back) = both_ways(block, n, Pass::Forward);
            block.plain_stages(there, &mut workspace, &z, theta, ledger)?;
            y.scale(real(COUPLING));
            y.axpy(real(1.0 - COUPLING), &z);
            combine(block.tableau.b, there.h, &workspace.k, &mut y);
            block.plain_stages(back, &mut workspace, &y, theta, ledger)?;
            combine(block.tableau.b, -back.h, &workspace.k, &mut z);
            finite(&y, there)?;
            finite(&z, there)?;
        }
        ledger.keep(y.bytes() + z.bytes());
        Ok((y.duplicate(), TwoStates { y, z }))
    }

    /// Reconstructs the pair step by step and applies each step's vjp. Returns [`GradientError::Drift`] if the
    /// reconstructed pair differs too much from z0.
    fn backward_sweep<F: DifferentiableField>(
        pair: TwoStates<F::Vector>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        let TwoStates { mut y, mut z } = pair;
        let real = <F::Vector as Vector>::Real::of;
        let (b, scale) = (block.tableau.b, y.norm());
        let (mut minus, mut z_bar) = (cotangent.zeros_like(), cotangent.zeros_like());
        let mut y_bar = cotangent;
        let mut workspace = Workspace::lazy();
        let mut adjoints = Adjoints::new(block.tableau.solution_stages());
        for n in (0..block.grid.steps()).rev() {
            let (there, back) = both_ways(block, n, Pass::Reverse);
            // z' = z - Psi_{-h}(y') solved for z, and its vjp: y'_bar -= (dPsi_{-h}/dy')^T z'_bar.
            let tape = block.taped_stages(back, &mut workspace, &y, theta, ledger)?;
            combine(b, back.h, &workspace.k, &mut z);
            minus.set_zero();
            minus.axpy(real(-1.0), &z_bar);
            block.increment_vjp(tape, &mut adjoints, &minus, theta, theta_bar, ledger)?;
            adjoints.add_to(&mut y_bar, back)?;
            // y' = lambda y + (1 - lambda) z + Psi_h(z) solved for y, and its vjp.
            let tape = block.taped_stages(there, &mut workspace, &z, theta, ledger)?;
            combine(b, -there.h, &workspace.k, &mut y);
            y.axpy(real(COUPLING - 1.0), &z);
            y.scale(real(1.0 / COUPLING));
            block.increment_vjp(tape, &mut adjoints, &y_bar, theta, theta_bar, ledger)?;
            z_bar.axpy(real(1.0 - COUPLING), &y_bar);
            adjoints.add_to(&mut z_bar, there)?;
            y_bar.scale(real(COUPLING));
            finite(&y, there)?;
        }
        ledger.free(y.bytes() + z.bytes());
        returned("reversible", block.grid.steps(), (&y, &z), scale, ledger)?;
        // y0 = z0.
        z_bar.axpy(real(1.0), &y_bar);
        Ok(z_bar)
    }

    /// Two states at the end of the block, and the tapes of a step while it is reversed.
    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.bytes(2, 2)
    }

    /// Each step is two, forwards and backwards.
    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_mul(4)
    }
}
