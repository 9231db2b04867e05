//! Finding runs that a training run might continue, in the results folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::definition::Profile;
use crate::plan::{Run, run_id};
use crate::record::{INFLIGHT, RUN, RecordError, UNFINISHED, Unfinished, read_header, run_folders};
use crate::study::{Earlier, Study};

/// Every run of the results folder with the same kind of study, seed, inputs, device and numerics as `run`, but for the
/// record in the run's own folder. An id is a hash of all of these and of the settings, so whatever claims to be a run
/// under an id is checked by it.
///
/// # Errors
/// A folder that cannot be read.
pub fn earlier(run: &Run, study: &dyn Study, results: &Path) -> Result<Vec<Earlier>, RecordError> {
    let own = run.folder(results);
    let (mut found, mut bare) = (vec![], BTreeMap::<String, Vec<PathBuf>>::new());
    let fits =
        |id: &str, settings: &Map<String, Value>| run_id(run.study, settings, run.seed, &run.inputs, &run.device) == id;
    for folder in folders(results)?.into_iter().filter(|folder| *folder != own) {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if folder.join(RUN).exists() || folder.join(UNFINISHED).exists() {
            let settings = read_header(&folder).map(|record| record.settings);
            let unfinished = || Some(Unfinished::read(&folder).ok()??.settings);
            let settings = settings.or_else(unfinished).filter(|settings| fits(&id, settings));
            found.extend(settings.map(|settings| Earlier { folder, run: id, settings }));
        } else {
            bare.entry(id).or_default().push(folder);
        }
    }
    if bare.is_empty() {
        return Ok(found);
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
    Ok(found)
}

/// The folders of runs, finished or not, in order: those of every profile and those that were handed on.
fn folders(results: &Path) -> Result<Vec<PathBuf>, RecordError> {
    let profiles = Profile::ALL.map(|profile| results.join("runs").join(profile.name()));
    let mut found = vec![];
    for place in profiles.into_iter().chain([results.join(INFLIGHT)]) {
        found.extend(run_folders(&place)?.into_iter().map(|(_, _, folder)| folder));
    }
    Ok(found)
}
