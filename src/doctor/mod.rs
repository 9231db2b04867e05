//! Self-tests: what this machine computes with, whether it computes right, and what helps where it does not.
//!
//! This room knows the kernels. It knows nothing of networks or experiments.

mod comparison;

pub use comparison::{Comparison, Shapes, compare};
