//! `anode reproduce`: runs experiments and writes the report.

use std::time::Duration;

use crate::record::{INFLIGHT, run_folders, sweep};
use crate::report::{ReportError, Summary};
use crate::runner::RunnerError;

use super::arguments::{Common, How};
use super::error::CliError;
use super::report::write;
use super::run::{execute, finish, tell};
use super::select;
use super::subject::Subject;

/// `anode reproduce`
///
/// # Errors
/// See [`CliError`].
pub fn reproduce(common: &Common, ids: &[String], only: Option<&str>, how: &How) -> Result<(), CliError> {
    let loaded = select::chosen(common, ids, only)?;
    // Told before the hours of work, not after.
    let (results, figures) = (&common.results, common.figures());
    std::fs::create_dir_all(results).map_err(|source| RunnerError::Results { path: results.clone(), source })?;
    std::fs::create_dir_all(&figures).map_err(CliError::io(&figures))?;
    let (tally, skipped, device) = execute(common, &loaded, how)?;
    // A report may be being written by another call; no write takes an hour.
    let own = results.join("own");
    let inside = ["tables", "timing", "records", "models", "own/tables", "own/timing", "own/figures"]
        .map(|name| results.join(name));
    let inflight = run_folders(&results.join(INFLIGHT)).map_err(ReportError::from)?;
    let inflight = inflight.iter().map(|(_, _, folder)| folder);
    for folder in [&figures, results, &own].into_iter().chain(&inside).chain(inflight) {
        sweep(folder, Duration::from_secs(3600)).map_err(CliError::io(folder))?;
    }
    if tally.interrupted > 0 || how.shard.is_some() || !how.only_where.is_empty() {
        // Who stops the program wants it back at once; the next call writes the report. A part of the runs gives no
        // report.
        tell(common, how.profile.into(), &tally, &skipped, &Summary::default());
        return finish(tally, &skipped);
    }
    // The report covers all experiments, also those that ran before.
    // Own experiments leave the report on the papers as it is, and the papers' experiments that on one's own.
    let subjects = Subject::around(common, ids, only)?;
    let mut summary = write(common, &subjects, how.profile.into(), Some(device))?;
    summary.experiments.retain(|row| loaded.iter().any(|one| one.definition.id == row.id));
    tell(common, how.profile.into(), &tally, &skipped, &summary);
    finish(tally, &skipped)
}
