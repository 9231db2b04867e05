//! From definitions to runs: a plan is a list of independent runs, each with an id that hashes everything that decides
//! its numbers.
//!
//! Uses definitions and the ids of records, and obtains the digests of inputs from studies. Computes nothing.

mod shard;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::definition::settings::Settings;
use crate::definition::{Loaded, Profile, StudyKind};
use crate::study::{Place, Study, faults_in_words};

pub use crate::record::{canonical, numerics, run_id};
pub use shard::{Shard, plan_digest};

/// One run: one point of a grid with one seed.
#[derive(Clone, Debug)]
pub struct Run {
    /// Sixteen hexadecimal digits: the start of the hash of everything that determines the numbers.
    pub id: String,
    /// Id of the experiment.
    pub experiment: String,
    /// The profile.
    pub profile: Profile,
    /// The kind of study.
    pub study: StudyKind,
    /// Settings of the run, with defaults filled in.
    pub settings: Settings,
    /// Master seed.
    pub seed: u64,
    /// Digests of the inputs, by name.
    pub inputs: Map<String, Value>,
    /// The device that computes it: the requested one, or `cpu` if the study supports no other.
    pub device: String,
    /// The folders of the definition and of the data sets.
    pub place: Place,
    /// The settings that vary, as `name=value` pairs for messages.
    pub label: String,
}

impl Run {
    /// The run's folder inside the results folder.
    pub fn folder(&self, results: &Path) -> PathBuf {
        results.join("runs").join(self.profile.name()).join(&self.experiment).join(&self.id)
    }
}

/// A run that cannot be planned, because its inputs are missing or broken.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Id of the experiment.
    pub experiment: String,
    /// The settings that vary, as `name=value` pairs.
    pub label: String,
    /// Why the run cannot be planned.
    pub why: String,
}

/// The runs of `definitions` under `profile`, in the order of the files, grids and seeds. Points that come twice are
/// run once.
pub fn plan(
    definitions: &[Loaded],
    profile: Profile,
    device: &str,
    data: Option<&Path>,
    studies: &[&dyn Study],
) -> (Vec<Run>, Vec<Skipped>) {
    let one = |loaded| plan_one(loaded, profile, device, data, studies);
    let planned: Vec<(Vec<Run>, Vec<Skipped>)> = definitions.par_iter().map(one).collect();
    let (runs, skipped): (Vec<_>, Vec<_>) = planned.into_iter().unzip();
    (runs.into_iter().flatten().collect(), skipped.into_iter().flatten().collect())
}

fn plan_one(
    Loaded { file, definition }: &Loaded,
    profile: Profile,
    device: &str,
    data: Option<&Path>,
    studies: &[&dyn Study],
) -> (Vec<Run>, Vec<Skipped>) {
    let (mut runs, mut skipped) = (vec![], vec![]);
    let Some(resolved) = definition.resolve(profile) else { return (runs, skipped) };
    let Some(study) = studies.iter().find(|s| s.kind() == definition.study) else { return (runs, skipped) };
    let device = study.device(device);
    let folder = file.parent().unwrap_or(Path::new("."));
    let place = Place { definition: folder.to_owned(), data: data.map(Path::to_owned) };
    let several = resolved.several_seeds();
    let axes: HashSet<&String> = resolved.grid.iter().flat_map(|g| g.keys()).collect();
    let mut seen = HashSet::new();
    let mut known: HashMap<String, Result<Map<String, Value>, String>> = HashMap::new();
    let mut digests = |settings: &Settings| {
        let read = || study.inputs(&place, settings).map_err(|e| e.to_string());
        known.entry(canonical(&study.input_settings(settings))).or_insert_with(read).clone()
    };
    for point in resolved.points() {
        let label = label(&point.settings, &axes);
        let planned = Settings::parse(definition.study, &point.settings)
            .map_err(|faults| faults_in_words(&faults))
            .and_then(|settings| study.resolve_settings(&place, settings).map_err(|e| e.to_string()))
            .and_then(|settings| Ok((digests(&settings)?, settings)));
        let (inputs, settings) = match planned {
            Ok(found) => found,
            Err(why) => {
                skipped.push(Skipped { experiment: definition.id.clone(), label, why });
                continue;
            }
        };
        for &seed in &point.seeds {
            let id = run_id(definition.study, &settings, seed, &inputs, device);
            if seen.insert(id.clone()) {
                runs.push(Run {
                    id,
                    experiment: definition.id.clone(),
                    profile,
                    study: definition.study,
                    settings: settings.clone(),
                    seed,
                    inputs: inputs.clone(),
                    device: device.into(),
                    place: place.clone(),
                    label: if several { format!("{label} seed={seed}") } else { label.clone() },
                });
            }
        }
    }
    (runs, skipped)
}

/// The varying settings on one line: `solver=rk4 problem=scalar-relu(c=10)`.
fn label(settings: &Map<String, Value>, axes: &HashSet<&String>) -> String {
    let shown = settings.iter().filter(|(k, _)| axes.contains(k)).map(|(k, v)| format!("{k}={}", brief(v)));
    shown.collect::<Vec<_>>().join(" ")
}

fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            let kind = map.get("kind").map(brief).unwrap_or_default();
            let rest = map.iter().filter(|(k, _)| *k != "kind").map(|(k, v)| format!("{k}={}", brief(v)));
            format!("{kind}({})", rest.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) if list.len() > 4 => format!("[{}..{}]", brief(&list[0]), brief(&list[list.len() - 1])),
        Value::Array(list) => format!("[{}]", list.iter().map(brief).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}
