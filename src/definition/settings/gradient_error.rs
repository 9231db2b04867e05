//! Settings of the gradient-error study (ANODE, section 4).

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernels::Activation;

use crate::definition::columns::{self, Written};

use super::{Dtype, Fault, Faults, MethodName, SolverName, StudySettings};

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
    /// A CSV (one row per line) or NPY file, relative to the definition, of the array's shape or a flat row of its
    /// numbers.
    File(PathBuf),
}

impl StudySettings for GradientErrorSettings {
    const WRITES: Written = columns::rows(columns::numerical::GRADIENT_ERROR);

    fn check(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        let (weights, initial) = match &self.field {
            Field::Dense(Dense { n, weights, initial }) => {
                faults.count("field.n", *n);
                (weights, initial)
            }
            Field::Convolution { channels, kernel, size, weights, initial } => {
                faults.count("field.channels", *channels);
                faults.count("field.size", *size);
                faults.kernel_on("field.kernel", *kernel, *size);
                (weights, initial)
            }
        };
        for (name, numbers) in [("weights", weights), ("initial", initial)] {
            if let Numbers::Normal { std } = numbers {
                faults.positive(&format!("field.{name}.normal.std"), *std);
            }
        }
        faults.counts("steps", &self.steps);
        faults.positive("reference_tolerance", self.reference_tolerance);
        faults.some("methods", &self.methods);
        faults.unique("methods", self.methods.iter().map(MethodName::as_str));
        for (i, method) in self.methods.iter().enumerate().filter(|(_, m)| m.as_str() == MethodName::TAPE) {
            let (at, name) = (format!("methods[{i}]"), method.as_str());
            let dense = matches!(self.field, Field::Dense(_));
            faults.require(dense, &at, || format!("{name}; it is written for dense fields only"));
            let written = self.activation != Activation::LeakyRelu;
            faults.require(written, &at, || format!("{name}; it has no leaky ReLU"));
        }
        faults.0
    }
}
