//! Settings of the study of evolving kernels (ANODEV2, the weight PDE).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evolution::{Border, Sigma, Terms};

use crate::definition::columns::{self, Written};

use super::{Fault, Faults, SolverName, StudySettings};

/// One kernel under dw/dt = sigma(d Lap w + u . grad w + r w) on t in [0, 1], stepped, beside the exact solution where
/// it is known (sigma = identity, periodic).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelEvolutionSettings {
    /// Height and width of the kernel, odd.
    pub kernel: usize,
    /// The kernel at t = 0 is exp(-distance^2 / (2 deviation^2)) from its centre, in pixels.
    pub deviation: f64,
    /// The terms of the PDE.
    pub terms: Terms,
    /// The coefficients; those of terms that are absent are not used.
    pub coefficients: Coefficients,
    /// The nonlinearity.
    pub sigma: Sigma,
    /// Boundary condition.
    #[serde(default)]
    pub border: Border,
    /// The solver.
    pub solver: SolverName,
    /// Step counts Nt on [0, 1], each a multiple of `frames`.
    pub steps: Vec<usize>,
    /// Number of equal time intervals after which the kernel is recorded.
    pub frames: usize,
}

/// Coefficients of the PDE, a pixel being the unit of length.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coefficients {
    /// Diffusion d, from 0.
    pub d: f64,
    /// Advection along the width.
    pub ux: f64,
    /// Advection along the height.
    pub uy: f64,
    /// Reaction r.
    pub r: f64,
}

impl StudySettings for KernelEvolutionSettings {
    const WRITES: Written = columns::numerical::KERNEL_EVOLUTION;

    fn check(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        faults.kernel("kernel", self.kernel);
        // Its square is a divisor.
        faults.require((1e-100..=1e100).contains(&self.deviation), "deviation", || {
            format!("{}; allowed: 1e-100 to 1e100", self.deviation)
        });
        let Coefficients { d, ux, uy, r } = self.coefficients;
        faults.require(d.is_finite() && d >= 0.0, "coefficients.d", || format!("{d}; allowed: finite numbers from 0"));
        for (name, x) in [("ux", ux), ("uy", uy), ("r", r)] {
            faults.finite(&format!("coefficients.{name}"), x);
        }
        faults.counts("steps", &self.steps);
        let frames = self.frames;
        faults.require((1..=100).contains(&frames), "frames", || format!("{frames}; allowed: 1 to 100"));
        for (i, &n) in self.steps.iter().enumerate().filter(|_| frames > 0) {
            faults.require(n % frames == 0, &format!("steps[{i}]"), || format!("{n}; allowed: multiples of {frames}"));
        }
        faults.0
    }
}
