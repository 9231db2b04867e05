//! Settings of the study of what networks cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evolution::Sigma;

use super::training::{EvolutionSettings, NetworkForm, evolution_faults, width_fault};
use crate::definition::columns::{self, Written};

use super::{Fault, Faults, MethodName, NetName, SolverName, StudySettings};

/// Parameters, multiply-adds, live bytes and time of one gradient of a network, beside those of its baseline form.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkCostSettings {
    /// The network.
    pub net: NetName,
    /// Form of the blocks that keep their shape.
    #[serde(default)]
    pub form: NetworkForm,
    /// Nonlinearity of the weight evolution; absent: tanh where weights evolve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<Sigma>,
    /// The other choices of the weight evolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evolution: Option<EvolutionSettings>,
    /// Channels of the first stage; absent: the network's own.
    #[serde(default)]
    pub width: Option<usize>,
    /// The solver of the ODE blocks.
    pub solver: SolverName,
    /// Steps Nt of each ODE block on t in [0, 1].
    pub steps: usize,
    /// Separate batch-norm layers and running statistics per step of an ODE block; the released code shares one layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub norm_per_step: bool,
    /// The gradient method of the ODE blocks.
    pub method: MethodName,
    /// Images of the gradient.
    pub batch: usize,
}

impl StudySettings for NetworkCostSettings {
    const WRITES: Written = columns::rows(columns::counts::NETWORK_COST);

    fn check(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        faults.count("steps", self.steps);
        faults.count("batch", self.batch);
        self.width.into_iter().for_each(|n| faults.count("width", n));
        width_fault(&mut faults, self.width, &self.net);
        evolution_faults(&mut faults, self.form, self.sigma, self.evolution);
        faults.require(self.method.as_str() != MethodName::TAPE, "method", || {
            "dfdx-tape; it is written for the dense fields of the gradient-error study only".into()
        });
        faults.0
    }
}
