//! Logs with one line per step, appended during a run and cut back to its checkpoint when it resumes: `steps.csv`,
//! which is part of the record, and `times.csv`, which is not.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::digest::{Running, sha256};
use crate::files;

use super::limits::limit;
use super::write::{RecordError, STEPS, cell, write_atomically};
use super::{Row, csv_to_rows};

/// The log of a run's steps.
pub struct StepLog {
    path: PathBuf,
    file: File,
    columns: Vec<String>,
    digest: Running,
}

impl StepLog {
    /// Whether a run can continue at step `next` with the `steps.csv` of `folder`: its header names `columns`; it holds
    /// one whole line for each step from 0 to `next - 1`; and these lines, header included, have the digest `expected`,
    /// which checkpoints of earlier versions lack.
    pub fn holds(folder: &Path, columns: &[&str], next: u64, expected: Option<&str>) -> bool {
        if next == 0 {
            return true;
        }
        let Ok(bytes) = files::read(&folder.join(STEPS), limit(STEPS)) else { return false };
        let Ok(text) = std::str::from_utf8(&bytes) else { return false };
        let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let Some(header) = lines.next() else { return false };
        let found: Vec<&str> = header.split(',').collect();
        if found != columns {
            return false;
        }
        let mut length = header.len() + 1;
        for step in 0..next {
            let Some(line) = lines.next() else { return false };
            let mut cells = line.split(',');
            if cells.next().and_then(|cell| cell.parse().ok()) != Some(step) || cells.count() + 1 != found.len() {
                return false;
            }
            length += line.len() + 1;
        }
        expected.is_none_or(|expected| sha256(&bytes[..length]) == expected)
    }

    /// Opens the log `name` with its lines of the steps before `next`; what stands behind them is dropped. The first of
    /// its columns is the step. A log that is taken up keeps the columns it has.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn open(folder: &Path, name: &str, columns: &[&str], next: u64) -> Result<Self, RecordError> {
        let path = folder.join(name);
        let bytes = match files::read(&path, limit(name)) {
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
        let mut digest = Running::default();
        digest.update(start.as_bytes());
        Ok(Self { path, file, columns: header.trim_end().split(',').map(str::to_owned).collect(), digest })
    }

    /// Appends a row. Its cells hold no commas, quotes or line ends.
    ///
    /// # Errors
    /// The disk is full.
    pub fn append(&mut self, row: &Row) -> Result<(), RecordError> {
        let cells = self.columns.iter().map(|c| row.get(c).map(cell).unwrap_or_default());
        let line = cells.collect::<Vec<_>>().join(",") + "\n";
        self.digest.update(line.as_bytes());
        self.file.write_all(line.as_bytes()).map_err(RecordError::io(&self.path))
    }

    /// The digest of the whole log, for [`Self::holds`].
    pub fn digest(&self) -> String {
        self.digest.digest()
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
        let bytes = files::read(&path, limit(STEPS)).map_err(RecordError::io(&path))?;
        csv_to_rows(&bytes).map_err(|why| RecordError::Damaged { path, why })
    }
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

    #[test]
    fn a_run_continues_only_with_the_log_that_it_left() {
        let folder = tempfile::tempdir().unwrap();
        let columns = ["step", "loss", "new"];
        let mut log = StepLog::open(folder.path(), STEPS, &columns, 0).unwrap();
        (0..3).for_each(|step| log.append(&line(step)).unwrap());
        let digest = log.digest();
        log.append(&line(3)).unwrap();
        let sound = std::fs::read_to_string(folder.path().join(STEPS)).unwrap();
        let holds = |text: &str, expected: Option<&str>| {
            std::fs::write(folder.path().join(STEPS), text).unwrap();
            StepLog::holds(folder.path(), &columns, 3, expected)
        };
        assert!(holds(&sound, Some(&digest)) && holds(&sound, None));
        assert!(holds(&(sound.clone() + "4,0."), Some(&digest)), "what stands behind is dropped");
        let edited = sound.replacen("1,0.5", "1,0.25", 1);
        assert!(!holds(&edited, Some(&digest)) && holds(&edited, None), "only the digest shows an edited cell");
        for wrong in [
            sound.replacen("loss", "lss", 1),
            sound.replacen("1,0.5", "7,0.5", 1),
            sound.replacen("1,0.5,true\n", "", 1),
            sound.replacen("1,0.5,true\n", "1,0.5\n", 1),
            sound.replacen("1,0.5,true\n", "1,0.5,true\n1,0.5,true\n", 1),
            sound.replacen("step,loss,new\n", "", 1),
            sound[..sound.find("2,").unwrap() + 4].to_owned(),
            String::new(),
        ] {
            assert!(!holds(&wrong, None), "{wrong}");
        }
        let older = sound.replace(",new", "").replace(",true", "");
        assert!(!holds(&older, None), "a column is missing");
        // A start from nothing needs no log.
        assert!(StepLog::holds(&folder.path().join("none"), &columns, 0, None));
        assert!(!StepLog::holds(&folder.path().join("none"), &columns, 1, None));
    }
}
