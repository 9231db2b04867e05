//! `anode run`: executes runs, which `anode reproduce` does too.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use crate::data::data_folder;
use crate::definition::{Loaded, Profile};
use crate::doctor::{UsableGpu, usable_gpu};
use crate::paths::as_text;
use crate::plan::{Run, Skipped, plan, plan_digest};
use crate::report::{Summary, SummaryRow};
use crate::runner::{Options, Tally, run_all};
use crate::study::STUDIES;

use super::arguments::{Common, Device, How};
use super::clamp;
use super::cost::Cost;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, print_table, warn};
use super::report::tell_of_records;
use super::select;
use super::signal::stop_on_signal;

/// What became of the runs.
#[derive(Serialize, JsonSchema)]
pub struct Ran {
    /// Runs that finished now.
    finished: usize,
    /// Runs that diverged now.
    diverged: usize,
    /// Runs that had a record before.
    before: usize,
    /// Runs that were stopped and can be resumed.
    interrupted: usize,
    /// Runs that failed: the run and the reason.
    failed: Vec<(String, String)>,
    /// Points of the grid that could not be planned: experiment and settings, and the reason.
    skipped: Vec<(String, String)>,
    /// The profile of the runs and of the verdicts.
    profile: Profile,
    /// Verdicts on the chosen experiments, if the report was written.
    experiments: Vec<SummaryRow>,
    /// Files of the report, if it was written.
    #[serde(serialize_with = "as_text")]
    written: Vec<PathBuf>,
}

document!(Ran, "run", 1);

/// `anode run ID...`
///
/// # Errors
/// See [`CliError`].
pub fn run(common: &Common, ids: &[String], how: &How) -> Result<(), CliError> {
    let loaded = select::named(common, ids)?;
    let (tally, skipped, _) = execute(common, &loaded, how)?;
    tell(common, how.profile.into(), &tally, &skipped, &Summary::default());
    finish(tally, &skipped)
}

/// Plans the experiments and executes their runs. Returns what became of the runs, what could not be planned, and the
/// name of the device.
///
/// # Errors
/// An unusable device, a missing data folder, a plan other than the one that a job expects; see [`run_all`].
pub fn execute(common: &Common, loaded: &[Loaded], how: &How) -> Result<(Tally, Vec<Skipped>, &'static str), CliError> {
    let gpu = gpu(how.device)?;
    let device = gpu.as_ref().map_or("cpu", |gpu| gpu.device);
    let data = data_folder(common.data.as_deref());
    if let Some(named) = common.data.as_deref().filter(|d| !d.is_dir()) {
        return Err(CliError::Usage(format!("--data {}: no such folder", named.display())));
    }
    let (mut runs, skipped): (Vec<Run>, _) = plan(loaded, how.profile.into(), device, data.as_deref(), STUDIES);
    if runs.is_empty() && skipped.is_empty() && !common.quiet {
        let profile = Profile::from(how.profile).name();
        warn(&format!(
            "anode: none of these experiments has runs of profile {profile}; `anode list` shows the profiles"
        ));
    }
    if let Some(expected) = how.plan_digest.as_ref().filter(|d| **d != plan_digest(&runs)) {
        return Err(CliError::Usage(format!(
            "the plan is {} and not {expected}: definitions, data or program changed since the job was written; write \
            it again with `anode plan --slurm`",
            plan_digest(&runs)
        )));
    }
    if let Some(shard) = how.shard {
        runs = shard.of(runs);
    }
    runs = select::only_where(runs, &how.only_where, |run| (&run.settings, run.seed))?;
    if let Some(line) = select::elsewhere(&runs, device).filter(|_| !common.quiet) {
        warn(&format!("anode: {line}"));
    }
    let threads = rayon::current_num_threads();
    // A GPU is busy with one run; more would share its memory.
    let at_once = if how.device == Device::Cpu { threads } else { 1 };
    let jobs = how.jobs.map_or(at_once, |jobs| clamp(common, "--jobs", jobs));
    Cost::new(common, &runs, jobs).announce(common, how.yes)?;
    let stop = stop_on_signal();
    let options = Options {
        results: common.results.clone(),
        jobs,
        threads,
        accelerator: gpu.map(|gpu| gpu.words),
        quiet: common.quiet,
        tensorboard: how.tensorboard,
    };
    Ok((run_all(&runs, STUDIES, &options, stop)?, skipped, device))
}

/// The GPU that is asked for, `None` for the CPU.
fn gpu(device: Device) -> Result<Option<UsableGpu>, CliError> {
    let name = device.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    match device {
        Device::Cpu => Ok(None),
        _ => usable_gpu(&name).map(Some).map_err(|why| CliError::Usage(format!("--device {name}: {why}"))),
    }
}

/// Prints what became of the runs of `profile`, and the `summary` of the report, which is empty if none was written.
pub fn tell(common: &Common, profile: Profile, tally: &Tally, skipped: &[Skipped], summary: &Summary) {
    if common.json {
        let skipped_lines = skipped.iter().map(|s| (format!("{} {}", s.experiment, s.label), s.why.clone()));
        print_json(&Ran {
            finished: tally.finished,
            diverged: tally.diverged,
            before: tally.before,
            interrupted: tally.interrupted,
            failed: tally.failed.clone(),
            skipped: skipped_lines.collect(),
            profile,
            experiments: summary.experiments.clone(),
            written: summary.written.clone(),
        });
        return;
    }
    if common.quiet {
        return;
    }
    let rows: Vec<Vec<String>> =
        summary.experiments.iter().map(|e| vec![e.id.clone(), e.verdict.clone(), e.measured.clone()]).collect();
    if !rows.is_empty() {
        let name = profile.name();
        print(&format!("verdicts of profile {name} (the report shows the largest profile with records)"));
        print_table(&["experiment", "verdict", "measured"], &rows);
        print("");
    }
    print(&format!(
        "{} runs finished, {} diverged, {} were done before, {} failed",
        tally.finished,
        tally.diverged,
        tally.before,
        tally.failed.len()
    ));
    let wrote = |path: &Path| summary.written.iter().any(|written| written == path);
    let results = common.results.display();
    if wrote(&common.results.join("REPORT.md")) {
        print(&format!(
            "report: {results}/REPORT.md and {results}/report.html; tables: {results}/tables; charts: {}",
            common.figures().display()
        ));
    }
    if wrote(&common.results.join("own/REPORT.md")) {
        print(&format!("experiments that are not part of the report on the papers: {results}/own/REPORT.md"));
    }
    tell_of_records(summary);
}

/// Success if every run has a record, else the error whose exit code says what is missing.
///
/// # Errors
/// Interrupted runs; failed runs, or points of the grid that could not be planned.
pub fn finish(tally: Tally, skipped: &[Skipped]) -> Result<(), CliError> {
    if tally.interrupted > 0 {
        return Err(CliError::Interrupted(tally.interrupted));
    }
    if tally.failed.is_empty() && skipped.is_empty() {
        return Ok(());
    }
    Err(CliError::Incomplete { failed: tally.failed, missing: select::missing(skipped) })
}
