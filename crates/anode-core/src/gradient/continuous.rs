//! The continuous adjoint, discretized after the fact (optimize, then discretize).
//!
//! With a(t) = (dJ/dz(t))^T the adjoint ODE is -da/dt = (df/dz)^T a and the gradient is the integral of
//! (df/dtheta)^T a (ANODE, section 2). Both are integrated backwards on the forward grid with the forward solver,
//! beside the state itself, dz/dt = f from z(1) (Chen et al. 2018). None of it is the gradient of the discrete steps.

use crate::ode::{
    DifferentiableField, Pass, Real, SolveError, Step, Vector, Workspace, combine, finish, located, stage_state,
};

use super::block::finite;
use super::{Block, Ledger, Method};

/// What the forward sweep keeps.
pub(super) enum Kept<V> {
    /// z_Nt alone; earlier states are reconstructed by integrating backwards.
    End(V),
    /// z_1 .. z_Nt; each backward step starts from the stored state, so that only the discretization of the adjoint is
    /// wrong, not the state.
    States(Vec<V>),
    /// z_n and f(t_n, z_n), n = 0 .. Nt; the backward stages see the cubic Hermite interpolant between them.
    Nodes(Vec<Node<V>>),
}

/// A state with its rate.
pub(super) struct Node<V> {
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

/// Plain forward sweep. Returns z_Nt and what `method` keeps.
pub(super) fn forward<F: DifferentiableField>(
    block: &Block<F>,
    method: Method,
    z0: &F::Vector,
    theta: &F::Vector,
    ledger: &Ledger,
) -> Result<(F::Vector, Kept<F::Vector>), SolveError> {
    let mut z = z0.duplicate();
    let mut before = z0.duplicate();
    let mut workspace = Workspace::lazy();
    let (mut states, mut nodes) = (vec![], vec![]);
    for n in 0..block.grid.steps() {
        ledger.step(false);
        let step = block.grid.forward(n, Pass::Forward);
        if method == Method::InterpolatedAdjoint {
            // In two halves, because the rates are wanted.
            before.copy_from(&z);
            block.plain_stages(step, &mut workspace, &z, theta, ledger)?;
            finish(block.tableau, step, &workspace, &mut z)?;
        } else {
            block.plain_step(step, &mut workspace, &mut z, theta, ledger)?;
        }
        match method {
            Method::StoredAdjoint => {
                ledger.keep(z.bytes());
                states.push(z.duplicate());
            }
            // The first stage of every explicit method is the rate at the start of the step.
            Method::InterpolatedAdjoint => nodes.push(Node::keep(&before, &workspace.k[0], ledger)),
            _ => {}
        }
    }
    let kept = match method {
        Method::StoredAdjoint => Kept::States(states),
        Method::InterpolatedAdjoint => {
            let last = block.grid.backward(block.grid.steps().saturating_sub(1));
            let at = Step { pass: Pass::Replay, ..last }.at(block.tableau, 0);
            let mut rate = z.zeros_like();
            ledger.evaluation();
            located(at, || block.field.eval(at, &z, theta, &mut rate))?;
            nodes.push(Node::keep(&z, &rate, ledger));
            Kept::Nodes(nodes)
        }
        _ => {
            ledger.keep(z.bytes());
            Kept::End(z.duplicate())
        }
    };
    Ok((z, kept))
}

/// State, adjoint and gradient backwards over the grid. Returns the adjoint at t0 and adds to `theta_bar`.
pub(super) fn backward<F: DifferentiableField>(
    kept: Kept<F::Vector>,
    block: &Block<F>,
    theta: &F::Vector,
    cotangent: &F::Vector,
    theta_bar: &mut F::Vector,
    ledger: &Ledger,
) -> Result<F::Vector, SolveError> {
    let mut adjoint = cotangent.duplicate();
    let mut stages = Stages::new(block.tableau.solution_stages(), cotangent, theta_bar);
    let mut step = |n: usize, past: Past<F::Vector>| {
        stages.step(block, block.grid.backward(n), past, &mut adjoint, theta, theta_bar, ledger)
    };
    let steps = (0..block.grid.steps()).rev();
    match kept {
        Kept::End(mut z) => {
            for n in steps {
                step(n, Past::Moving(&mut z))?;
            }
            ledger.free(z.bytes());
        }
        Kept::States(states) => {
            for (n, mut z) in steps.zip(states.into_iter().rev()) {
                step(n, Past::Moving(&mut z))?;
                ledger.free(z.bytes());
            }
        }
        Kept::Nodes(mut nodes) => {
            let mut end = nodes.pop();
            for n in steps {
                if let (Some(later), Some(start)) = (end.take(), nodes.pop()) {
                    step(n, Past::Between { start: &start, end: &later })?;
                    later.free(ledger);
                    end = Some(start);
                }
            }
            end.into_iter().for_each(|first| first.free(ledger));
        }
    }
    Ok(adjoint)
}

/// Where a backward step gets the states of its stages from.
enum Past<'a, V> {
    /// From integrating backwards with the adjoint; moved on by the step.
    Moving(&'a mut V),
    /// From the cubic Hermite interpolant between two nodes.
    Between { start: &'a Node<V>, end: &'a Node<V> },
}

/// Workspace of a backward step of the augmented system.
struct Stages<V> {
    state_rates: Vec<V>,
    adjoint_rates: Vec<V>,
    state: V,
    adjoint: V,
    theta_rate: V,
}

impl<V: Vector> Stages<V> {
    fn new(stages: usize, z: &V, theta: &V) -> Self {
        let rates = || (0..stages).map(|_| z.zeros_like()).collect();
        Self {
            state_rates: rates(),
            adjoint_rates: rates(),
            state: z.zeros_like(),
            adjoint: z.zeros_like(),
            theta_rate: theta.zeros_like(),
        }
    }

    /// One step of size `step.h < 0` of (z, a, g): a' = -(df/dz)^T a, g' = -(df/dtheta)^T a.
    #[allow(clippy::too_many_arguments)]
    fn step<F: DifferentiableField<Vector = V>>(
        &mut self,
        block: &Block<F>,
        step: Step,
        mut past: Past<V>,
        adjoint: &mut V,
        theta: &V,
        theta_bar: &mut V,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        let tableau = block.tableau;
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
            finite(z, step)?;
        }
        combine(&tableau.b[..stages], -step.h, &self.adjoint_rates, adjoint);
        finite(adjoint, step)
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
