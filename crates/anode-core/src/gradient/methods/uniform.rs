//! Equidistant snapshots; each segment is replayed once with tapes.

use crate::gradient::{Action, Argument, CheckpointSchedule, Descriptor, Extent, ForwardSteps};

/// This many snapshots, including the input. About sqrt(Nt) snapshots minimise the memory, O(sqrt(Nt)).
#[derive(Clone, Copy)]
pub struct Uniform(pub usize);

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "uniform",
    argument: Argument::Snapshots,
    exact: true,
    steps: ForwardSteps::Tableau,
    memory: "M snapshots, tapes of ⌈Nt / M⌉ steps",
    evaluations: "2 s Nt",
    source: "Chen, Xu, Zhang & Guestrin 2016, arXiv 1604.06174",
    advice: "Use it with M near the square root of Nt for long blocks, if replaying each step once is acceptable.",
};

impl CheckpointSchedule for Uniform {
    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn actions(self, steps: usize) -> Vec<Action> {
        let segments = self.0.clamp(1, steps.max(1));
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

    fn peak_bytes(self, extent: &Extent) -> usize {
        let snapshots = self.0.clamp(1, extent.steps.max(1));
        extent.bytes(snapshots, extent.steps.div_ceil(snapshots))
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_mul(2)
    }
}
