//! Checkpoint schedules: when a sweep stores, restores, replays and reverses.
//!
//! A schedule is a list of [`Action`]s for one ODE block. It decides memory and recomputation, never a number:
//! the vjps of the steps run in the same order on the same states under every schedule.
//!
//! The whole list is built before the sweep: 16 bytes of host memory per action, and so O(Nt) bytes, which the ledger
//! does not count.

use crate::ode::SolveError;

use super::binomial;
use super::optimum::least_repeats;

/// One action of a checkpoint schedule. The executor holds one current state, at first z_0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Take plain steps up to the state z_`to`.
    Advance {
        /// Index of the state to reach.
        to: usize,
    },
    /// Take one step and keep its tape.
    Tape,
    /// Keep a copy of the current state as a snapshot.
    Store,
    /// Make the snapshot of z_`step` the current state. Only after [`Action::Turn`]: the forward sweep takes each step
    /// once.
    Restore {
        /// Index of the state.
        step: usize,
    },
    /// Forget the snapshot of z_`step`.
    Free {
        /// Index of the state.
        step: usize,
    },
    /// End of the forward sweep: z_Nt is known, and its cotangent arrives before the next action.
    Turn,
    /// Apply the vjp of the newest taped step and forget its tape.
    Reverse,
}

/// The most steps of a block with a checkpoint schedule. The list of actions of a longer one takes more than 64 GiB.
const MOST_STEPS: u64 = u32::MAX as u64;

/// Refuses a block with so many steps that the list of its actions does not fit in memory.
pub(super) fn expect_steps(steps: usize) -> Result<(), SolveError> {
    if steps as u64 <= MOST_STEPS {
        return Ok(());
    }
    let why = format!("a checkpoint schedule is a list in memory: {steps} steps are too many; allowed: {MOST_STEPS}");
    Err(SolveError::Argument(why))
}

/// Reverses steps `from..to` with the fewest plain steps. The state z_`from` is current, and kept in a snapshot that
/// counts among `snapshots`. The first taped step is followed by the turn where one is still due.
///
/// Ranges that wait for a later one are on a stack in memory, as there may be as many as snapshots.
pub(super) fn reverse_range(from: usize, to: usize, snapshots: usize, actions: &mut Vec<Action>, turn: &mut bool) {
    let mut ranges = vec![Pending { from, to, snapshots: snapshots.clamp(1, (to - from).max(1)), current: from }];
    while let Some(range) = ranges.last_mut() {
        let Pending { from, to, snapshots, current } = *range;
        if current != from {
            actions.push(Action::Restore { step: from });
        }
        if to - from <= 1 {
            tape_and_reverse(actions, turn);
            ranges.pop();
            // The range before went on from the snapshot at `from`, and goes back to its own.
            if let Some(before) = ranges.last_mut() {
                if before.to - from > 1 {
                    actions.push(Action::Free { step: from });
                }
                (before.to, before.current) = (from, from);
            }
            continue;
        }
        let at = from + if snapshots == 1 { to - from - 1 } else { split(to - from, snapshots) };
        actions.push(Action::Advance { to: at });
        if snapshots == 1 {
            tape_and_reverse(actions, turn);
            (range.to, range.current) = (at, at);
        } else {
            if to - at > 1 {
                actions.push(Action::Store);
            }
            ranges.push(Pending { from: at, to, snapshots: snapshots - 1, current: at });
        }
    }
}

/// A range of steps that are still to be reversed, the snapshots for them, and the state that is current.
#[derive(Clone, Copy)]
struct Pending {
    from: usize,
    to: usize,
    snapshots: usize,
    current: usize,
}

fn tape_and_reverse(actions: &mut Vec<Action>, turn: &mut bool) {
    actions.push(Action::Tape);
    if std::mem::take(turn) {
        actions.push(Action::Turn);
    }
    actions.push(Action::Reverse);
}

/// Where the next snapshot goes: the longest first part that keeps both parts within their binomial bounds.
fn split(length: usize, snapshots: usize) -> usize {
    let repeats = least_repeats(length, snapshots).max(1);
    let first = binomial(snapshots + repeats - 1, snapshots);
    let second_least = binomial(snapshots + repeats - 2, snapshots - 1);
    first.min(length.saturating_sub(second_least)).clamp(1, length - 1)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::gradient::{Adjoint, Method, fewest_plain_steps, revolve_optimum};

    fn full(steps: usize) -> Vec<Action> {
        Method::Full.schedule(steps).unwrap()
    }

    fn uniform(steps: usize, m: usize) -> Vec<Action> {
        Method::Uniform(m).schedule(steps).unwrap()
    }

    fn revolve(steps: usize, m: usize) -> Vec<Action> {
        Method::Revolve(m).schedule(steps).unwrap()
    }

    fn online(steps: usize, m: usize) -> Vec<Action> {
        Method::Online(m).schedule(steps).unwrap()
    }

    /// Runs a schedule on indices alone; returns how often each step is taken without tape and the most snapshots
    /// alive.
    pub fn walk(actions: &[Action], steps: usize) -> (Vec<usize>, usize) {
        let (mut at, mut most, mut turned) = (0, 0, false);
        let mut plain = vec![0; steps];
        let (mut alive, mut taped, mut reversed) = (vec![], vec![], vec![]);
        for action in actions {
            match *action {
                Action::Advance { to } => {
                    assert!(to >= at);
                    plain[at..to].iter_mut().for_each(|n| *n += 1);
                    at = to;
                }
                Action::Tape => {
                    taped.push(at);
                    at += 1;
                }
                Action::Store => {
                    assert!(!alive.contains(&at));
                    alive.push(at);
                }
                Action::Restore { step } => {
                    assert!(alive.contains(&step));
                    at = step;
                }
                Action::Free { step } => alive.retain(|&s| s != step),
                Action::Turn => {
                    assert_eq!(at, steps);
                    turned = true;
                }
                Action::Reverse => {
                    assert!(turned);
                    reversed.push(taped.pop().unwrap());
                }
            }
            most = most.max(alive.len());
        }
        assert!(alive.is_empty() && taped.is_empty());
        assert_eq!(reversed, (0..steps).rev().collect::<Vec<_>>());
        (plain, most)
    }

    #[test]
    fn revolve_takes_the_fewest_steps_for_its_snapshots() {
        let optimum = fewest_plain_steps(200, 20);
        for (m, row) in optimum.iter().enumerate().skip(1) {
            for (steps, &best) in row.iter().enumerate().skip(1) {
                let (plain, most) = walk(&revolve(steps, m), steps);
                assert_eq!(plain.iter().sum::<usize>(), best, "Nt = {steps}, m = {m}");
                assert_eq!(revolve_optimum(steps, m), best, "binomial formula, Nt = {steps}, m = {m}");
                assert!(most <= m, "{most} snapshots alive, Nt = {steps}, m = {m}");
            }
        }
    }

    #[test]
    fn every_schedule_reverses_every_step_once_and_in_order() {
        for steps in 1..40 {
            assert_eq!(walk(&full(steps), steps).0, vec![0; steps]);
            for m in 1..10 {
                assert_eq!(walk(&uniform(steps, m), steps).0, vec![1; steps]);
            }
        }
    }

    #[test]
    fn online_snapshots_cost_at_most_one_sweep_more_than_the_optimum() {
        for m in 1..=20 {
            for steps in 1..=200 {
                let (plain, most) = walk(&online(steps, m), steps);
                assert!(most <= m, "{most} snapshots alive, Nt = {steps}, m = {m}");
                let taken: usize = plain.iter().sum();
                assert!(taken <= revolve_optimum(steps, m) + steps, "{taken} plain steps, Nt = {steps}, m = {m}");
            }
        }
    }

    #[test]
    fn more_snapshots_than_steps_are_as_many_as_steps() {
        for many in [12, 13, 1 << 40, usize::MAX] {
            assert_eq!(revolve(12, many), revolve(12, 11), "{many}");
            assert_eq!(online(12, many), online(12, 12), "{many}");
            assert_eq!(uniform(12, many), uniform(12, 12), "{many}");
            assert_eq!(revolve_optimum(12, many), 11);
        }
        // As deep as there are snapshots, and far beyond any stack of calls.
        let deep = revolve(200_000, usize::MAX);
        assert_eq!(deep.iter().filter(|action| **action == Action::Reverse).count(), 200_000);
    }
}
