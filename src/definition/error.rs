//! What can be wrong with a definition.

use std::path::PathBuf;

/// Something wrong in an experiment file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {at}: {why}", file.display())]
pub struct DefinitionError {
    /// The file.
    pub file: PathBuf,
    /// JSON path of the fault: `grid[1].solver[2]`, or `.` for the whole file.
    pub at: String,
    /// What was found, and what is allowed.
    pub why: String,
}
