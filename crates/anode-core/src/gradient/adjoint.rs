//! The interface of gradient methods, and their descriptors.

use crate::ode::{DifferentiableField, Vector};

use super::signature::Signature;
use super::solve::finite_theta;
use super::{
    Action, AdaptiveBlock, AdaptiveTrajectory, Block, Extent, Gradient, GradientError, Ledger, Method, Reversal,
    Trajectory, adaptive, pattern_list,
};

/// A gradient method: what the forward sweep of a block stores, and how the backward sweep uses it.
///
/// [`Method`] lists the methods of this crate. Implement this trait for a custom method, or [`CheckpointSchedule`] for
/// a custom schedule of snapshots and tapes. Both provide [`Adjoint::gradient`] and [`Adjoint::gradient_adaptive`].
pub trait Adjoint: Copy {
    /// What the forward sweep stores for the backward sweep.
    type Kept<F: DifferentiableField>;

    /// Name, exactness, memory and source.
    fn descriptor(self) -> &'static Descriptor;

    /// Integrates a block of at least one step from `z0`. Returns z(t1), which has the shape of `z0`, and what
    /// the backward sweep needs.
    ///
    /// Counts evaluations of f and stored bytes in `ledger`.
    ///
    /// # Errors
    /// See [`GradientError`].
    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Self::Kept<F>), GradientError>;

    /// Adds dJ/dtheta to `theta_bar` and returns dJ/dz(t0), given `cotangent` = dJ/dz(t1). Each has the shape of its
    /// variable.
    ///
    /// # Errors
    /// See [`GradientError`].
    fn backward_sweep<F: DifferentiableField>(
        kept: Self::Kept<F>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError>;

    /// Upper bound on the bytes of snapshots, stored states and tapes that a ledger counts at any time, for all blocks
    /// of `extent`. Saturates.
    ///
    /// The continuous adjoints use the tape of each evaluation at once and do not count it. The reversible solvers
    /// count theirs. No method counts its schedule, workspace or cotangents.
    fn peak_bytes(self, extent: &Extent) -> usize;

    /// Upper bound on the steps that the gradient of one block of `steps` steps takes: forward, replayed and backward.
    /// Saturates.
    fn steps_taken(self, steps: usize) -> usize;

    /// The checkpoint schedule. `None` if the method has none, if it depends on sizes in bytes, or for more than
    /// 2^32 - 1 steps.
    fn schedule(self, steps: usize) -> Option<Vec<Action>> {
        let _ = steps;
        None
    }

    /// What a forward sweep with adaptive steps stores. `None` if the method needs the number of steps in advance.
    fn adaptive_storage(self) -> Option<AdaptiveStorage> {
        None
    }

    /// Integrates `block` from `z0` and stores what the backward sweep needs. A grid without steps ends at `z0`.
    ///
    /// # Errors
    /// See [`GradientError`].
    fn forward<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<Trajectory<F, Self>, GradientError> {
        block.tableau.check()?;
        block.grid.check()?;
        let signature = Signature::of(block, z0, theta);
        if block.grid.steps() == 0 {
            return Ok(Trajectory::new(z0.duplicate(), Reversal::new(None, signature)));
        }
        let (end, kept) = self.forward_sweep(block, z0, theta, ledger)?;
        Ok(Trajectory::new(end, Reversal::new(Some(kept), signature)))
    }

    /// Computes the forward sweep and the gradient in one call. `cotangent` returns dJ/dz(t1) for z(t1).
    ///
    /// # Errors
    /// See [`GradientError`].
    fn gradient<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        cotangent: impl FnOnce(&F::Vector) -> F::Vector,
    ) -> Result<Gradient<F::Vector>, GradientError> {
        let ledger = Ledger::new();
        let forward = self.forward(block, z0, theta, &ledger)?;
        let end = forward.end().duplicate();
        let mut theta_bar = theta.zeros_like();
        let z0_bar = forward.backward(block, theta, &cotangent(&end), &mut theta_bar, &ledger)?;
        finite_theta(&theta_bar)?;
        Ok(Gradient { end, z0: z0_bar, theta: theta_bar, cost: ledger.cost() })
    }

    /// Integrates `block` from `z0` with adaptive steps and stores [`Self::adaptive_storage`] for the backward sweep.
    ///
    /// # Errors
    /// [`GradientError::StepCountNeeded`] for a method that needs the number of steps in advance. To use it, integrate
    /// first, then take [`Self::forward`] on the [`Grid::Times`](crate::ode::Grid::Times) of the accepted steps. Else
    /// see [`GradientError`].
    fn forward_adaptive<F: DifferentiableField>(
        self,
        block: &AdaptiveBlock<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<AdaptiveTrajectory<F>, GradientError> {
        let storage = self.adaptive_storage().ok_or_else(|| GradientError::StepCountNeeded {
            method: self.descriptor().pattern(),
            allowed: pattern_list(Method::supports_adaptive_steps),
        })?;
        adaptive::forward(storage, block, z0, theta, ledger)
    }

    /// As [`Self::gradient`] with adaptive steps.
    ///
    /// # Errors
    /// As [`Self::forward_adaptive`] and [`AdaptiveTrajectory::backward`].
    fn gradient_adaptive<F: DifferentiableField>(
        self,
        block: &AdaptiveBlock<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        cotangent: impl FnOnce(&F::Vector) -> F::Vector,
    ) -> Result<Gradient<F::Vector>, GradientError> {
        let ledger = Ledger::new();
        let forward = self.forward_adaptive(block, z0, theta, &ledger)?;
        let end = forward.end().duplicate();
        let mut theta_bar = theta.zeros_like();
        let z0_bar = forward.backward(block, theta, &cotangent(&end), &mut theta_bar, &ledger)?;
        finite_theta(&theta_bar)?;
        Ok(Gradient { end, z0: z0_bar, theta: theta_bar, cost: ledger.cost() })
    }
}

/// What a forward sweep with adaptive steps stores for the backward sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdaptiveStorage {
    /// z(t0). The accepted steps are replayed once, with tapes.
    Input,
    /// At most this many snapshots. Each segment between two of them is reversed with the fewest possible steps.
    Snapshots(usize),
    /// z(t1). State and adjoint are integrated backwards from it.
    End,
    /// Every accepted state and its derivative. The adjoint is integrated backwards along their interpolant.
    Nodes,
}

/// Properties of a gradient method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The name in definitions, tables and messages.
    pub name: &'static str,
    /// The argument after the name, as in `revolve:3`.
    pub argument: Argument,
    /// Whether the result is the gradient of the discrete steps, up to rounding (discretize-then-optimize).
    pub exact: bool,
    /// The steps of the forward sweep.
    pub steps: ForwardSteps,
    /// Memory per block, in states and tapes.
    pub memory: &'static str,
    /// Evaluations of f per block, for Nt steps of a solver whose solution needs s stages.
    pub evaluations: &'static str,
    /// Reference.
    pub source: &'static str,
    /// When to use it.
    pub advice: &'static str,
}

/// The argument after the name of a gradient method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Argument {
    /// No argument.
    None,
    /// A number of snapshots, at least 1.
    Snapshots,
    /// A number of bytes with a unit.
    Bytes,
}

/// The steps of the forward sweep of a gradient method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardSteps {
    /// Steps of the block's tableau.
    Tableau,
    /// Coupled steps of two copies of the state, with the order of the tableau.
    CoupledTableau,
    /// Steps of another solver. The tableau is not used.
    OtherSolver {
        /// Order of convergence.
        order: usize,
    },
}

impl Descriptor {
    /// How the method is written: `revolve:M` for M snapshots, `within:BYTES`.
    pub fn pattern(&self) -> String {
        match self.argument {
            Argument::None => self.name.to_owned(),
            Argument::Snapshots => format!("{}:M", self.name),
            Argument::Bytes => format!("{}:BYTES", self.name),
        }
    }

    /// A regular expression for all spellings of the method, with any argument.
    pub fn regex(&self) -> String {
        match self.argument {
            Argument::None => self.name.to_owned(),
            Argument::Snapshots => format!("{}:[1-9][0-9]*", self.name),
            Argument::Bytes => format!("{}:[1-9][0-9]*([KMG]i)?B", self.name),
        }
    }
}

/// A checkpoint schedule: when the sweeps store, restore, replay and reverse. All schedules give bit-identical, exact
/// gradients.
///
/// ```
/// use anode_core::gradient::{Action, Adjoint, Argument, Block, CheckpointSchedule, Extent, Descriptor};
/// use anode_core::gradient::{Method, ForwardSteps};
/// use anode_core::ode::{ClosureField, Grid, solver};
///
/// /// Stores only the input and replays each step from it: minimal memory, Nt (Nt + 3) / 2 steps.
/// #[derive(Clone, Copy)]
/// struct FromTheStart;
///
/// static DESCRIPTOR: Descriptor = Descriptor {
///     name: "from-the-start",
///     argument: Argument::None,
///     exact: true,
///     steps: ForwardSteps::Tableau,
///     memory: "input, tapes of one step",
///     evaluations: "s Nt (Nt + 3) / 2",
///     source: "folklore",
///     advice: "Use it to compare with.",
/// };
///
/// impl CheckpointSchedule for FromTheStart {
///     fn descriptor(self) -> &'static Descriptor {
///         &DESCRIPTOR
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
///         extent.bytes(1, 1)
///     }
///     fn steps_taken(self, steps: usize) -> usize {
///         steps + steps * (steps + 1) / 2
///     }
/// }
///
/// let field = ClosureField::new(
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
/// // Forward sweep: Nt = 9 steps. Backward sweep: n + 1 steps to tape step n. Each step has s = 2 stages.
/// assert_eq!(own.cost.function_evaluations, 2 * (9 + 9 * 10 / 2));
/// ```
pub trait CheckpointSchedule: Copy {
    /// Name, exactness, memory and source.
    fn descriptor(self) -> &'static Descriptor;

    /// The actions for a block of `steps` steps. The executor returns [`GradientError::Schedule`] unless they reverse
    /// every step once, from the last to the first, and free every snapshot.
    ///
    /// The list is in host memory and no part of [`Self::peak_bytes`]. Blocks of more than 2^32 - 1 steps are refused
    /// before it is built.
    fn actions(self, steps: usize) -> Vec<Action>;

    /// A bound on the bytes of the ledger at any time, see [`Adjoint::peak_bytes`].
    fn peak_bytes(self, extent: &Extent) -> usize;

    /// A bound on the steps that both sweeps take together, see [`Adjoint::steps_taken`].
    fn steps_taken(self, steps: usize) -> usize;

    /// What a forward sweep with adaptive steps stores, see [`Adjoint::adaptive_storage`]. `None`, the default, if the
    /// schedule needs the number of steps in advance.
    fn adaptive_storage(self) -> Option<AdaptiveStorage> {
        None
    }
}

impl<S: CheckpointSchedule> Adjoint for S {
    type Kept<F: DifferentiableField> = super::executor::Paused<F>;

    fn descriptor(self) -> &'static Descriptor {
        CheckpointSchedule::descriptor(self)
    }

    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Self::Kept<F>), GradientError> {
        super::schedule::expect_steps(block.grid.steps())?;
        super::executor::forward(block, self.actions(block.grid.steps()), z0, theta, ledger)
    }

    fn backward_sweep<F: DifferentiableField>(
        kept: Self::Kept<F>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        kept.backward(block, theta, cotangent, theta_bar, ledger)
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        CheckpointSchedule::peak_bytes(self, extent)
    }

    fn steps_taken(self, steps: usize) -> usize {
        CheckpointSchedule::steps_taken(self, steps)
    }

    fn schedule(self, steps: usize) -> Option<Vec<Action>> {
        super::schedule::expect_steps(steps).ok()?;
        Some(self.actions(steps))
    }

    fn adaptive_storage(self) -> Option<AdaptiveStorage> {
        CheckpointSchedule::adaptive_storage(self)
    }
}
