//! `anode merge`: the records of other results folders, brought into this one.

use std::path::PathBuf;

use crate::record::{self, Merged};
use crate::runner::{lock, refuse_busy};
use crate::study::newest_state;

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, skipped};
use super::select;

document!(Merged, "merge", 1);

/// `anode merge DIR...`
///
/// # Errors
/// Records that disagree, or are damaged; a file in place of a results folder; a results folder that another process is
/// writing.
pub fn merge(common: &Common, from: &[PathBuf]) -> Result<(), CliError> {
    let into = &common.results;
    from.iter().try_for_each(|results| select::refuse_file(results))?;
    let _lock = lock(into)?;
    let same = |other: &PathBuf| matches!((into.canonicalize(), other.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if from.iter().any(same) {
        return Err(CliError::Usage(format!("{}: cannot be merged into itself", into.display())));
    }
    from.iter().try_for_each(|results| refuse_busy(results))?;
    let merged = record::merge(from, into, &newest_state)?;
    skipped("not merged", &merged.damaged);
    if common.json {
        print_json(&merged);
    } else if !common.quiet {
        print(&format!(
            "{} runs copied, {} of which are to be finished; {} were there already; write the report with `anode \
            report`",
            merged.copied + merged.unfinished,
            merged.unfinished,
            merged.present
        ));
    }
    Ok(())
}
