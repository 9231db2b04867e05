//! Experiment definitions: what an experiment file says, and whether it makes sense.
//!
//! This room knows the names that other rooms register (solvers, gradient methods, networks); it knows
//! nothing of running.

pub mod settings;
mod types;

pub use types::*;
