//! Gradients of an ODE block: one executor of checkpoint schedules (discretize-then-optimize) and the
//! continuous adjoints (optimize-then-discretize).
//!
//! Independent of networks and experiments.

mod adaptive;
mod adjoint;
mod block;
mod budget;
mod bytes;
mod continuous;
mod diagram;
mod error;
mod executor;
mod ledger;
mod methods;
mod observed;
mod optimum;
mod reference;
mod schedule;
mod signature;
mod solve;
mod spelling;

pub use adaptive::{AdaptiveBlock, AdaptiveTrajectory};
pub use adjoint::{AdaptiveStorage, Adjoint, Argument, CheckpointSchedule, Descriptor, ForwardSteps};
pub use block::Block;
pub use budget::Extent;
pub use bytes::{byte_units, parse_bytes};
pub use diagram::{Life, Stroke, Timeline, Work, diagram, timeline};
pub use error::GradientError;
pub use ledger::{Cost, Ledger};
pub use methods::{COUPLING, METHODS, Method};
pub use observed::{ObservedGradient, gradient_observed, gradient_observed_adaptive};
pub use optimum::{binomial, fewest_plain_steps, revolve_optimum};
pub use reference::{Reference, reference};
pub use schedule::Action;
pub use solve::{Gradient, Reversal, Trajectory};
pub use spelling::{UnknownMethod, pattern_list, patterns};
