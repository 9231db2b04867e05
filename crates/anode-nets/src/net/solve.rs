//! How the ODE blocks of a network are solved and differentiated: on fixed steps or by tolerance, with or without
//! gradient.

use crate::gradient::{AdaptiveBlock, AdaptiveTrajectory, Block, GradientError, Ledger, Method, Reversal};
use crate::ode::{
    Adaptive, At, ButcherTableau, DifferentiableField, FieldError, Grid, Pass, SolveError, Vector, VectorField,
    integrate, integrate_adaptive, integrate_back,
};

use super::chain::Chain;
use super::error::NetworkError;

/// The steps of each block on t in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Steps {
    /// A fixed number Nt of equal steps.
    Fixed(usize),
    /// Steps chosen by the embedded error estimate: in the forward sweep, in evaluation, and on the way back where a
    /// method solves backwards. A limit on attempted steps holds for each solve.
    ///
    /// All images of a batch take the same steps: the error is measured over the whole state, so what a batch holds
    /// decides its steps. Batch norm inside f normalises each evaluation with its own batch, and each evaluation of the
    /// forward sweep updates the running statistics once: also the one that only finds the first step size, and those
    /// of a step that is then rejected, as in code that hands a module in training mode to an adaptive solver. Replays
    /// repeat only accepted steps, and update nothing.
    Adaptive(Adaptive),
}

impl Steps {
    /// The number of steps per block; `None` if an adaptive solve determines it.
    pub fn count(self) -> Option<usize> {
        match self {
            Self::Fixed(steps) => Some(steps),
            Self::Adaptive(_) => None,
        }
    }
}

/// How the ODE blocks are solved and differentiated.
#[derive(Clone, Copy, Debug)]
pub struct Solve {
    /// The solver.
    pub tableau: &'static ButcherTableau,
    /// The steps of each block.
    pub steps: Steps,
    /// The gradient method.
    pub method: Method,
}

/// What the backward sweep of a block starts from.
pub(super) enum Solved<F: DifferentiableField> {
    Fixed(Reversal<F>),
    Adaptive(AdaptiveTrajectory<F>),
}

impl Solve {
    /// Refuses adaptive steps for a block whose steps have separate batch norms. An adaptive solve takes the last stage
    /// of a step as the first one of the next step, and a reverse solve counts its own steps.
    pub(super) fn check(self, chain: &Chain) -> Result<(), NetworkError> {
        match self.steps {
            Steps::Adaptive(_) if chain.depends_on_steps() => Err(NetworkError::NoFixedEvaluations),
            Steps::Adaptive(_) | Steps::Fixed(_) => Ok(()),
        }
    }

    /// Integrates from `z0`: z(1), and what the backward sweep needs.
    pub(super) fn forward<F: DifferentiableField>(
        self,
        field: &F,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Solved<F>), GradientError> {
        match self.steps {
            Steps::Fixed(steps) => {
                let trajectory = self.method.forward(&self.block(field, steps), z0, theta, ledger)?;
                let (end, reversal) = trajectory.into_parts();
                Ok((end, Solved::Fixed(reversal)))
            }
            Steps::Adaptive(control) => {
                let block = self.adaptive(field, control);
                let trajectory = self.method.forward_adaptive(&block, z0, theta, ledger)?;
                Ok((trajectory.end().duplicate(), Solved::Adaptive(trajectory)))
            }
        }
    }

    /// Turns `z` at t = 0 into that at t = 1, without gradient. Bit-identical to [`Self::forward`].
    pub(super) fn advance<F: DifferentiableField>(
        self,
        field: &F,
        z: &mut F::Vector,
        theta: &F::Vector,
    ) -> Result<(), GradientError> {
        match self.steps {
            Steps::Fixed(steps) if self.method.uses_tableau_steps() => {
                Ok(integrate(field, self.tableau, &Grid::unit(steps), z, theta)?)
            }
            Steps::Fixed(steps) => {
                *z = self.method.forward(&self.block(field, steps), z, theta, &Ledger::new())?.into_parts().0;
                Ok(())
            }
            Steps::Adaptive(control) => {
                *z = integrate_adaptive(field, self.tableau, control, (0.0, 1.0), z, theta)?.end;
                Ok(())
            }
        }
    }

    /// Turns `z` at t = 1 into what the method's solver finds for t = 0: on the same grid, or with steps chosen anew.
    pub(super) fn reverse<F: DifferentiableField>(
        self,
        field: &F,
        z: &mut F::Vector,
        theta: &F::Vector,
    ) -> Result<(), GradientError> {
        match self.steps {
            Steps::Fixed(steps) if self.method.uses_tableau_steps() => {
                Ok(integrate_back(field, self.tableau, &Grid::unit(steps), z, theta)?)
            }
            Steps::Fixed(steps) => {
                let (field, grid) = (Backwards { field, steps }, Grid::Uniform { t0: 1.0, t1: 0.0, steps });
                let block = Block { field: &field, tableau: self.tableau, grid };
                *z = self.method.forward(&block, z, theta, &Ledger::new())?.into_parts().0;
                Ok(())
            }
            Steps::Adaptive(control) => {
                *z = integrate_adaptive(field, self.tableau, control, (1.0, 0.0), z, theta)?.end;
                Ok(())
            }
        }
    }

    fn block<F: DifferentiableField>(self, field: &F, steps: usize) -> Block<'_, F> {
        Block { field, tableau: self.tableau, grid: Grid::unit(steps) }
    }

    fn adaptive<F: DifferentiableField>(self, field: &F, control: Adaptive) -> AdaptiveBlock<'_, F> {
        AdaptiveBlock { field, tableau: self.tableau, control, span: (0.0, 1.0) }
    }
}

/// A field in a solve from t = 1 to t = 0 over `steps` steps. The field itself is evaluated with the numbers that the
/// steps have in forward time, as by [`integrate_back`].
struct Backwards<'a, F> {
    field: &'a F,
    steps: usize,
}

impl<F> Backwards<'_, F> {
    fn at(&self, at: At) -> At {
        At { step: (self.steps - 1).saturating_sub(at.step), pass: Pass::Reverse, ..at }
    }
}

impl<F: VectorField> VectorField for Backwards<'_, F> {
    type Vector = F::Vector;

    fn eval(&self, at: At, z: &F::Vector, theta: &F::Vector, dz: &mut F::Vector) -> Result<(), FieldError> {
        self.field.eval(self.at(at), z, theta, dz)
    }
}

impl<F: DifferentiableField> DifferentiableField for Backwards<'_, F> {
    type Tape = F::Tape;

    fn eval_taped(&self, at: At, z: &F::Vector, theta: &F::Vector, dz: &mut F::Vector) -> Result<F::Tape, FieldError> {
        self.field.eval_taped(self.at(at), z, theta, dz)
    }

    fn vjp(
        &self,
        tape: &F::Tape,
        theta: &F::Vector,
        cotangent: &F::Vector,
        z_bar: &mut F::Vector,
        theta_bar: &mut F::Vector,
    ) -> Result<(), FieldError> {
        self.field.vjp(tape, theta, cotangent, z_bar, theta_bar)
    }

    fn tape_bytes(&self, tape: &F::Tape) -> usize {
        self.field.tape_bytes(tape)
    }
}

impl<F: DifferentiableField> Solved<F> {
    /// From the cotangent of z(1): adds to `theta_bar` and returns the cotangent of z(0). `solve` and `field` are those
    /// of the forward sweep.
    pub(super) fn backward(
        self,
        solve: Solve,
        field: &F,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        match (self, solve.steps) {
            (Self::Fixed(reversal), Steps::Fixed(steps)) => {
                reversal.backward(&solve.block(field, steps), theta, cotangent, theta_bar, ledger)
            }
            (Self::Adaptive(trajectory), Steps::Adaptive(control)) => {
                trajectory.backward(&solve.adaptive(field, control), theta, &cotangent, theta_bar, ledger)
            }
            _ => {
                let why =
                    "the backward sweep has fixed steps where the forward sweep had adaptive ones, or the reverse";
                Err(SolveError::Argument(why.into()).into())
            }
        }
    }
}
