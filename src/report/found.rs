//! The records of an experiment, and which of several a run of its definition shows.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value};

use crate::definition::{Definition, Profile};
use crate::record::{
    Budget, LoadedRecord, Record, RecordError, archive_path, canonical, folders, kept_path, read_archive_thinned,
    read_run_thinned,
};

use super::results::RecordSource;

/// Gives the inputs that a run would read now, to compare them with those of a record.
pub trait Inputs: std::fmt::Debug {
    /// Digests of the inputs of a run by name, where they can be read: those next to the definition or in the
    /// program and, if `data` is set, those of the folder of data sets.
    fn digests(&self, definition: &Definition, settings: &Map<String, Value>, data: bool)
    -> Option<Map<String, Value>>;
}

/// A record with the places where it was found.
pub struct Found {
    pub loaded: LoadedRecord,
    /// In `runs/`.
    in_runs: bool,
    /// In the archive that the report was made of.
    in_archive: bool,
    /// In the archive of records that no run showed.
    pub in_kept: bool,
    /// In any archive: it is never dropped.
    pub archived: bool,
}

/// Every record of an experiment under a profile. Of the same run in several places, one that ended counts more than
/// one that failed, then that of `runs/`, which has all its steps.
///
/// # Errors
/// A damaged record.
pub fn all(
    definition: &Definition,
    profile: Profile,
    results: &Path,
    from: RecordSource,
) -> Result<Vec<Found>, RecordError> {
    let (mut found, mut places): (Vec<Found>, HashMap<String, usize>) = (vec![], HashMap::new());
    let mut budget = Budget::of_an_experiment();
    if from == RecordSource::Everywhere {
        let folder = results.join("runs").join(profile.name()).join(&definition.id);
        for name in folders(&folder)? {
            if let Some(loaded) = read_run_thinned(&folder.join(name), &mut budget)? {
                places.insert(loaded.record.run.clone(), found.len());
                found.push(Found { loaded, in_runs: true, in_archive: false, in_kept: false, archived: false });
            }
        }
    }
    let archives = [archive_path(results, &definition.id, profile), kept_path(results, &definition.id, profile)];
    for (number, path) in archives.iter().enumerate() {
        let in_archive = number == 0;
        // Most archived records are those of `runs/`: they are checked, and count once.
        let ended = found.iter().map(|found| &found.loaded.record).filter(|record| !record.status.is_failure());
        let known: HashSet<String> = ended.map(|record| record.run.clone()).collect();
        read_archive_thinned(path, &mut budget, &known, &mut |loaded| match places
            .get(&loaded.record.run)
            .map(|&place| &mut found[place])
        {
            Some(known) => {
                known.in_archive |= in_archive;
                known.in_kept |= !in_archive;
                known.archived = true;
                if known.loaded.record.status.is_failure() && !loaded.record.status.is_failure() {
                    known.loaded = loaded;
                }
            }
            None => {
                places.insert(loaded.record.run.clone(), found.len());
                found.push(Found { loaded, in_runs: false, in_archive, in_kept: !in_archive, archived: true });
            }
        })?;
    }
    Ok(found)
}

/// Places by settings and seed, so that the records of a run are found among many.
pub struct Places(HashMap<(String, u64), Vec<usize>>);

impl Places {
    /// The places of these settings and seeds.
    pub fn new<'a>(each: impl Iterator<Item = (&'a Map<String, Value>, u64)>) -> Self {
        let mut places: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, (settings, seed)) in each.enumerate() {
            places.entry(key(settings, seed)).or_default().push(place);
        }
        Self(places)
    }

    /// The places that may have these settings and this seed, in order: numbers that are equal are not told apart.
    pub fn of(&self, settings: &Map<String, Value>, seed: u64) -> &[usize] {
        self.0.get(&key(settings, seed)).map_or(&[], Vec::as_slice)
    }
}

fn key(settings: &Map<String, Value>, seed: u64) -> (String, u64) {
    (canonical(&Value::Object(settings.clone())).replace("-0.0", "0.0"), seed)
}

/// The places of the records that a run with these settings and this seed may show; `of` gives the record of a place.
/// Only records of the present numerics count, and none whose inputs have other digests than those next to the
/// definition.
pub fn fitting<'a>(
    of: &dyn Fn(usize) -> &'a Record,
    places: &Places,
    definition: &Definition,
    (settings, seed): (&Map<String, Value>, u64),
    inputs: &dyn Inputs,
) -> Vec<usize> {
    let of_this_run = |record: &Record| record.seed == seed && record.settings == *settings && record.is_current();
    let places = places.of(settings, seed).iter().copied();
    let mut fitting: Vec<usize> = places.filter(|&i| of_this_run(of(i))).collect();
    if fitting.iter().any(|&i| !of(i).inputs.is_empty())
        && let Some(now) = inputs.digests(definition, settings, false)
    {
        fitting.retain(|&i| !contradicts(&of(i).inputs, &now));
    }
    fitting
}

/// The place in `found` of the record that a run with these settings and this seed shows, and whether nothing but a
/// convention decided between several, of those that fit (see [`fitting`]).
///
/// Of several, the one with the inputs of the data folder is shown. If they do not decide: a run that ended, the device
/// that was asked for, a run of `runs/`, what the archive showed before, the smallest id. If there are archives alone,
/// what they showed before comes first, so that a copy of published results shows what was published.
pub fn choose(
    found: &[Found],
    places: &Places,
    definition: &Definition,
    (settings, seed): (&Map<String, Value>, u64),
    inputs: &dyn Inputs,
    device: Option<&str>,
) -> Option<(usize, bool)> {
    let of = |i: usize| &found[i].loaded.record;
    let fitting = fitting(&of, places, definition, (settings, seed), inputs);
    let several = |fitting: &[usize]| fitting.iter().any(|&i| of(i).inputs != of(fitting[0]).inputs);
    let from_runs = fitting.iter().any(|&i| found[i].in_runs);
    let now = if from_runs && several(&fitting) { inputs.digests(definition, settings, true) } else { None };
    let is_now = |i: usize| now.as_ref().is_some_and(|now| of(i).inputs == *now);
    let rank = |i: usize| {
        let published = !from_runs && found[i].in_archive;
        let asked = device.is_some_and(|device| of(i).environment.device == device);
        let Found { in_runs, in_archive, .. } = found[i];
        (is_now(i), published, !of(i).status.is_failure(), asked, in_runs, in_archive, Reverse(of(i).run.clone()))
    };
    let chosen = fitting.iter().copied().max_by_key(|&i| rank(i))?;
    let ended = fitting.iter().filter(|&&i| !of(i).status.is_failure() && is_now(i) == is_now(chosen)).count();
    Some((chosen, ended > 1))
}

/// Whether two sets of digests name the same inputs with other contents.
fn contradicts(recorded: &Map<String, Value>, now: &Map<String, Value>) -> bool {
    recorded.len() == now.len()
        && now.keys().all(|name| recorded.contains_key(name))
        && now.iter().any(|(name, digest)| recorded.get(name) != Some(digest))
}
