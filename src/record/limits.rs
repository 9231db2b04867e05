//! What a record can be at most: the one set of limits for every way into a results folder.

use super::unfinished::UNFINISHED;
use super::write::{CHECKPOINTS, IMAGES, MODEL, ROWS, RUN, STEPS, TIMES};

/// Most bytes of an archive of records, compressed and unpacked.
pub const ARCHIVE: u64 = 256 << 20;
/// Most cells of all tables of an archive. A cell takes up to 100 bytes of memory, and one byte of an archive.
pub const ARCHIVE_CELLS: usize = 8 << 20;
/// Most cells of all tables of a run's folder: a log of three million steps.
pub const FOLDER_CELLS: usize = 48 << 20;

/// The files of a run's folder that are part of its record.
pub const RECORD_FILES: [&str; 4] = [RUN, ROWS, STEPS, IMAGES];

/// Every file that a run leaves in its folder.
pub fn run_files() -> impl Iterator<Item = &'static str> {
    RECORD_FILES.into_iter().chain([TIMES, MODEL, UNFINISHED]).chain(CHECKPOINTS)
}

/// Most bytes of a file of a run's folder.
pub fn limit(name: &str) -> u64 {
    match name {
        RUN | UNFINISHED => 16 << 20,
        ROWS | IMAGES => 256 << 20,
        STEPS | TIMES => 1 << 30,
        _ => 4 << 30,
    }
}

/// Whether a text has the form of a run's id.
pub fn is_run_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
