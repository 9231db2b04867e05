//! The registry of gradient methods: one file per method, and one entry here.

use crate::ode::DifferentiableField;

use super::{
    Action, AdaptiveBlock, AdaptiveStorage, AdaptiveTrajectory, Adjoint, Argument, Block, Descriptor, Extent,
    ForwardSteps, Gradient, GradientError, Ledger, Trajectory,
};

pub use reversible::COUPLING;

pub(super) use online::OnlineSnapshots;

macro_rules! register {
    ($($(#[$doc:meta])* $name:ident $(($number:ident: $kind:ty))? in $file:ident,)*) => {
        $(mod $file;)*

        /// A registered gradient method: how the gradient of an ODE block is computed.
        ///
        /// A method of 0 snapshots keeps one, the input of the block. The spelling `revolve:0` is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $name $(($kind))?,)*
        }

        /// The descriptor of each registered gradient method.
        pub static METHODS: &[&Descriptor] = &[$(&$file::DESCRIPTOR),*];

        /// What the forward sweep of a registered method stores.
        pub struct Kept<F: DifferentiableField>(Inner<F>);

        enum Inner<F: DifferentiableField> {
            $($name(<$file::$name as Adjoint>::Kept<F>),)*
        }

        impl Method {
            /// The method with this name and argument. `None` if there is no such method.
            pub(super) fn named(name: &str, number: Option<usize>) -> Option<Self> {
                $(if name == $file::DESCRIPTOR.name {
                    return match (number, $file::DESCRIPTOR.argument) {
                        (None, Argument::None) | (Some(_), Argument::Snapshots | Argument::Bytes) => {
                            $(let $number = number?;)?
                            Some(Self::$name $(($number))?)
                        }
                        _ => None,
                    };
                })*
                None
            }

            /// The argument, as a number.
            pub(super) fn number(self) -> Option<usize> {
                match self {
                    $(Self::$name $(($number))? => {
                        let number: &[usize] = &[$($number)?];
                        number.first().copied()
                    })*
                }
            }
        }

        impl Adjoint for Method {
            type Kept<F: DifferentiableField> = Kept<F>;

            fn descriptor(self) -> &'static Descriptor {
                match self {
                    $(Self::$name $(($number))? => Adjoint::descriptor($file::$name $(($number))?),)*
                }
            }

            fn forward_sweep<F: DifferentiableField>(
                self,
                block: &Block<F>,
                z0: &F::Vector,
                theta: &F::Vector,
                ledger: &Ledger,
            ) -> Result<(F::Vector, Kept<F>), GradientError> {
                match self {
                    $(Self::$name $(($number))? => {
                        let method = $file::$name $(($number))?;
                        let (end, kept) = method.forward_sweep(block, z0, theta, ledger)?;
                        Ok((end, Kept(Inner::$name(kept))))
                    })*
                }
            }

            fn backward_sweep<F: DifferentiableField>(
                kept: Kept<F>,
                block: &Block<F>,
                theta: &F::Vector,
                cotangent: F::Vector,
                theta_bar: &mut F::Vector,
                ledger: &Ledger,
            ) -> Result<F::Vector, GradientError> {
                match kept.0 {
                    $(Inner::$name(kept) => {
                        $file::$name::backward_sweep(kept, block, theta, cotangent, theta_bar, ledger)
                    })*
                }
            }

            fn peak_bytes(self, extent: &Extent) -> usize {
                match self {
                    $(Self::$name $(($number))? => Adjoint::peak_bytes($file::$name $(($number))?, extent),)*
                }
            }

            fn steps_taken(self, steps: usize) -> usize {
                match self {
                    $(Self::$name $(($number))? => Adjoint::steps_taken($file::$name $(($number))?, steps),)*
                }
            }

            fn schedule(self, steps: usize) -> Option<Vec<Action>> {
                match self {
                    $(Self::$name $(($number))? => $file::$name $(($number))?.schedule(steps),)*
                }
            }

            fn adaptive_storage(self) -> Option<AdaptiveStorage> {
                match self {
                    $(Self::$name $(($number))? => Adjoint::adaptive_storage($file::$name $(($number))?),)*
                }
            }
        }
    };
}

register! {
    /// Discretize-then-optimize; every step's tape is stored in the forward sweep. O(Nt) memory per block.
    Full in full,
    /// Discretize-then-optimize; the block input is stored, the block replayed once with tapes (ANODE, section 5).
    Anode in anode,
    /// Discretize-then-optimize with this many equidistant snapshots.
    Uniform(snapshots: usize) in uniform,
    /// Discretize-then-optimize with this many snapshots, placed binomially (Griewank & Walther 2000).
    Revolve(snapshots: usize) in revolve,
    /// Discretize-then-optimize with this many snapshots, placed while the number of steps is not known yet (Wang, Moin
    /// & Iaccarino 2009): for adaptive solvers.
    Online(snapshots: usize) in online,
    /// Discretize-then-optimize with the schedule that takes the fewest steps within this many bytes for the block. To
    /// measure the size of a tape, it evaluates one additional step from z(t0) as a replay. The ledger does not count
    /// these evaluations, nor the tape of this step. A field that updates statistics in replays updates them here too.
    Within(bytes: usize) in within,
    /// Optimize-then-discretize: state and adjoint integrated backwards together from z(1) (Chen et al. 2018). Its
    /// error is large at the few steps that networks take; see ANODE, sections 3 and 4.
    ReverseTime in reverse_time,
    /// Optimize-then-discretize: the adjoint integrated backwards along the stored forward states.
    StoredAdjoint in stored_adjoint,
    /// Optimize-then-discretize: the adjoint integrated backwards along the cubic Hermite interpolant of the forward
    /// states.
    InterpolatedAdjoint in interpolated_adjoint,
    /// The asynchronous leapfrog of MALI (Zhuang et al. 2021), run backwards: a solver of order 2 with the exact
    /// gradient of its steps in O(1) memory. The block's tableau is not used.
    Leapfrog in leapfrog,
    /// The block's tableau made algebraically reversible (McCallum & Foster 2024), and run backwards: the exact
    /// gradient of the coupled steps in O(1) memory, at twice the evaluations.
    Reversible in reversible,
}

impl Method {
    /// Forward sweep and gradient in one call; `cotangent` gives dJ/dz(t1) for z(t1).
    ///
    /// # Errors
    /// See [`GradientError`].
    pub fn gradient<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        cotangent: impl FnOnce(&F::Vector) -> F::Vector,
    ) -> Result<Gradient<F::Vector>, GradientError> {
        Adjoint::gradient(self, block, z0, theta, cotangent)
    }

    /// Integrates `block` from `z0` and keeps what this method's backward sweep needs.
    ///
    /// Costs Nt s evaluations of f if the solution needs s stages; [`Method::InterpolatedAdjoint`] costs Nt s + 1,
    /// [`Method::Leapfrog`] Nt + 1, and [`Method::Reversible`] 2 Nt s. [`Method::Within`] takes one more step, which
    /// the ledger does not count. Over a grid without steps the end is `z0`, by any method.
    ///
    /// # Errors
    /// See [`GradientError`].
    pub fn forward<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<Trajectory<F>, GradientError> {
        Adjoint::forward(self, block, z0, theta, ledger)
    }

    /// Forward sweep with adaptive steps and gradient in one call; `cotangent` gives dJ/dz(t1) for z(t1).
    ///
    /// # Errors
    /// As [`Method::forward_adaptive`] and [`AdaptiveTrajectory::backward`].
    pub fn gradient_adaptive<F: DifferentiableField>(
        self,
        block: &AdaptiveBlock<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        cotangent: impl FnOnce(&F::Vector) -> F::Vector,
    ) -> Result<Gradient<F::Vector>, GradientError> {
        Adjoint::gradient_adaptive(self, block, z0, theta, cotangent)
    }

    /// Integrates `block` from `z0` with adaptive steps and keeps what this method's backward sweep needs.
    ///
    /// # Errors
    /// A method that must know the number of steps beforehand: integrate first, and take it on the
    /// [`Grid::Times`](crate::ode::Grid::Times) of the accepted steps. Else see [`GradientError`].
    pub fn forward_adaptive<F: DifferentiableField>(
        self,
        block: &AdaptiveBlock<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<AdaptiveTrajectory<F>, GradientError> {
        Adjoint::forward_adaptive(self, block, z0, theta, ledger)
    }

    /// Whether the result is the exact gradient of the steps taken, to rounding.
    ///
    /// [`Method::Leapfrog`] and [`Method::Reversible`] compute the states again by running backwards, where rounding
    /// grows with the number of steps. They measure what it has grown to ([`super::Cost::reversal_drift`]) and refuse a
    /// gradient with a relative drift above the square root of the machine epsilon ([`super::GradientError::Drift`]);
    /// below, the gradient is exact to about the drift.
    pub fn is_exact(self) -> bool {
        self.descriptor().exact
    }

    /// Whether the method works with adaptive steps, whose number is not known in advance.
    pub fn supports_adaptive_steps(self) -> bool {
        self.adaptive_storage().is_some()
    }

    /// Whether the forward sweep takes the steps of the block's tableau. The reversible solvers do not.
    pub fn uses_tableau_steps(self) -> bool {
        self.descriptor().steps == ForwardSteps::Tableau
    }
}
