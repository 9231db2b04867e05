//! Settings of the study of gradients through evolving weights (ANODEV2, the optimality conditions).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evolution::{Border, Memory, Sigma, Terms};
use crate::kernels::Activation;
use crate::net::WeightStepping;

use crate::definition::columns::{self, Written};

use super::{Dtype, Fault, Faults, MethodName, SolverName, StudySettings};

/// Gradient methods of a coupled block against the exact one of its steps, for J = |z(1)|^2 / 2 and the unknowns z(0),
/// w(0) and p. dz/dt = activation(theta * z): one convolution, zero padding, whose kernels evolve.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoupledGradientSettings {
    /// Channels in and out.
    pub channels: usize,
    /// Kernel height and width, odd.
    pub kernel: usize,
    /// Image height and width.
    pub size: usize,
    /// Deviation of the kernels at t = 0, N(0, std^2) from the seed.
    pub weights_std: f64,
    /// Deviation of the image at t = 0.
    pub initial_std: f64,
    /// Deviation of p.
    pub coefficients_std: f64,
    /// The activation of the field.
    pub activation: Activation,
    /// The terms of the weight evolution; not `constant`, which has no p.
    pub terms: Terms,
    /// Its nonlinearity.
    pub sigma: Sigma,
    /// Boundary condition of a kernel.
    #[serde(default)]
    pub border: Border,
    /// A set of coefficients for each output channel, in place of one for the layer.
    #[serde(default)]
    pub per_channel: bool,
    /// The kernel K of theta(t).
    #[serde(default)]
    pub memory: Memory,
    /// How weights and activations are stepped.
    pub configuration: WeightStepping,
    /// The solver of both.
    pub solver: SolverName,
    /// Step counts Nt of z on [0, 1]; one row for each count and method.
    pub steps: Vec<usize>,
    /// Gradient methods.
    pub methods: Vec<MethodName>,
    /// Floating-point type.
    pub dtype: Dtype,
}

impl StudySettings for CoupledGradientSettings {
    const WRITES: Written = columns::rows(columns::numerical::COUPLED_GRADIENT);

    fn check(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        faults.count("channels", self.channels);
        faults.count("size", self.size);
        faults.kernel_on("kernel", self.kernel, self.size);
        for (name, std) in [("weights_std", self.weights_std), ("initial_std", self.initial_std)] {
            faults.positive(name, std);
        }
        faults.positive("coefficients_std", self.coefficients_std);
        faults.require(self.terms != Terms::Constant, "terms", || {
            "`constant` has no coefficients; allowed: reaction, diffusion, advection, rda".into()
        });
        faults.memory("memory", self.memory);
        faults.configuration("configuration", self.configuration);
        faults.counts("steps", &self.steps);
        faults.some("methods", &self.methods);
        faults.unique("methods", self.methods.iter().map(MethodName::as_str));
        for (i, _) in self.methods.iter().enumerate().filter(|(_, m)| m.as_str() == MethodName::TAPE) {
            faults.require(false, &format!("methods[{i}]"), || "dfdx-tape; it is written for dense fields only".into());
        }
        faults.0
    }
}
