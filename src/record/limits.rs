//! What a record can be at most: the one set of limits for every way into a results folder.

use super::unfinished::UNFINISHED;
use super::write::{CHECKPOINTS, IMAGES, MODEL, ROWS, RUN, STEPS, TIMES};

/// Most bytes of an archive of records, compressed and unpacked.
pub const ARCHIVE: u64 = 128 << 20;

/// Most columns of a table. The widest of a committed record has 20, and a training run with every option about 40.
pub const COLUMNS: usize = 256;
/// Most bytes of the name of a column.
pub const NAME: usize = 256;
/// Most bytes of a cell. The longest of a committed record has 127.
pub const CELL: usize = 4096;
/// Bytes of text that one value stands for. Every cell of a row has a copy of its column's name.
const TEXT_OF_A_VALUE: usize = 64;

/// Most values of a run whose whole log is read: a log of 600,000 steps.
const VALUES_OF_A_RUN: usize = 16_000_000;
/// Most bytes of the logs of steps of one experiment under one profile. 15 training runs of 350 epochs of 196 steps
/// have 260 MB.
const LOGS: usize = 512 << 20;
/// Most steps of a log. 350 epochs of 196 steps are 68,600, and of CIFAR-10 in batches of 32, 547,000.
pub const LOG_STEPS: usize = 2_000_000;

/// What records that are read together may still have. A row counts its columns and the settings of its run, which the
/// report puts next to them; a long name or text counts as several values.
#[derive(Clone, Debug)]
pub struct Budget {
    values: usize,
    most: usize,
    logs: usize,
}

impl Budget {
    /// Most values of one experiment under one profile. The committed records have up to about a million, as have 18
    /// training runs of 350 epochs with 19 columns. In memory each takes up to 400 bytes.
    pub const VALUES: usize = 2_000_000;

    /// For one run, of whose log every step is read.
    pub fn of_a_run() -> Self {
        Self { values: VALUES_OF_A_RUN, most: VALUES_OF_A_RUN, logs: LOGS }
    }

    /// For all records of one experiment under one profile, with thinned logs.
    pub fn of_an_experiment() -> Self {
        Self { values: Self::VALUES, most: Self::VALUES, logs: LOGS }
    }

    /// Takes `count` values from those that are left.
    ///
    /// # Errors
    /// There are not as many.
    pub fn values(&mut self, count: usize) -> Result<(), String> {
        let most = self.most;
        let why = || {
            format!(
                "more than {most} values in the records of one experiment and profile, where each row counts its \
                 columns and the settings of its run; no study writes as many: remove what was not recorded by this \
                 program, or move some of the runs to another results folder"
            )
        };
        self.values = self.values.checked_sub(count).ok_or_else(why)?;
        Ok(())
    }

    /// Takes the bytes of a log of steps.
    ///
    /// # Errors
    /// More than all logs together may have.
    pub fn log(&mut self, bytes: usize) -> Result<(), String> {
        let why = || {
            format!(
                "more than {LOGS} bytes in the logs of one experiment and profile; move some of the runs to another \
                 results folder"
            )
        };
        self.logs = self.logs.checked_sub(bytes).ok_or_else(why)?;
        Ok(())
    }
}

/// The values that a row of these columns counts as, next to `settings` settings.
pub fn values_of_row<'a>(columns: impl Iterator<Item = &'a str>, settings: usize) -> usize {
    columns.map(|name| 1 + name.len() / TEXT_OF_A_VALUE).sum::<usize>() + settings
}

/// The values that a cell counts as, in addition to those of its row.
pub fn values_of_text(length: usize) -> usize {
    length / TEXT_OF_A_VALUE
}

/// A bound on the number of values in JSON: each but the first of a list or an object follows a comma.
pub fn values_of_json(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b',').count()
}

/// The values that images in JSON count as. A pixel takes 16 bytes in memory, far less than a cell of a table.
pub fn values_of_images(bytes: &[u8]) -> usize {
    values_of_json(bytes) / 8
}

/// The files of a run's folder that are part of its record.
pub const RECORD_FILES: [&str; 4] = [RUN, ROWS, STEPS, IMAGES];

/// Every file that a run leaves in its folder.
pub fn run_files() -> impl Iterator<Item = &'static str> {
    RECORD_FILES.into_iter().chain([TIMES, MODEL, UNFINISHED]).chain(CHECKPOINTS)
}

/// Most bytes of a file of a run's folder.
pub fn limit(name: &str) -> u64 {
    match name {
        RUN | UNFINISHED => 1 << 20,
        ROWS | IMAGES => 64 << 20,
        STEPS | TIMES => 256 << 20,
        _ => 4 << 30,
    }
}

/// Whether a text has the form of a run's id.
pub fn is_run_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
