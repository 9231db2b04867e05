//! The adjoint integrated backwards along the cubic Hermite interpolant of the forward states.

use crate::gradient::continuous::{Node, Past, Stages};
use crate::gradient::{
    AdaptiveStorage, Adjoint, Argument, Block, Descriptor, Extent, ForwardSteps, GradientError, Ledger,
};
use crate::ode::{DifferentiableField, Pass, Step, Vector, Workspace, finish, located};

/// Stores z_n and f(t_n, z_n), n = 0 .. Nt. The backward stages use the interpolant between them.
#[derive(Clone, Copy)]
pub struct InterpolatedAdjoint;

pub(super) static DESCRIPTOR: Descriptor = Descriptor {
    name: "interpolated-adjoint",
    argument: Argument::None,
    exact: false,
    steps: ForwardSteps::Tableau,
    memory: "2 (Nt + 1) states, tape of one evaluation",
    evaluations: "2 s Nt + 1",
    source: "dense output as in SUNDIALS: Hindmarsh et al., ACM TOMS 31(3), 2005",
    advice: "Use it to approximate the gradient of the differential equation itself if `reverse-time` is unstable. Its \
             interpolant has order 4.",
};

impl Adjoint for InterpolatedAdjoint {
    type Kept<F: DifferentiableField> = Vec<Node<F::Vector>>;

    fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Self::Kept<F>), GradientError> {
        let (mut z, mut before, mut workspace) = (z0.duplicate(), z0.duplicate(), Workspace::lazy());
        let mut nodes = vec![];
        for n in 0..block.grid.steps() {
            ledger.step(false);
            let step = block.grid.forward(n, Pass::Forward);
            // In two halves, because the rates are wanted.
            before.copy_from(&z);
            block.plain_stages(step, &mut workspace, &z, theta, ledger)?;
            finish(block.tableau, step, &workspace, &mut z)?;
            // The first stage of every explicit method is the rate at the start of the step.
            nodes.push(Node::keep(&before, &workspace.k[0], ledger));
        }
        let last = block.grid.backward(block.grid.steps().saturating_sub(1));
        let at = Step { pass: Pass::Replay, ..last }.at(block.tableau, 0);
        let mut rate = z.zeros_like();
        ledger.evaluation();
        located(at, || block.field.eval(at, &z, theta, &mut rate))?;
        nodes.push(Node::keep(&z, &rate, ledger));
        Ok((z, nodes))
    }

    fn backward_sweep<F: DifferentiableField>(
        mut nodes: Self::Kept<F>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        let mut stages = Stages::new(block.tableau, &cotangent, theta_bar);
        let mut adjoint = cotangent;
        let mut end = nodes.pop();
        for n in (0..block.grid.steps()).rev() {
            if let (Some(later), Some(start)) = (end.take(), nodes.pop()) {
                let past = Past::Between { start: &start, end: &later };
                stages.step(block, n, past, (&mut adjoint, theta_bar), theta, ledger)?;
                later.free(ledger);
                end = Some(start);
            }
        }
        end.into_iter().for_each(|first| first.free(ledger));
        Ok(adjoint)
    }

    /// Every state with its rate.
    fn peak_bytes(self, extent: &Extent) -> usize {
        extent.bytes(extent.steps.saturating_add(1).saturating_mul(2), 0)
    }

    fn steps_taken(self, steps: usize) -> usize {
        steps.saturating_mul(2)
    }

    fn adaptive_storage(self) -> Option<AdaptiveStorage> {
        Some(AdaptiveStorage::Nodes)
    }
}
