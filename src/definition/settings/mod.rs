//! The settings of each kind of study: what `fixed` and `grid` may name.
//!
//! A run's settings are one point of the grid laid over `fixed`; every setting without a default must
//! be named by one of the two.

mod gradient_error;
mod names;
mod reversibility;
mod training;

pub use gradient_error::{Dense, Field, GradientErrorSettings, Numbers};
pub use names::{MethodName, NetName, SolverName};
pub use reversibility::{ErrorNorm, Normalise, Picture, Problem, ReversibilitySettings, Stepping};
pub use training::{DataSet, TrainingSettings};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Floating-point type of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

/// Activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// Identity.
    None,
    /// max(0, x).
    Relu,
    /// x for x > 0, else 0.01 x.
    LeakyRelu,
    /// log(1 + exp x).
    Softplus,
    /// Hyperbolic tangent.
    Tanh,
}

/// Refuses an empty list, and counts below 1 or above 10^7.
fn check_steps(at: &'static str, counts: &[usize]) -> Result<(), (&'static str, String)> {
    const MOST: usize = 10_000_000;
    match counts.iter().find(|&&n| !(1..=MOST).contains(&n)) {
        Some(n) => Err((at, format!("{n}; allowed: 1 to {MOST}"))),
        None if counts.is_empty() => Err((at, "empty; name at least one count".into())),
        None => Ok(()),
    }
}

/// Refuses what is not a finite number above 0.
fn check_positive(at: &'static str, x: f64) -> Result<(), (&'static str, String)> {
    if x.is_finite() && x > 0.0 { Ok(()) } else { Err((at, format!("{x}; allowed: finite numbers above 0"))) }
}
