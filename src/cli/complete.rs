//! What the shell offers when a word of the command line is completed: ids of experiments, settings and their values,
//! ids of runs, names of schemas.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::definition::columns::flat;
use crate::definition::settings::Settings;
use crate::definition::{Loaded, Profile, Resolved, load_all};
use crate::record::{archive_path, cell, read_archived_headers, run_folders};

use super::json::DOCUMENTS;

/// Ids of experiments, with their titles.
pub fn ids() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let titles = definitions().into_iter().map(|one| (one.definition.id, one.definition.title));
        starting(current, titles)
    })
}

/// Conditions `NAME=VALUE` on the settings of planned runs: first the names, then the values.
pub fn conditions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let settings = settings();
        let typed = current.to_string_lossy();
        let Some((name, _)) = typed.split_once('=') else {
            return starting(current, settings.into_keys().map(|name| (format!("{name}="), String::new())));
        };
        let values = settings.get(name).into_iter().flatten();
        starting(current, values.map(|value| (format!("{name}={value}"), String::new())))
    })
}

/// Ids of recorded and unfinished runs, with their experiments.
pub fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| starting(current, run_ids()))
}

/// Names of schemas.
pub fn schemas() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        starting(current, DOCUMENTS.iter().map(|entry| (entry.name.to_owned(), entry.about.to_owned())))
    })
}

/// The candidates that begin with what was typed, with a help text if it is not empty.
fn starting(current: &OsStr, all: impl IntoIterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let fitting = all.into_iter().filter(|(word, _)| word.starts_with(typed.as_ref()));
    let candidate =
        |(word, help): (String, String)| CompletionCandidate::new(word).help((!help.is_empty()).then(|| help.into()));
    fitting.map(candidate).collect()
}

/// The folder that an option of the command line names, or its default. Other options are not complete yet, so the
/// command line cannot be parsed.
fn folder(option: &str, default: &str) -> PathBuf {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let after = words.iter().position(|word| word == option).and_then(|place| words.get(place + 1).cloned());
    let joined = || words.iter().find_map(|word| Some(word.strip_prefix(option)?.strip_prefix('=')?.to_owned()));
    after.or_else(joined).unwrap_or_else(|| default.to_owned()).into()
}

/// The sound definitions.
fn definitions() -> Vec<Loaded> {
    load_all(&folder("--experiments", "experiments")).0
}

/// Settings of all planned runs with their values.
fn settings() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Loaded { definition, .. } in definitions() {
        let resolved = Profile::ALL.into_iter().filter_map(|profile| definition.resolve(profile));
        for point in resolved.collect::<Vec<_>>().iter().flat_map(Resolved::points) {
            let Ok(settings) = Settings::parse(definition.study, &point.settings) else { continue };
            for seed in &point.seeds {
                for (name, value) in flat(&settings, *seed) {
                    found.entry(name).or_default().insert(cell(&value));
                }
            }
        }
    }
    found
}

fn run_ids() -> Vec<(String, String)> {
    let results = folder("--results", "results");
    let mut found = BTreeMap::new();
    for profile in Profile::ALL {
        for (experiment, run, _) in run_folders(&results.join("runs").join(profile.name())).unwrap_or_default() {
            found.insert(run, experiment);
        }
        for Loaded { definition, .. } in definitions() {
            let headers = read_archived_headers(&archive_path(&results, &definition.id, profile)).unwrap_or_default();
            for record in headers {
                found.entry(record.run).or_insert_with(|| definition.id.clone());
            }
        }
    }
    found.into_iter().collect()
}
