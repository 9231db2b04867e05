//! The trained networks that are committed with the records.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::definition::Profile;
use crate::record::{MODEL, Record};

use super::artefacts::Artefact;
use super::results::{From, Results};

/// Folder of the committed networks, inside the results folder.
pub const MODELS: &str = "models";

/// Networks of this size, in bytes, and larger ones stay in the folders of their runs.
const LIMIT: u64 = 2_000_000;

/// Stands for a network that was not found, and is none.
const ABSENT: &[u8] = b"not found";

/// The committed network of a run: under the name of an experiment that has the run, and of this one if there is none
/// yet. Experiments that share a run share its network.
fn committed(results: &Path, experiment: &str, run: &str) -> PathBuf {
    let folder = results.join(MODELS);
    let names =
        std::fs::read_dir(&folder).into_iter().flatten().flatten().filter_map(|e| e.file_name().into_string().ok());
    let first = names.filter(|name| parts(name).is_some_and(|(_, of)| of == run)).min();
    folder.join(first.unwrap_or_else(|| format!("{experiment}.{run}.safetensors")))
}

/// The experiment in the name of a committed network.
pub fn experiment(name: &str) -> Option<&str> {
    parts(name).map(|(experiment, _)| experiment)
}

/// The experiment and the run in the name of a committed network.
fn parts(name: &str) -> Option<(&str, &str)> {
    let (experiment, run) = name.strip_suffix(".safetensors")?.rsplit_once('.')?;
    (run.len() == 16).then_some((experiment, run))
}

/// The first network of each run.
pub fn once_per_run(made: &mut Vec<Artefact>) {
    let mut seen = HashSet::new();
    made.retain(|artefact| {
        let name = artefact.path.file_name().unwrap_or_default().to_string_lossy();
        parts(&name).is_none_or(|(_, run)| seen.insert(run.to_owned()))
    });
}

/// The networks that belong to the records of an experiment, under a profile that trains on real images. Each is a copy
/// of the file that the run left, and has the digest that its record names. One that is not found differs from any file
/// when it is compared, and is left out when files are written.
pub fn models(results: &Results, folder: &Path, from: From) -> Vec<Artefact> {
    // A minute on drawn textures trains nothing that is worth keeping.
    if results.profile == Profile::Quick {
        return vec![];
    }
    let one = |record: &Record| {
        let model = record.model.as_ref().filter(|model| model.bytes < LIMIT)?;
        let path = committed(folder, &results.definition.id, &record.run);
        let own = own(folder, results.profile, record);
        let places = if from == From::Everywhere { vec![own, path.clone()] } else { vec![path.clone()] };
        match places.iter().find_map(|place| model.read(place)) {
            Some(bytes) => Some(Artefact { path, bytes }),
            None => (from == From::Archives).then(|| Artefact { path, bytes: ABSENT.to_vec() }),
        }
    };
    let shown = results.runs.iter().map(|run| &run.loaded.record);
    shown.chain(results.kept.iter().map(|loaded| &loaded.record)).filter_map(one).collect()
}

fn own(folder: &Path, profile: Profile, record: &Record) -> PathBuf {
    folder.join("runs").join(profile.name()).join(&record.experiment).join(&record.run).join(MODEL)
}
