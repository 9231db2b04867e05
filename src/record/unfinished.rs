//! `unfinished.json`: the header of a run that has begun and has no record yet, so that its folder can be recognised
//! after it was copied to another place. It is removed when the record is written.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::definition::{Profile, StudyKind, is_name};
use crate::files;

use super::limits::{is_run_id, limit};
use super::read::from_json;
use super::{FORMAT, RecordError, run_id, write_atomically};

/// Name of the header of an unfinished run.
pub const UNFINISHED: &str = "unfinished.json";

/// An unfinished run: everything that determines its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// Version of this file's format, as in `run.json`.
    pub format: u32,
    /// The run's id.
    pub run: String,
    /// The experiment's id.
    pub experiment: String,
    /// The profile it was planned for.
    pub profile: Profile,
    /// The kind of study.
    pub study: StudyKind,
    /// All settings, resolved: defaults filled in.
    pub settings: Map<String, Value>,
    /// The master seed.
    pub seed: u64,
    /// SHA-256 of the input data, by name.
    pub inputs: Map<String, Value>,
    /// The compute device.
    pub device: String,
    /// Id of the shorter or unfinished run from whose state this one continued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued: Option<String>,
}

impl Unfinished {
    /// Writes the header into a run's folder.
    ///
    /// # Errors
    /// The folder cannot be written, or is full.
    pub fn write(&self, folder: &Path) -> Result<(), RecordError> {
        let path = folder.join(UNFINISHED);
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| RecordError::io(&path)(e.into()))?;
        bytes.push(b'\n');
        write_atomically(&path, &bytes)
    }

    /// Reads the header of a run's folder; `None` if there is none.
    ///
    /// # Errors
    /// A file that cannot be read, is too large, or is not a header of this format.
    pub fn read(folder: &Path) -> Result<Option<Self>, RecordError> {
        let path = folder.join(UNFINISHED);
        let damaged = |why: String| RecordError::Damaged { path: path.clone(), why };
        let Some(bytes) = read_at_most(&path, limit(UNFINISHED))? else { return Ok(None) };
        let header: Self = from_json(&bytes).map_err(damaged)?;
        if header.format != FORMAT {
            return Err(damaged(format!("`format`: {}; this version of the program reads {FORMAT}", header.format)));
        }
        // Ids become names of folders.
        let other = header.continued.as_ref();
        if let Some(id) = std::iter::once(&header.run).chain(other).find(|id| !is_run_id(id)) {
            return Err(damaged(format!("{id:?} is no id of a run: sixteen digits of 0-9 and a-f")));
        }
        if other == Some(&header.run) {
            return Err(damaged("`continued` is the run itself".into()));
        }
        if !is_name(&header.experiment) {
            let why = format!("{:?} is no id of an experiment: lower-case letters, digits and `-`", header.experiment);
            return Err(damaged(why));
        }
        Ok(Some(header))
    }

    /// Reads the header in `<experiment>/<run>`; `None` if there is none.
    ///
    /// # Errors
    /// See [`Unfinished::read`]; the header belongs to another run, or its id does not follow from its settings.
    pub fn read_own(folder: &Path) -> Result<Option<Self>, RecordError> {
        let Some(header) = Self::read(folder)? else { return Ok(None) };
        let damaged = |why: String| Err(RecordError::Damaged { path: folder.join(UNFINISHED), why });
        if !folder.ends_with(Path::new(&header.experiment).join(&header.run)) {
            return damaged(format!("it is the header of run {} of {}", header.run, header.experiment));
        }
        let derived = header.own_id();
        if header.run != derived {
            return damaged(format!(
                "its id is {:?}, but its settings, seed, inputs and device give {derived}: it was changed, or begun \
                 under other numerics; remove {}, or, if it is in `runs`, run its experiment again, which writes the \
                 header again",
                header.run,
                folder.display()
            ));
        }
        Ok(Some(header))
    }

    /// The id that follows from what the header says, under the numerics of this version. It differs from
    /// [`Unfinished::run`] in a header that was changed.
    pub fn own_id(&self) -> String {
        run_id(self.study, &self.settings, self.seed, &self.inputs, &self.device)
    }

    /// Removes the header from a run's folder, if there is one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(folder: &Path) -> Result<(), RecordError> {
        let path = folder.join(UNFINISHED);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(RecordError::io(&path)(e)),
            _ => Ok(()),
        }
    }
}

/// The bytes of a regular file; `None` if there is none.
///
/// # Errors
/// It cannot be read, is a link or no regular file, or is larger than `most` bytes.
pub fn read_at_most(path: &Path, most: u64) -> Result<Option<Vec<u8>>, RecordError> {
    match files::read(path, most) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some).map_err(RecordError::io(path)),
    }
}
