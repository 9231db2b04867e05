//! `anode handover`: unfinished runs, put where they can be committed and continued on another machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::definition::Profile;
use crate::record::{
    HandedOver, Handover, HandoverError, INFLIGHT, Record, archive_path, hand_over, read_archived_headers, run_folders,
};
use crate::report::ReportError;
use crate::study::{covers, newest_state};

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, skipped};
use super::select;

document!(HandedOver, "handover", 1);

/// `anode handover`
///
/// # Errors
/// See [`CliError`].
pub fn handover(common: &Common, ids: &[String]) -> Result<(), CliError> {
    select::refuse_missing(&common.results)?;
    if !ids.is_empty() {
        select::named(common, ids)?;
    }
    let results = &common.results;
    let of = Handover {
        wanted: &|experiment| select::fits(ids, None, experiment),
        newest_state: &newest_state,
        covers: &covers,
    };
    let found = hand_over(results, archived(results)?, &of).map_err(|error| match error {
        HandoverError::Record(error) => ReportError::from(error).into(),
        size => CliError::Usage(size.to_string()),
    })?;
    skipped("not handed over", &found.damaged);
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
        print(&format!(
            "removed {}: its run is recorded, or another run continued it and is further",
            folder.display()
        ));
    }
    for folder in &found.unusable {
        print(&format!("{}: not handed over: no checkpoint in it can be used", folder.display()));
    }
    if found.written.is_empty() {
        print(&format!(
            "nothing to hand over: no run in {} is unfinished, has a usable checkpoint, was not continued by another \
             run, and has more steps than its copy in {}",
            results.join("runs").display(),
            results.join(INFLIGHT).display()
        ));
    }
    Ok(())
}

/// The archived records of runs that have a folder in `inflight/`, or that continued one, without failed runs.
fn archived(results: &Path) -> Result<Vec<Record>, CliError> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (experiment, run, _) in run_folders(&results.join(INFLIGHT)).map_err(ReportError::from)? {
        ids.entry(experiment).or_default().insert(run);
    }
    let mut found = vec![];
    for (experiment, runs) in ids {
        for profile in Profile::ALL {
            let records = read_archived_headers(&archive_path(results, &experiment, profile));
            let mut records = records.map_err(ReportError::from)?;
            // The next call tries a failed run again, from its checkpoint.
            records.retain(|record| {
                let known = runs.contains(&record.run) || record.continued.as_ref().is_some_and(|id| runs.contains(id));
                known && !record.status.is_failure()
            });
            found.extend(records.into_iter().map(|record| Record { experiment: experiment.clone(), ..record }));
        }
    }
    Ok(found)
}
