//! Settings of the study of checkpoint schedules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::columns::{self, Written};

use super::{Fault, Faults, StudySettings};

/// The work and the snapshots of a checkpoint schedule, counted while the executor runs it, beside the least work
/// possible.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulesSettings {
    /// Step counts Nt; one row for each count.
    pub steps: Vec<usize>,
    /// Largest number of snapshots m, 1 to 100.
    pub snapshots: usize,
    /// Which schedule places them.
    pub schedule: Placement,
}

/// How snapshots are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Binomially, the number of steps being known.
    Revolve,
    /// While the number of steps is not known.
    Online,
}

impl StudySettings for SchedulesSettings {
    const WRITES: Written = columns::rows(columns::counts::SCHEDULES);

    fn check(&self) -> Vec<Fault> {
        const MOST: usize = 2000;
        let mut faults = Faults::default();
        faults.some("steps", &self.steps);
        faults.unique("steps", &self.steps);
        for (i, &n) in self.steps.iter().enumerate() {
            faults.require((1..=MOST).contains(&n), &format!("steps[{i}]"), || format!("{n}; allowed: 1 to {MOST}"));
        }
        let m = self.snapshots;
        faults.require((1..=100).contains(&m), "snapshots", || format!("{m}; allowed: 1 to 100"));
        faults.0
    }
}
