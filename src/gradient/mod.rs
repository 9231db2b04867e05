//! Gradients of an ODE block: one executor of checkpoint schedules (discretize-then-optimize) and the
//! continuous adjoints (optimize-then-discretize).
//!
//! This room knows fields and solvers. It knows nothing of networks or experiments.

mod adaptive;
mod block;
mod budget;
mod continuous;
mod diagram;
mod executor;
mod leapfrog;
mod ledger;
mod method;
mod online;
mod reversible;
mod schedule;
mod solve;

pub use adaptive::{AdaptiveBlock, AdaptiveTrajectory};
pub use block::Block;
pub use budget::{BudgetError, Extent};
pub use diagram::diagram;
pub use ledger::{Cost, Ledger};
pub use method::{Method, UnknownMethod};
pub use reversible::COUPLING;
pub use schedule::{Action, binomial, revolve_optimum, schedule};
pub use solve::Trajectory;
