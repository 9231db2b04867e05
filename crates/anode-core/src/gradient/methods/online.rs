//! Snapshots for a sweep whose number of steps is not known before it ends, as an adaptive solver's is not.
//!
//! With all snapshots in use, the sweep may forget one and keep the current state instead. It takes the choice after
//! which the backward sweep would cost the fewest steps, on average over an end of the forward sweep one and two steps
//! later, each stretch between two snapshots being reversed with the fewest steps that the snapshots free by then
//! allow. Up to C(m+2, 2) - 2 steps the work is that of Stumm & Walther (SIAM J. Sci. Comput. 32(2), 2010, algorithm
//! I), which no online method undercuts; beyond, it is less than that of dynamic checkpointing by levels (Wang, Moin &
//! Iaccarino, SIAM J. Sci. Comput. 31(4), 2009).

use crate::gradient::optimum::revolve_optimum;
use crate::gradient::schedule::reverse_range;
use crate::gradient::{Action, AdaptiveStorage, Argument, CheckpointSchedule, Descriptor, Extent, ForwardSteps};

/// At most this many snapshots, including the input.
#[derive(Clone, Copy)]
pub struct Online(pub usize);

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "online",
    argument: Argument::Snapshots,
    exact: true,
    steps: ForwardSteps::Tableau,
    memory: "M snapshots, tapes of one step",
    evaluations: "close to the fewest, for unknown Nt",
    source: "Stumm & Walther, SIAM J. Sci. Comput. 32(2), 2010; Wang, Moin & Iaccarino, 31(4), 2009",
    advice: "Use it with adaptive steps. For a known Nt, `revolve` takes fewer steps.",
};

impl CheckpointSchedule for Online {
    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    /// The schedule for `steps` steps, decided as if their number were not known.
    fn actions(self, steps: usize) -> Vec<Action> {
        let (mut kept, mut actions) = (OnlineSnapshots::new(self.0), vec![]);
        for step in 0..steps {
            let choice = kept.reach(step);
            actions.extend(choice.free.map(|step| Action::Free { step }));
            actions.extend(choice.store.then_some(Action::Store));
            actions.push(Action::Advance { to: step + 1 });
        }
        actions.push(Action::Turn);
        actions.extend(kept.backward(steps));
        actions
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.bytes(self.0.clamp(1, extent.steps.max(1)), 1)
    }

    fn steps_taken(self, steps: usize) -> usize {
        // At most one sweep more than with a known number of steps.
        steps.saturating_mul(2).saturating_add(revolve_optimum(steps, self.0))
    }

    fn adaptive_storage(self) -> Option<AdaptiveStorage> {
        Some(AdaptiveStorage::Snapshots(self.0))
    }
}

/// The snapshots of a running sweep: which states to keep and which to forget.
#[derive(Clone, Debug)]
pub(in crate::gradient) struct OnlineSnapshots {
    most: usize,
    /// States of which a snapshot is kept, rising. State 0 always stays.
    alive: Vec<usize>,
    /// The costs of each place but the last, whose stretch still grows.
    costs: Vec<Costs>,
}

/// Plain steps of backward sweeps over the stretch that starts at a place. It has the snapshot at its start and those
/// that no earlier stretch holds.
#[derive(Clone, Copy, Debug)]
struct Costs {
    /// Over the stretch.
    own: usize,
    /// With one snapshot more.
    relieved: usize,
    /// Over this stretch and the one before, as one.
    joined: usize,
}

/// What to do with a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gradient) struct Choice {
    /// Forget the snapshot of this state first.
    pub free: Option<usize>,
    /// Keep a snapshot of the current state.
    pub store: bool,
}

impl OnlineSnapshots {
    /// At most `most` snapshots alive, that of state 0 among them.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), alive: vec![], costs: vec![] }
    }

    /// The sweep stands at state `step`, one after the last call's (from 0), and will step on. Costs O(m) operations.
    pub fn reach(&mut self, step: usize) -> Choice {
        let (mut free, mut from) = (None, self.costs.len());
        if self.alive.len() == self.most {
            let Some(place) = self.dispensable(step) else { return Choice { free: None, store: false } };
            free = Some(self.alive.remove(place));
            from = place - 1;
        }
        self.alive.push(step);
        self.costs.truncate(from);
        self.costs.extend((from..self.alive.len() - 1).map(|place| self.of(place, step)).collect::<Vec<_>>());
        Choice { free, store: true }
    }

    /// The costs of a place; the last stretch ends at state `end`.
    fn of(&self, place: usize, end: usize) -> Costs {
        let length = |place: usize| self.alive.get(place + 1).unwrap_or(&end) - self.alive[place];
        let (own, free) = (length(place), self.most - place);
        let joined = if place == 0 { 0 } else { revolve_optimum(length(place - 1) + own, free.saturating_add(1)) };
        Costs { own: revolve_optimum(own, free), relieved: revolve_optimum(own, free.saturating_add(1)), joined }
    }

    /// The place of the snapshot to forget at state `step`; `None` to keep all, and not the current state.
    fn dispensable(&self, step: usize) -> Option<usize> {
        let last = self.alive.len() - 1;
        let newest = self.of(last, step);
        let at = |place: usize| *self.costs.get(place).unwrap_or(&newest);
        // The last stretch, for an end one step later and for one two steps later.
        let grown = |by: usize| [1, 2].map(|more| revolve_optimum(by + more, self.most - last)).iter().sum::<usize>();
        // Of stretches that stay as they are, and of those behind one that goes, which have a snapshot more then.
        let (mut before, mut after) = (self.costs.iter().map(|costs| costs.own).sum::<usize>(), 0);
        let mut best = (2 * before + grown(step - self.alive[last]), None);
        let fresh = grown(0);
        for place in (1..=last).rev() {
            before -= at(place - 1).own;
            // Of equal costs the earliest place: long stretches belong to the front, where snapshots are many.
            let total = 2 * (before + at(place).joined + after) + fresh;
            if total <= best.0 {
                best = (total, Some(place));
            }
            after += at(place).relieved;
        }
        best.1
    }

    /// The backward sweep from state `steps`, which is current and not kept: each stretch after a snapshot is reversed
    /// with the fewest steps that the snapshots free by then allow.
    pub fn backward(&self, steps: usize) -> Vec<Action> {
        let (mut actions, mut end) = (vec![], steps);
        for (place, &start) in self.alive.iter().enumerate().rev() {
            actions.push(Action::Restore { step: start });
            reverse_range(start, end, self.most - place, &mut actions, &mut false);
            actions.push(Action::Free { step: start });
            end = start;
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::schedule::tests::walk;

    /// Steps of a gradient, plain and taped, if the forward sweep leaves snapshots of these states.
    fn taken(alive: &[usize], steps: usize, most: usize) -> usize {
        let ends = alive.iter().skip(1).chain([&steps]);
        let stretches = alive.iter().zip(ends).enumerate();
        2 * steps + stretches.map(|(place, (a, b))| revolve_optimum(b - a, most - place)).sum::<usize>()
    }

    /// Steps that dynamic checkpointing by levels takes for 1, 2, .. steps (Wang, Moin & Iaccarino): a snapshot may go
    /// once a later one has a higher level; where none may, the newest moves on, a level higher.
    fn by_levels(steps: usize, most: usize) -> Vec<usize> {
        let mut alive: Vec<(usize, usize)> = vec![];
        (0..steps)
            .map(|step| {
                if alive.len() < most {
                    alive.push((step, if step == 0 { usize::MAX } else { 0 }));
                } else {
                    let below = |i: usize| alive[i + 1..].iter().any(|later| later.1 > alive[i].1);
                    let place = (1..alive.len()).rev().find(|&i| below(i));
                    match (place, alive.len()) {
                        (Some(place), _) => {
                            alive.remove(place);
                            alive.push((step, 0));
                        }
                        (None, 2..) => {
                            let (_, level) = alive.remove(alive.len() - 1);
                            alive.push((step, level + 1));
                        }
                        _ => {}
                    }
                }
                taken(&alive.iter().map(|x| x.0).collect::<Vec<_>>(), step + 1, most)
            })
            .collect()
    }

    /// Those of algorithm I of Stumm & Walther for m + 1 to C(m+2, 2) - 1 steps: every stretch is recomputed once.
    fn stumm_walther(steps: usize, most: usize) -> Option<usize> {
        (most < steps && steps < (most + 1) * (most + 2) / 2).then(|| 3 * steps - most)
    }

    #[test]
    fn the_work_is_within_three_percent_of_the_least_wherever_that_of_a_published_method_is() {
        for most in 1..=30 {
            let (levels, mut kept) = (by_levels(400, most), OnlineSnapshots::new(most));
            for steps in 1..=400 {
                kept.reach(steps - 1);
                let (found, least) = (taken(&kept.alive, steps, most), steps + revolve_optimum(steps, most));
                let published = stumm_walther(steps, most).map_or(levels[steps - 1], |s| s.min(levels[steps - 1]));
                let near = |work: usize| 100 * work <= 103 * least;
                assert!(near(found) || !near(published), "Nt = {steps}, m = {most}: {found}, {published}, {least}");
                if let Some(best) = stumm_walther(steps, most) {
                    let last = steps + 1 == (most + 1) * (most + 2) / 2;
                    assert!(found == best || last && found == best + 1, "Nt = {steps}, m = {most}: {found}, {best}");
                }
            }
        }
    }

    #[test]
    fn eighteen_snapshots_reverse_190_steps_with_hardly_more_than_the_least_work() {
        let actions = Online(18).actions(190);
        let plain: usize = walk(&actions, 190).0.iter().sum();
        assert_eq!((190 + revolve_optimum(190, 18), 190 + plain), (550, 554));
    }
}
