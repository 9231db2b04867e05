//! `anode status`: what another process on the same results folder computes, and which runs were interrupted.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::definition::Profile;
use crate::paths::as_text;
use crate::record::{CHECKPOINTS, Ongoing, RUN, STEPS, UNFINISHED, Unfinished, read_header, run_folders};
use crate::report::{ReportError, short};
use crate::runner::{duration, writer};

use super::arguments::{Common, RESULTS};
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, print_table};

/// What a results folder holds besides records.
#[derive(Serialize, JsonSchema)]
pub struct Status {
    /// The results folder.
    #[serde(serialize_with = "as_text")]
    results: PathBuf,
    /// The process that writes it, such as `process 1234`, or `another process` if its number cannot be read; null if
    /// there is none.
    process: Option<String>,
    /// Seconds since that process began.
    since: Option<f64>,
    /// Records that were written since.
    recorded: usize,
    /// Runs without a record, and failed ones that are resumed.
    runs: Vec<Unrecorded>,
}

document!(Status, "status", 1);

/// A run without a record, or one that failed and left a checkpoint.
#[derive(Serialize, JsonSchema)]
pub struct Unrecorded {
    /// `computing`, `interrupted` or `failed`.
    pub state: &'static str,
    /// Id of the experiment.
    pub experiment: String,
    /// The profile.
    pub profile: Profile,
    /// Id of the run.
    pub run: String,
    /// Its folder.
    #[serde(serialize_with = "as_text")]
    pub folder: PathBuf,
    /// Epochs of a training.
    pub epochs: Option<u64>,
    /// How far a training is.
    pub progress: Option<Ongoing>,
    /// Seconds since its last checkpoint.
    pub checkpoint_age: Option<f64>,
    /// Seconds left, if the run goes on as it does.
    pub seconds_left: Option<f64>,
}

/// `anode status`
///
/// # Errors
/// See [`CliError`]; a results folder that is named and does not exist.
pub fn status(common: &Common) -> Result<(), CliError> {
    // A project without any results has no folder either.
    if common.results != Path::new(RESULTS) && !common.results.exists() {
        let why = "no such results folder; name one with --results";
        return Err(CliError::Usage(format!("{}: {why}", common.results.display())));
    }
    let writer = writer(&common.results)?;
    let begun = writer.as_ref().and_then(|_| modified(&common.results.join(".lock")));
    let status = Status {
        results: common.results.clone(),
        since: begun.and_then(age),
        recorded: begun.map_or(Ok(0), |begun| recorded_since(&common.results, begun))?,
        runs: unrecorded(&common.results, begun)?,
        process: writer,
    };
    if common.json {
        print_json(&status);
        return Ok(());
    }
    tell(&status);
    Ok(())
}

/// Runs without a record, and failed runs with a checkpoint, from which the next call continues. Runs whose files
/// changed since `begun` are being computed.
///
/// # Errors
/// A folder that cannot be read.
pub fn unrecorded(results: &Path, begun: Option<SystemTime>) -> Result<Vec<Unrecorded>, ReportError> {
    let mut found = vec![];
    for profile in Profile::ALL {
        for (experiment, run, folder) in run_folders(&results.join("runs").join(profile.name()))? {
            let recorded = folder.join(RUN).exists();
            if recorded && !is_resumed(&folder) {
                continue;
            }
            let computing = is_computed(&folder, begun);
            let header = Unfinished::read(&folder).ok().flatten();
            let epochs = header.and_then(|header| header.settings.get("epochs").and_then(Value::as_u64));
            let progress = Ongoing::read(&folder);
            found.push(Unrecorded {
                state: match (recorded, computing) {
                    (true, _) => "failed",
                    (false, true) => "computing",
                    (false, false) => "interrupted",
                },
                experiment,
                profile,
                run,
                epochs,
                checkpoint_age: CHECKPOINTS.iter().filter_map(|name| modified(&folder.join(name))).max().and_then(age),
                seconds_left: progress.zip(epochs).and_then(|(progress, epochs)| progress.seconds_left(epochs)),
                progress,
                folder,
            });
        }
    }
    Ok(found)
}

/// When the process began that writes a results folder; `None` if there is none.
pub fn writer_begun(results: &Path) -> Option<SystemTime> {
    writer(results).ok().flatten().and_then(|_| modified(&results.join(".lock")))
}

/// Whether the files in the folder of a run changed since `begun`.
pub fn is_computed(folder: &Path, begun: Option<SystemTime>) -> bool {
    let touched = [STEPS, UNFINISHED].iter().filter_map(|name| modified(&folder.join(name))).max();
    let touched = touched.or_else(|| modified(folder));
    // File systems round times: a file of the same second may be a little older than the lock.
    touched.zip(begun).is_some_and(|(t, b)| t + Duration::from_secs(1) >= b)
}

/// Whether the record of a run is that of a failure, and a checkpoint is next to it.
fn is_resumed(folder: &Path) -> bool {
    CHECKPOINTS.iter().any(|name| folder.join(name).is_file())
        && read_header(folder).is_some_and(|record| record.status.is_failure())
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::symlink_metadata(path).ok()?.modified().ok()
}

fn age(time: SystemTime) -> Option<f64> {
    SystemTime::now().duration_since(time).ok().map(|age| age.as_secs_f64())
}

fn recorded_since(results: &Path, begun: SystemTime) -> Result<usize, ReportError> {
    let mut count = 0;
    for profile in Profile::ALL {
        let folders = run_folders(&results.join("runs").join(profile.name()))?;
        let recent = |folder: &Path| modified(&folder.join(RUN)).is_some_and(|time| time >= begun);
        count += folders.iter().filter(|(_, _, folder)| recent(folder)).count();
    }
    Ok(count)
}

fn tell(status: &Status) {
    let results = status.results.display();
    match (&status.process, status.since) {
        (Some(process), since) => {
            let since = since.map(|s| format!(" since {}", duration(s))).unwrap_or_default();
            print(&format!("{results}: {process} is writing{since}; {} runs recorded by it", status.recorded));
        }
        (None, _) => print(&format!("{results}: no process is writing")),
    }
    if status.runs.is_empty() {
        return;
    }
    let line = |run: &Unrecorded| {
        let (epoch, step) = match (&run.progress, run.epochs) {
            (Some(p), Some(epochs)) => (format!("{}/{epochs}", p.epoch.saturating_add(1)), p.steps.to_string()),
            (Some(p), None) => (p.epoch.saturating_add(1).to_string(), p.steps.to_string()),
            (None, _) => ("-".into(), "-".into()),
        };
        let number = |x: Option<f64>| x.map_or_else(|| "-".into(), short);
        let time = |s: Option<f64>| s.map_or_else(|| "-".into(), duration);
        let of = |value: fn(&Ongoing) -> Option<f64>| number(run.progress.as_ref().and_then(value));
        vec![
            run.state.to_owned(),
            run.experiment.clone(),
            run.profile.name().to_owned(),
            run.run.clone(),
            epoch,
            step,
            of(|p| p.loss),
            of(|p| p.accuracy),
            of(|p| p.test_accuracy),
            time(run.checkpoint_age),
            time(run.seconds_left),
        ]
    };
    let head = [
        "state",
        "experiment",
        "profile",
        "run",
        "epoch",
        "steps",
        "loss",
        "accuracy",
        "test accuracy",
        "checkpoint age",
        "time left",
    ];
    print_table(&head, &status.runs.iter().map(line).collect::<Vec<_>>());
    if status.runs.iter().any(|run| run.state != "computing") {
        print("\nInterrupted and failed runs are resumed by the command that started them.");
    }
}
