//! Stores the block input and replays the block once with tapes (ANODE, section 5).

use super::uniform::Uniform;
use crate::gradient::{Action, AdaptiveStorage, Argument, CheckpointSchedule, Descriptor, Extent, ForwardSteps};

/// O(L) + O(Nt) memory for L blocks: all block inputs, and the tapes of one block at a time.
#[derive(Clone, Copy)]
pub struct Anode;

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "anode",
    argument: Argument::None,
    exact: true,
    steps: ForwardSteps::Tableau,
    memory: "input; Nt tapes in the backward sweep of the block",
    evaluations: "2 s Nt",
    source: "Gholami, Keutzer & Biros, IJCAI 2019",
    advice: "Use it for networks with several blocks of few steps each.",
};

impl CheckpointSchedule for Anode {
    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
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

    fn adaptive_storage(self) -> Option<AdaptiveStorage> {
        Some(AdaptiveStorage::Input)
    }
}
