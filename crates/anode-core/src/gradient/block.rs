//! An ODE block: a field, a solver and a time grid.

use std::fmt;

use crate::ode::{
    ButcherTableau, DifferentiableField, FieldError, Grid, Real, SolveError, Step, Vector, Workspace, advance, combine,
    finish, located, stages, step,
};

use super::Ledger;

/// z(t1) from z(t0) under dz/dt = f(t, z, theta), with a solver on a grid.
pub struct Block<'a, F> {
    /// The vector field f.
    pub field: &'a F,
    /// The solver.
    pub tableau: &'static ButcherTableau,
    /// The times between which steps are taken: uniform, or as an adaptive solver accepted them.
    pub grid: Grid,
}

impl<F> Clone for Block<'_, F> {
    fn clone(&self) -> Self {
        Self { grid: self.grid.clone(), ..*self }
    }
}

impl<F> fmt::Debug for Block<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tableau, grid, .. } = self;
        f.debug_struct("Block").field("tableau", &tableau.name).field("grid", grid).finish_non_exhaustive()
    }
}

/// The tapes of one step, one per stage.
pub(super) struct StepTape<T> {
    pub stages: Vec<T>,
    pub step: Step,
    pub bytes: usize,
}

impl<F: DifferentiableField> Block<'_, F> {
    /// One step without tape.
    pub(super) fn plain_step(
        &self,
        at: Step,
        workspace: &mut Workspace<F::Vector>,
        z: &mut F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        let moved = advance(self.tableau, at, z, |at, z, a| {
            let moved = self.field.advance(at, z, theta, a)?;
            ledger.evaluation();
            Some(moved.map(|finite| ((), finite)))
        })?;
        if moved.is_some() {
            return Ok(());
        }
        step(self.tableau, at, workspace, z, |at, z, dz| {
            ledger.evaluation();
            self.field.eval(at, z, theta, dz)
        })
    }

    /// Evaluates the stages of a step from `z` without tapes. Leaves `z` unchanged; the derivatives are in the
    /// workspace.
    pub(super) fn plain_stages(
        &self,
        at: Step,
        workspace: &mut Workspace<F::Vector>,
        z: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        stages(self.tableau, at, workspace, z, |at, z, dz| {
            ledger.evaluation();
            self.field.eval(at, z, theta, dz)
        })
    }

    /// Takes the step of [`Self::plain_step`], bit-identical, and returns the tapes of its stages.
    pub(super) fn taped_step(
        &self,
        at: Step,
        workspace: &mut Workspace<F::Vector>,
        z: &mut F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<StepTape<F::Tape>, SolveError> {
        let moved = advance(self.tableau, at, z, |at, z, a| {
            let moved = self.field.advance_taped(at, z, theta, a)?;
            ledger.evaluation();
            Some(moved)
        })?;
        if let Some(tape) = moved {
            return Ok(self.step_tape(vec![tape], at, ledger));
        }
        let tape = self.taped_stages(at, workspace, z, theta, ledger)?;
        finish(self.tableau, at, workspace, z)?;
        Ok(tape)
    }

    /// Evaluates the stages of a step from `z` with their tapes. Leaves `z` unchanged; the derivatives are in the
    /// workspace.
    pub(super) fn taped_stages(
        &self,
        at: Step,
        workspace: &mut Workspace<F::Vector>,
        z: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<StepTape<F::Tape>, SolveError> {
        let mut tapes = Vec::with_capacity(self.tableau.solution_stages());
        stages(self.tableau, at, workspace, z, |at, z, dz| {
            ledger.evaluation();
            tapes.push(self.field.eval_taped(at, z, theta, dz)?);
            Ok::<(), FieldError>(())
        })?;
        Ok(self.step_tape(tapes, at, ledger))
    }

    fn step_tape(&self, stages: Vec<F::Tape>, step: Step, ledger: &Ledger) -> StepTape<F::Tape> {
        let bytes = stages.iter().map(|tape| self.field.tape_bytes(tape)).sum();
        ledger.keep(bytes);
        StepTape { stages, step, bytes }
    }
}

/// Vectors that the vjp of a step needs. Reused by all steps of a backward sweep, unless a field takes their memory.
pub(super) struct Adjoints<V> {
    /// (df/dz)^T k_bar of each stage.
    stage_bars: Vec<Option<V>>,
    k_bar: Option<V>,
}

impl<V: Vector> Adjoints<V> {
    /// Allocates nothing; the first step does.
    pub(super) fn new(stages: usize) -> Self {
        Self { stage_bars: (0..stages).map(|_| None).collect(), k_bar: None }
    }

    /// `z_bar += sum_i Z_bar_i`: the cotangent of z that the increment of `step` leaves. Refuses one that is not
    /// finite.
    pub(super) fn add_to(&self, z_bar: &mut V, step: Step) -> Result<(), SolveError> {
        let mut finite = true;
        for (i, bar) in self.stage_bars.iter().flatten().enumerate() {
            if i + 1 == self.stage_bars.len() {
                finite = z_bar.axpy_is_finite(Real::of(1.0), bar);
            } else {
                z_bar.axpy(Real::of(1.0), bar);
            }
        }
        if finite { Ok(()) } else { Err(cotangent_not_finite(step)) }
    }
}

impl<F: DifferentiableField> Block<'_, F> {
    /// The vjp of one step: turns the cotangent `z_bar` of z_{n+1} into that of z_n, adds to `theta_bar` and frees the
    /// tape.
    pub(super) fn step_vjp(
        &self,
        tape: StepTape<F::Tape>,
        adjoints: &mut Adjoints<F::Vector>,
        z_bar: &mut F::Vector,
        theta: &F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        let step = tape.step;
        self.increment_vjp(tape, adjoints, z_bar, theta, theta_bar, ledger)?;
        adjoints.add_to(z_bar, step)
    }

    /// The vjp of a step's increment h sum_i b_i k_i for its `cotangent`: adds to `theta_bar`, stores the cotangents of
    /// the stages' states in `adjoints` and frees the tape.
    ///
    /// From k_i = f(Z_i), Z_i = z + h sum_j a_ij k_j, backwards over the stages:
    /// k_bar_i = h b_i cotangent + h sum_{j>i} a_ji Z_bar_j, Z_bar_i = (df/dz)^T k_bar_i, z_bar = sum_i Z_bar_i.
    pub(super) fn increment_vjp(
        &self,
        tape: StepTape<F::Tape>,
        adjoints: &mut Adjoints<F::Vector>,
        cotangent: &F::Vector,
        theta: &F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        let StepTape { stages, step, bytes } = tape;
        let (h, count) = (step.h, stages.len());
        for (i, stage) in stages.into_iter().enumerate().rev() {
            let (earlier, later) = adjoints.stage_bars.split_at_mut(i + 1);
            let mut k_bar = adjoints.k_bar.take().unwrap_or_else(|| cotangent.alloc_uninit_like());
            match self.tableau.b[i] {
                0.0 => k_bar.set_zero(),
                b => k_bar.set_scaled(Real::of(h * b), cotangent),
            }
            for (j, bar) in (i + 1..count).zip(later.iter().flatten()) {
                combine(&[self.tableau.a[j][i]], h, std::slice::from_ref(bar), &mut k_bar);
            }
            ledger.vjp();
            let spare = earlier[i].take();
            let (bar, left) =
                located(step.at(self.tableau, i), || self.field.vjp_consuming(stage, theta, k_bar, spare, theta_bar))?;
            (earlier[i], adjoints.k_bar) = (Some(bar), left);
        }
        ledger.free(bytes);
        Ok(())
    }
}

/// Refuses a state that left the finite numbers in `step`. Waits for a device.
pub(super) fn finite<V: Vector>(x: &V, step: Step) -> Result<(), SolveError> {
    if x.is_finite() { Ok(()) } else { Err(not_finite(step)) }
}

/// Like [`finite`], but does not wait for a device, see [`Vector::is_finite_deferred`].
pub(super) fn finite_deferred<V: Vector>(x: &V, step: Step) -> Result<(), SolveError> {
    if x.is_finite_deferred() { Ok(()) } else { Err(not_finite(step)) }
}

/// Refuses a cotangent that left the finite numbers in `step`. Waits for a device.
pub(super) fn finite_cotangent<V: Vector>(x: &V, step: Step) -> Result<(), SolveError> {
    if x.is_finite() { Ok(()) } else { Err(cotangent_not_finite(step)) }
}

/// Like [`finite_cotangent`], but does not wait for a device.
pub(super) fn finite_cotangent_deferred<V: Vector>(x: &V, step: Step) -> Result<(), SolveError> {
    if x.is_finite_deferred() { Ok(()) } else { Err(cotangent_not_finite(step)) }
}

fn not_finite(step: Step) -> SolveError {
    SolveError::NotFinite { step: step.index, stage: 0, t: step.t }
}

fn cotangent_not_finite(step: Step) -> SolveError {
    SolveError::CotangentNotFinite { step: step.index, t: step.t }
}
