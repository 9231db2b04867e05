//! `anode handover`: unfinished runs, put where they can be committed and continued on another machine.

use std::collections::BTreeSet;
use std::path::Path;

use crate::definition::Profile;
use crate::record::{
    HandedOver, Handover, HandoverError, INFLIGHT, Record, Status, archive_path, hand_over, read_archived_headers,
    run_folders,
};
use crate::report::ReportError;
use crate::study::{newest_state, supersedes};

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
    let of = Handover {
        wanted: &|experiment| select::fits(ids, None, experiment),
        archived: &archived,
        newest_state: &newest_state,
        supersedes: &supersedes,
    };
    let found = hand_over(results, &of).map_err(|error| match error {
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
    for folder in &found.unusable {
        print(&format!("{}: not handed over: no checkpoint in it can be used", folder.display()));
    }
    if found.written.is_empty() {
        print(&format!(
            "nothing to hand over: no unfinished run in {} has a usable checkpoint, other than those whose copy in {} \
             has more steps",
            results.join("runs").display(),
            results.join(INFLIGHT).display()
        ));
    }
    Ok(())
}

/// The archived records, without those of failed runs, of the experiments that have a folder in `inflight/`.
fn archived(results: &Path) -> Result<Vec<Record>, CliError> {
    let experiments: BTreeSet<String> =
        run_folders(&results.join(INFLIGHT)).map_err(ReportError::from)?.into_iter().map(|found| found.0).collect();
    let mut found = vec![];
    for experiment in experiments {
        for profile in Profile::ALL {
            let records = read_archived_headers(&archive_path(results, &experiment, profile));
            let records = records.map_err(ReportError::from)?;
            found.extend(records.into_iter().map(|record| Record { experiment: experiment.clone(), ..record }));
        }
    }
    // The next call tries a failed run again, from its checkpoint.
    found.retain(|record| !matches!(record.status, Status::Failed { .. }));
    Ok(found)
}
