//! What a record can be at most: the one set of limits for every way into a results folder.

use super::unfinished::UNFINISHED;
use super::write::{CHECKPOINTS, IMAGES, MODEL, ROWS, RUN, STEPS, TIMES};

/// Most bytes of an archive of records, compressed and unpacked.
pub const ARCHIVE: u64 = 256 << 20;
/// Most cells of all tables of an archive. A cell takes up to 100 bytes of memory, and one byte of an archive.
pub const ARCHIVE_CELLS: usize = 8 << 20;
/// Most cells of all tables of a run's folder: a log of three million steps.
pub const FOLDER_CELLS: usize = 48 << 20;

/// Most columns of a table.
pub const COLUMNS: usize = 4096;
/// Most bytes of the name of a column.
pub const NAME: usize = 256;
/// Bytes of a column's name that a cell has room for. Every cell of a row has a copy of its column's name.
const NAME_OF_A_CELL: usize = 64;

/// Takes `count` cells from those that are left.
///
/// # Errors
/// There are not as many.
pub fn take(cells: &mut usize, count: usize) -> Result<(), String> {
    *cells = cells.checked_sub(count).ok_or("more values than a record can have")?;
    Ok(())
}

/// The cells that a row of these columns counts as.
pub fn cells_of_row<'a>(columns: impl Iterator<Item = &'a str>) -> usize {
    columns.map(|name| 1 + name.len() / NAME_OF_A_CELL).sum::<usize>().max(1)
}

/// A bound on the number of values in JSON: each but the first of a list or an object follows a comma.
pub fn values_of_json(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b',').count()
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
