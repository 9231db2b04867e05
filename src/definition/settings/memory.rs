//! Settings of the memory study (ANODE, section 5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::columns::{self, Written};

use super::{Fault, Faults, MethodName, SolverName, StudySettings};

/// The gradient of a chain of ODE blocks, each one convolution with separate kernels and tanh, in f32: bytes and
/// work of one method, counted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemorySettings {
    /// Number of blocks L in sequence.
    pub blocks: usize,
    /// Step counts Nt of each block on t in [0, 1]; one row for each count.
    pub steps: Vec<usize>,
    /// The gradient method of every block.
    pub method: MethodName,
    /// The solver of every block.
    pub solver: SolverName,
    /// Channels of the state.
    pub channels: usize,
    /// Height and width of the state.
    pub size: usize,
}

impl StudySettings for MemorySettings {
    const WRITES: Written = columns::rows(columns::counts::MEMORY);

    fn check(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        faults.count("blocks", self.blocks);
        faults.counts("steps", &self.steps);
        faults.count("channels", self.channels);
        faults.count("size", self.size);
        faults.require(self.size >= 3, "size", || format!("{}; allowed: from 3, the size of the kernels", self.size));
        let tape = self.method.as_str() == MethodName::TAPE;
        faults.require(!tape, "method", || "dfdx-tape; its memory is not counted".into());
        faults.0
    }
}
