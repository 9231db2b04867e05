//! Settings of what is measured of a network in training, and of whose statistics its batch norms keep.

use crate::gradient::{Method, pattern_list};

use super::{Faults, TrainingSettings};

impl TrainingSettings {
    /// Evaluations and statistics that the steps or the method of the ODE blocks do not have.
    pub(super) fn statistics_faults(&self, faults: &mut Faults) {
        for (i, mode) in self.evaluations.iter().enumerate() {
            faults.require(!self.evaluations[..i].contains(mode), &format!("evaluations[{i}]"), || {
                format!("{mode}; named twice")
            });
        }
        self.evaluate_every.into_iter().for_each(|n| faults.count("evaluate_every", n));
        faults.require(self.evaluate_every.is_none() || !self.evaluations.is_empty(), "evaluate_every", || {
            "a count; allowed only with `evaluations`".into()
        });
        let method: Option<Method> = self.method.as_str().parse().ok();
        for (at, asked) in [
            ("evaluations", self.evaluations.iter().any(|mode| mode.is_per_evaluation())),
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
