//! Experiments of the papers that have no results here: `experiments/not-run.json` says why, so that none is passed
//! over.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::load::entries;
use super::{DefinitionError, Paper, id_fault};

/// Name of the file beside the experiments.
pub const NOT_RUN: &str = "not-run.json";

/// An experiment of a paper without results. Once its definition has records, they are shown instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotRun {
    /// The experiment's name; its definition, where there is one, has the same.
    pub id: String,
    /// The paper it is from.
    pub paper: Paper,
    /// One line for the summary.
    pub title: String,
    /// Why there are no results; continues "not run, because".
    pub because: String,
}

/// Reads the list of a folder of experiments; empty where there is none.
///
/// # Errors
/// A file that is malformed, an empty text, an id that no experiment can have, a repeated id.
pub fn load_not_run(folder: &Path) -> Result<Vec<NotRun>, DefinitionError> {
    let file = folder.join(NOT_RUN);
    let fault = |at: String, why: String| DefinitionError::new(&file, &at, &why);
    let entries: Vec<NotRun> = entries(&file)?;
    let mut ids = HashSet::new();
    for (i, entry) in entries.iter().enumerate() {
        for (field, text) in [("id", &entry.id), ("title", &entry.title), ("because", &entry.because)] {
            if text.trim().is_empty() {
                return Err(fault(format!("[{i}].{field}"), "empty; every field has a text".into()));
            }
        }
        if let Some(why) = id_fault(&entry.id) {
            return Err(fault(format!("[{i}].id"), why));
        }
        if !ids.insert(&entry.id) {
            return Err(fault(format!("[{i}].id"), format!("`{}` comes twice; ids are unique", entry.id)));
        }
    }
    Ok(entries)
}
