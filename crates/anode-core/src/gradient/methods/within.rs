//! The schedule that takes the fewest steps within a number of bytes.

use crate::gradient::executor::{self, Paused};
use crate::gradient::schedule::expect_steps;
use crate::gradient::{Adjoint, Argument, Block, Descriptor, Extent, ForwardSteps, GradientError, Ledger};
use crate::ode::DifferentiableField;

/// At most this many bytes per block, with the best of the other schedules. The step that measures the size of a tape,
/// see [`Block::extent`], is not counted in the ledger.
#[derive(Clone, Copy)]
pub struct Within(pub usize);

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "within",
    argument: Argument::Bytes,
    exact: true,
    steps: ForwardSteps::Tableau,
    memory: "at most the given bytes",
    evaluations: "fewest for these bytes",
    source: "choice among full, anode, uniform, revolve",
    advice: "Use it for a given memory limit. It tapes one additional step to measure the size of a tape.",
};

impl Adjoint for Within {
    type Kept<F: DifferentiableField> = Paused<F>;

    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Paused<F>), GradientError> {
        expect_steps(block.grid.steps())?;
        let extent = block.extent(z0, theta)?;
        let actions = extent.within(self.0)?.schedule(extent.steps).unwrap_or_default();
        executor::forward(block, actions, z0, theta, ledger)
    }

    fn backward_sweep<F: DifferentiableField>(
        kept: Paused<F>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        kept.backward(block, theta, cotangent, theta_bar, ledger)
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.blocks.saturating_mul(self.0)
    }

    /// The number of steps with one snapshot, which needs the least memory.
    fn steps_taken(self, steps: usize) -> usize {
        super::Method::Revolve(1).steps_taken(steps)
    }
}
