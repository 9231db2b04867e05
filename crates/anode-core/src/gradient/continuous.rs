//! The continuous adjoint, discretized after the fact (optimize, then discretize).
//!
//! With a(t) = (dJ/dz(t))^T the adjoint ODE is -da/dt = (df/dz)^T a and the gradient is the integral of
//! (df/dtheta)^T a (ANODE, section 2). Both are integrated backwards on the forward grid with the forward solver,
//! beside the state itself, dz/dt = f from z(1) (Chen et al. 2018). None of it is the gradient of the discrete steps.

use crate::ode::{ButcherTableau, DifferentiableField, Real, SolveError, Vector, combine, located, stage_state};

use super::block::{finite_cotangent_deferred, finite_deferred};
use super::{Block, Ledger};

/// A state with its rate.
pub struct Node<V> {
    z: V,
    rate: V,
}

impl<V: Vector> Node<V> {
    pub(super) fn keep(z: &V, rate: &V, ledger: &Ledger) -> Self {
        ledger.keep(z.bytes() + rate.bytes());
        Self { z: z.duplicate(), rate: rate.duplicate() }
    }

    pub(super) fn free(self, ledger: &Ledger) {
        ledger.free(self.z.bytes() + self.rate.bytes());
    }
}

/// Where a backward step gets the states of its stages from.
pub(super) enum Past<'a, V> {
    /// From integrating backwards with the adjoint; moved on by the step.
    Moving(&'a mut V),
    /// From the cubic Hermite interpolant between two nodes.
    Between { start: &'a Node<V>, end: &'a Node<V> },
}

/// Workspace of a backward step of the augmented system.
pub(super) struct Stages<V> {
    state_rates: Vec<V>,
    adjoint_rates: Vec<V>,
    state: V,
    adjoint: V,
    theta_rate: V,
}

impl<V: Vector> Stages<V> {
    pub(super) fn new(tableau: &ButcherTableau, z: &V, theta: &V) -> Self {
        let rates = || (0..tableau.solution_stages()).map(|_| z.zeros_like()).collect();
        Self {
            state_rates: rates(),
            adjoint_rates: rates(),
            state: z.zeros_like(),
            adjoint: z.zeros_like(),
            theta_rate: theta.zeros_like(),
        }
    }

    /// Step `n` of the grid from its end to its start, h < 0, of (z, a, g): a' = -(df/dz)^T a, g' = -(df/dtheta)^T a.
    pub(super) fn step<F: DifferentiableField<Vector = V>>(
        &mut self,
        block: &Block<F>,
        n: usize,
        mut past: Past<V>,
        (adjoint, theta_bar): (&mut V, &mut V),
        theta: &V,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        let (tableau, step) = (block.tableau, block.grid.backward(n));
        let stages = tableau.solution_stages();
        for i in 0..stages {
            let at = step.at(tableau, i);
            let state = match &mut past {
                Past::Moving(z) => stage_state(tableau.a[i], step.h, &**z, &self.state_rates[..i], &mut self.state),
                Past::Between { start, end } => {
                    hermite(1.0 - tableau.c[i], -step.h, start, end, &mut self.state);
                    &self.state
                }
            };
            ledger.evaluation();
            let state_rate = &mut self.state_rates[i];
            let tape = located(at, || block.field.eval_taped(at, state, theta, state_rate))?;
            // The rate of a is minus the vjp; the sign goes into the weights, which keeps one pass over memory.
            let a = stage_state(tableau.a[i], -step.h, adjoint, &self.adjoint_rates[..i], &mut self.adjoint);
            self.adjoint_rates[i].set_zero();
            self.theta_rate.set_zero();
            ledger.vjp();
            let rate = &mut self.adjoint_rates[i];
            located(at, || block.field.vjp(&tape, theta, a, rate, &mut self.theta_rate))?;
            theta_bar.axpy(V::Real::of(-step.h * tableau.b[i]), &self.theta_rate);
        }
        if let Past::Moving(z) = past {
            combine(&tableau.b[..stages], step.h, &self.state_rates, z);
            finite_deferred(z, step)?;
        }
        combine(&tableau.b[..stages], -step.h, &self.adjoint_rates, adjoint);
        finite_cotangent_deferred(adjoint, step)
    }
}

/// The cubic that meets both nodes' states and rates, a share `s` of the way from `start` to `end`, which lie `h` apart
/// (Hairer, Norsett, Wanner, *Solving ODEs I*, II.6).
pub(super) fn hermite<V: Vector>(s: f64, h: f64, start: &Node<V>, end: &Node<V>, into: &mut V) {
    let r = 1.0 - s;
    into.set_zero();
    for (weight, x) in [
        (r * r * (1.0 + 2.0 * s), &start.z),
        (s * s * (1.0 + 2.0 * r), &end.z),
        (h * s * r * r, &start.rate),
        (-h * s * s * r, &end.rate),
    ] {
        into.axpy(V::Real::of(weight), x);
    }
}
