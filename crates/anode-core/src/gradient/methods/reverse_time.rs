//! State and adjoint integrated backwards together from z(t1) (Chen et al. 2018).

use crate::gradient::continuous::{Past, Stages};
use crate::gradient::{
    AdaptiveStorage, Adjoint, Argument, Block, Descriptor, Extent, ForwardSteps, GradientError, Ledger,
};
use crate::ode::{DifferentiableField, Pass, Vector, Workspace};

/// Stores only z(t1). Earlier states are reconstructed by integrating backwards.
#[derive(Clone, Copy)]
pub struct ReverseTime;

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "reverse-time",
    argument: Argument::None,
    exact: false,
    steps: ForwardSteps::Tableau,
    memory: "one state, tape of one evaluation",
    evaluations: "2 s Nt",
    source: "Chen, Rubanova, Bettencourt & Duvenaud, NeurIPS 2018",
    advice: "Use it for comparison. Not recommended for training: its states and gradients have large errors.",
};

impl Adjoint for ReverseTime {
    type Kept<F: DifferentiableField> = F::Vector;

    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, F::Vector), GradientError> {
        let (mut z, mut workspace) = (z0.duplicate(), Workspace::lazy());
        for n in 0..block.grid.steps() {
            ledger.step(false);
            block.plain_step(block.grid.forward(n, Pass::Forward), &mut workspace, &mut z, theta, ledger)?;
        }
        ledger.keep(z.bytes());
        Ok((z.duplicate(), z))
    }

    fn backward_sweep<F: DifferentiableField>(
        mut z: F::Vector,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        let mut stages = Stages::new(block.tableau, &cotangent, theta_bar);
        let mut adjoint = cotangent;
        for n in (0..block.grid.steps()).rev() {
            stages.step(block, n, Past::Moving(&mut z), (&mut adjoint, theta_bar), theta, ledger)?;
        }
        ledger.free(z.bytes());
        Ok(adjoint)
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.bytes(1, 0)
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_mul(2)
    }

    fn adaptive_storage(self) -> Option<AdaptiveStorage> {
        Some(AdaptiveStorage::End)
    }
}
