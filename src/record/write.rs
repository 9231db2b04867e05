//! Writing a run's folder: every file atomically, `run.json` last.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::digest::sha256;
use crate::files;

use super::limits::limit;
use super::{ModelFile, Outcome, Record, Row, Status};

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

pub use anode_nets::files::PARTIAL;
pub use anode_nets::train::CHECKPOINTS;

/// The trained network of a run.
pub const MODEL: &str = "model.safetensors";

/// A record that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file cannot be read or written.
    #[error("{path}: {source}{}", files::remedy(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file has a format or fields that only a newer version of the program can have written.
    #[error(
        "{path}: {why}: it was written by a newer version of this program, or changed; use that version, or move the \
         folder of the run elsewhere"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What this version does not read.
        why: String,
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
/// flushed to the disk, then renamed. A link at `path` is replaced, not followed.
///
/// # Errors
/// The folder cannot be written, or is full; `path` is there and is a folder, a device or a FIFO.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let draft = Draft::new(path)?;
    draft.file().write_all(bytes).map_err(RecordError::io(path))?;
    draft.finish()
}

/// A file that replaces another one, or nothing, once it is whole. Dropped before that, it leaves no trace.
#[derive(Debug)]
pub struct Draft {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// An empty draft of `path`, whose folder is made if it is not there.
    ///
    /// # Errors
    /// See [`write_atomically`].
    pub fn new(path: &Path) -> Result<Self, RecordError> {
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let why = io::Error::other("it exists and is no regular file; name another path");
            return Err(RecordError::io(path)(why));
        }
        Ok(Self { file: beside(path)?, path: path.to_owned() })
    }

    /// The file to write to.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Moves the complete file to its path.
    ///
    /// # Errors
    /// See [`write_atomically`].
    pub fn finish(self) -> Result<(), RecordError> {
        // tempfile makes private files; results are for everyone who may read the folder.
        #[cfg(unix)]
        set_mode(self.file(), 0o644).map_err(RecordError::io(&self.path))?;
        put(self.file, &self.path)
    }
}

/// Copies the file `name` of a run's folder into another folder, with its permissions. Whole or not at all.
///
/// # Errors
/// See [`write_atomically`]; the file is a link, no regular file, or larger than such a file can be.
pub(super) fn copy(source: &Path, target: &Path, name: &str) -> Result<(), RecordError> {
    let (from, to) = (source.join(name), target.join(name));
    let whole = files::open_unlinked(&from).map_err(RecordError::io(&from))?;
    let limit = limit(name);
    let within = |length: u64| {
        let why = || format!("{length} bytes; a file of this name has at most {limit}");
        if length > limit { Err(io::Error::new(io::ErrorKind::FileTooLarge, why())) } else { Ok(()) }
    };
    whole.metadata().and_then(|found| within(found.len())).map_err(RecordError::io(&from))?;
    let temporary = beside(&to)?;
    let copied = io::copy(&mut (&whole).take(limit.saturating_add(1)), &mut temporary.as_file());
    within(copied.map_err(RecordError::io(&to))?).map_err(RecordError::io(&from))?;
    put(temporary, &to)?;
    copy_mode(&from, &to)
}

/// Gives `to` the permissions of `from`.
pub(super) fn copy_mode(from: &Path, to: &Path) -> Result<(), RecordError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let found = files::open_unlinked(from).and_then(|file| file.metadata()).map_err(RecordError::io(from))?;
        let file = files::open_unlinked(to).map_err(RecordError::io(to))?;
        set_mode(&file, found.permissions().mode() & 0o777).map_err(RecordError::io(to))?;
    }
    #[cfg(not(unix))]
    let _ = (from, to);
    Ok(())
}

#[cfg(unix)]
fn set_mode(file: &std::fs::File, mode: u32) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// A temporary file in the folder of `path`, which is made if it is not there.
fn beside(path: &Path) -> Result<tempfile::NamedTempFile, RecordError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(RecordError::io(folder))?;
    files::partial(folder).map_err(RecordError::io(path))
}

/// Puts a temporary file, flushed to the disk, in the place of `path`.
fn put(file: tempfile::NamedTempFile, path: &Path) -> Result<(), RecordError> {
    file.as_file().sync_all().map_err(RecordError::io(path))?;
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
    let mut seen = HashSet::new();
    let all = rows.iter().flat_map(Row::keys).map(String::as_str);
    let columns: Vec<&str> = all.filter(|column| seen.insert(*column)).collect();
    columns_to_csv(&columns, rows)
}

/// These columns of rows as CSV, an empty cell where a row lacks one.
///
/// # Errors
/// See [`rows_to_csv`].
pub fn columns_to_csv<R: Borrow<Row>>(columns: &[&str], rows: impl IntoIterator<Item = R>) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(columns)?;
    for row in rows {
        let row = row.borrow();
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
            files.insert(name.into(), sha256(&files::read(&path, limit(name)).map_err(RecordError::io(&path))?).into());
        }
    }
    let mut model = None;
    let path = folder.join(MODEL);
    // One that another version left there belongs to no finished run.
    if record.status == Status::Finished && path.exists() {
        let bytes = files::read(&path, limit(MODEL)).map_err(RecordError::io(&path))?;
        model = Some(ModelFile { sha256: sha256(&bytes), bytes: bytes.len() as u64 });
    }
    let path = folder.join(RUN);
    let record = Record { files, model, ..record.clone() };
    let mut bytes = serde_json::to_vec_pretty(&record).map_err(|e| RecordError::io(&path)(e.into()))?;
    bytes.push(b'\n');
    write_atomically(&path, &bytes)
}
