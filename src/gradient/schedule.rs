//! Checkpoint schedules: when a sweep stores, restores, replays and reverses.
//!
//! A schedule is a list of [`Action`]s for one ODE block. It decides memory and recomputation, never a number:
//! the vjps of the steps run in the same order on the same states under every schedule.

use super::online::online;
use super::{Method, binomial};

/// One action of a checkpoint schedule. The executor holds one current state, at first z_0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Make the snapshot of z_`step` the current state.
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

/// The actions of `method` for `steps` steps; `None` where the method has no schedule (the continuous
/// adjoints and the solvers that are run backwards), or none before sizes are known ([`Method::Within`]).
pub fn schedule(method: Method, steps: usize) -> Option<Vec<Action>> {
    match method {
        Method::Full => Some(full(steps)),
        Method::Anode => Some(uniform(steps, 1)),
        Method::Uniform(m) => Some(uniform(steps, m)),
        Method::Revolve(m) => Some(revolve(steps, m)),
        Method::Online(m) => Some(online(steps, m)),
        Method::ReverseTime | Method::StoredAdjoint | Method::InterpolatedAdjoint => None,
        Method::Leapfrog | Method::Reversible | Method::Within(_) => None,
    }
}

/// Every step taped in the forward sweep: Nt tapes alive, nothing computed twice.
fn full(steps: usize) -> Vec<Action> {
    let mut actions = vec![Action::Tape; steps];
    actions.push(Action::Turn);
    actions.extend(vec![Action::Reverse; steps]);
    actions
}

/// `snapshots` equidistant snapshots; each segment is replayed once with tapes. One snapshot is ANODE's block input;
/// about sqrt(Nt) of them need the least memory, O(sqrt(Nt)).
fn uniform(steps: usize, snapshots: usize) -> Vec<Action> {
    let segments = snapshots.clamp(1, steps.max(1));
    let bound = |i: usize| i * steps / segments;
    let mut actions = Vec::new();
    for i in 0..segments {
        actions.extend([Action::Store, Action::Advance { to: bound(i + 1) }]);
    }
    actions.push(Action::Turn);
    for i in (0..segments).rev() {
        let length = bound(i + 1) - bound(i);
        actions.extend([Action::Restore { step: bound(i) }, Action::Free { step: bound(i) }]);
        actions.extend(vec![Action::Tape; length]);
        actions.extend(vec![Action::Reverse; length]);
    }
    actions
}

/// Binomial checkpointing: the fewest replayed steps for `snapshots` snapshots, z_0 among them, and one step's tape
/// (Griewank & Walther 2000, Algorithm 799). The last step is taped in the forward sweep.
fn revolve(steps: usize, snapshots: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    if steps == 0 {
        return vec![Action::Turn];
    }
    actions.push(Action::Store);
    reverse_range(0, steps, snapshots.max(1), &mut actions, &mut true);
    actions.push(Action::Free { step: 0 });
    actions
}

/// Reverses steps `from..to` with the fewest plain steps. The state z_`from` is current, and kept in a snapshot that counts
/// among `snapshots`. The first taped step is followed by the turn where one is still due.
pub(super) fn reverse_range(from: usize, to: usize, snapshots: usize, actions: &mut Vec<Action>, turn: &mut bool) {
    let (mut to, mut current) = (to, from);
    while to - from > 1 {
        let at = from + if snapshots == 1 { to - from - 1 } else { split(to - from, snapshots) };
        if current != from {
            actions.push(Action::Restore { step: from });
        }
        actions.push(Action::Advance { to: at });
        if snapshots == 1 {
            tape_and_reverse(actions, turn);
        } else {
            let keep = to - at > 1;
            if keep {
                actions.push(Action::Store);
            }
            reverse_range(at, to, snapshots - 1, actions, turn);
            if keep {
                actions.push(Action::Free { step: at });
            }
        }
        (to, current) = (at, at);
    }
    if current != from {
        actions.push(Action::Restore { step: from });
    }
    tape_and_reverse(actions, turn);
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
    let repeats = (1..).find(|&r| binomial(snapshots + r, snapshots) >= length).unwrap_or(length);
    let first = binomial(snapshots + repeats - 1, snapshots);
    let second_least = binomial(snapshots + repeats - 2, snapshots - 1);
    first.min(length.saturating_sub(second_least)).clamp(1, length - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::{fewest_plain_steps, revolve_optimum};

    /// Runs a schedule on indices alone; returns how often each step is taken without tape and the most snapshots alive.
    fn walk(actions: &[Action], steps: usize) -> (Vec<usize>, usize) {
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

    /// The least r with Nt <= C(m + r, m): no schedule with m snapshots can take every step fewer than r times.
    fn least_repeats(steps: usize, m: usize) -> usize {
        (0..).find(|&r| binomial(m + r, m) >= steps).unwrap()
    }

    #[test]
    fn online_snapshots_cost_at_most_one_sweep_more_than_the_optimum() {
        for m in 1..=20 {
            for steps in 1..=200 {
                let (plain, most) = walk(&online(steps, m), steps);
                assert!(most <= m, "{most} snapshots alive, Nt = {steps}, m = {m}");
                let repeats = plain.iter().max().copied().unwrap();
                assert!(repeats <= least_repeats(steps, m) + 1, "a step {repeats} times, Nt = {steps}, m = {m}");
                let taken: usize = plain.iter().sum();
                assert!(taken <= revolve_optimum(steps, m) + steps, "{taken} plain steps, Nt = {steps}, m = {m}");
            }
        }
    }
}
