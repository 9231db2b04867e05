//! What can be wrong with a definition.

use std::path::{Path, PathBuf};

use crate::characters::is_control;

/// Characters of a place and of a reason that are printed; the values in them may be as long as the file.
const SHOWN: [usize; 2] = [300, 1000];

/// Faults of a file that are listed; the rest is counted.
pub(super) const LISTED: usize = 50;

/// Something wrong in an experiment file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}{why}", file.display(), place(at))]
pub struct DefinitionError {
    /// The file.
    pub file: PathBuf,
    /// JSON path of the fault: `grid[1].solver[2]`, or `.` for the whole file.
    pub at: String,
    /// The fault, and the allowed values.
    pub why: String,
}

impl DefinitionError {
    /// A fault of `file`. Long texts are cut, and control characters, which a terminal would obey, are escaped.
    pub fn new(file: &Path, at: &str, why: &str) -> Self {
        Self { file: file.to_owned(), at: shortened(at, SHOWN[0]), why: shortened(why, SHOWN[1]) }
    }
}

/// The place of a fault, to be printed before it; nothing for the whole file.
fn place(at: &str) -> String {
    if at == "." { String::new() } else { format!("{at}: ") }
}

/// At most `most` characters of a text, without control characters.
fn shortened(text: &str, most: usize) -> String {
    let shown = printable(&text.chars().take(most).collect::<String>());
    match text.chars().count() {
        all if all > most => format!("{shown}... ({all} characters)"),
        _ => shown,
    }
}

/// A text for a terminal, with control characters other than line ends escaped.
pub fn printable(text: &str) -> String {
    let escape = |c: char| if is_control(c) && c != '\n' { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}
