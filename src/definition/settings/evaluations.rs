//! Settings of what is measured of a network in training, and of whose statistics its batch norms keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gradient::{Method, pattern_list};
use crate::net::EvaluationMode;

use super::{Faults, TrainingSettings};

/// Which statistics batch norm uses in an evaluation on the test images in addition to that with the running
/// statistics. In modes that estimate statistics again, this is done with the first 10,000 training images in batches
/// of 250, each with the same weight; norms outside ODE blocks are included. The images are unaltered except in the
/// modes whose names end in `augmented`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluationName {
    /// Those of the test batch of 250 images: a diagnostic, since a prediction depends on the other images of its
    /// batch.
    TestBatch,
    /// Statistics estimated again, shared by all evaluations of an ODE block.
    Recalibrated,
    /// Statistics estimated again, separate for each step and stage of an ODE block; needs fixed steps.
    PerEvaluation,
    /// As `recalibrated`, with images that are cropped and mirrored at random: for networks trained with `augment`.
    RecalibratedAugmented,
    /// As `per-evaluation`, with images that are cropped and mirrored at random.
    PerEvaluationAugmented,
}

impl From<EvaluationName> for EvaluationMode {
    fn from(name: EvaluationName) -> Self {
        match name {
            EvaluationName::TestBatch => Self::TestBatch,
            EvaluationName::Recalibrated => Self::Recalibrated,
            EvaluationName::PerEvaluation => Self::PerEvaluation,
            EvaluationName::RecalibratedAugmented => Self::RecalibratedAugmented,
            EvaluationName::PerEvaluationAugmented => Self::PerEvaluationAugmented,
        }
    }
}

impl TrainingSettings {
    /// Evaluations and statistics that the steps or the method of the ODE blocks do not have.
    pub(super) fn statistics_faults(&self, faults: &mut Faults) {
        for (i, name) in self.evaluations.iter().enumerate() {
            faults.require(!self.evaluations[..i].contains(name), &format!("evaluations[{i}]"), || {
                format!("{}; named twice", EvaluationMode::from(*name))
            });
        }
        self.evaluate_every.into_iter().for_each(|n| faults.count("evaluate_every", n));
        faults.require(self.evaluate_every.is_none() || !self.evaluations.is_empty(), "evaluate_every", || {
            "a count; allowed only with `evaluations`".into()
        });
        let method: Option<Method> = self.method.as_str().parse().ok();
        for (at, asked) in [
            ("evaluations", self.evaluations.iter().any(|&name| EvaluationMode::from(name).is_per_evaluation())),
            ("statistics_per_evaluation", self.statistics_per_evaluation),
        ] {
            faults.require(!asked || self.tolerances.is_none(), at, || {
                "statistics for each evaluation; adaptive steps have no fixed evaluations: name `steps`, or omit it"
                    .into()
            });
            let tableau = method.is_none_or(Method::uses_tableau_steps);
            faults.require(!asked || tableau, at, || {
                format!(
                    "statistics for each evaluation; `{}` takes its own steps: use another method",
                    self.method.as_str()
                )
            });
        }
        let reverses = |m: Method| !m.is_exact() || !m.uses_tableau_steps();
        let updates = !self.reverse_updates_statistics || method.is_none_or(reverses);
        faults.require(updates, "reverse_updates_statistics", || {
            let allowed = pattern_list(reverses);
            format!("true; `{}` has no reverse pass; allowed with {allowed}", self.method.as_str())
        });
        faults.require(!self.block_reversal || !self.form.evolves(), "block_reversal", || {
            "true; blocks whose weights evolve cannot be reversed alone; allowed with the forms ode, baseline".into()
        });
    }
}
