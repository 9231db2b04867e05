//! Settings of the gradient-error study (ANODE, section 4).

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Activation, Dtype, MethodName, SolverName, check_positive, check_steps};

/// Gradient methods against the exact discrete gradient and against a tight reference, for J = |z(1)|^2 / 2.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GradientErrorSettings {
    /// The vector field and its numbers.
    pub field: Field,
    /// The activation of the field.
    pub activation: Activation,
    /// The solver of all methods.
    pub solver: SolverName,
    /// Step counts Nt on t in [0, 1]; one row for each count and method.
    pub steps: Vec<usize>,
    /// Gradient methods.
    pub methods: Vec<MethodName>,
    /// Floating-point type.
    pub dtype: Dtype,
    /// Tolerance (relative and absolute) of the reference solution and its gradient.
    pub reference_tolerance: f64,
}

/// A vector field whose numbers come from the seed or from files.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Field {
    /// dz/dt = activation(W z).
    Dense(Dense),
    /// dz/dt = activation(K * z): one convolution with `channels` channels in and out, zero padding.
    Convolution {
        /// Channels in and out.
        channels: usize,
        /// Kernel height and width, odd.
        kernel: usize,
        /// Image height and width.
        size: usize,
        /// Kernel, channels x channels x kernel x kernel; from the seed N(0, std^2).
        weights: Numbers,
        /// Initial image, channels x size x size; from the seed N(0, std^2).
        initial: Numbers,
    },
}

/// dz/dt = activation(W z).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Length of z.
    pub n: usize,
    /// W, n x n; from the seed N(0, std^2).
    pub weights: Numbers,
    /// z(0), n; from the seed N(0, std^2).
    pub initial: Numbers,
}

/// Where an array comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Numbers {
    /// Independent N(0, std^2) numbers from the run's seed.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// A CSV (a row a line) or NPY file, relative to the definition.
    File(PathBuf),
}

impl GradientErrorSettings {
    /// Checks what types cannot say. The error names the setting.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let (weights, initial) = match &self.field {
            Field::Dense(Dense { n, weights, initial }) => {
                check_steps("field.dense.n", &[*n])?;
                (weights, initial)
            }
            Field::Convolution { channels, kernel, size, weights, initial } => {
                check_steps("field.channels", &[*channels, *size])?;
                if kernel % 2 == 0 || *kernel > 31 {
                    return Err(("field.kernel", format!("{kernel}; allowed: odd numbers from 1 to 31")));
                }
                (weights, initial)
            }
        };
        for numbers in [weights, initial] {
            if let Numbers::Normal { std } = numbers {
                check_positive("field", *std)?;
            }
        }
        check_steps("steps", &self.steps)?;
        check_positive("reference_tolerance", self.reference_tolerance)?;
        if self.methods.is_empty() {
            return Err(("methods", "empty; name at least one gradient method".into()));
        }
        let tape = self.methods.iter().any(|m| m.as_str() == MethodName::TAPE);
        match (tape, &self.field, self.activation) {
            (true, Field::Convolution { .. }, _) => {
                Err(("methods", "dfdx-tape; it is written for dense fields only".into()))
            }
            (true, _, Activation::LeakyRelu) => Err(("methods", "dfdx-tape; it has no leaky ReLU".into())),
            _ => Ok(()),
        }
    }
}
