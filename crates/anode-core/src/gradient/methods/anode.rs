//! The input of the block is kept, and the block replayed once with tapes (ANODE, section 5).

use super::uniform::Uniform;
use crate::gradient::{Action, Argument, CheckpointSchedule, Extent, Facts, Keeps, StepsOf};

/// O(L) + O(Nt) memory for L blocks: the inputs of all, the tapes of the one that is reversed.
#[derive(Clone, Copy)]
pub struct Anode;

pub(super) static FACTS: Facts = Facts {
    name: "anode",
    argument: Argument::None,
    exact: true,
    steps: StepsOf::Tableau,
    memory: "input; Nt tapes in the backward sweep of the block",
    evaluations: "2 s Nt",
    source: "Gholami, Keutzer & Biros, IJCAI 2019",
    advice: "Use it for networks of several blocks with few steps each.",
};

impl CheckpointSchedule for Anode {
    fn facts(self) -> &'static Facts {
        &FACTS
    }

    fn actions(self, steps: usize) -> Vec<Action> {
        Uniform(1).actions(steps)
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.bytes(1, extent.steps)
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_mul(2)
    }

    fn keeps_while_stepping(self) -> Option<Keeps> {
        Some(Keeps::Start)
    }
}
