//! What a gradient method is, and what is known of each.

use crate::ode::{DifferentiableField, SolveError, Vector};

use super::signature::Signature;
use super::{Action, Block, Extent, Gradient, Ledger, Reversal, Trajectory};

/// A gradient method: what the forward sweep of a block keeps, and how the backward sweep uses it.
///
/// [`Method`](super::Method) names the methods of this crate. Implement this trait for a method of your own, or
/// [`CheckpointSchedule`] for a schedule of snapshots and tapes; both then have [`Adjoint::gradient`].
pub trait Adjoint: Copy {
    /// What the forward sweep keeps for the backward sweep.
    type Kept<F: DifferentiableField>;

    /// Name, exactness, memory and source.
    fn facts(self) -> &'static Facts;

    /// Integrates a block of at least one step from `z0`. Returns z(t1) and what the backward sweep starts from.
    ///
    /// Counts evaluations and kept bytes in `ledger`.
    ///
    /// # Errors
    /// See [`SolveError`].
    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Self::Kept<F>), SolveError>;

    /// From `cotangent` = dJ/dz(t1): adds dJ/dtheta to `theta_bar` and returns dJ/dz(t0).
    ///
    /// # Errors
    /// See [`SolveError`].
    fn backward_sweep<F: DifferentiableField>(
        kept: Self::Kept<F>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, SolveError>;

    /// A bound on the bytes of snapshots, kept states and tapes at once, for all blocks of `extent`. Saturates.
    fn peak_bytes(self, extent: &Extent) -> usize;

    /// A bound on the steps that the gradient of one block of `steps` steps takes: forward, replayed and backward.
    /// Saturates.
    fn steps_taken(self, steps: usize) -> usize;

    /// The checkpoint schedule; `None` for methods without one, and where it depends on sizes in bytes.
    fn schedule(self, steps: usize) -> Option<Vec<Action>> {
        let _ = steps;
        None
    }

    /// What a forward sweep with adaptive steps keeps; `None` where the method must know the number of steps first.
    fn keeps_while_stepping(self) -> Option<Keeps> {
        None
    }

    /// Integrates `block` from `z0` and keeps what this method's backward sweep needs.
    ///
    /// Over a grid without steps the end is `z0`.
    ///
    /// # Errors
    /// See [`SolveError`].
    fn forward<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<Trajectory<F, Self>, SolveError> {
        block.grid.check()?;
        let signature = Signature::of(block, z0, theta);
        if block.grid.steps() == 0 {
            return Ok(Trajectory::new(z0.duplicate(), Reversal::new(None, signature)));
        }
        let (end, kept) = self.forward_sweep(block, z0, theta, ledger)?;
        Ok(Trajectory::new(end, Reversal::new(Some(kept), signature)))
    }

    /// Forward sweep and gradient in one call; `cotangent` gives dJ/dz(t1) for z(t1).
    ///
    /// # Errors
    /// See [`SolveError`].
    fn gradient<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        cotangent: impl FnOnce(&F::Vector) -> F::Vector,
    ) -> Result<Gradient<F::Vector>, SolveError> {
        let ledger = Ledger::new();
        let forward = self.forward(block, z0, theta, &ledger)?;
        let end = forward.end().duplicate();
        let mut theta_bar = theta.zeros_like();
        let z0_bar = forward.backward(block, theta, &cotangent(&end), &mut theta_bar, &ledger)?;
        Ok(Gradient { end, z0: z0_bar, theta: theta_bar, cost: ledger.cost() })
    }
}

/// What a forward sweep with adaptive steps keeps for the backward sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keeps {
    /// z(t0); the accepted steps are replayed once, with tapes.
    Start,
    /// At most this many snapshots; each stretch between two is reversed with the fewest steps that they allow.
    Snapshots(usize),
    /// z(t1), from which state and adjoint are integrated backwards.
    End,
    /// Every accepted state and its rate, between which the adjoint is integrated backwards.
    Nodes,
}

/// What is known of a gradient method.
#[derive(Debug)]
pub struct Facts {
    /// The name in definitions, tables and messages.
    pub name: &'static str,
    /// What follows the name: `revolve:3`.
    pub argument: Argument,
    /// Whether the result is the gradient of the steps taken, to rounding (discretize-then-optimize).
    pub exact: bool,
    /// Which steps the forward sweep takes.
    pub steps: StepsOf,
    /// Memory of one block.
    pub memory: &'static str,
    /// Evaluations of f by a solver of s stages.
    pub evaluations: &'static str,
    /// Where the method comes from.
    pub source: &'static str,
    /// When to use it.
    pub advice: &'static str,
}

/// What follows the name of a gradient method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A number of snapshots, at least 1.
    Snapshots,
    /// A number of bytes, with its unit.
    Bytes,
}

/// Which steps the forward sweep of a gradient method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepsOf {
    /// Those of the block's tableau.
    Tableau,
    /// Coupled steps of two copies of the state, of the tableau's order.
    CoupledTableau,
    /// Those of a solver of the method's own.
    Own {
        /// Its order of convergence.
        order: usize,
    },
}

impl Facts {
    /// How the method is written: `revolve:M` for M snapshots, `within:BYTES`.
    pub fn pattern(&self) -> String {
        match self.argument {
            Argument::None => self.name.to_owned(),
            Argument::Snapshots => format!("{}:M", self.name),
            Argument::Bytes => format!("{}:BYTES", self.name),
        }
    }

    /// The same as a regular expression.
    pub fn regex(&self) -> String {
        match self.argument {
            Argument::None => self.name.to_owned(),
            Argument::Snapshots => format!("{}:[1-9][0-9]*", self.name),
            Argument::Bytes => format!("{}:[1-9][0-9]*([KMG]i)?B", self.name),
        }
    }
}

/// A checkpoint schedule: when a sweep stores, restores, replays and reverses. Its gradient is exact, and its bits are
/// those of every other schedule.
///
/// ```
/// use anode_core::gradient::{Action, Adjoint, Argument, Block, CheckpointSchedule, Extent, Facts};
/// use anode_core::gradient::{Method, StepsOf};
/// use anode_core::ode::{ClosureField, Grid, solver};
///
/// /// Keeps the input alone and replays from it for each step: the least memory, Nt^2 / 2 steps.
/// #[derive(Clone, Copy)]
/// struct FromTheStart;
///
/// static FACTS: Facts = Facts {
///     name: "from-the-start",
///     argument: Argument::None,
///     exact: true,
///     steps: StepsOf::Tableau,
///     memory: "input, tapes of one step",
///     evaluations: "s Nt (Nt + 1) / 2",
///     source: "folklore",
///     advice: "Use it to compare with.",
/// };
///
/// impl CheckpointSchedule for FromTheStart {
///     fn facts(self) -> &'static Facts {
///         &FACTS
///     }
///     fn actions(self, steps: usize) -> Vec<Action> {
///         let mut actions = vec![Action::Store, Action::Advance { to: steps }, Action::Turn];
///         for step in (0..steps).rev() {
///             let to_step = [Action::Restore { step: 0 }, Action::Advance { to: step }];
///             actions.extend(to_step.into_iter().chain([Action::Tape, Action::Reverse]));
///         }
///         actions.push(Action::Free { step: 0 });
///         actions
///     }
///     fn peak_bytes(self, extent: &Extent) -> usize {
///         extent.blocks * extent.state_bytes + extent.step_tape_bytes
///     }
///     fn steps_taken(self, steps: usize) -> usize {
///         steps + steps * (steps + 1) / 2
///     }
/// }
///
/// let field = ClosureField(
///     |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = (w[0] * z[0]).sin(),
///     |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
///         z_bar[0] += w[0] * (w[0] * z[0]).cos() * c[0];
///         w_bar[0] += z[0] * (w[0] * z[0]).cos() * c[0];
///     },
/// );
/// let block = Block { field: &field, tableau: solver("heun").unwrap(), grid: Grid::unit(9) };
/// let own = FromTheStart.gradient(&block, &vec![1.0], &vec![0.5], |end| end.clone()).unwrap();
/// let full = Method::Full.gradient(&block, &vec![1.0], &vec![0.5], |end| end.clone()).unwrap();
/// assert_eq!((own.z0, own.theta), (full.z0, full.theta));
/// ```
pub trait CheckpointSchedule: Copy {
    /// Name, exactness, memory and source.
    fn facts(self) -> &'static Facts;

    /// The actions for a block of `steps` steps. The executor refuses a list that does not reverse every step once,
    /// from the last to the first, and free every snapshot.
    fn actions(self, steps: usize) -> Vec<Action>;

    /// As [`Adjoint::peak_bytes`].
    fn peak_bytes(self, extent: &Extent) -> usize;

    /// As [`Adjoint::steps_taken`].
    fn steps_taken(self, steps: usize) -> usize;

    /// As [`Adjoint::keeps_while_stepping`].
    fn keeps_while_stepping(self) -> Option<Keeps> {
        None
    }
}

impl<S: CheckpointSchedule> Adjoint for S {
    type Kept<F: DifferentiableField> = super::executor::Paused<F>;

    fn facts(self) -> &'static Facts {
        CheckpointSchedule::facts(self)
    }

    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Self::Kept<F>), SolveError> {
        super::executor::forward(block, self.actions(block.grid.steps()), z0, theta, ledger)
    }

    fn backward_sweep<F: DifferentiableField>(
        kept: Self::Kept<F>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, SolveError> {
        kept.backward(block, theta, cotangent, theta_bar, ledger)
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        CheckpointSchedule::peak_bytes(self, extent)
    }

    fn steps_taken(self, steps: usize) -> usize {
        CheckpointSchedule::steps_taken(self, steps)
    }

    fn schedule(self, steps: usize) -> Option<Vec<Action>> {
        Some(self.actions(steps))
    }

    fn keeps_while_stepping(self) -> Option<Keeps> {
        CheckpointSchedule::keeps_while_stepping(self)
    }
}
