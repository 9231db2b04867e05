//! Checks of the settings that every study of evolving weights shares (ANODEV2).

use crate::evolution::Memory;
use crate::net::WeightStepping;

use super::Faults;

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
    pub(super) fn configuration(&mut self, at: &str, configuration: WeightStepping) {
        if let WeightStepping::Matching { weight_steps } | WeightStepping::Final { weight_steps } = configuration {
            let why = || format!("{weight_steps}; allowed: 1 to 1000");
            self.require((1..=1000).contains(&weight_steps), &format!("{at}.weight_steps"), why);
        }
    }
}
