//! The one executor of checkpoint schedules: exact gradients of the discrete steps (discretize, then optimize).

use crate::ode::{DifferentiableField, Pass, SolveError, Vector};

use super::block::{Adjoints, StepTape};
use super::schedule::Action;
use super::{Block, Ledger};

/// A schedule half way: at its [`Action::Turn`], with the snapshots and tapes that the backward sweep starts from.
pub(super) struct Paused<F: DifferentiableField> {
    actions: std::vec::IntoIter<Action>,
    done: usize,
    current: (usize, F::Vector),
    snapshots: Vec<(usize, F::Vector)>,
    tapes: Vec<StepTape<F::Tape>>,
}

/// The cotangents of the state and of theta, with the workspace of a step's vjp.
type Cotangents<'a, V> = (&'a mut V, &'a mut V, &'a mut Adjoints<V>);

/// Runs `actions` up to the turn.
pub(super) fn forward<F: DifferentiableField>(
    block: &Block<F>,
    actions: Vec<Action>,
    z0: &F::Vector,
    theta: &F::Vector,
    ledger: &Ledger,
) -> Result<Paused<F>, SolveError> {
    let mut paused = Paused {
        actions: actions.into_iter(),
        done: 0,
        current: (0, z0.duplicate()),
        snapshots: vec![],
        tapes: vec![],
    };
    paused.run(block, theta, ledger, None)?;
    Ok(paused)
}

impl<F: DifferentiableField> Paused<F> {
    /// A backward sweep that starts from snapshots which some other sweep left.
    pub(super) fn at_the_turn(
        actions: Vec<Action>,
        current: (usize, F::Vector),
        snapshots: Vec<(usize, F::Vector)>,
    ) -> Self {
        Self { actions: actions.into_iter(), done: 0, current, snapshots, tapes: vec![] }
    }

    /// The state at which the forward sweep ended.
    pub(super) fn end(&self) -> &F::Vector {
        &self.current.1
    }

    /// Runs the rest of the schedule: turns the cotangent of z_Nt into that of z_0 and adds to `theta_bar`.
    pub(super) fn backward(
        mut self,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: &F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, SolveError> {
        let mut z_bar = cotangent.duplicate();
        let mut adjoints = Adjoints::new(block.tableau.solution_stages(), &z_bar);
        self.run(block, theta, ledger, Some((&mut z_bar, theta_bar, &mut adjoints)))?;
        Ok(z_bar)
    }

    fn run(
        &mut self,
        block: &Block<F>,
        theta: &F::Vector,
        ledger: &Ledger,
        mut reverse: Option<Cotangents<'_, F::Vector>>,
    ) -> Result<(), SolveError> {
        let mut workspace = block.workspace(&self.current.1);
        let pass = if reverse.is_none() { Pass::Forward } else { Pass::Replay };
        let (at, z) = (&mut self.current.0, &mut self.current.1);
        for action in self.actions.by_ref() {
            let number = self.done;
            let wrong = |why: String| SolveError::Schedule { action: number, why };
            self.done += 1;
            match action {
                Action::Advance { to } => {
                    for n in *at..to {
                        ledger.step(pass == Pass::Replay);
                        block.plain_step(block.grid.forward(n, pass), &mut workspace, z, theta, ledger)?;
                    }
                    *at = to;
                }
                Action::Tape => {
                    ledger.step(pass == Pass::Replay);
                    let step = block.grid.forward(*at, pass);
                    self.tapes.push(block.taped_step(step, &mut workspace, z, theta, ledger)?);
                    *at += 1;
                }
                Action::Store => {
                    ledger.keep_snapshot(z.bytes());
                    self.snapshots.push((*at, z.duplicate()));
                }
                Action::Restore { step } => {
                    let snapshot = self.snapshots.iter().find(|(s, _)| *s == step);
                    let (_, state) = snapshot.ok_or_else(|| wrong(format!("no snapshot of state {step}")))?;
                    z.copy_from(state);
                    *at = step;
                }
                Action::Free { step } => {
                    let place = self.snapshots.iter().position(|(s, _)| *s == step);
                    let place = place.ok_or_else(|| wrong(format!("no snapshot of state {step} to free")))?;
                    ledger.free_snapshot(self.snapshots.swap_remove(place).1.bytes());
                }
                Action::Turn if *at == block.grid.steps() => return Ok(()),
                Action::Turn => return Err(wrong(format!("the turn comes at state {at}, not at the last one"))),
                Action::Reverse => {
                    let (z_bar, theta_bar, adjoints) =
                        reverse.as_mut().ok_or_else(|| wrong("a step is reversed before the turn".into()))?;
                    let tape = self.tapes.pop().ok_or_else(|| wrong("no tape to reverse".into()))?;
                    block.step_vjp(&tape, adjoints, z_bar, theta, theta_bar, ledger)?;
                    ledger.free(tape.bytes);
                }
            }
        }
        if reverse.is_some() { Ok(()) } else { Err(SolveError::Schedule { action: self.done, why: "no turn".into() }) }
    }
}
