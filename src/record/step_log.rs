//! `steps.csv`: one line a step, appended while a run goes on, cut back to its checkpoint when it is taken up again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::write::{RecordError, STEPS, cell, write_atomically};
use super::{Row, csv_to_rows};

/// The log of a run's steps.
pub struct StepLog {
    path: PathBuf,
    file: File,
    columns: Vec<String>,
}

impl StepLog {
    /// Number of whole lines that the log of `folder` holds.
    pub fn len(folder: &Path) -> u64 {
        let bytes = std::fs::read(folder.join(STEPS)).unwrap_or_default();
        whole_lines(&bytes).saturating_sub(1)
    }

    /// Opens the log with its first `keep` lines; what stands behind them is dropped.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn open(folder: &Path, columns: Vec<String>, keep: u64) -> Result<Self, RecordError> {
        let path = folder.join(STEPS);
        let bytes = if keep > 0 { std::fs::read(&path).map_err(RecordError::io(&path))? } else { vec![] };
        let kept =
            bytes.split_inclusive(|&b| b == b'\n').take(keep as usize + 1).flatten().copied().collect::<Vec<u8>>();
        let start = if keep > 0 { kept } else { format!("{}\n", columns.join(",")).into_bytes() };
        write_atomically(&path, &start)?;
        let file = File::options().append(true).open(&path).map_err(RecordError::io(&path))?;
        Ok(Self { path, file, columns })
    }

    /// Appends a row. Its cells hold no commas, quotes or line ends.
    ///
    /// # Errors
    /// The disk is full.
    pub fn append(&mut self, row: &Row) -> Result<(), RecordError> {
        let cells = self.columns.iter().map(|c| row.get(c).map(cell).unwrap_or_default());
        let line = cells.collect::<Vec<_>>().join(",") + "\n";
        self.file.write_all(line.as_bytes()).map_err(RecordError::io(&self.path))
    }

    /// Makes sure that what was appended is on the disk.
    ///
    /// # Errors
    /// The disk is full.
    pub fn sync(&mut self) -> Result<(), RecordError> {
        self.file.sync_data().map_err(RecordError::io(&self.path))
    }

    /// Reads a log back.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(folder: &Path) -> Result<Vec<Row>, RecordError> {
        let path = folder.join(STEPS);
        let bytes = std::fs::read(&path).map_err(RecordError::io(&path))?;
        csv_to_rows(&bytes).map_err(|why| RecordError::Damaged { path, why })
    }
}

fn whole_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}
