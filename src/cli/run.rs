//! `anode run` and `anode reproduce`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use crate::data::data_folder;
use crate::definition::Loaded;
use crate::doctor::{UsableGpu, usable_gpu};
use crate::plan::{Run, Skipped, plan, plan_digest};
use crate::record::sweep;
use crate::report::{Summary, SummaryRow};
use crate::runner::{Options, RunnerError, Tally, run_all};
use crate::study::STUDIES;

use super::arguments::{Common, Device, How};
use super::clamp;
use super::cost::Cost;
use super::error::CliError;
use super::json::document;
use super::keep::{tell_of_records, write};
use super::output::{print, print_json, print_table, warn};
use super::select;
use super::subject::Subject;

/// Set by Ctrl-C and by a polite kill.
static STOP: AtomicBool = AtomicBool::new(false);

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
    /// Verdicts, if the report was written.
    experiments: Vec<SummaryRow>,
    /// Files of the report, if it was written.
    written: Vec<PathBuf>,
}

document!(Ran, "run", 1);

/// `anode run ID...`
///
/// # Errors
/// See [`CliError`].
pub fn run(common: &Common, ids: &[String], how: &How) -> Result<(), CliError> {
    let loaded = select::named(common, ids)?;
    let (tally, skipped, _) = walk(common, &loaded, how)?;
    tell(common, &tally, &skipped, &Summary::default());
    finish(tally, &skipped)
}

/// `anode reproduce`
///
/// # Errors
/// See [`CliError`].
pub fn reproduce(common: &Common, ids: &[String], only: Option<&str>, how: &How) -> Result<(), CliError> {
    let loaded = select::chosen(common, ids, only)?;
    // Told before the hours of work, not after.
    let (results, figures) = (&common.results, common.figures());
    std::fs::create_dir_all(results).map_err(|source| RunnerError::Results { path: results.clone(), source })?;
    std::fs::create_dir_all(&figures).map_err(|source| CliError::Io { path: figures.clone(), source })?;
    let (tally, skipped, device) = walk(common, &loaded, how)?;
    // A report may be being written by another call; no write takes an hour.
    let own = results.join("own");
    let inside =
        ["tables", "timing", "records", "own/tables", "own/timing", "own/figures"].map(|name| results.join(name));
    for folder in [&figures, results, &own].into_iter().chain(&inside) {
        sweep(folder, Duration::from_secs(3600)).map_err(|source| CliError::Io { path: folder.clone(), source })?;
    }
    if tally.interrupted > 0 || how.shard.is_some() || !how.only_where.is_empty() {
        // Who stops the program wants it back at once; the next call writes the report. A part of the runs gives no
        // report.
        tell(common, &tally, &skipped, &Summary::default());
        return finish(tally, &skipped);
    }
    // The report covers all experiments, also those that ran before.
    // Own experiments leave the report on the papers as it is, and the papers' experiments that on one's own.
    let concerned: Vec<bool> = Subject::of(common, ids, only)?.iter().map(|subject| subject.published).collect();
    let mut subjects = Subject::of(common, &[], None)?;
    subjects.retain(|subject| concerned.contains(&subject.published));
    let summary = write(common, &subjects, how.profile.into(), Some(device))?;
    tell(common, &tally, &skipped, &summary);
    finish(tally, &skipped)
}

fn walk(common: &Common, loaded: &[Loaded], how: &How) -> Result<(Tally, Vec<Skipped>, &'static str), CliError> {
    let gpu = gpu(how.device)?;
    let device = gpu.as_ref().map_or("cpu", |gpu| gpu.device);
    let data = data_folder(common.data.as_deref());
    if let Some(named) = common.data.as_deref().filter(|d| !d.is_dir()) {
        return Err(CliError::Usage(format!("--data {}: no such folder", named.display())));
    }
    let (mut runs, skipped): (Vec<Run>, _) = plan(loaded, how.profile.into(), device, data.as_deref(), STUDIES);
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

/// From now on Ctrl-C sets what is returned.
pub fn stop_on_signal() -> &'static AtomicBool {
    // A second handler is refused, which matters only where a test calls this twice in one process.
    let _ = ctrlc::set_handler(stop);
    &STOP
}

/// The first Ctrl-C asks every run to stop where it can be taken up again; the second does not wait. Files are written
/// whole or not at all, so that costs at most the work since the last checkpoint.
fn stop() {
    if STOP.swap(true, Ordering::Relaxed) {
        std::process::exit(130);
    }
    warn("anode: stopping at the next safe point; once more to stop at once");
}

fn tell(common: &Common, tally: &Tally, skipped: &[Skipped], summary: &Summary) {
    if common.json {
        let skipped_lines = skipped.iter().map(|s| (format!("{} {}", s.experiment, s.label), s.why.clone()));
        print_json(&Ran {
            finished: tally.finished,
            diverged: tally.diverged,
            before: tally.before,
            interrupted: tally.interrupted,
            failed: tally.failed.clone(),
            skipped: skipped_lines.collect(),
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

fn finish(tally: Tally, skipped: &[Skipped]) -> Result<(), CliError> {
    if tally.interrupted > 0 {
        return Err(CliError::Interrupted(tally.interrupted));
    }
    if tally.failed.is_empty() && skipped.is_empty() {
        return Ok(());
    }
    Err(CliError::Incomplete { failed: tally.failed, missing: select::missing(skipped) })
}
