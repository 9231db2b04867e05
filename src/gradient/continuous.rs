//! The continuous adjoint, discretized after the fact (optimize, then discretize).
//!
//! With a(t) = (dJ/dz(t))^T the adjoint ODE is -da/dt = (df/dz)^T a and the gradient is the integral of
//! (df/dtheta)^T a (ANODE, section 2). Both are integrated backwards on the forward grid with the forward solver,
//! beside the state itself, dz/dt = f from z(1) (Chen et al. 2018). None of it is the gradient of the discrete steps.

use crate::ode::{DifferentiableField, Pass, Real, SolveError, Step, Vector, combine, guarded, stage_state};

use super::{Block, Ledger};

/// What the forward sweep keeps.
pub(super) enum Kept<V> {
    /// z_Nt alone; earlier states are reconstructed by integrating backwards.
    End(V),
    /// z_1 .. z_Nt; each backward step starts from the stored state, so that only the discretization of the adjoint is
    /// wrong, not the state.
    States(Vec<V>),
}

/// Plain forward sweep. Returns z_Nt and what is kept.
pub(super) fn forward<F: DifferentiableField>(
    block: &Block<F>,
    store_states: bool,
    z0: &F::Vector,
    theta: &F::Vector,
    ledger: &Ledger,
) -> Result<(F::Vector, Kept<F::Vector>), SolveError> {
    let mut z = z0.duplicate();
    let mut workspace = block.workspace(&z);
    let mut states = vec![];
    for n in 0..block.grid.steps() {
        ledger.step(false);
        block.plain_step(block.grid.forward(n, Pass::Forward), &mut workspace, &mut z, theta, ledger)?;
        if store_states {
            ledger.keep(z.bytes());
            states.push(z.duplicate());
        }
    }
    let kept = if store_states {
        Kept::States(states)
    } else {
        ledger.keep(z.bytes());
        Kept::End(z.duplicate())
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
    match kept {
        Kept::End(mut z) => {
            for n in (0..block.grid.steps()).rev() {
                stages.step(block, block.grid.backward(n), &mut z, &mut adjoint, theta, theta_bar, ledger)?;
            }
            ledger.free(z.bytes());
        }
        Kept::States(mut states) => {
            for n in (0..block.grid.steps()).rev() {
                if let Some(mut z) = states.pop() {
                    stages.step(block, block.grid.backward(n), &mut z, &mut adjoint, theta, theta_bar, ledger)?;
                    ledger.free(z.bytes());
                }
            }
        }
    }
    Ok(adjoint)
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
        z: &mut V,
        adjoint: &mut V,
        theta: &V,
        theta_bar: &mut V,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        let tableau = block.tableau;
        let stages = tableau.solution_stages();
        for i in 0..stages {
            let at = step.at(tableau, i);
            let state = stage_state(tableau.a[i], step.h, z, &self.state_rates[..i], &mut self.state);
            ledger.evaluation();
            let state_rate = &mut self.state_rates[i];
            let tape = guarded(at, || block.field.eval_taped(at, state, theta, state_rate))?;
            // The rate of a is minus the vjp; the sign goes into the weights, which keeps one pass over memory.
            let a = stage_state(tableau.a[i], -step.h, adjoint, &self.adjoint_rates[..i], &mut self.adjoint);
            self.adjoint_rates[i].set_zero();
            self.theta_rate.set_zero();
            ledger.vjp();
            let rate = &mut self.adjoint_rates[i];
            guarded(at, || block.field.vjp(&tape, theta, a, rate, &mut self.theta_rate))?;
            theta_bar.axpy(V::Real::of(-step.h * tableau.b[i]), &self.theta_rate);
        }
        combine(&tableau.b[..stages], step.h, &self.state_rates, z);
        combine(&tableau.b[..stages], -step.h, &self.adjoint_rates, adjoint);
        if z.is_finite() && adjoint.is_finite() {
            Ok(())
        } else {
            Err(SolveError::NotFinite { step: step.index, stage: 0, t: step.t })
        }
    }
}
