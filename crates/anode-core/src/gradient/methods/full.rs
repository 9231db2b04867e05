//! Stores the tape of every step in the forward sweep.

use crate::gradient::{Action, Argument, CheckpointSchedule, Descriptor, Extent, ForwardSteps};

/// Stores Nt tapes and recomputes nothing.
#[derive(Clone, Copy)]
pub struct Full;

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "full",
    argument: Argument::None,
    exact: true,
    steps: ForwardSteps::Tableau,
    memory: "Nt tapes",
    evaluations: "s Nt",
    source: "automatic differentiation in reverse mode",
    advice: "Use it if memory allows. No other exact method that takes the tableau's steps evaluates f less often.",
};

impl CheckpointSchedule for Full {
    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn actions(self, steps: usize) -> Vec<Action> {
        let mut actions = vec![Action::Tape; steps];
        actions.push(Action::Turn);
        actions.extend(vec![Action::Reverse; steps]);
        actions
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.blocks.saturating_mul(extent.steps).saturating_mul(extent.step_tape_bytes)
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps
    }
}
