//! `anode plan`: the runs of a profile, with their state and forecast, or a Slurm job script for them.

use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::data::data_folder;
use crate::definition::Loaded;
use crate::paths::as_text;
use crate::plan::{Run, plan};
use crate::runner::{Forecast, duration};
use crate::study::STUDIES;
use crate::study::estimate::in_words;

use super::arguments::Common;
use super::cost::{Cost, mark, print_total};
use super::done::{Archived, State};
use super::error::CliError;
use super::job::PlanArguments;
use super::json::document;
use super::output::{print, print_json, print_table, warn};
use super::status::writer_begun;
use super::{select, slurm};

/// The runs of a plan.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Planned(Vec<PlannedRun>);

document!(Planned, "plan", 1);

/// A run of a plan.
#[derive(Serialize, JsonSchema)]
pub struct PlannedRun {
    /// Its id.
    run: String,
    /// Id of the experiment.
    experiment: String,
    /// The seed.
    seed: u64,
    /// All settings, including defaults.
    settings: Map<String, Value>,
    /// The folder of the run.
    #[serde(serialize_with = "as_text")]
    folder: PathBuf,
    /// Whether it has a record.
    done: bool,
    /// `done`, `archived`, `computing`, `interrupted` or `to do`.
    state: &'static str,
    /// What the run takes; null if it has a record in its folder.
    forecast: Option<Forecast>,
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
    runs = select::only_where(runs, &arguments.only_where, |run| (&run.settings, run.seed))?;
    let cost = Cost::new(common, &runs, rayon::current_num_threads());
    let takes: HashMap<&str, &Forecast> = cost.to_compute.iter().map(|(run, f)| (run.as_str(), f)).collect();
    let profile = selection.profile.into();
    let archived = |one: &Loaded| {
        let id = &one.definition.id;
        (id.clone(), Archived::read(&common.results, id, profile))
    };
    let archives: HashMap<String, Archived> = loaded.par_iter().map(archived).collect();
    let begun = writer_begun(&common.results);
    let state = |run: &Run| match archives.get(&run.experiment).map_or(State::ToDo, |a| a.state(run)) {
        recorded if recorded.is_recorded() => recorded,
        _ => State::without_record(&run.folder(&common.results), begun),
    };
    let states: Vec<State> = runs.par_iter().map(state).collect();
    if common.json {
        let value = |(run, state): (&Run, &State)| PlannedRun {
            run: run.id.clone(),
            experiment: run.experiment.clone(),
            seed: run.seed,
            settings: run.settings.json().clone(),
            folder: run.folder(&common.results),
            done: state.is_recorded(),
            state: state.word(),
            forecast: takes.get(run.id.as_str()).copied().copied(),
        };
        print_json(&Planned(runs.iter().zip(&states).map(value).collect()));
        return Ok(());
    }
    let row = |(run, state): (&Run, &State)| {
        let [time, memory, disk] = match takes.get(run.id.as_str()) {
            Some(Forecast { seconds, basis, bytes, disk }) => [
                seconds.map_or_else(|| "?".into(), |s| format!("{}{}", mark(*basis), duration(s))),
                in_words(*bytes),
                in_words(*disk),
            ],
            None => ["-"; 3].map(str::to_owned),
        };
        vec![run.id.clone(), state.word().into(), time, memory, disk, run.experiment.clone(), run.label.clone()]
    };
    let rows: Vec<Vec<String>> = runs.iter().zip(&states).map(row).collect();
    print_table(&["run", "state", "time", "memory", "disk", "experiment", "settings"], &rows);
    for (runs, why) in select::missing(&skipped) {
        print(&format!("not run: {runs}: {why}"));
    }
    print_total(&cost);
    if rows.iter().any(|row| row[1] == State::Archived.word()) {
        print("  archived runs count as recorded in the report, but `run` and `reproduce` compute them again");
    }
    if rows.iter().any(|row| row[1] == State::Interrupted.word()) {
        print("  interrupted runs are resumed; `anode status` shows how far they are");
    }
    Ok(())
}
