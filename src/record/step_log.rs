//! Logs of one line a step, appended while a run goes on, cut back to its checkpoint when it is taken up again: `steps.csv`, which
//! is part of the record, and `times.csv`, which is not.

use std::fs::File;
use std::io::{ErrorKind, Write};
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
    /// Number of whole lines that `steps.csv` of `folder` holds.
    pub fn len(folder: &Path) -> u64 {
        let bytes = std::fs::read(folder.join(STEPS)).unwrap_or_default();
        whole_lines(&bytes).saturating_sub(1)
    }

    /// Opens the log `name` with its lines of the steps before `next`; what stands behind them is dropped. The first of its
    /// columns is the step. A log that is taken up keeps the columns it has.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn open(folder: &Path, name: &str, columns: &[&str], next: u64) -> Result<Self, RecordError> {
        let path = folder.join(name);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => vec![],
            read => read.map_err(RecordError::io(&path))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let header = lines.next().filter(|_| next > 0).map_or_else(|| columns.join(",") + "\n", str::to_owned);
        let step = |line: &str| line.split(',').next().and_then(|cell| cell.trim_end().parse::<u64>().ok());
        let kept = lines.filter(|line| step(line).is_some_and(|step| step < next));
        let start: String = std::iter::once(header.as_str()).chain(kept).collect();
        write_atomically(&path, start.as_bytes())?;
        let file = File::options().append(true).open(&path).map_err(RecordError::io(&path))?;
        Ok(Self { path, file, columns: header.trim_end().split(',').map(str::to_owned).collect() })
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

    /// Reads `steps.csv` back.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{TIMES, row};

    fn line(step: u64) -> Row {
        row([("step", step.into()), ("loss", 0.5.into()), ("new", true.into())])
    }

    #[test]
    fn a_log_is_cut_back_to_the_step_where_a_run_goes_on_and_keeps_its_columns() {
        let folder = tempfile::tempdir().unwrap();
        let text = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let mut log = StepLog::open(folder.path(), STEPS, &["step", "loss"], 0).unwrap();
        (0..4).for_each(|step| log.append(&line(step)).unwrap());
        assert_eq!(StepLog::len(folder.path()), 4);
        std::fs::write(folder.path().join(STEPS), text(STEPS) + "4,0.").unwrap();
        let mut log = StepLog::open(folder.path(), STEPS, &["step", "loss", "new"], 3).unwrap();
        log.append(&line(3)).unwrap();
        assert_eq!(text(STEPS), "step,loss\n0,0.5\n1,0.5\n2,0.5\n3,0.5\n");
        // A log that is missing, or that lacks steps, begins where it can.
        let mut log = StepLog::open(folder.path(), TIMES, &["step", "loss"], 2).unwrap();
        [2, 3].into_iter().for_each(|step| log.append(&line(step)).unwrap());
        StepLog::open(folder.path(), TIMES, &["step", "loss"], 3).unwrap();
        assert_eq!(text(TIMES), "step,loss\n2,0.5\n");
        StepLog::open(folder.path(), TIMES, &["step", "new"], 0).unwrap();
        assert_eq!(text(TIMES), "step,new\n");
    }
}
