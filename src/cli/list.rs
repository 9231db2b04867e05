//! `anode list`: the experiments with the state of their results.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::data::data_folder;
use crate::definition::{Loaded, Profile, SourceTag};
use crate::plan::plan;
use crate::study::STUDIES;

use super::arguments::Common;
use super::done::{Done, State};
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, print_table};
use super::select;

/// The experiments.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Experiments(Vec<Listed>);

document!(Experiments, "list", 1);

/// An experiment with the state of its results.
#[derive(Serialize, JsonSchema)]
pub struct Listed {
    /// Its id.
    id: String,
    /// Its title.
    title: String,
    /// The claim that it tests.
    claim: String,
    /// The source of the claim.
    source: SourceTag,
    /// The state of its results under each profile.
    profiles: Vec<Counted>,
}

/// Runs of an experiment under a profile.
#[derive(Serialize, JsonSchema)]
pub struct Counted {
    /// The profile.
    profile: Profile,
    /// Planned runs that have a record, archived records included.
    recorded: usize,
    /// Planned runs.
    runs: usize,
    /// Points of the grid that cannot be planned because their data are missing.
    skipped: usize,
}

/// `anode list`
///
/// # Errors
/// See [`CliError`].
pub fn list(common: &Common) -> Result<(), CliError> {
    let loaded = select::all(common)?;
    let data = data_folder(common.data.as_deref());
    let done = Done::new(common);
    let count = |one: &Loaded, profile: Profile| {
        let (runs, skipped) = plan(std::slice::from_ref(one), profile, "cpu", data.as_deref(), STUDIES);
        let archived = done.archived(&one.definition.id, profile);
        let recorded = runs.iter().filter(|run| archived.state(run) != State::ToDo).count();
        Counted { profile, recorded, runs: runs.len(), skipped: skipped.len() }
    };
    let counted: Vec<Vec<_>> =
        loaded.par_iter().map(|one| Profile::ALL.iter().map(|profile| count(one, *profile)).collect()).collect();
    let (mut rows, mut values) = (vec![], vec![]);
    for (Loaded { definition, .. }, counts) in loaded.iter().zip(counted) {
        let shown = |Counted { recorded, runs, skipped, .. }: &Counted| match (runs, skipped) {
            (0, 0) => "-".to_owned(),
            (runs, 0) => format!("{recorded}/{runs}"),
            (runs, skipped) => format!("{recorded}/{runs} ({skipped} lack data)"),
        };
        let mut row = vec![definition.id.clone()];
        row.extend(counts.iter().map(shown));
        row.push(format!("[{:?}] {}", definition.claim.source, definition.claim.text));
        rows.push(row);
        values.push(Listed {
            id: definition.id.clone(),
            title: definition.title.clone(),
            claim: definition.claim.text.clone(),
            source: definition.claim.source,
            profiles: counts,
        });
    }
    if common.json {
        print_json(&Experiments(values));
    } else {
        print_table(&["experiment", "quick", "standard", "paper", "claim"], &rows);
        print(
            "\nrecorded/planned runs per profile, archived records included; the letter says how the claim is known \
            (see the report)",
        );
    }
    Ok(())
}
