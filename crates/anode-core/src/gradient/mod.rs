//! Gradients of an ODE block: one executor of checkpoint schedules (discretize-then-optimize) and the
//! continuous adjoints (optimize-then-discretize).
//!
//! This room knows fields and solvers. It knows nothing of networks or experiments.

mod adaptive;
mod block;
mod budget;
mod bytes;
mod continuous;
mod diagram;
mod executor;
mod leapfrog;
mod ledger;
mod method;
mod online;
mod optimum;
mod reference;
mod reversible;
mod schedule;
mod signature;
mod solve;

pub use adaptive::{AdaptiveBlock, AdaptiveTrajectory};
pub use block::Block;
pub use budget::{BudgetError, Extent};
pub use bytes::parse_bytes;
pub use diagram::{Life, Stroke, Timeline, Work, diagram, timeline};
pub use ledger::{Cost, Ledger};
pub use method::{Method, UnknownMethod};
pub use optimum::{binomial, fewest_plain_steps, revolve_optimum};
pub use reference::{Reference, reference};
pub use reversible::COUPLING;
pub use schedule::{Action, schedule};
pub use solve::{Gradient, Reversal, Trajectory};
