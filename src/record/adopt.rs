//! One run, several experiments: a record that stands under one of them serves the others.

use std::path::Path;

use super::write::{copy, copy_mode, write_atomically};
use super::{IMAGES, MODEL, ROWS, RUN, Record, RecordError, STEPS};

/// Copies the ended run in `source`, whose record is `record`, to `target` as a record of `experiment`. Numbers,
/// digests and the environment in which it was made stay, and so do the permissions of each file. Only the files of a
/// record are copied, whatever else it names.
///
/// # Errors
/// A folder that cannot be read or written; a file that is a link, no regular file, or larger than a record can be.
pub fn adopt(source: &Path, record: &Record, target: &Path, experiment: &str) -> Result<(), RecordError> {
    for name in [ROWS, STEPS, IMAGES].into_iter().filter(|name| record.files.contains_key(*name)) {
        copy(source, target, name)?;
    }
    if let Some(model) = &record.model
        && let Some(bytes) = model.read(&source.join(MODEL))
    {
        write_atomically(&target.join(MODEL), &bytes)?;
    }
    let path = target.join(RUN);
    let record = Record { experiment: experiment.to_owned(), ..record.clone() };
    let mut bytes = serde_json::to_vec_pretty(&record).map_err(|e| RecordError::io(&path)(e.into()))?;
    bytes.push(b'\n');
    // Last, so that a folder with it is whole.
    write_atomically(&path, &bytes)?;
    copy_mode(&source.join(RUN), &path)
}
