//! What can be wrong with data.

use std::io;
use std::path::{Path, PathBuf};

use crate::files;

/// Data that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be read.
    #[error("{path}: {source}{}", files::remedy(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {found}; expected {expected}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What the file contains instead.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The data set is in none of the folders that were searched.
    #[error("{what} was not found; looked in {}", listed(looked))]
    Missing {
        /// The data.
        what: String,
        /// The paths that were searched.
        looked: Vec<PathBuf>,
    },
}

impl DataError {
    /// An input or output error at a path.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// A file that is not what it should be.
    pub fn format(path: &Path, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), found: found.into(), expected: expected.into() }
    }
}

/// Reads a regular file whole, but not more than `limit` bytes.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let file = files::open(path).map_err(DataError::io(path))?;
    bounded(path, file, limit)
}

/// Reads a stream to its end, but not more than `limit` bytes: a compressed file may hide any number of them.
pub fn bounded(path: &Path, reader: impl io::Read, limit: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = vec![];
    io::Read::read_to_end(&mut io::Read::take(reader, limit + 1), &mut bytes).map_err(DataError::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(DataError::format(path, format!("more than {limit} bytes"), format!("at most {limit}")));
    }
    Ok(bytes)
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
