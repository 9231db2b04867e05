//! `anode show`: an experiment in the terminal.

use serde_json::{Value, json};

use crate::definition::{Definition, Profile};
use crate::record::cell;
use crate::report::{self, wrapped};

use super::arguments::Common;
use super::error::CliError;
use super::keep::Subject;
use super::output::{print, print_json, width};
use super::select;

/// Most values of an axis that are listed.
const MOST: usize = 12;

/// `anode show ID...`
///
/// # Errors
/// See [`CliError`].
pub fn show(common: &Common, ids: &[String]) -> Result<(), CliError> {
    let loaded = select::named(common, ids)?;
    let subject = Subject::these(common, &loaded)?;
    let found = report::experiments(subject.contents(common), width(), common.json)?;
    if common.json {
        let value = |(known, loaded): (&report::Experiment, &crate::definition::Loaded)| {
            let d = &loaded.definition;
            json!({
                "id": d.id, "title": d.title, "paper": d.paper, "file": loaded.file, "claim": d.claim,
                "study": d.study, "analysis": d.analysis, "expectation": d.expectation.text, "overturn": d.overturn,
                "planned": Profile::ALL.iter().filter_map(|p| planned(d, *p)).collect::<Vec<_>>(),
                "profiles": known.profiles,
            })
        };
        print_json(&found.iter().zip(&loaded).map(value).collect::<Vec<_>>());
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
fn planned(definition: &Definition, profile: Profile) -> Option<Value> {
    let resolved = definition.resolve(profile)?;
    let fixed: serde_json::Map<String, Value> =
        resolved.fixed.iter().map(|(name, value, _)| ((*name).clone(), (*value).clone())).collect();
    Some(json!({
        "profile": profile, "runs": resolved.run_count(), "grid": resolved.grid, "seeds": resolved.seeds, "fixed": fixed,
    }))
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
