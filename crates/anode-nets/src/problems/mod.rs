//! Reference problems: small fields with known truths, shared by studies, tests, benches and docs.
//!
//! Independent of experiments.

mod conv;
mod dense;
mod oracle;
mod scalar;

pub use conv::{ConvField, ConvTape};
pub use dense::{Dense, spectral_norm};
pub use oracle::{TapeGradient, dfdx_tape_gradient};
pub use scalar::{ScalarLinear, ScalarRelu};
