//! Choices that the papers leave unspecified: `experiments/choices.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::DefinitionError;
use super::load::entries;

/// Name of the file beside the experiments.
pub const CHOICES: &str = "choices.json";

/// A choice that a reader should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What was chosen.
    pub what: String,
    /// Why.
    pub why: String,
    /// Where its effect is measured; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// Where the effect of a choice is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The experiment that compares the choice with an alternative.
    pub experiment: String,
    /// Start of the name of the check that does; absent: the table also has rows for the alternatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

/// Reads the choices of a folder of experiments; empty if there is no such file.
///
/// # Errors
/// A file that is malformed, an empty text.
pub fn load_choices(folder: &Path) -> Result<Vec<Choice>, DefinitionError> {
    let choices: Vec<Choice> = entries(&folder.join(CHOICES))?;
    for (i, choice) in choices.iter().enumerate() {
        for (field, text) in [("what", &choice.what), ("why", &choice.why)] {
            if text.trim().is_empty() {
                let at = format!("[{i}].{field}");
                return Err(DefinitionError::new(&folder.join(CHOICES), &at, "empty; every field has a text"));
            }
        }
    }
    Ok(choices)
}
