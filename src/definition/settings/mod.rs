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
