//! Every step's tape is kept in the forward sweep.

use crate::gradient::{Action, Argument, CheckpointSchedule, Extent, Facts, StepsOf};

/// Nt tapes alive, nothing computed twice.
#[derive(Clone, Copy)]
pub struct Full;

pub(super) static FACTS: Facts = Facts {
    name: "full",
    argument: Argument::None,
    exact: true,
    steps: StepsOf::Tableau,
    memory: "Nt tapes",
    evaluations: "s Nt",
    source: "automatic differentiation in reverse mode",
    advice: "Use it where memory allows: no other exact method evaluates f less often.",
};

impl CheckpointSchedule for Full {
    fn facts(self) -> &'static Facts {
        &FACTS
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
