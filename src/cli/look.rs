//! `anode list` and `anode plan`.

use std::collections::HashMap;

use rayon::prelude::*;
use serde_json::json;

use crate::data::data_folder;
use crate::definition::{Loaded, Profile};
use crate::plan::{Run, plan};
use crate::runner::{Forecast, duration};
use crate::study::STUDIES;
use crate::study::estimate::in_words;

use super::arguments::Common;
use super::cost::{Cost, mark, print_total};
use super::done::{Done, State};
use super::error::CliError;
use super::job::PlanArguments;
use super::output::{print, print_json, print_table, warn};
use super::{select, slurm};

/// `anode list`
///
/// # Errors
/// See [`CliError`].
pub fn list(common: &Common) -> Result<(), CliError> {
    let loaded = select::all(common)?;
    let data = data_folder(common.data.as_deref());
    let done = Done::new(common);
    let count = |one: &Loaded, profile: Profile| {
        let (runs, skipped) = plan(std::slice::from_ref(one), profile, "cpu", data.as_deref(), STUDIES);
        let archived = done.archived(&one.definition.id, profile);
        let recorded = runs.iter().filter(|run| archived.state(run) != State::ToDo).count();
        (profile.name(), recorded, runs.len(), skipped.len())
    };
    let counted: Vec<Vec<_>> =
        loaded.par_iter().map(|one| Profile::ALL.iter().map(|profile| count(one, *profile)).collect()).collect();
    let (mut rows, mut values) = (vec![], vec![]);
    for (Loaded { definition, .. }, counts) in loaded.iter().zip(counted) {
        let shown = |(_, done, all, skipped): &(&str, usize, usize, usize)| match (all, skipped) {
            (0, 0) => "-".to_owned(),
            (all, 0) => format!("{done}/{all}"),
            (all, skipped) => format!("{done}/{all} ({skipped} lack data)"),
        };
        let mut row = vec![definition.id.clone()];
        row.extend(counts.iter().map(shown));
        row.push(format!("[{:?}] {}", definition.claim.source, definition.claim.text));
        rows.push(row);
        let profiles = counts.iter().map(
            |(name, done, all, skipped)| json!({ "profile": name, "recorded": done, "runs": all, "skipped": skipped }),
        );
        values.push(json!({
            "id": definition.id, "title": definition.title, "claim": definition.claim.text,
            "source": definition.claim.source, "profiles": profiles.collect::<Vec<_>>(),
        }));
    }
    if common.json {
        print_json(&values);
    } else {
        print_table(&["experiment", "quick", "standard", "paper", "claim"], &rows);
        print(
            "\nrecorded/planned runs per profile, archived records included; the letter says how the claim is known (see \
             the report)",
        );
    }
    Ok(())
}

/// `anode plan`
///
/// # Errors
/// See [`CliError`].
pub fn show_plan(common: &Common, arguments: &PlanArguments) -> Result<(), CliError> {
    let selection = &arguments.selection;
    let loaded = select::chosen(common, &selection.ids, selection.only.as_deref())?;
    let data = data_folder(common.data.as_deref());
    let (mut runs, skipped) = plan(&loaded, selection.profile.into(), "cpu", data.as_deref(), STUDIES);
    if arguments.slurm {
        if common.json {
            return Err(CliError::Usage("--slurm writes a shell script; leave out --json".into()));
        }
        for (runs, why) in select::missing(&skipped) {
            warn(&format!("not in the job: {runs}: {why}"));
        }
        print(slurm::script(common, arguments, &runs)?.trim_end());
        return Ok(());
    }
    if let Some(shard) = arguments.shard {
        runs = shard.of(runs);
    }
    for condition in &arguments.only_where {
        runs = select::only_where(runs, condition, |run| (&run.settings, run.seed))?;
    }
    let cost = Cost::new(common, &runs, rayon::current_num_threads());
    let takes: HashMap<&str, &Forecast> = cost.to_compute.iter().map(|(run, f)| (run.as_str(), f)).collect();
    let done = Done::new(common);
    let mut archives = HashMap::new();
    let mut state = |run: &Run| {
        let archived = archives.entry(run.experiment.clone());
        archived.or_insert_with(|| done.archived(&run.experiment, run.profile)).state(run)
    };
    if common.json {
        let mut value = |run: &Run| {
            let state = state(run);
            json!({
                "run": run.id, "experiment": run.experiment, "seed": run.seed, "settings": run.settings,
                "folder": run.folder(&common.results), "done": state != State::ToDo, "state": state.word(),
                "forecast": takes.get(run.id.as_str()),
            })
        };
        print_json(&runs.iter().map(&mut value).collect::<Vec<_>>());
        return Ok(());
    }
    let mut row = |run: &Run| {
        let [time, memory, disk] = match takes.get(run.id.as_str()) {
            Some(Forecast { seconds, basis, bytes, disk }) => [
                seconds.map_or_else(|| "?".into(), |s| format!("{}{}", mark(*basis), duration(s))),
                in_words(*bytes),
                in_words(*disk),
            ],
            None => ["-"; 3].map(str::to_owned),
        };
        vec![run.id.clone(), state(run).word().into(), time, memory, disk, run.experiment.clone(), run.label.clone()]
    };
    let rows: Vec<Vec<String>> = runs.iter().map(&mut row).collect();
    print_table(&["run", "state", "time", "memory", "disk", "experiment", "settings"], &rows);
    for (runs, why) in select::missing(&skipped) {
        print(&format!("not run: {runs}: {why}"));
    }
    print_total(&cost);
    if rows.iter().any(|row| row[1] == State::Archived.word()) {
        print("  archived runs count as recorded in the report, but `run` and `reproduce` compute them again");
    }
    Ok(())
}
