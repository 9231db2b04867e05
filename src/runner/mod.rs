//! Executes a plan: several runs concurrently, each in its own folder; each is recorded when it ends.
//!
//! Independent of reports and the command line.

mod budget;
mod earlier;
mod events;
mod forecast;
mod lock;
mod one;
mod progress;
mod remaining;
mod repeat;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::files;
use crate::plan::Run;
use crate::record::{RecordError, Status};
use crate::study::{CPU, Progress, Study, estimate::memory_of_this_machine};

use budget::MemoryBudget;
use events::Events;
pub use forecast::{Basis, Forecast, Measured, Total, duration};
pub use lock::{Lock, lock, lock_report, refuse_busy, writer};
pub use one::Came;
use progress::Display;
pub use repeat::{RepeatError, Repeated, SHOWN, repeat};

/// Why the execution of a plan stopped early. Records that were written are kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// The results folder cannot be read or written.
    #[error("{path}: {source}; results are kept as they were{}", files::remedy(.source))]
    Results {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process is writing the results folder.
    #[error("{results}: {process} is writing these results; wait for it, or name another folder with --results")]
    Busy {
        /// The results folder.
        results: PathBuf,
        /// Which process.
        process: String,
    },
    /// A record cannot be written or read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// How a plan is executed. No option affects results.
#[derive(Clone, Debug)]
pub struct Options {
    /// Results folder.
    pub results: PathBuf,
    /// Number of concurrent runs.
    pub jobs: usize,
    /// Threads of the process, for the records.
    pub threads: usize,
    /// Description of the GPU and its libraries, for runs that are not on the CPU.
    pub accelerator: Option<String>,
    /// Print no progress.
    pub quiet: bool,
    /// Write TensorBoard event files next to the logs of training steps.
    pub tensorboard: bool,
}

/// The numbers of runs of a plan that finished, diverged, failed or were stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Runs that finished now.
    pub finished: usize,
    /// Runs that diverged now: a result.
    pub diverged: usize,
    /// Runs that had a record before.
    pub before: usize,
    /// Runs that failed, with where and why.
    pub failed: Vec<(String, String)>,
    /// Runs that were stopped or not begun.
    pub interrupted: usize,
}

/// Executes `runs`. A failed run does not stop the others, but a results folder that cannot be written does.
///
/// # Errors
/// See [`RunnerError`].
pub fn run_all(
    runs: &[Run],
    studies: &[&dyn Study],
    options: &Options,
    stop: &AtomicBool,
) -> Result<Tally, RunnerError> {
    let _lock = lock(&options.results)?;
    let measured = Measured::read(&options.results, runs.iter().map(|run| run.experiment.as_str()));
    let forecasts: Vec<Forecast> = runs.iter().map(|run| measured.forecast(run)).collect();
    let display = Display::new(runs, &forecasts, options.jobs, options.quiet);
    let next = AtomicUsize::new(0);
    // How each run came out, in the order of the plan whatever the order in which they end.
    let ends: Vec<Mutex<Came>> = runs.iter().map(|_| Mutex::new(Came::Interrupted)).collect();
    let fatal = Mutex::new(None);
    let budget = MemoryBudget::new(memory_of_this_machine());
    let work = || {
        let take = || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            runs.get(number).zip(forecasts.get(number)).zip(ends.get(number))
        };
        while let Some(((run, forecast), end)) = take() {
            if stop.load(Ordering::Relaxed) || locked(&fatal).is_some() {
                break;
            }
            // The memory of a GPU is not that of the machine.
            let _part = budget.take(if run.device == CPU { forecast.bytes } else { 0.0 });
            match show(run, forecast, studies, options, stop, &display) {
                Ok(came) => *locked(end) = came,
                Err(error) => {
                    locked(&fatal).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        // Where the system refuses threads, those it gives, and this one, do the work.
        let others = options.jobs.clamp(1, runs.len().max(1)) - 1;
        for _ in 0..others {
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    display.finish();
    if let Some(error) = fatal.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut tally = Tally::default();
    for (run, end) in runs.iter().zip(ends) {
        count(&mut tally, run, end.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    Ok(tally)
}

fn show(
    run: &Run,
    forecast: &Forecast,
    studies: &[&dyn Study],
    options: &Options,
    stop: &AtomicBool,
    display: &Display,
) -> Result<Came, RunnerError> {
    let Some(study) = studies.iter().find(|s| s.kind() == run.study) else {
        let why = format!("no study `{:?}` is registered", run.study);
        let status = Status::Failed { at: "plan".into(), why };
        return Ok(Came::Recorded { status, before: false });
    };
    let name = format!("{} {}", run.experiment, run.label);
    let line = display.begin(&run.experiment, &name, forecast);
    let events = options.tensorboard.then(|| Events::new(&run.folder(&options.results)));
    let advance = |progress: Progress| {
        display.advance(&line, &progress);
        events.iter().for_each(Events::update_if_due);
    };
    let came = one::one(run, *study, options, stop, &advance, &|line| display.warn(line));
    // The record is complete without them.
    if let Some(Err(error)) = events.as_ref().map(Events::finish) {
        display.warn(&format!("no TensorBoard events of run {}: {error}", run.id));
    }
    let word = match &came {
        Ok(Came::Recorded { before: true, .. }) => "was done".to_owned(),
        Ok(Came::Recorded { status: Status::Finished, .. }) => "done".to_owned(),
        Ok(Came::Recorded { status: Status::Diverged { step, .. }, .. }) => format!("diverged at step {step}"),
        Ok(Came::Recorded { status: Status::Failed { at, why }, .. }) => format!("failed: {at}: {why}"),
        Ok(Came::Interrupted) => "stopped, can be resumed".to_owned(),
        Err(_) => "not recorded".to_owned(),
    };
    let failed = matches!(came, Ok(Came::Recorded { status: Status::Failed { .. }, .. }));
    let computed = matches!(came, Ok(Came::Recorded { before: false, .. })) && !failed;
    let counted = matches!(came, Ok(Came::Recorded { .. }));
    display.end(&line, &format!("{name}: {word}"), computed, counted);
    came
}

fn count(tally: &mut Tally, run: &Run, came: Came) {
    match came {
        Came::Recorded { before: true, .. } => tally.before += 1,
        Came::Recorded { status: Status::Finished, .. } => tally.finished += 1,
        Came::Recorded { status: Status::Diverged { .. }, .. } => tally.diverged += 1,
        Came::Recorded { status: Status::Failed { at, why }, .. } => {
            tally.failed.push((format!("{} {}", run.experiment, run.label), format!("{at}: {why}")));
        }
        Came::Interrupted => tally.interrupted += 1,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a run's record is there and sound.
pub fn is_recorded(run: &Run, results: &Path) -> bool {
    one::recorded(run, results).is_ok_and(|r| r.is_some_and(|r| !r.status.is_failure()))
}
