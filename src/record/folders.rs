//! Folders of experiments and runs inside a results folder. A folder that does not exist holds nothing; one that
//! cannot be read is an error, since its records would count as missing.

use std::fs::DirEntry;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::limits::is_run_id;
use super::write::{PARTIAL, RecordError};

/// Experiment, run and folder of every run below `folder`, in order. Links, which may lead anywhere, are left out.
///
/// # Errors
/// A folder that cannot be read.
pub fn run_folders(folder: &Path) -> Result<Vec<(String, String, PathBuf)>, RecordError> {
    let mut found = vec![];
    let inside = |folder: &Path| {
        let mut entries = entries(folder)?;
        entries.retain(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        Ok::<_, RecordError>(entries)
    };
    for experiment in inside(folder)? {
        for run in inside(&experiment.path())? {
            let id = name(&run);
            if is_run_id(&id) {
                found.push((name(&experiment), id, run.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The folders inside a folder, by name. What is damaged or half written is left out.
///
/// # Errors
/// A folder that cannot be read; a link, which may lead anywhere.
pub fn folders(folder: &Path) -> Result<Vec<String>, RecordError> {
    let mut names = vec![];
    for entry in entries(folder)? {
        let kind = entry.file_type().map_err(RecordError::io(&entry.path()))?;
        let name = name(&entry);
        if name.starts_with(PARTIAL) || name.contains(".damaged-") {
            continue;
        }
        if kind.is_symlink() {
            return Err(link(entry.path()));
        }
        if kind.is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What is in a folder; nothing if it does not exist.
///
/// # Errors
/// It cannot be read.
pub fn entries(folder: &Path) -> Result<Vec<DirEntry>, RecordError> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => absent(folder).map(|()| vec![]),
        found => found.and_then(Iterator::collect).map_err(RecordError::io(folder)),
    }
}

/// Returns an error if a path was not found because it, or a folder of it, is a link without a target.
pub(super) fn absent(path: &Path) -> Result<(), RecordError> {
    match path.ancestors().find(|path| std::fs::symlink_metadata(path).is_ok()) {
        Some(found) if !found.exists() => {
            let why = "a symbolic link to a path that does not exist; create that path, or remove the link".into();
            Err(RecordError::Damaged { path: found.to_owned(), why })
        }
        _ => Ok(()),
    }
}

/// A link where a folder belongs.
pub(super) fn link(path: PathBuf) -> RecordError {
    let why = "a symbolic link; put the folder itself here, or remove the link".into();
    RecordError::Damaged { path, why }
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}
