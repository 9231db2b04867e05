//! Settings of the reversibility study (ANODE, section 3).

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernels::Activation;
use crate::ode::Controller;

use crate::definition::columns::{self, Written};

use super::{Dtype, Fault, Faults, SolverName, StudySettings};

/// Integrate `problem` from t = 0 to 1 and back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReversibilitySettings {
    /// The vector field and its initial value.
    pub problem: Problem,
    /// The solver.
    pub solver: SolverName,
    /// How steps are chosen.
    pub stepping: Stepping,
    /// Floating-point type.
    pub dtype: Dtype,
}

/// A vector field with an initial value.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Problem {
    /// dz/dt = rate z, z(0) = 1.
    ScalarLinear {
        /// The rate.
        rate: f64,
    },
    /// dz/dt = -max(0, c z), z(0) = 1.
    ScalarRelu {
        /// The constant c.
        c: f64,
    },
    /// dz/dt = sign max(0, W z), W with independent N(0, 1) entries times `scale`, z(0) with independent N(0, 1)
    /// entries.
    MatrixRelu {
        /// Rows and columns of W.
        n: usize,
        /// +1 or -1.
        sign: i8,
        /// What W is divided by.
        normalise: Normalise,
        /// Factor on W after normalising.
        #[serde(default = "one")]
        scale: f64,
    },
    /// dz/dt = activation(K * z): one convolution, one channel in and out, zero padding, kernel with
    /// independent N(0, std^2) entries, z(0) an image with pixels in [0, 1].
    Convolution {
        /// The activation.
        activation: Activation,
        /// Standard deviation of the kernel's entries.
        std: f64,
        /// Kernel height and width, odd.
        kernel: usize,
        /// The image.
        picture: Picture,
    },
}

fn one() -> f64 {
    1.0
}

/// What a random matrix is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalise {
    /// Nothing.
    None,
    /// Its spectral norm.
    Spectral,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Picture {
    /// The MNIST test image of this index where MNIST is present, else the drawn digit.
    Mnist(usize),
    /// A digit drawn by the program.
    Drawn,
    /// A matrix from a CSV or NPY file, relative to the definition.
    File(PathBuf),
}

/// How steps are chosen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Stepping {
    /// Equal steps; one row for each count.
    Fixed {
        /// Step counts.
        steps: Vec<usize>,
    },
    /// Finds the smallest count of equal steps for which the forward error, and for which rho, is at most `target`,
    /// and stays there for every larger count that is probed.
    Search {
        /// Relative error to reach.
        target: f64,
        /// Largest step count to try.
        max_steps: usize,
    },
    /// Adaptive steps with the embedded error estimate.
    Adaptive {
        /// Relative tolerance.
        rtol: f64,
        /// Absolute tolerance.
        atol: f64,
        /// The norm of the error.
        norm: Controller,
    },
}

impl StudySettings for ReversibilitySettings {
    const WRITES: Written = columns::numerical::REVERSIBILITY;

    fn check(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        match &self.problem {
            Problem::ScalarLinear { rate } => faults.finite("problem.rate", *rate),
            Problem::ScalarRelu { c } => faults.finite("problem.c", *c),
            Problem::MatrixRelu { n, sign, normalise: _, scale } => {
                faults.require((1..=4096).contains(n), "problem.n", || format!("{n}; allowed: 1 to 4096"));
                faults.require([-1, 1].contains(sign), "problem.sign", || format!("{sign}; allowed: 1, -1"));
                faults.positive("problem.scale", *scale);
            }
            Problem::Convolution { activation: _, std, kernel, picture: _ } => {
                faults.positive("problem.std", *std);
                faults.kernel("problem.kernel", *kernel);
            }
        }
        match &self.stepping {
            Stepping::Fixed { steps } => faults.counts("stepping.steps", steps),
            Stepping::Search { target, max_steps } => {
                faults.positive("stepping.target", *target);
                faults.count("stepping.max_steps", *max_steps);
            }
            Stepping::Adaptive { rtol, atol, norm: _ } => {
                faults.positive("stepping.rtol", *rtol);
                faults.positive("stepping.atol", *atol);
                faults.embedded(&self.solver);
            }
        }
        faults.0
    }
}
