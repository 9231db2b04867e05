//! `anode show`: an experiment in the terminal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::definition::{Claim, Definition, Loaded, Paper, Profile, StudyKind};
use crate::paths::as_text;
use crate::record::cell;
use crate::report::{self, wrapped};

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, width};
use super::select;
use super::subject::Subject;

/// Most values of an axis that are listed.
const MOST: usize = 12;

/// The experiments.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Shown(Vec<ShownExperiment>);

document!(Shown, "show", 1);

/// An experiment: its definition and its results.
#[derive(Serialize, JsonSchema)]
pub struct ShownExperiment {
    /// Its id.
    id: String,
    /// Its title.
    title: String,
    /// The paper that it belongs to.
    paper: Paper,
    /// The file of the definition.
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    /// The claim that it tests.
    claim: Claim,
    /// The kind of study.
    study: StudyKind,
    /// Why the experiment exists and what to look for.
    analysis: String,
    /// What must be measured for the claim to hold.
    expectation: String,
    /// What would change the verdict.
    overturn: Option<String>,
    /// The runs of each profile.
    planned: Vec<PlannedProfile>,
    /// The results of each profile that has records, the largest profile first.
    profiles: Vec<report::Known>,
}

/// The runs of a profile.
#[derive(Serialize, JsonSchema)]
pub struct PlannedProfile {
    /// The profile.
    profile: Profile,
    /// Number of runs.
    runs: usize,
    /// Settings that vary: every combination of the values of each entry is run.
    grid: Vec<BTreeMap<String, Vec<Value>>>,
    /// Seeds of each point.
    seeds: Vec<u64>,
    /// Settings of all runs.
    fixed: Map<String, Value>,
}

/// `anode show ID...`
///
/// # Errors
/// See [`CliError`].
pub fn show(common: &Common, ids: &[String]) -> Result<(), CliError> {
    let loaded = select::named(common, ids)?;
    let subject = Subject::these(common, &loaded)?;
    let found = report::experiments(subject.contents(common), width(), common.json)?;
    if common.json {
        let value = |(known, Loaded { file, definition }): (report::Experiment, &Loaded)| {
            let d = definition.clone();
            ShownExperiment {
                planned: Profile::ALL.iter().filter_map(|p| planned(&d, *p)).collect(),
                id: d.id,
                title: d.title,
                paper: d.paper,
                file: file.clone(),
                claim: d.claim,
                study: d.study,
                analysis: d.analysis,
                expectation: d.expectation.text,
                overturn: d.overturn,
                profiles: known.profiles,
            }
        };
        print_json(&Shown(found.into_iter().zip(&loaded).map(value).collect()));
        return Ok(());
    }
    for (number, (known, loaded)) in found.iter().zip(&loaded).enumerate() {
        if number > 0 {
            print("");
        }
        print(&known.text);
        print("");
        what_is_run(&loaded.definition);
        print(&format!("Definition: {}", loaded.file.display()));
    }
    Ok(())
}

/// The runs of a profile as a value; `None` if the definition does not have it.
fn planned(definition: &Definition, profile: Profile) -> Option<PlannedProfile> {
    let resolved = definition.resolve(profile)?;
    Some(PlannedProfile {
        profile,
        runs: resolved.run_count(),
        grid: resolved.grid.iter().map(|point| point.clone().into_iter().collect()).collect(),
        seeds: resolved.seeds.to_vec(),
        fixed: resolved.fixed.iter().map(|(name, value, _)| ((*name).clone(), (*value).clone())).collect(),
    })
}

fn what_is_run(definition: &Definition) {
    let study = serde_json::to_value(definition.study).map(|v| cell(&v)).unwrap_or_default();
    print(&format!("Runs of the study {study}:"));
    for profile in Profile::ALL {
        let Some(resolved) = definition.resolve(profile) else { continue };
        let (runs, points) = (resolved.run_count(), resolved.point_count());
        let seeds = listed(resolved.seeds.iter().map(u64::to_string));
        print(&format!("  {}: {runs} runs of {points} settings; seeds {seeds}", profile.name()));
        for (name, values) in resolved.grid.iter().flatten() {
            let line = format!("{name}: {}", listed(values.iter().map(cell)));
            print(&format!("    {}", wrapped(&line, width().saturating_sub(4), 6).replace("\n", "\n    ")));
        }
        let fixed: Vec<String> =
            resolved.fixed.iter().map(|(name, value, _)| format!("{name}={}", cell(value))).collect();
        if !fixed.is_empty() {
            let line = format!("in every run: {}", fixed.join(" "));
            print(&format!("    {}", wrapped(&line, width().saturating_sub(4), 6).replace("\n", "\n    ")));
        }
    }
}

fn listed(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    let more = if values.len() > MOST { format!(" and {} more", values.len() - MOST) } else { String::new() };
    values.into_iter().take(MOST).collect::<Vec<_>>().join(", ") + &more
}
