//! Binomial checkpointing: the fewest replayed steps for M snapshots (Griewank & Walther 2000, Algorithm 799).

use crate::gradient::schedule::reverse_range;
use crate::gradient::{Action, Argument, CheckpointSchedule, Descriptor, Extent, ForwardSteps, revolve_optimum};

/// This many snapshots, including the input, and the tapes of one step. The last step is taped in the forward sweep.
#[derive(Clone, Copy)]
pub struct Revolve(pub usize);

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "revolve",
    argument: Argument::Snapshots,
    exact: true,
    steps: ForwardSteps::Tableau,
    memory: "M snapshots, tapes of one step",
    evaluations: "fewest for M snapshots",
    source: "Griewank & Walther, ACM TOMS 26(1), 2000",
    advice: "Use it for long blocks. No schedule with M snapshots evaluates f less often.",
};

impl CheckpointSchedule for Revolve {
    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn actions(self, steps: usize) -> Vec<Action> {
        if steps == 0 {
            return vec![Action::Turn];
        }
        let mut actions = vec![Action::Store];
        reverse_range(0, steps, self.0.max(1), &mut actions, &mut true);
        actions.push(Action::Free { step: 0 });
        actions
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        let snapshots = self.0.clamp(1, extent.steps.max(1)).saturating_mul(extent.state_bytes);
        extent.blocks.saturating_mul(snapshots.saturating_add(extent.step_tape_bytes))
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_add(revolve_optimum(steps, self.0))
    }
}
