//! The trained networks that are committed with the records.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::definition::Profile;
use crate::record::{MODEL, ModelFile, Record};

use super::artefacts::Artefact;
use super::results::{RecordSource, Results};

/// Folder of the committed networks, inside the results folder.
pub const MODELS: &str = "models";

/// Networks of this size, in bytes, and larger ones stay in the folders of their runs.
const LIMIT: u64 = 2_000_000;

/// Stands for a network that was not found, and is none.
const ABSENT: &[u8] = b"not found";

/// The published networks in a results folder, by run. Experiments that share a run share its network.
pub struct PublishedNetworks(BTreeMap<String, Vec<PathBuf>>);

impl PublishedNetworks {
    /// Lists the folder of networks. One that cannot be read counts as empty.
    pub fn read(results: &Path) -> Self {
        let entries = std::fs::read_dir(results.join(MODELS)).into_iter().flatten().flatten();
        let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Some systems put hidden files with the same name beside copied ones.
            if let Some((_, run)) = parts(&name).filter(|_| !name.starts_with('.')) {
                found.entry(run.to_owned()).or_default().push(path.clone());
            }
        }
        found.values_mut().for_each(|paths| paths.sort());
        Self(found)
    }

    /// Returns the first file of a run's network that has the recorded digest.
    fn sound(&self, run: &str, model: &ModelFile) -> Option<Artefact> {
        let paths = self.0.get(run).into_iter().flatten();
        paths.clone().find_map(|path| Some(Artefact { path: path.clone(), bytes: model.read(path)? }))
    }
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

/// Experiment and run of each network among some files.
pub fn networks(made: &[Artefact]) -> impl Iterator<Item = (&str, &str)> {
    made.iter().filter_map(|one| parts(one.path.file_name()?.to_str()?))
}

/// Retains one network per run: the first whose file was found, or the first if none was.
pub fn once_per_run(made: &mut Vec<Artefact>) {
    let run = |artefact: &Artefact| {
        let name = artefact.path.file_name()?.to_str()?;
        parts(name).map(|(_, run)| run.to_owned())
    };
    let found: HashSet<String> = made.iter().filter(|one| one.bytes != ABSENT).filter_map(run).collect();
    let mut seen = HashSet::new();
    made.retain(|one| match run(one) {
        Some(run) => (one.bytes != ABSENT || !found.contains(&run)) && seen.insert(run),
        None => true,
    });
}

/// The networks that belong to the records of an experiment, under a profile that trains on real images. Each is a copy
/// of the file that the run left, and has the digest that its record names. One that is not found differs from any file
/// when it is compared, and is left out when files are written.
pub fn models(results: &Results, folder: &Path, published: &PublishedNetworks, from: RecordSource) -> Vec<Artefact> {
    // A minute on drawn textures trains nothing that is worth keeping.
    if results.profile == Profile::Quick {
        return vec![];
    }
    let one = |record: &Record| {
        let model = record.model.as_ref().filter(|model| model.bytes < LIMIT)?;
        if let Some(sound) = published.sound(&record.run, model) {
            return Some(sound);
        }
        let path = folder.join(MODELS).join(format!("{}.{}.safetensors", results.definition.id, record.run));
        match from {
            RecordSource::Everywhere => {
                model.read(&own(folder, results.profile, record)).map(|bytes| Artefact { path, bytes })
            }
            RecordSource::Archives => Some(Artefact { path, bytes: ABSENT.to_vec() }),
        }
    };
    let shown = results.runs.iter().map(|run| &run.loaded.record);
    shown.chain(results.kept.iter().map(|loaded| &loaded.record)).filter_map(one).collect()
}

fn own(folder: &Path, profile: Profile, record: &Record) -> PathBuf {
    folder.join("runs").join(profile.name()).join(&record.experiment).join(&record.run).join(MODEL)
}
