//! Finding runs that a training run might continue, in the results folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::definition::Profile;
use crate::plan::{Run, run_id};
use crate::record::{INFLIGHT, RUN, Record, UNFINISHED, Unfinished, read_at_most, run_folders};
use crate::study::{Earlier, Study};

/// Largest `run.json` that is read, in bytes.
const MOST: u64 = 1 << 24;

/// Every run of the results folder with the same kind of study, seed, inputs, device and numerics as `run`, but for the
/// record in the run's own folder. An id is a hash of all of these and of the settings, so whatever claims to be a run
/// under an id is checked by it.
pub fn earlier(run: &Run, study: &dyn Study, results: &Path) -> Vec<Earlier> {
    let own = run.folder(results);
    let (mut found, mut bare) = (vec![], BTreeMap::<String, Vec<PathBuf>>::new());
    let fits =
        |id: &str, settings: &Map<String, Value>| run_id(run.study, settings, run.seed, &run.inputs, &run.device) == id;
    for folder in folders(results).into_iter().filter(|folder| *folder != own) {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if folder.join(RUN).exists() || folder.join(UNFINISHED).exists() {
            let settings = settings(&folder).filter(|settings| fits(&id, settings));
            found.extend(settings.map(|settings| Earlier { folder, run: id, settings }));
        } else {
            bare.entry(id).or_default().push(folder);
        }
    }
    if bare.is_empty() {
        return found;
    }
    for settings in std::iter::once(run.settings.json().clone()).chain(study.relatives(&run.settings)) {
        let id = run_id(run.study, &settings, run.seed, &run.inputs, &run.device);
        for folder in bare.remove(&id).into_iter().flatten() {
            found.push(Earlier { folder, run: id.clone(), settings: settings.clone() });
        }
        if bare.is_empty() {
            break;
        }
    }
    found
}

/// The settings that a run's folder names; `None` if its header is damaged.
fn settings(folder: &Path) -> Option<Map<String, Value>> {
    match read_at_most(&folder.join(RUN), MOST) {
        Ok(Some(bytes)) => serde_json::from_slice::<Record>(&bytes).ok().map(|record| record.settings),
        _ => Unfinished::read(folder).ok().flatten().map(|header| header.settings),
    }
}

/// The folders of runs, finished or not, in order: those of every profile and those that were handed on.
fn folders(results: &Path) -> Vec<PathBuf> {
    let profiles = Profile::ALL.map(|profile| results.join("runs").join(profile.name()));
    let places = profiles.into_iter().chain([results.join(INFLIGHT)]);
    places.flat_map(|place| run_folders(&place)).map(|(_, _, folder)| folder).collect()
}
