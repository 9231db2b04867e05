//! `anode list`: the experiments with the state of their results.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::data::data_folder;
use crate::definition::{Loaded, Profile, SourceTag};
use crate::plan::plan;
use crate::report::{ReportError, RunCount, count_runs};
use crate::study::STUDIES;

use super::arguments::Common;
use super::done::records;
use super::error::CliError;
use super::inputs::InputsHere;
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
    /// Runs that have a record, archived records included, whatever data are here.
    recorded: usize,
    /// Runs that the definition describes, whatever data are here.
    runs: usize,
    /// Runs that can be computed with the data that are here.
    planned: usize,
    /// Points of the grid that cannot be planned because their data are missing.
    skipped: usize,
}

/// `anode list ID...`
///
/// # Errors
/// See [`CliError`].
pub fn list(common: &Common, ids: &[String]) -> Result<(), CliError> {
    let loaded = select::named(common, ids)?;
    let data = data_folder(common.data.as_deref());
    let inputs = InputsHere::new(common, &loaded);
    let count = |one: &Loaded, profile: Profile| -> Result<Counted, ReportError> {
        let definition = &one.definition;
        let (planned, skipped) = plan(std::slice::from_ref(one), profile, "cpu", data.as_deref(), STUDIES);
        let records = records(&common.results, &definition.id, profile);
        let RunCount { runs, recorded } = count_runs(definition, profile, &common.results, &records, &inputs)?;
        Ok(Counted { profile, recorded, runs, planned: planned.len(), skipped: skipped.len() })
    };
    let count_each = |one: &Loaded| -> Result<Vec<Counted>, ReportError> {
        Profile::ALL.into_iter().map(|profile| count(one, profile)).collect()
    };
    let counted: Vec<Vec<Counted>> = loaded.par_iter().map(count_each).collect::<Result<_, ReportError>>()?;
    let (mut rows, mut values) = (vec![], vec![]);
    for (Loaded { definition, .. }, counts) in loaded.iter().zip(counted) {
        let shown = |Counted { recorded, runs, planned, skipped, .. }: &Counted| match (runs, planned, skipped) {
            (0, ..) => "-".to_owned(),
            (_, _, 0) => format!("{recorded}/{runs}"),
            (_, 0, _) => format!("{recorded}/{runs} (data not here)"),
            (_, _, skipped) => format!("{recorded}/{runs} ({skipped} settings lack data)"),
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
