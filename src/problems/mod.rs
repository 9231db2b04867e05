//! Reference problems: small fields with known truths, shared by studies, tests, benches and docs.
//!
//! This room knows fields and kernels. It knows nothing of experiments.

mod dense;
mod scalar;

pub use dense::{Dense, spectral_norm};
pub use scalar::{ScalarLinear, ScalarRelu};
