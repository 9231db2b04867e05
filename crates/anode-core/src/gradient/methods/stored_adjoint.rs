//! The adjoint integrated backwards along the stored states.

use crate::gradient::continuous::{Past, Stages};
use crate::gradient::{Adjoint, Argument, Block, Descriptor, Extent, ForwardSteps, GradientError, Ledger};
use crate::ode::{DifferentiableField, Pass, Vector, Workspace};

/// Stores z_1 .. z_Nt. Each backward step starts from the stored state, so only the discretization of the adjoint is
/// wrong, not the state.
#[derive(Clone, Copy)]
pub struct StoredAdjoint;

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "stored-adjoint",
    argument: Argument::None,
    exact: false,
    steps: ForwardSteps::Tableau,
    memory: "Nt states, tape of one evaluation",
    evaluations: "2 s Nt",
    source: "the adjoint of Chen et al., NeurIPS 2018, along stored states",
    advice: "Use it to separate the two errors of `reverse-time`. It has no reversal error.",
};

impl Adjoint for StoredAdjoint {
    type Kept<F: DifferentiableField> = Vec<F::Vector>;

    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Vec<F::Vector>), GradientError> {
        let (mut z, mut workspace, mut states) = (z0.duplicate(), Workspace::lazy(), vec![]);
        for n in 0..block.grid.steps() {
            ledger.step(false);
            block.plain_step(block.grid.forward(n, Pass::Forward), &mut workspace, &mut z, theta, ledger)?;
            ledger.keep(z.bytes());
            states.push(z.duplicate());
        }
        Ok((z, states))
    }

    fn backward_sweep<F: DifferentiableField>(
        states: Vec<F::Vector>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        let mut stages = Stages::new(block.tableau, &cotangent, theta_bar);
        let mut adjoint = cotangent;
        for (n, mut z) in states.into_iter().enumerate().rev() {
            stages.step(block, n, Past::Moving(&mut z), (&mut adjoint, theta_bar), theta, ledger)?;
            ledger.free(z.bytes());
        }
        Ok(adjoint)
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.bytes(extent.steps, 0)
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_mul(2)
    }
}
