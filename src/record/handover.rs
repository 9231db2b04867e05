//! Unfinished runs handed on with the repository: `inflight/<experiment>/<run>/` of a results folder has what another
//! machine needs to continue them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::folders::run_folders;
use super::limits::limit;
use super::read::read_checked;
use super::unfinished::{UNFINISHED, Unfinished, read_at_most};
use super::{CHECKPOINTS, RUN, Record, RecordError, STEPS, TIMES, write_atomically};
use crate::definition::Profile;
use crate::paths::as_text;

/// Folder of the runs that are handed on, inside a results folder.
pub const INFLIGHT: &str = "inflight";

/// The state of an unfinished run.
const CHECKPOINT: &str = CHECKPOINTS[0];

/// Files that are handed on. The state first: the log, which grows, is then never shorter.
pub const HANDED_OVER: [&str; 4] = [CHECKPOINT, STEPS, TIMES, UNFINISHED];

/// Largest size of all runs that are handed on, in bytes: they are committed, and stay in the history of the
/// repository.
pub const MOST_INFLIGHT: u64 = 10_000_000;

/// What was handed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HandedOver {
    /// Folders that were written, with their sizes in bytes.
    #[serde(serialize_with = "as_text")]
    pub written: Vec<(PathBuf, u64)>,
    /// Folders that were removed, because their runs are recorded, or were continued by another run.
    #[serde(serialize_with = "as_text")]
    pub removed: Vec<PathBuf>,
    /// Folders of unfinished runs without a usable checkpoint, which were not handed on.
    #[serde(serialize_with = "as_text")]
    pub unusable: Vec<PathBuf>,
    /// Unfinished runs with a damaged or missing header, which were not handed on: the file and what is wrong with it.
    #[serde(serialize_with = "as_text")]
    pub damaged: Vec<(PathBuf, String)>,
}

/// Why nothing was handed on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// More than [`MOST_INFLIGHT`] bytes.
    #[error(
        "the unfinished runs have {bytes} bytes; at most {MOST_INFLIGHT} are handed on. Name the experiments that \
        matter, or remove folders:\n{}", lines(.folders)
    )]
    Size {
        /// Total size of the folders in bytes.
        bytes: u64,
        /// Each folder with its size.
        folders: Vec<(PathBuf, u64)>,
    },
    /// A folder cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn lines(folders: &[(PathBuf, u64)]) -> String {
    let line = |(folder, bytes): &(PathBuf, u64)| format!("  {bytes} bytes: {}", folder.display());
    folders.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The folder in which a run is handed on.
pub fn inflight(results: &Path, experiment: &str, run: &str) -> PathBuf {
    results.join(INFLIGHT).join(experiment).join(run)
}

/// Returns the newest checkpoint of at most this many bytes in a folder from which its run can continue: its name, and
/// the number of its steps.
pub type NewestState<'a> = &'a dyn Fn(&Path, u64) -> Option<(&'static str, u64)>;

/// Settings of a run.
type Settings = Map<String, Value>;

/// Which runs are handed on, and what is known of the states of trainings.
pub struct Handover<'a> {
    /// Whether the runs of an experiment are handed on.
    pub wanted: &'a dyn Fn(&str) -> bool,
    /// Finds the state from which a run can continue.
    pub newest_state: NewestState<'a>,
    /// Whether a run with the first settings takes every step of one with the second ones.
    pub covers: &'a dyn Fn(&Settings, &Settings) -> bool,
}

/// A run that may have taken the place of others.
struct Successor {
    /// Its own id, if it is recorded.
    run: Option<String>,
    continued: Option<String>,
    settings: Settings,
    /// Steps taken; `None` if it is recorded and has taken all.
    steps: Option<u64>,
}

impl Successor {
    fn recorded(record: Record) -> Self {
        Self { run: Some(record.run), continued: record.continued, settings: record.settings, steps: None }
    }

    /// Whether the state of `run` after `steps` steps serves no purpose beside this one. `header` is that of `run`, if
    /// it has a sound one.
    fn replaces(&self, run: &str, steps: u64, header: Option<&Unfinished>, of: &Handover) -> bool {
        let further = |header: &Unfinished| {
            self.steps.is_none_or(|own| steps < own) && (of.covers)(&self.settings, &header.settings)
        };
        self.run.as_deref() == Some(run) || (self.continued.as_deref() == Some(run) && header.is_some_and(further))
    }
}

/// An unfinished run in `runs/`.
struct Begun {
    folder: PathBuf,
    header: Unfinished,
    checkpoint: &'static str,
    steps: u64,
}

/// Copies every unfinished run with a usable checkpoint to its folder in `inflight/`, if its experiment is wanted, but
/// for those whose copy there has taken more steps. Leaves out, and removes from `inflight/`, runs that are recorded,
/// and those that another run of the experiment continued which takes all their steps and is further. `archived` are
/// records of runs that ended, not those of failed ones.
///
/// # Errors
/// See [`HandoverError`]; nothing is written then.
pub fn hand_over(results: &Path, archived: Vec<Record>, of: &Handover) -> Result<HandedOver, HandoverError> {
    let mut found = HandedOver::default();
    let mut successors: BTreeMap<String, Vec<Successor>> = BTreeMap::new();
    for record in archived {
        successors.entry(record.experiment.clone()).or_default().push(Successor::recorded(record));
    }
    let mut unfinished: BTreeMap<PathBuf, Begun> = BTreeMap::new();
    for profile in Profile::ALL {
        for (experiment, run, folder) in run_folders(&results.join("runs").join(profile.name()))? {
            let known = successors.entry(experiment.clone()).or_default();
            if folder.join(RUN).exists() {
                let Some(record) = read_checked(&folder).ok().flatten() else { continue };
                // A failed run is tried again from its checkpoint.
                if !record.status.is_failure() {
                    known.push(Successor::recorded(record));
                    continue;
                }
            }
            if CHECKPOINTS.iter().any(|name| folder.join(name).is_file()) && (of.wanted)(&experiment) {
                let header = match own_header(&folder) {
                    Ok(header) => header,
                    Err(RecordError::Damaged { path, why }) => {
                        found.damaged.push((path, why));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                let Some((checkpoint, steps)) = (of.newest_state)(&folder, limit(CHECKPOINT)) else {
                    found.unusable.push(folder);
                    continue;
                };
                let (continued, settings) = (header.continued.clone(), header.settings.clone());
                known.push(Successor { run: None, continued, settings, steps: Some(steps) });
                let to = inflight(results, &experiment, &run);
                // Two profiles may have the same run.
                if unfinished.get(&to).is_none_or(|other| other.steps < steps) {
                    unfinished.insert(to, Begun { folder, header, checkpoint, steps });
                }
            }
        }
    }
    let is_replaced = |experiment: &str, run: &str, steps: u64, header: Option<&Unfinished>| {
        let known = successors.get(experiment);
        known.into_iter().flatten().any(|other| other.replaces(run, steps, header, of))
    };
    unfinished
        .retain(|_, begun| !is_replaced(&begun.header.experiment, &begun.header.run, begun.steps, Some(&begun.header)));
    let (mut sizes, mut stale) = (vec![], vec![]);
    for (experiment, run, folder) in run_folders(&results.join(INFLIGHT))? {
        let steps = (of.newest_state)(&folder, MOST_INFLIGHT).map(|(_, steps)| steps);
        let header = Unfinished::read_own(&folder).ok().flatten();
        // A state that came from elsewhere and was not continued yet.
        if steps > unfinished.get(&folder).map(|begun| begun.steps) {
            unfinished.remove(&folder);
        }
        if is_replaced(&experiment, &run, steps.unwrap_or(u64::MAX), header.as_ref()) {
            stale.push(folder);
        } else if !unfinished.contains_key(&folder) {
            let bytes = size(&folder);
            sizes.push((folder, bytes));
        }
    }
    let mut copies = vec![];
    for (to, Begun { folder, checkpoint, .. }) in unfinished {
        let mut files = vec![];
        for name in HANDED_OVER {
            let from = folder.join(if name == CHECKPOINT { checkpoint } else { name });
            if let Some(content) = read_at_most(&from, MOST_INFLIGHT).map_err(too_large(&folder))? {
                files.push((name, content));
            }
        }
        // Another process may compute the run and have replaced the checkpoint since.
        if !files.iter().any(|(name, _)| *name == CHECKPOINT) {
            found.unusable.push(folder);
            continue;
        }
        let bytes = files.iter().map(|(_, content)| content.len() as u64).sum();
        copies.extend(files.into_iter().map(|(name, content)| (to.join(name), content)));
        sizes.push((to.clone(), bytes));
        found.written.push((to, bytes));
    }
    let bytes = sizes.iter().map(|(_, bytes)| bytes).sum();
    if bytes > MOST_INFLIGHT {
        return Err(HandoverError::Size { bytes, folders: sizes });
    }
    for folder in stale {
        remove_inflight(&folder)?;
        found.removed.push(folder);
    }
    for (path, content) in copies {
        write_atomically(&path, &content)?;
    }
    Ok(found)
}

/// The header of an unfinished run with a checkpoint. Without it, nothing says which run the checkpoint belongs to.
pub(super) fn own_header(folder: &Path) -> Result<Unfinished, RecordError> {
    Unfinished::read_own(folder)?.ok_or_else(|| {
        let why = "missing, next to a checkpoint: continue the run there with this version of the program, which \
                   writes it, or remove the folder";
        RecordError::Damaged { path: folder.join(UNFINISHED), why: why.into() }
    })
}

/// Bytes of a folder that was handed on.
fn size(folder: &Path) -> u64 {
    HANDED_OVER.iter().map(|name| std::fs::metadata(folder.join(name)).map_or(0, |found| found.len())).sum()
}

/// A file beyond the limit is named with the experiment that should be left out.
fn too_large(folder: &Path) -> impl FnOnce(RecordError) -> HandoverError + '_ {
    move |error| match error {
        RecordError::Io { path, source } if source.kind() == ErrorKind::FileTooLarge => {
            let bytes = std::fs::metadata(&path).map_or(0, |found| found.len());
            HandoverError::Size { bytes, folders: vec![(folder.to_owned(), bytes)] }
        }
        error => error.into(),
    }
}

/// Removes a run's folder in `inflight/`, and that of its experiment if it is empty then; nothing if there is none.
///
/// # Errors
/// It cannot be removed.
pub fn remove_inflight(folder: &Path) -> Result<(), RecordError> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(RecordError::io(folder)(e)),
        _ => {}
    }
    for parent in folder.ancestors().skip(1).take(2) {
        // Others may be in it.
        let _ = std::fs::remove_dir(parent);
    }
    Ok(())
}
