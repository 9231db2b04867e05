//! Settings of adaptive steps inside a network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gradient::{Method, pattern_list};
use crate::ode::Controller;

use super::{Faults, MethodName, NetworkForm, SolverName};

/// Attempted steps of one solve, where the definition names no limit.
const MAX_STEPS: usize = 1000;

/// Adaptive steps of an ODE block, by the embedded error estimate of its solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tolerances {
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// How the local error is measured and the next step chosen; absent: as torchdiffeq does.
    #[serde(default = "torchdiffeq")]
    pub norm: Controller,
    /// Attempted steps, each of at most one evaluation per stage, after which a solve fails: the run then
    /// counts as diverged. Absent: 1000.
    #[serde(default = "max_steps")]
    pub max_steps: usize,
}

fn torchdiffeq() -> Controller {
    Controller::Torchdiffeq
}

fn max_steps() -> usize {
    MAX_STEPS
}

/// What the steps of a network's blocks depend on.
pub(super) struct Stepped<'a> {
    pub steps: Option<usize>,
    pub tolerances: Option<Tolerances>,
    pub solver: &'a SolverName,
    pub method: &'a MethodName,
    pub form: NetworkForm,
    pub norm_per_step: bool,
}

impl Stepped<'_> {
    /// Steps that are neither fixed nor adaptive, or both, and choices that do not go with adaptive ones.
    pub fn check(&self, faults: &mut Faults) {
        self.steps.into_iter().for_each(|n| faults.count("steps", n));
        let Some(Tolerances { rtol, atol, norm: _, max_steps }) = self.tolerances else {
            return faults
                .require(self.steps.is_some(), "steps", || "absent; name a count, or `tolerances` instead".into());
        };
        faults.require(self.steps.is_none(), "tolerances", || {
            "beside `steps`; fixed steps have a count, adaptive ones `tolerances`: name one of the two".into()
        });
        faults.positive("tolerances.rtol", rtol);
        faults.positive("tolerances.atol", atol);
        faults.count("tolerances.max_steps", max_steps);
        faults.embedded(self.solver);
        let method = self.method.as_str();
        let knows = |method: Method| method.supports_adaptive_steps();
        faults.require(method.parse().is_ok_and(knows), "method", || {
            let allowed = pattern_list(knows);
            format!("`{method}` must know the number of steps beforehand; with `tolerances`, allowed: {allowed}")
        });
        faults.require(!self.form.evolves(), "form", || {
            "weights that evolve take fixed steps; with `tolerances`, allowed: ode, baseline".into()
        });
        faults.require(!self.norm_per_step, "norm_per_step", || {
            "true; adaptive steps have no number beforehand, so none has a batch norm of its own".into()
        });
    }
}
