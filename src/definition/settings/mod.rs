//! The settings of each kind of study: what `fixed` and `grid` may name.
//!
//! A run's settings are one point of the grid laid over `fixed`; every setting without a default must
//! be named by one of the two.

mod data_choice;
mod evaluations;
mod evolution;
mod names;
mod study;
mod tolerances;

pub use data_choice::{DataChoice, alternatives};
pub use gradient_error::{Dense, Field, Numbers};
pub use kernel_evolution::Coefficients;
pub use names::{MethodName, NetName, SolverName};
pub use reversibility::{Normalise, Picture, Problem, Stepping};
pub use schedules::Placement;
pub use study::{Settings, StudySettings};
pub use tolerances::Tolerances;
pub use training::{DataSet, EvolutionSettings, NetworkForm, Normalisation, RateSchedule};

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ode;

use study::Type;

macro_rules! register {
    ($($(#[$doc:meta])* $kind:ident: $settings:ident in $file:ident,)*) => {
        $(mod $file; pub use $file::$settings;)*

        /// The kinds of study. Each has its own settings type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum StudyKind {
            $($(#[$doc])* $kind,)*
        }

        impl StudyKind {
            /// Every kind of study.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            pub(super) fn settings(self) -> Type {
                match self {
                    $(Self::$kind => Type::of::<$settings>(),)*
                }
            }
        }
    };
}

register! {
    /// Integrate forward and backward, and compare the result with the initial state.
    Reversibility: ReversibilitySettings in reversibility,
    /// Gradient methods against the exact discrete gradient and a tight reference.
    GradientError: GradientErrorSettings in gradient_error,
    /// Memory and work of one gradient.
    Memory: MemorySettings in memory,
    /// Work of checkpoint schedules compared with the optimum.
    Schedules: SchedulesSettings in schedules,
    /// A kernel under each term of the weight evolution, compared with the exact solution.
    KernelEvolution: KernelEvolutionSettings in kernel_evolution,
    /// Gradient methods for a block with evolving weights.
    CoupledGradient: CoupledGradientSettings in coupled_gradient,
    /// Cost of networks: parameters, multiply-adds, bytes, time.
    NetworkCost: NetworkCostSettings in network_cost,
    /// Train a network with different gradient methods.
    Training: TrainingSettings in training,
}

/// Floating-point type of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

/// A fault of a setting: its path inside the settings (`stepping.rtol`), and what was found and is allowed.
pub type Fault = (String, String);

/// Collects the faults that types cannot rule out.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault unless `holds`.
    fn require(&mut self, holds: bool, at: &str, why: impl FnOnce() -> String) {
        if !holds {
            self.0.push((at.to_owned(), why()));
        }
    }

    /// Counts from 1 to 10^7.
    fn count(&mut self, at: &str, n: usize) {
        const MOST: usize = 10_000_000;
        self.require((1..=MOST).contains(&n), at, || format!("{n}; allowed: 1 to {MOST}"));
    }

    /// At least one count, each once.
    fn counts(&mut self, at: &str, counts: &[usize]) {
        self.some(at, counts);
        self.unique(at, counts);
        counts.iter().enumerate().for_each(|(i, &n)| self.count(&format!("{at}[{i}]"), n));
    }

    /// A list that is not empty.
    fn some<T>(&mut self, at: &str, list: &[T]) {
        self.require(!list.is_empty(), at, || "empty; name at least one value".into());
    }

    /// A list without repetitions, each of which would count as evidence again.
    fn unique<T: Copy + Display + Eq + Hash>(&mut self, at: &str, list: impl IntoIterator<Item = T>) {
        let (mut seen, mut repeated) = (HashSet::new(), HashSet::new());
        for (i, value) in list.into_iter().enumerate() {
            self.require(seen.insert(value) || !repeated.insert(value), &format!("{at}[{i}]"), || {
                format!("{value}; named twice")
            });
        }
    }

    /// A finite number above 0.
    fn positive(&mut self, at: &str, x: f64) {
        self.require(x.is_finite() && x > 0.0, at, || format!("{x}; allowed: finite numbers above 0"));
    }

    /// A finite number.
    fn finite(&mut self, at: &str, x: f64) {
        self.require(x.is_finite(), at, || format!("{x}; allowed: finite numbers"));
    }

    /// A solver with an embedded error estimate.
    fn embedded(&mut self, solver: &SolverName) {
        let pairs = ode::SOLVERS.iter().filter(|t| t.embedded.is_some()).map(|t| t.name).collect::<Vec<_>>();
        let name = solver.as_str();
        self.require(pairs.contains(&name), "solver", || {
            format!("`{name}` has no error estimate; adaptive steps need one of {}", pairs.join(", "))
        });
    }

    /// A kernel that is no larger than the image it acts on.
    fn kernel_on(&mut self, at: &str, kernel: usize, size: usize) {
        self.kernel(at, kernel);
        self.require(kernel <= size, at, || format!("{kernel}; allowed: at most the size of the image, {size}"));
    }

    /// The height and width of a kernel.
    fn kernel(&mut self, at: &str, n: usize) {
        self.require(n % 2 == 1 && n <= 31, at, || format!("{n}; allowed: odd numbers from 1 to 31"));
    }
}
