//! `anode init`: the embedded definitions, written to a folder, so that the program works without its repository.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::LIMIT;
use crate::paths::as_text;
use crate::record::{read_at_most, write_atomically};
use crate::report::ReportError;

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};

/// The definitions, the schema, the outline of the report and the list of experiments without results: path and
/// content.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/experiments.rs"));

/// The files that were written.
#[derive(Serialize, JsonSchema)]
pub struct Initialised {
    /// Definitions, their schema, the outline of the report and the list of experiments without results.
    #[serde(serialize_with = "as_text")]
    written: Vec<PathBuf>,
}

document!(Initialised, "init", 1);

/// `anode init DIR`
///
/// # Errors
/// The folder has a file of the same name with other content, or cannot be written.
pub fn init(common: &Common, folder: &Path) -> Result<(), CliError> {
    let experiments = folder.join("experiments");
    for (name, text) in EMBEDDED {
        let path = folder.join(name);
        // A call that was stopped is repeated.
        if read_at_most(&path, LIMIT).map_err(ReportError::from)?.is_some_and(|found| found != text.as_bytes()) {
            let why = "a file with other content; name another folder, or move the file elsewhere";
            return Err(CliError::Usage(format!("{}: {why}", path.display())));
        }
    }
    for (name, text) in EMBEDDED {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(CliError::io(&path))?;
        write_atomically(&path, text.as_bytes()).map_err(ReportError::from)?;
    }
    if common.json {
        print_json(&Initialised { written: EMBEDDED.iter().map(|(name, _)| folder.join(name)).collect() });
    } else if !common.quiet {
        let (count, experiments, folder) = (EMBEDDED.len(), experiments.display(), folder.display());
        print(&format!("{count} files written to {experiments}; run `anode list` in {folder}"));
    }
    Ok(())
}
