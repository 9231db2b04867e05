//! Settings that every study of evolving weights shares (ANODEV2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;

/// Terms of dw/dt = sigma(d Lap w + u . grad w + r w).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Terms {
    /// None: dw/dt = 0, a neural ODE.
    Constant,
    /// r w.
    Reaction,
    /// d Lap w.
    Diffusion,
    /// u . grad w.
    Advection,
    /// All three.
    Rda,
}

/// Nonlinearity of the weight evolution, centred: sigma(x) - sigma(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sigma {
    /// x.
    Identity,
    /// tanh x.
    Tanh,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// max(0, x).
    Relu,
    /// log(1 + exp x).
    Softplus,
}

/// Boundary condition of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Border {
    /// Periodic.
    #[default]
    Periodic,
    /// A wall without flux.
    NoFlux,
}

/// The kernel K of theta(t) = integral of K(t - tau) w(tau) dtau.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Memory {
    /// theta = w.
    #[default]
    None,
    /// K(s) = rate exp(-rate s).
    Exponential {
        /// One over the length of the memory.
        rate: f64,
        /// What w was before t = 0.
        history: History,
    },
    /// K(s) = 1 / width on [0, width].
    Box {
        /// Length of the memory.
        width: f64,
        /// What w was before t = 0.
        history: History,
    },
}

/// What w was before t = 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum History {
    /// w(0).
    Rest,
    /// Zero.
    Zero,
}

/// How weights and activations are stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Configuration {
    /// Configuration 1: in the same steps.
    Together,
    /// Configuration 2: weights first; a step of z uses theta(t_n).
    Matching {
        /// Steps of the weights for each step of z.
        weight_steps: usize,
    },
    /// Configuration 2: weights first; every step of z uses theta(1).
    Final {
        /// Steps of the weights for each step of z.
        weight_steps: usize,
    },
}

impl Faults {
    /// The length of a memory.
    pub(super) fn memory(&mut self, at: &str, memory: Memory) {
        match memory {
            Memory::None => {}
            Memory::Exponential { rate, .. } => self.positive(&format!("{at}.rate"), rate),
            Memory::Box { width, .. } => self.positive(&format!("{at}.width"), width),
        }
    }

    /// The steps of the weights.
    pub(super) fn configuration(&mut self, at: &str, configuration: Configuration) {
        if let Configuration::Matching { weight_steps } | Configuration::Final { weight_steps } = configuration {
            let why = || format!("{weight_steps}; allowed: 1 to 1000");
            self.require((1..=1000).contains(&weight_steps), &format!("{at}.weight_steps"), why);
        }
    }
}
