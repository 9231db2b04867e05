//! The asynchronous leapfrog integrator with its exact gradient in O(1) memory (MALI, Zhuang et al. 2021).
//!
//! A pair of state and velocity, v0 = f(t0, z0), is stepped by s = z + h/2 v, v' = 2 f(t + h/2, s) - v, z' = s + h/2
//! v': order 2 with one evaluation per step. Inverting these updates gives the previous pair up to rounding.

use super::reversible::returned;
use crate::gradient::block::{finite, finite_cotangent};
use crate::gradient::{Adjoint, Argument, Block, Descriptor, Extent, ForwardSteps, GradientError, Ledger};
use crate::ode::{At, DifferentiableField, Pass, Real, Step, Vector, located};

/// A separate solver that is exactly invertible.
#[derive(Clone, Copy)]
pub struct Leapfrog;

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "leapfrog",
    argument: Argument::None,
    exact: true,
    steps: ForwardSteps::OtherSolver { order: 2 },
    memory: "two states, tape of one evaluation",
    evaluations: "2 Nt + 2",
    source: "MALI: Zhuang, Dvornek, Tatikonda & Duncan, ICLR 2021",
    advice: "Use it for long blocks if memory is scarce and order 2 is enough. Fast decay amplifies rounding errors.",
};

/// State and velocity at the end of a block.
pub struct StateAndVelocity<V> {
    z: V,
    v: V,
}

/// Time, step and stage of a step's only evaluation, at the middle of the step.
fn middle(step: Step) -> At {
    At { t: step.t + step.h / 2.0, step: step.index, stage: 0, pass: step.pass }
}

/// Time, step and stage of the evaluation of the first velocity: before step 0, as its stage 0.
fn start(step: Step) -> At {
    At { t: step.t, ..middle(step) }
}

impl Adjoint for Leapfrog {
    type Kept<F: DifferentiableField> = StateAndVelocity<F::Vector>;

    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    /// State and velocity over the grid.
    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, StateAndVelocity<F::Vector>), GradientError> {
        let real = <F::Vector as Vector>::Real::of;
        let (mut z, mut v, mut u) = (z0.duplicate(), z0.zeros_like(), z0.zeros_like());
        let evaluate = |at, z: &F::Vector, into: &mut F::Vector| {
            ledger.evaluation();
            located(at, || block.field.eval(at, z, theta, into))
        };
        evaluate(start(block.grid.forward(0, Pass::Forward)), &z, &mut v)?;
        for n in 0..block.grid.steps() {
            ledger.step(false);
            let step = block.grid.forward(n, Pass::Forward);
            z.axpy(real(step.h / 2.0), &v);
            evaluate(middle(step), &z, &mut u)?;
            v.scale(real(-1.0));
            v.axpy(real(2.0), &u);
            z.axpy(real(step.h / 2.0), &v);
            finite(&z, step)?;
        }
        ledger.keep(z.bytes() + v.bytes());
        Ok((z.duplicate(), StateAndVelocity { z, v }))
    }

    /// Reconstructs the pair step by step and applies each step's vjp. Returns [`GradientError::Drift`] if the
    /// reconstructed velocity differs too much from f(t0, z0).
    fn backward_sweep<F: DifferentiableField>(
        pair: StateAndVelocity<F::Vector>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        let real = <F::Vector as Vector>::Real::of;
        let StateAndVelocity { mut z, mut v } = pair;
        let scale = v.norm();
        let (mut v_bar, mut u_bar) = (cotangent.zeros_like(), cotangent.zeros_like());
        let mut z_bar = cotangent;
        let mut u = z.zeros_like();
        // f at `at` with its tape, and `into += (df/dz)^T weight`.
        let mut pull = |at, z: &F::Vector, u: &mut F::Vector, weight: &F::Vector, into: &mut F::Vector| {
            ledger.evaluation();
            let tape = located(at, || block.field.eval_taped(at, z, theta, u))?;
            let bytes = block.field.tape_bytes(&tape);
            ledger.keep(bytes);
            ledger.vjp();
            located(at, || block.field.vjp(&tape, theta, weight, into, theta_bar))?;
            ledger.free(bytes);
            Ok::<(), GradientError>(())
        };
        for n in (0..block.grid.steps()).rev() {
            let step = block.grid.forward(n, Pass::Reverse);
            let half = real(step.h / 2.0);
            // Cotangents of z' = s + h/2 v' and v' = 2 u - v; the state runs back along the same lines.
            z.axpy(-half, &v);
            v_bar.axpy(half, &z_bar);
            u_bar.copy_from(&v_bar);
            u_bar.scale(real(2.0));
            pull(middle(step), &z, &mut u, &u_bar, &mut z_bar)?;
            v.scale(real(-1.0));
            v.axpy(real(2.0), &u);
            v_bar.scale(real(-1.0));
            // s = z + h/2 v.
            v_bar.axpy(half, &z_bar);
            z.axpy(-half, &v);
            finite(&z, step)?;
            finite_cotangent(&z_bar, step)?;
        }
        // v0 = f(t0, z0).
        let first = block.grid.forward(0, Pass::Reverse);
        pull(start(first), &z, &mut u, &v_bar, &mut z_bar)?;
        finite_cotangent(&z_bar, first)?;
        ledger.free(z.bytes() + v.bytes());
        returned("leapfrog", block.grid.steps(), (&v, &u), scale, ledger)?;
        Ok(z_bar)
    }

    /// Two states at the end of the block, and the tapes of a step while it is reversed.
    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.bytes(2, 2)
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_mul(2)
    }
}
