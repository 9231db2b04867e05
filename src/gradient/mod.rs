//! Gradients of an ODE block: one executor of checkpoint schedules (discretize-then-optimize) and the
//! continuous adjoints (optimize-then-discretize).
//!
//! This room knows fields and solvers. It knows nothing of networks or experiments.

mod ledger;
mod method;

pub use ledger::{Cost, Ledger};
pub use method::{Method, UnknownMethod};
