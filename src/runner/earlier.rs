//! Finding runs that a training run might continue, in the results folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::definition::Profile;
use crate::plan::{Run, run_id};
use crate::record::{INFLIGHT, RecordError, UNFINISHED, Unfinished, read_header, run_folders};
use crate::study::{Earlier, Study};

/// Every run of the results folder with the same kind of study, seed, inputs, device and numerics as `run`, but for the
/// record in the run's own folder. An id is a hash of all of these and of the settings, so whatever claims to be a run
/// under an id is checked by it. A folder without a usable header is recognised by its name, if that is the id of `run`
/// or of one of its relatives; `warn` receives what is wrong with the header.
///
/// # Errors
/// A folder that cannot be read.
pub fn earlier(run: &Run, study: &dyn Study, results: &Path, warn: &dyn Fn(&str)) -> Result<Vec<Earlier>, RecordError> {
    let own = run.folder(results);
    let (mut found, mut bare) = (vec![], BTreeMap::<String, Vec<(PathBuf, Option<String>)>>::new());
    let fits =
        |id: &str, settings: &Map<String, Value>| run_id(run.study, settings, run.seed, &run.inputs, &run.device) == id;
    for folder in folders(results)?.into_iter().filter(|folder| *folder != own) {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let header = match read_header(&folder) {
            Some(record) => Ok(Some(record.settings)),
            None => settings_of(&folder, &id),
        };
        match header {
            Ok(Some(settings)) if fits(&id, &settings) => found.push(Earlier { folder, run: id, settings }),
            Ok(Some(_)) => {}
            Ok(None) => bare.entry(id).or_default().push((folder, None)),
            Err(why) => bare.entry(id).or_default().push((folder, Some(why))),
        }
    }
    if bare.is_empty() {
        return Ok(found);
    }
    for settings in std::iter::once(run.settings.json().clone()).chain(study.relatives(&run.settings)) {
        let id = run_id(run.study, &settings, run.seed, &run.inputs, &run.device);
        for (folder, fault) in bare.remove(&id).into_iter().flatten() {
            if let Some(why) = fault {
                warn(&format!("{why}; the run is recognised by the name of its folder"));
            }
            found.push(Earlier { folder, run: id.clone(), settings: settings.clone() });
        }
        if bare.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// The settings in the header of an unfinished run; `None` without a header.
///
/// # Errors
/// The header cannot be read, or its settings do not give the id that its folder has.
fn settings_of(folder: &Path, id: &str) -> Result<Option<Map<String, Value>>, String> {
    let Some(header) = Unfinished::read(folder).map_err(|error| error.to_string())? else { return Ok(None) };
    match header.own_id() == id {
        true => Ok(Some(header.settings)),
        false => Err(format!("{}: its settings do not give the id {id}", folder.join(UNFINISHED).display())),
    }
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
