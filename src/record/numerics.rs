//! Versions of the numerics: which records hold the numbers that this version of the program would compute.

use serde_json::{Map, Value};

use crate::definition::StudyKind;

/// The version of studies whose numbers have not changed, and of records that do not name one.
pub const FIRST_NUMERICS: u32 = 4;

/// What a study computes with, as far as it decides which changes of the program change its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Fixed steps, or no steps.
    Fixed,
    /// Adaptive steps controlled as in MATLAB's ode45.
    Matlab,
    /// Adaptive steps controlled as in torchdiffeq's dopri5.
    Torchdiffeq,
    /// Adaptive steps with another controller.
    OtherController,
    /// Fixed steps with an online checkpoint schedule.
    Online,
    /// Fixed steps of the solver of a gradient method, instead of the tableau's.
    OtherSolver,
}

/// The version of the numerics of a run with these resolved settings. It is part of the run's id.
///
/// Raise a number whenever the same settings would give other results. Records of the version before are then kept, but
/// no longer shown, and their runs are computed again. Every other id stays as it is.
pub fn numerics(study: StudyKind, settings: &Map<String, Value>) -> u32 {
    match (study, kind(settings)) {
        (StudyKind::Reversibility, Kind::Torchdiffeq | Kind::OtherController) => 5,
        // Includes the reference, which takes adaptive steps.
        (StudyKind::GradientError, _) => 5,
        (StudyKind::CoupledGradient | StudyKind::Memory | StudyKind::Schedules, Kind::Online) => 5,
        // Evaluations take the steps of the method since version 5; before, they took those of the tableau.
        (StudyKind::Training, Kind::Online | Kind::OtherSolver) => 5,
        (StudyKind::Training, Kind::Matlab | Kind::Torchdiffeq | Kind::OtherController) => 5,
        _ => FIRST_NUMERICS,
    }
}

fn kind(settings: &Map<String, Value>) -> Kind {
    let adaptive = settings.get("tolerances").filter(|found| !found.is_null());
    let stepping = settings.get("stepping").filter(|stepping| stepping["kind"] == "adaptive");
    if let Some(adaptive) = adaptive.or(stepping) {
        return match adaptive["norm"].as_str() {
            Some("matlab") => Kind::Matlab,
            Some("torchdiffeq") => Kind::Torchdiffeq,
            _ => Kind::OtherController,
        };
    }
    let one = || ["method", "schedule"].iter().filter_map(|name| settings.get(*name));
    let several = settings.get("methods").and_then(Value::as_array).into_iter().flatten();
    if one().chain(several).filter_map(Value::as_str).any(|name| name.starts_with("online")) {
        return Kind::Online;
    }
    let other_solver = one().filter_map(Value::as_str).any(|name| matches!(name, "leapfrog" | "reversible"));
    if other_solver { Kind::OtherSolver } else { Kind::Fixed }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_kind_follows_from_the_settings() {
        for (settings, expected) in [
            (json!({ "steps": 2, "method": "anode" }), Kind::Fixed),
            (json!({ "steps": 2, "method": "online:3" }), Kind::Online),
            (json!({ "steps": 2, "method": "leapfrog" }), Kind::OtherSolver),
            (json!({ "steps": 2, "method": "reversible" }), Kind::OtherSolver),
            (json!({ "steps": [2], "methods": ["full", "leapfrog"] }), Kind::Fixed),
            (json!({ "snapshots": 3, "schedule": "online" }), Kind::Online),
            (json!({ "steps": [2], "methods": ["full", "online:3"] }), Kind::Online),
            (json!({ "steps": [2], "methods": ["full", "revolve:3"] }), Kind::Fixed),
            (json!({ "tolerances": { "norm": "torchdiffeq" }, "method": "online:3" }), Kind::Torchdiffeq),
            (json!({ "tolerances": null, "steps": 2 }), Kind::Fixed),
            (json!({ "stepping": { "kind": "adaptive", "norm": "matlab" } }), Kind::Matlab),
            (json!({ "stepping": { "kind": "adaptive", "norm": "proportional-integral" } }), Kind::OtherController),
            (json!({ "stepping": { "kind": "search", "target": 0.1 } }), Kind::Fixed),
        ] {
            assert_eq!(kind(settings.as_object().expect("settings")), expected, "{settings}");
        }
    }
}
