//! How many runs of an experiment have a record, as the report counts them, from the headers of the records alone.

use std::path::Path;

use crate::definition::{Definition, Profile};
use crate::record::Record;

use super::alternatives::{PlannedRun, settle};
use super::found::{self, Inputs, Places};
use super::results::wanted;
use super::{ReportError, inflight};

/// Runs of an experiment under a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCount {
    /// Runs that the definition describes, whatever data are present.
    pub runs: usize,
    /// Those with a record of a run that ended.
    pub recorded: usize,
}

/// Counts the runs of `definition` under `profile`, and those that one of `records` is of. `results` is the results
/// folder.
///
/// # Errors
/// The folder of unfinished runs cannot be read.
pub fn count_runs(
    definition: &Definition,
    profile: Profile,
    results: &Path,
    records: &[Record],
    inputs: &dyn Inputs,
) -> Result<RunCount, ReportError> {
    let of = |i: usize| &records[i];
    let places = Places::new(records.iter().map(|record| (&record.settings, record.seed)));
    let (begun, _) = inflight::headers(results, &definition.id)?;
    let runs = settle(wanted(definition, profile), |settings, seed| {
        let records = places.of(settings, seed).iter().map(|&i| of(i));
        records.filter(|record| record.is_current()).any(|record| record.settings == *settings)
            || begun.iter().any(|header| header.seed == seed && header.settings == *settings)
    });
    let is_recorded = |(settings, seed): &&PlannedRun| {
        let fitting = found::fitting(&of, &places, definition, (settings, *seed), inputs);
        fitting.into_iter().any(|i| !of(i).status.is_failure())
    };
    Ok(RunCount { runs: runs.len(), recorded: runs.iter().filter(is_recorded).count() })
}
