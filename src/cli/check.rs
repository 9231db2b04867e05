//! `anode check`: faults of definitions.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::{
    DefinitionError, LIMIT, OUTLINE, SCHEMA, load_all, load_not_run, load_outline, outline_faults, schema,
    unknown_experiments,
};
use crate::files;
use crate::record::write_atomically;
use crate::report::ReportError;
use crate::study::estimate::impossible;

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};
use super::select;

/// Faults of definitions.
#[derive(Serialize, JsonSchema)]
pub struct Checked {
    /// Definitions without faults.
    sound: usize,
    /// The faults.
    faults: Vec<Fault>,
}

document!(Checked, "check", 1);

/// A fault of a definition.
#[derive(Serialize, JsonSchema)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// JSON path of the fault; `.` for the whole file.
    pub path: String,
    /// What was found, and what is allowed.
    pub why: String,
}

impl Fault {
    /// A fault that was found in a definition.
    pub fn of(found: &DefinitionError) -> Self {
        Self { file: found.file.clone(), path: found.at.clone(), why: found.why.clone() }
    }
}

/// `anode check`
///
/// # Errors
/// Every fault of every definition, runs that no machine can make among them; a schema that differs.
pub fn check(common: &Common, write_schema: bool) -> Result<(), CliError> {
    let path = common.experiments.join(SCHEMA);
    let io = |path: &PathBuf| {
        let path = path.clone();
        move |source| CliError::Io { path, source }
    };
    let text = serde_json::to_string_pretty(&schema()).map_err(|e| io(&path)(e.into()))? + "\n";
    if write_schema {
        if !common.experiments.is_dir() {
            let why = "no such folder; create it, or name another one with --experiments";
            return Err(CliError::Usage(format!("{}: {why}", common.experiments.display())));
        }
        write_atomically(&path, text.as_bytes()).map_err(ReportError::from)?;
    }
    let (loaded, mut faults) = load_all(&common.experiments);
    if loaded.is_empty() && faults.is_empty() && !write_schema {
        return Err(select::none(common));
    }
    // The ids of faulty definitions are not all known.
    let all_sound = faults.is_empty();
    let not_run = load_not_run(&common.experiments).unwrap_or_else(|fault| {
        faults.push(fault);
        vec![]
    });
    match load_outline(&common.experiments) {
        Ok(outline) => {
            let file = common.experiments.join(OUTLINE);
            if all_sound && faults.is_empty() {
                faults.extend(unknown_experiments(&outline, &file, &loaded, &not_run));
            }
            faults.extend(outline_faults(&outline, &file, &loaded));
        }
        Err(fault) => faults.push(fault),
    }
    faults.extend(loaded.iter().flat_map(impossible));
    if common.json {
        print_json(&Checked { sound: loaded.len(), faults: faults.iter().map(Fault::of).collect() });
    }
    if !faults.is_empty() {
        return Err(CliError::Definitions(faults));
    }
    if path.exists() && files::read_text(&path, LIMIT).map_err(io(&path))? != text {
        return Err(CliError::Schema(path));
    }
    if !common.json && !common.quiet {
        print(&format!("{} definitions are sound", loaded.len()));
    }
    Ok(())
}
