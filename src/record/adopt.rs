//! One run, several experiments: a record that stands under one of them serves the others.

use std::path::Path;

use super::write::write_atomically;
use super::{RUN, Record, RecordError};

/// Copies the ended run in `source`, whose record is `record`, to `target` as a record of `experiment`. Numbers, digests and the
/// environment in which it was made stay.
///
/// # Errors
/// A folder that cannot be read or written.
pub fn adopt(source: &Path, record: &Record, target: &Path, experiment: &str) -> Result<(), RecordError> {
    for name in record.files.keys() {
        let from = source.join(name);
        write_atomically(&target.join(name), &std::fs::read(&from).map_err(RecordError::io(&from))?)?;
    }
    let path = target.join(RUN);
    let record = Record { experiment: experiment.to_owned(), ..record.clone() };
    let mut bytes = serde_json::to_vec_pretty(&record).map_err(|e| RecordError::io(&path)(e.into()))?;
    bytes.push(b'\n');
    // Last, so that a folder with it is whole.
    write_atomically(&path, &bytes)
}
