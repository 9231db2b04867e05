//! Writing a run's folder: every file atomically, `run.json` last.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::digest::sha256;

use super::{Outcome, Record, Row};

/// Version of the record format.
pub const FORMAT: u32 = 1;
/// Names of the files of a run.
pub const RUN: &str = "run.json";
/// The rows a run ends with.
pub const ROWS: &str = "rows.csv";
/// The metrics of every step.
pub const STEPS: &str = "steps.csv";
/// The seconds of every step. No part of the record: no digest is taken of it, and nothing is drawn from it.
pub const TIMES: &str = "times.csv";
/// Images.
pub const IMAGES: &str = "images.json";

/// How the names of files begin that are not written to their end.
pub const PARTIAL: &str = ".partial-";

/// A record that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is damaged.
    #[error("{path}: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl RecordError {
    /// An input or output error at a path.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Writes `bytes` to `path` so that it holds either what it held before or all of them: a temporary file beside it,
/// flushed to the disk, then renamed.
///
/// # Errors
/// The folder cannot be written, or is full.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(RecordError::io(folder))?;
    let mut file = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(folder).map_err(RecordError::io(path))?;
    file.write_all(bytes).map_err(RecordError::io(path))?;
    file.as_file().sync_all().map_err(RecordError::io(path))?;
    #[cfg(unix)]
    {
        // tempfile makes private files; results are for everyone who may read the folder.
        let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(everyone).map_err(RecordError::io(path))?;
    }
    file.persist(path).map_err(|e| RecordError::Io { path: path.to_owned(), source: e.error })?;
    Ok(())
}

/// Removes the temporary files that interrupted writes left in a folder, where they are older than `age`.
///
/// # Errors
/// The folder is there and cannot be read or written.
pub fn sweep(folder: &Path, age: Duration) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let remove = || {
            // A clock that was set back makes a file young; it goes another time.
            let old = entry.metadata()?.modified()?.elapsed().unwrap_or_default() >= age;
            if old { std::fs::remove_file(entry.path()) } else { Ok(()) }
        };
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            // Its writer may be alive, and just done with it.
            remove().or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        }
    }
    Ok(())
}

/// Rows as CSV: the columns in the order in which they first appear, floats in the shortest form that reads back as
/// the same number, null as an empty cell.
///
/// # Errors
/// None that a caller can cause; the writer's own.
pub fn rows_to_csv(rows: &[Row]) -> io::Result<Vec<u8>> {
    let mut columns: Vec<&str> = vec![];
    for column in rows.iter().flat_map(Row::keys) {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(&columns)?;
    for row in rows {
        writer.write_record(columns.iter().map(|&column| row.get(column).map(cell).unwrap_or_default()))?;
    }
    writer.into_inner().map_err(|e| e.into_error())
}

/// A cell as text.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes a finished run: rows and images, then `run.json` with the digest of every file, so that a folder with a
/// `run.json` is whole.
///
/// # Errors
/// See [`RecordError`].
pub fn write_record(folder: &Path, record: &Record, outcome: &Outcome) -> Result<(), RecordError> {
    let rows = folder.join(ROWS);
    write_atomically(&rows, &rows_to_csv(&outcome.rows).map_err(RecordError::io(&rows))?)?;
    if !outcome.images.is_empty() {
        let images = folder.join(IMAGES);
        let bytes = serde_json::to_vec(&outcome.images).map_err(|e| RecordError::io(&images)(e.into()))?;
        write_atomically(&images, &bytes)?;
    }
    let mut files = Map::new();
    for name in [ROWS, STEPS, IMAGES] {
        let path = folder.join(name);
        if path.exists() {
            files.insert(name.into(), sha256(&std::fs::read(&path).map_err(RecordError::io(&path))?).into());
        }
    }
    let path = folder.join(RUN);
    let record = Record { files, ..record.clone() };
    let mut bytes = serde_json::to_vec_pretty(&record).map_err(|e| RecordError::io(&path)(e.into()))?;
    bytes.push(b'\n');
    write_atomically(&path, &bytes)
}
