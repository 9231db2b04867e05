//! A schedule as text and as a timeline: when each snapshot is alive, and what each action does.

use super::schedule::expect_steps;
use super::{Action, Adjoint};

/// A schedule as text, one line per action: `o` marks a snapshot that is alive, `-` a plain step, `=` a taped step, `<`
/// a step that is reversed.
///
/// `None` if [`Adjoint::schedule`] is `None` (continuous adjoints, [`Leapfrog`], [`Reversible`], [`Within`]), for more
/// than 2^32 - 1 steps, and for a schedule that uses states or steps that do not exist. The text has O(Nt) characters
/// per action.
///
/// [`Leapfrog`]: super::Method::Leapfrog
/// [`Reversible`]: super::Method::Reversible
/// [`Within`]: super::Method::Within
pub fn diagram(method: impl Adjoint, steps: usize) -> Option<String> {
    expect_steps(steps).ok()?;
    let actions = method.schedule(steps)?;
    let mut alive = vec![false; steps + 1];
    let (mut at, mut taped, mut text) = (0, vec![], String::new());
    for action in actions {
        let mut marks = vec![' '; steps];
        let said = match action {
            Action::Advance { to } => {
                marks.get_mut(at..to)?.fill('-');
                at = to;
                format!("advance to {to}")
            }
            Action::Tape => {
                *marks.get_mut(at)? = '=';
                taped.push(at);
                at += 1;
                format!("tape step {}", at - 1)
            }
            Action::Store => {
                *alive.get_mut(at)? = true;
                format!("store {at}")
            }
            Action::Restore { step } => {
                at = step;
                format!("restore {step}")
            }
            Action::Free { step } => {
                *alive.get_mut(step)? = false;
                format!("free {step}")
            }
            Action::Turn => "turn: the cotangent arrives".into(),
            Action::Reverse => {
                let step: usize = taped.pop()?;
                *marks.get_mut(step)? = '<';
                format!("reverse step {step}")
            }
        };
        let snapshot = |i: usize| if alive[i] { 'o' } else { '.' };
        let line: String = (0..steps).flat_map(|i| [snapshot(i), marks[i]]).chain([snapshot(steps)]).collect();
        text += &format!("{line}  {said}\n");
    }
    Some(text)
}

/// The kind of work of a [`Stroke`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Plain steps.
    Plain,
    /// A step whose tape is kept.
    Taped,
    /// A step is reversed.
    Reversed,
}

/// Steps taken without a break, each in one unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// The kind of work.
    pub work: Work,
    /// Index of the state it starts from.
    pub from: usize,
    /// Index of the state it ends at; below `from` where steps are reversed.
    pub to: usize,
    /// Units of time before it.
    pub at: usize,
}

/// The life of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Index of the state.
    pub state: usize,
    /// Time at which it is stored.
    pub from: usize,
    /// Time at which it is freed.
    pub to: usize,
}

/// A schedule over time: each step that is taken, taped or reversed is one unit; storing and restoring take none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The work, in order.
    pub strokes: Vec<Stroke>,
    /// The snapshots, in the order in which they are freed.
    pub lives: Vec<Life>,
    /// Time in all.
    pub duration: usize,
}

/// The timeline of `method` over `steps` steps. `None` in the cases of [`diagram`].
pub fn timeline(method: impl Adjoint, steps: usize) -> Option<Timeline> {
    expect_steps(steps).ok()?;
    let mut line = Timeline { strokes: vec![], lives: vec![], duration: 0 };
    let (mut at, mut taped, mut alive) = (0, vec![], vec![]);
    for action in method.schedule(steps)? {
        let now = line.duration;
        let (work, from, to) = match action {
            Action::Advance { to } if to < at || to > steps => return None,
            Action::Advance { to } => (Work::Plain, at, to),
            Action::Tape if at >= steps => return None,
            Action::Tape => {
                taped.push(at);
                (Work::Taped, at, at + 1)
            }
            Action::Reverse => {
                let step = taped.pop()?;
                (Work::Reversed, step + 1, step)
            }
            Action::Store => {
                alive.push((at, now));
                continue;
            }
            Action::Restore { step } | Action::Free { step } if step > steps => return None,
            Action::Restore { step } => {
                at = step;
                continue;
            }
            Action::Free { step } => {
                if let Some(place) = alive.iter().position(|(state, _)| *state == step) {
                    let (state, from) = alive.swap_remove(place);
                    line.lives.push(Life { state, from, to: now });
                }
                continue;
            }
            Action::Turn => continue,
        };
        line.strokes.push(Stroke { work, from, to, at: now });
        line.duration += from.abs_diff(to);
        if work != Work::Reversed {
            at = to;
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::{CheckpointSchedule, Descriptor, Extent, METHODS, Method, revolve_optimum};

    #[test]
    fn a_diagram_shows_snapshots_and_steps() {
        let shown = diagram(Method::Revolve(2), 3).unwrap();
        let expected = "\
o . . .  store 0
o-. . .  advance to 1
o o . .  store 1
o o-. .  advance to 2
o o .=.  tape step 2
o o . .  turn: the cotangent arrives
o o .<.  reverse step 2
o o . .  restore 1
o o=. .  tape step 1
o o<. .  reverse step 1
o . . .  free 1
o . . .  restore 0
o=. . .  tape step 0
o<. . .  reverse step 0
. . . .  free 0
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn methods_without_schedule_and_too_many_steps_have_no_diagram() {
        use Method::*;
        for method in [ReverseTime, StoredAdjoint, InterpolatedAdjoint, Leapfrog, Reversible, Within(1 << 20)] {
            assert_eq!((diagram(method, 3), timeline(method, 3)), (None, None), "{method}");
        }
        for method in [Full, Anode, Uniform(2), Revolve(2), Online(2)] {
            assert_eq!((diagram(method, usize::MAX), timeline(method, usize::MAX)), (None, None), "{method}");
            assert_eq!(method.schedule(1 << 32), None, "{method}");
        }
    }

    /// A list of actions, right or wrong.
    #[derive(Clone, Copy)]
    struct Listed(&'static [Action]);

    impl CheckpointSchedule for Listed {
        fn descriptor(self) -> &'static Descriptor {
            METHODS[0]
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
    fn schedules_with_states_or_steps_that_do_not_exist_have_no_diagram() {
        use Action::{Advance, Free, Restore, Reverse, Tape};
        const FAR: usize = usize::MAX;
        let wrong: [&'static [Action]; 7] = [
            &[Advance { to: 4 }],
            &[Advance { to: 2 }, Advance { to: 1 }],
            &[Advance { to: 3 }, Tape],
            &[Restore { step: 4 }, Tape],
            &[Restore { step: FAR }, Tape],
            &[Free { step: FAR }],
            &[Reverse],
        ];
        for actions in wrong {
            assert_eq!((diagram(Listed(actions), 3), timeline(Listed(actions), 3)), (None, None), "{actions:?}");
        }
    }

    #[test]
    fn a_timeline_counts_every_step_once_and_frees_every_snapshot() {
        for (method, plain) in [(Method::Full, 0), (Method::Anode, 9), (Method::Revolve(3), revolve_optimum(9, 3))] {
            let line = timeline(method, 9).unwrap();
            let total =
                |work| line.strokes.iter().filter(|s| s.work == work).map(|s| s.from.abs_diff(s.to)).sum::<usize>();
            assert_eq!((total(Work::Plain), total(Work::Taped), total(Work::Reversed)), (plain, 9, 9), "{method}");
            assert_eq!(line.duration, plain + 18);
            let stored = method.schedule(9).unwrap().iter().filter(|a| **a == Action::Store).count();
            assert_eq!(line.lives.len(), stored);
        }
        assert_eq!(timeline(Method::Leapfrog, 9), None);
    }
}
