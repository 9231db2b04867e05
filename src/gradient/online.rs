//! Snapshots for a sweep whose number of steps is not known before it ends, as an adaptive solver's is not.
//!
//! Dynamic checkpointing by levels (Wang, Moin & Iaccarino, SIAM J. Sci. Comput. 31(4), 2009): a snapshot may go once a
//! later one has a higher level, and levels rise where none may go. What stays is spread like Revolve's snapshots at any
//! moment, so that the backward sweep, which knows the number, costs little more than if it had been known from the start.

use super::Action;
use super::schedule::reverse_range;

/// The snapshots of a running sweep: which states to keep and which to forget.
#[derive(Clone, Debug)]
pub(super) struct OnlineSnapshots {
    most: usize,
    /// Step and level, by step. The snapshot of state 0 has the highest level.
    alive: Vec<(usize, usize)>,
}

/// What to do with a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Forget the snapshot of this state first.
    pub free: Option<usize>,
    /// Keep a snapshot of the current state.
    pub store: bool,
}

impl OnlineSnapshots {
    /// At most `most` snapshots alive, that of state 0 among them.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), alive: vec![] }
    }

    /// The sweep stands at state `step`, one after the last call's (from 0), and will step on.
    pub fn reach(&mut self, step: usize) -> Choice {
        if self.alive.is_empty() {
            self.alive.push((step, usize::MAX));
            return Choice { free: None, store: true };
        }
        if self.alive.len() < self.most {
            self.alive.push((step, 0));
            return Choice { free: None, store: true };
        }
        let (place, level) = match (self.dispensable(), self.alive.last()) {
            (Some(place), _) => (place, 0),
            // The newest snapshot moves on to this state, a level higher. State 0's never goes.
            (None, Some(&(_, level))) if self.alive.len() > 1 => (self.alive.len() - 1, level + 1),
            _ => return Choice { free: None, store: false },
        };
        let (freed, _) = self.alive.remove(place);
        self.alive.push((step, level));
        Choice { free: Some(freed), store: true }
    }

    /// The newest snapshot that a later one of higher level makes dispensable.
    fn dispensable(&self) -> Option<usize> {
        let mut highest = 0;
        for (place, &(_, level)) in self.alive.iter().enumerate().rev() {
            if level < highest {
                return Some(place);
            }
            highest = highest.max(level);
        }
        None
    }

    /// The backward sweep from state `steps`, which is current and not kept: each stretch after a snapshot is reversed with
    /// the fewest steps that the snapshots free by then allow.
    pub fn backward(&self, steps: usize) -> Vec<Action> {
        let (mut actions, mut end) = (vec![], steps);
        for (place, &(start, _)) in self.alive.iter().enumerate().rev() {
            actions.push(Action::Restore { step: start });
            reverse_range(start, end, self.most - place, &mut actions, &mut false);
            actions.push(Action::Free { step: start });
            end = start;
        }
        actions
    }
}

/// The whole schedule for `steps` steps, decided as if their number were not known.
pub(super) fn online(steps: usize, snapshots: usize) -> Vec<Action> {
    let (mut kept, mut actions) = (OnlineSnapshots::new(snapshots), vec![]);
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
