//! Which planned runs have a record: in `runs/`, or in the archive of their experiment.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::SystemTime;

use crate::definition::Profile;
use crate::plan::{Run, run_id};
use crate::record::{
    RUN, Record, RecordError, UNFINISHED, archive_path, folders, kept_path, read_archived_headers, read_checked,
};
use crate::runner::is_recorded;

use super::output::warn;
use super::status::is_computed;

/// Whether a planned run has a record, and where, or has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The run has a record in `runs/`.
    Done,
    /// The run has a record in an archive in `records/`.
    Archived,
    /// The run has no record, and another process computes it.
    Computing,
    /// The run has begun and has no record.
    Interrupted,
    /// The run has no record.
    ToDo,
}

impl State {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Archived => "archived",
            Self::Computing => "computing",
            Self::Interrupted => "interrupted",
            Self::ToDo => "to do",
        }
    }

    /// Whether the run has a record.
    pub fn is_recorded(self) -> bool {
        matches!(self, Self::Done | Self::Archived)
    }

    /// The state of a run without a record, from its folder. `begun` is when the process began that writes the results
    /// folder.
    pub fn without_record(folder: &Path, begun: Option<SystemTime>) -> Self {
        match folder.join(UNFINISHED).is_file() && !folder.join(RUN).exists() {
            true if is_computed(folder, begun) => Self::Computing,
            true => Self::Interrupted,
            false => Self::ToDo,
        }
    }
}

/// The archived runs of an experiment under a profile.
pub struct Archived<'a> {
    results: &'a Path,
    ids: HashSet<String>,
    devices: BTreeSet<String>,
}

/// Reads the headers of all records of an experiment under a profile: those in `runs/` without the damaged ones, and
/// those of its archives. What cannot be read counts as empty, with a warning.
pub fn records(results: &Path, experiment: &str, profile: Profile) -> Vec<Record> {
    let folder = results.join("runs").join(profile.name()).join(experiment);
    let runs = or_none(folders(&folder));
    let mut records: Vec<Record> =
        runs.iter().filter_map(|run| read_checked(&folder.join(run)).ok().flatten()).collect();
    for path in [archive_path, kept_path].map(|path| path(results, experiment, profile)) {
        records.extend(or_none(read_archived_headers(&path)));
    }
    records
}

/// What was read; nothing, with a warning, if it could not be read.
fn or_none<T>(read: Result<Vec<T>, RecordError>) -> Vec<T> {
    read.unwrap_or_else(|error| {
        warn(&format!("anode: {error}"));
        vec![]
    })
}

impl<'a> Archived<'a> {
    /// Reads the headers of an archive. An archive that cannot be read counts as empty, with a warning.
    pub fn read(results: &'a Path, experiment: &str, profile: Profile) -> Self {
        let records = or_none(read_archived_headers(&archive_path(results, experiment, profile)));
        let sound = records.into_iter().filter(|record| !record.status.is_failure());
        let (ids, devices) = sound.map(|record| (record.run, record.environment.device)).unzip();
        Self { results, ids, devices }
    }

    /// How far a run is. An archived record counts on whatever device it was computed.
    pub fn state(&self, run: &Run) -> State {
        let on = |device: &String| run_id(run.study, &run.settings, run.seed, &run.inputs, device);
        // The run's own id is that of its own device.
        let mut others = self.devices.iter().filter(|device| **device != run.device);
        if is_recorded(run, self.results) {
            State::Done
        } else if self.ids.contains(&run.id) || others.any(|device| self.ids.contains(&on(device))) {
            State::Archived
        } else {
            State::ToDo
        }
    }
}
