//! The one executor of checkpoint schedules: exact gradients of the discrete steps (discretize, then optimize).

use crate::ode::{DifferentiableField, Pass, Vector, Workspace};

use super::block::{Adjoints, StepTape};
use super::schedule::Action;
use super::{Block, GradientError, Ledger};

/// A schedule paused after its forward sweep, at [`Action::Turn`]. Holds the snapshots and tapes that the backward
/// sweep needs. It does not hold the final state, from which no schedule takes a step.
pub struct Paused<F: DifferentiableField> {
    actions: std::vec::IntoIter<Action>,
    done: usize,
    at: usize,
    /// Steps that have not been reversed yet.
    left: usize,
    snapshots: Vec<(usize, F::Vector)>,
    tapes: Vec<StepTape<F::Tape>>,
}

/// The cotangents of the state and of theta, with the workspace of a step's vjp.
type Cotangents<'a, V> = (&'a mut V, &'a mut V, &'a mut Adjoints<V>);

/// Executes the forward sweep of `actions`. Returns the final state and the paused schedule.
pub(super) fn forward<F: DifferentiableField>(
    block: &Block<F>,
    actions: Vec<Action>,
    z0: &F::Vector,
    theta: &F::Vector,
    ledger: &Ledger,
) -> Result<(F::Vector, Paused<F>), GradientError> {
    let left = block.grid.steps();
    let mut paused = Paused { actions: actions.into_iter(), done: 0, at: 0, left, snapshots: vec![], tapes: vec![] };
    let mut z = Some(z0.share());
    paused.run(block, &mut z, theta, ledger, None)?;
    let end = z.ok_or(GradientError::Schedule {
        action: paused.done,
        why: "a step is reversed in the forward sweep".into(),
    })?;
    Ok((end, paused))
}

impl<F: DifferentiableField> Paused<F> {
    /// A backward sweep at state `at` that starts from snapshots which some other sweep left.
    pub(super) fn at_the_turn(actions: Vec<Action>, at: usize, snapshots: Vec<(usize, F::Vector)>) -> Self {
        Self { actions: actions.into_iter(), done: 0, at, left: at, snapshots, tapes: vec![] }
    }

    /// Runs the rest of the schedule: turns the cotangent of z_Nt into that of z_0 and adds to `theta_bar`.
    pub(super) fn backward(
        mut self,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        let mut z_bar = cotangent;
        let mut adjoints = Adjoints::new(block.tableau.solution_stages());
        self.run(block, &mut None, theta, ledger, Some((&mut z_bar, theta_bar, &mut adjoints)))?;
        Ok(z_bar)
    }

    fn run(
        &mut self,
        block: &Block<F>,
        z: &mut Option<F::Vector>,
        theta: &F::Vector,
        ledger: &Ledger,
        mut reverse: Option<Cotangents<'_, F::Vector>>,
    ) -> Result<(), GradientError> {
        // A workspace and a state live only while steps are taken: memory is scarcest while they are reversed.
        let mut workspace = None;
        let pass = if reverse.is_none() { Pass::Forward } else { Pass::Replay };
        let (at, steps) = (&mut self.at, block.grid.steps());
        while let Some(action) = self.actions.next() {
            let number = self.done;
            let wrong = |why: String| GradientError::Schedule { action: number, why };
            let no_state = || wrong("there is no state to go on from".into());
            self.done += 1;
            match action {
                Action::Advance { to } if to < *at || to > steps => {
                    return Err(wrong(format!("cannot advance from state {at} to state {to} of {steps}")));
                }
                Action::Tape if *at == steps => return Err(wrong(format!("no step starts at the last state, {at}"))),
                Action::Advance { to } => {
                    let z = z.as_mut().ok_or_else(no_state)?;
                    let workspace = workspace.get_or_insert_with(Workspace::lazy);
                    for n in *at..to {
                        ledger.step(pass == Pass::Replay);
                        block.plain_step(block.grid.forward(n, pass), workspace, z, theta, ledger)?;
                    }
                    *at = to;
                }
                Action::Tape => {
                    let z = z.as_mut().ok_or_else(no_state)?;
                    let workspace = workspace.get_or_insert_with(Workspace::lazy);
                    ledger.step(pass == Pass::Replay);
                    let step = block.grid.forward(*at, pass);
                    self.tapes.push(block.taped_step(step, workspace, z, theta, ledger)?);
                    *at += 1;
                }
                Action::Store => {
                    let z = z.as_ref().ok_or_else(no_state)?;
                    ledger.keep_snapshot(z.bytes());
                    self.snapshots.push((*at, z.share()));
                }
                Action::Restore { step } => {
                    // The wanted snapshot is nearly always among the newest.
                    let place = self.snapshots.iter().rposition(|(s, _)| *s == step);
                    let place = place.ok_or_else(|| wrong(format!("no snapshot of state {step}")))?;
                    if reverse.is_none() {
                        // Steps taken twice in the forward sweep would count, and update statistics, twice.
                        return Err(wrong(format!("state {step} is restored in the forward sweep")));
                    }
                    // A snapshot that is forgotten next is taken instead of copied.
                    if self.actions.as_slice().first() == Some(&Action::Free { step }) {
                        self.actions.next();
                        self.done += 1;
                        let (_, state) = self.snapshots.swap_remove(place);
                        ledger.free_snapshot(state.bytes());
                        *z = Some(state);
                    } else {
                        let state = &self.snapshots[place].1;
                        match z {
                            Some(z) => z.copy_from(state),
                            None => *z = Some(state.share()),
                        }
                    }
                    *at = step;
                }
                Action::Free { step } => {
                    let place = self.snapshots.iter().rposition(|(s, _)| *s == step);
                    let place = place.ok_or_else(|| wrong(format!("no snapshot of state {step} to free")))?;
                    ledger.free_snapshot(self.snapshots.swap_remove(place).1.bytes());
                }
                Action::Turn if reverse.is_some() => return Err(wrong("a second end of the forward sweep".into())),
                Action::Turn if *at == steps => return Ok(()),
                Action::Turn => return Err(wrong(format!("the forward sweep ends at state {at} of {steps}"))),
                Action::Reverse => {
                    let (z_bar, theta_bar, adjoints) =
                        reverse.as_mut().ok_or_else(|| wrong("a step is reversed in the forward sweep".into()))?;
                    (workspace, *z) = (None, None);
                    let tape = self.tapes.pop().ok_or_else(|| wrong("no tape to reverse".into()))?;
                    if tape.step.index + 1 != self.left {
                        let (step, left) = (tape.step.index, self.left);
                        return Err(wrong(format!("step {step} is reversed while {left} steps are left")));
                    }
                    self.left -= 1;
                    block.step_vjp(tape, adjoints, z_bar, theta, theta_bar, ledger)?;
                }
            }
        }
        let wrong = |why: String| Err(GradientError::Schedule { action: self.done, why });
        match (reverse.is_some(), self.left) {
            (true, 0) if self.snapshots.is_empty() => Ok(()),
            (true, 0) => wrong(format!("the snapshot of state {} is never freed", self.snapshots[0].0)),
            (true, left) => wrong(format!("{left} steps are not reversed")),
            (false, _) => wrong("the forward sweep has no end (`Action::Turn`)".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::{Adjoint, Argument, CheckpointSchedule, Descriptor, Extent, ForwardSteps, Method};
    use crate::ode::{ClosureField, Grid, solver};

    /// A list of actions for three steps, right or wrong.
    #[derive(Clone, Copy)]
    struct Listed(&'static [Action]);

    static DESCRIPTOR: Descriptor = Descriptor {
        name: "listed",
        argument: Argument::None,
        exact: true,
        steps: ForwardSteps::Tableau,
        memory: "",
        evaluations: "",
        source: "",
        advice: "",
    };

    impl CheckpointSchedule for Listed {
        fn descriptor(self) -> &'static Descriptor {
            &DESCRIPTOR
        }
        fn actions(self, _: usize) -> Vec<Action> {
            self.0.to_vec()
        }
        fn peak_bytes(self, _: &Extent) -> usize {
            0
        }
        fn steps_taken(self, _: usize) -> usize {
            0
        }
    }

    #[test]
    fn a_schedule_that_does_not_reverse_every_step_once_is_refused_with_the_action() {
        use Action::{Advance, Free, Restore, Reverse, Store, Tape, Turn};
        let field = ClosureField::new(
            |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = w[0] * z[0] * z[0],
            |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
                z_bar[0] += 2.0 * w[0] * z[0] * c[0];
                w_bar[0] += z[0] * z[0] * c[0];
            },
        );
        let block = Block { field: &field, tableau: solver("heun").unwrap(), grid: Grid::unit(3) };
        let gradient = |actions| {
            Listed(actions).gradient(&block, &vec![0.5], &vec![0.3], |end| end.clone()).map(|g| (g.z0, g.theta))
        };
        let full = Method::Full.gradient(&block, &vec![0.5], &vec![0.3], |end| end.clone()).unwrap();
        let right: &[Action] = &[Tape, Store, Tape, Tape, Turn, Reverse, Reverse, Reverse, Free { step: 1 }];
        assert_eq!(gradient(right).unwrap(), (full.z0, full.theta));
        let wrong: [(&[Action], usize, &str); 14] = [
            (&[Store, Advance { to: 3 }, Restore { step: 0 }, Tape], 2, "state 0 is restored in the forward sweep"),
            (&[Store, Tape, Tape, Tape, Turn, Reverse, Reverse, Reverse], 8, "of state 0 is never freed"),
            (&[], 0, "the forward sweep has no end"),
            (&[Advance { to: 4 }], 0, "cannot advance from state 0 to state 4 of 3"),
            (&[Advance { to: 2 }, Advance { to: 1 }], 1, "cannot advance from state 2 to state 1 of 3"),
            (&[Advance { to: 2 }, Turn], 1, "the forward sweep ends at state 2 of 3"),
            (&[Advance { to: 3 }, Tape], 1, "no step starts at the last state, 3"),
            (&[Restore { step: 0 }], 0, "no snapshot of state 0"),
            (&[Tape, Reverse], 1, "a step is reversed in the forward sweep"),
            (&[Tape, Tape, Tape, Turn, Reverse, Reverse], 6, "1 steps are not reversed"),
            (&[Tape, Tape, Tape, Turn, Turn, Reverse, Reverse, Reverse], 4, "a second end of the forward sweep"),
            (&[Tape, Tape, Tape, Turn, Reverse, Reverse, Reverse, Turn], 7, "a second end of the forward sweep"),
            (&[Store, Advance { to: 3 }, Turn, Restore { step: 0 }, Tape, Reverse], 5, "step 0 is reversed while 3"),
            (&[Tape, Tape, Tape, Turn, Reverse, Reverse, Reverse, Reverse], 7, "no tape to reverse"),
        ];
        for (actions, at, why) in wrong {
            let error = gradient(actions).unwrap_err();
            let GradientError::Schedule { action, .. } = &error else { panic!("{error}") };
            assert!(*action == at && error.to_string().contains(why), "{error}");
        }
    }
}
