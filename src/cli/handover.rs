//! `anode handover`: unfinished runs, put where they can be committed and continued on another machine.

use std::collections::BTreeSet;
use std::path::Path;

use crate::definition::Profile;
use crate::record::{
    HandedOver, HandoverError, INFLIGHT, Status, archive_path, hand_over, read_archived_headers, run_folders,
};
use crate::report::ReportError;

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};
use super::select;

document!(HandedOver, "handover", 1);

/// `anode handover`
///
/// # Errors
/// See [`CliError`].
pub fn handover(common: &Common, ids: &[String]) -> Result<(), CliError> {
    if !ids.is_empty() {
        select::named(common, ids)?;
    }
    let results = &common.results;
    let archived = archived(results)?;
    let wanted = |experiment: &str| select::fits(ids, None, experiment);
    let recorded = |experiment: &str, run: &str| archived.contains(&(experiment.to_owned(), run.to_owned()));
    let found = hand_over(results, &wanted, &recorded).map_err(|error| match error {
        HandoverError::Record(error) => ReportError::from(error).into(),
        size => CliError::Usage(size.to_string()),
    })?;
    if common.json {
        print_json(&found);
        return Ok(());
    }
    if common.quiet {
        return Ok(());
    }
    for (folder, bytes) in &found.written {
        print(&format!("{bytes} bytes in {}", folder.display()));
    }
    for folder in &found.removed {
        print(&format!("removed {}: its run is recorded, or another one continued it", folder.display()));
    }
    if found.written.is_empty() {
        print(&format!(
            "nothing to hand over: no unfinished run in {} has a checkpoint, other than those whose copy in {} has \
             more steps",
            results.join("runs").display(),
            results.join(INFLIGHT).display()
        ));
    }
    Ok(())
}

/// Runs whose results the archives contain, or that a run in them continued, of the experiments that have a folder in
/// `inflight/`.
fn archived(results: &Path) -> Result<BTreeSet<(String, String)>, CliError> {
    let experiments: BTreeSet<String> =
        run_folders(&results.join(INFLIGHT)).map_err(ReportError::from)?.into_iter().map(|found| found.0).collect();
    let mut found = BTreeSet::new();
    for experiment in experiments {
        for profile in Profile::ALL {
            let records = read_archived_headers(&archive_path(results, &experiment, profile));
            let mut records = records.map_err(ReportError::from)?;
            // The next call tries a failed run again, from its checkpoint.
            records.retain(|record| !matches!(record.status, Status::Failed { .. }));
            for record in records {
                let ids = [Some(record.run), record.continued].into_iter().flatten();
                found.extend(ids.map(|run| (experiment.clone(), run)));
            }
        }
    }
    Ok(found)
}
