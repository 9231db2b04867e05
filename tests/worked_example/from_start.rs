//! Stores only the input and replays each step from it: minimal memory, Nt (Nt + 3) / 2 steps.

use crate::gradient::{Action, Argument, CheckpointSchedule, Descriptor, Extent, ForwardSteps};

/// Stores the input and the tapes of one step.
#[derive(Clone, Copy)]
pub struct FromStart;

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "from-start",
    argument: Argument::None,
    exact: true,
    steps: ForwardSteps::Tableau,
    memory: "input, tapes of one step",
    evaluations: "s Nt (Nt + 3) / 2",
    source: "Griewank & Walther 2008",
    advice: "Use it for comparison. `revolve:1` takes Nt steps fewer.",
};

impl CheckpointSchedule for FromStart {
    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn actions(self, steps: usize) -> Vec<Action> {
        let mut actions = vec![Action::Store, Action::Advance { to: steps }, Action::Turn];
        for step in (0..steps).rev() {
            let replay = [Action::Restore { step: 0 }, Action::Advance { to: step }];
            actions.extend(replay.into_iter().chain([Action::Tape, Action::Reverse]));
        }
        actions.push(Action::Free { step: 0 });
        actions
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.bytes(1, 1)
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_add(steps.saturating_mul(steps.saturating_add(1)) / 2)
    }
}
