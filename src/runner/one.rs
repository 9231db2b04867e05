//! One run: from its folder as it is found to its record.

use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use crate::plan::{Run, numerics};
use crate::record::{
    Environment, FORMAT, IMAGES, MODEL, Outcome, ROWS, RUN, Record, RecordError, STEPS, Status, UNFINISHED, Unfinished,
    adopt, environment, folders, inflight, read_checked, remove_inflight, restore, sweep, write_record,
};
use crate::study::{CPU, Context, Earlier, Ending, Progress, Study, StudyError, covers, estimate, takes_same_steps};

use super::earlier::earlier;
use super::{Options, RunnerError};

/// The state of a run after a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    /// The run has a record, written now or by an earlier call.
    Recorded {
        /// How the run ended.
        status: Status,
        /// Whether the record existed before this call.
        before: bool,
    },
    /// A stop was requested. The run can be resumed.
    Interrupted,
}

/// The record of `run`; `None` if it has none.
///
/// # Errors
/// It is damaged, or not of this run.
pub fn recorded(run: &Run, results: &Path) -> Result<Option<Record>, RecordError> {
    recorded_in(run, &run.folder(results))
}

fn recorded_in(run: &Run, folder: &Path) -> Result<Option<Record>, RecordError> {
    let found = read_checked(folder)?;
    match &found {
        Some(record)
            if record.run != run.id
                || record.study != run.study
                || record.settings != *run.settings
                || record.seed != run.seed
                || record.inputs != run.inputs =>
        {
            Err(RecordError::Damaged { path: folder.join(RUN), why: "it is the record of another run".into() })
        }
        _ => Ok(found),
    }
}

/// Takes over the record of the same run under another experiment of the profile, where there is a sound one.
fn taken_over(run: &Run, results: &Path) -> Result<Option<Status>, RecordError> {
    let target = run.folder(results);
    let profile = results.join("runs").join(run.profile.name());
    let Ok(experiments) = folders(&profile) else { return Ok(None) };
    let folders: Vec<_> = experiments.iter().map(|experiment| profile.join(experiment).join(&run.id)).collect();
    for source in folders.iter().filter(|folder| **folder != target) {
        if std::fs::symlink_metadata(source).is_ok_and(|found| !found.is_dir()) {
            continue;
        }
        // A damaged one is the other experiment's to tell.
        let Ok(Some(record)) = recorded_in(run, source) else { continue };
        if !record.status.is_failure() {
            adopt(source, &record, &target, &run.experiment)?;
            return Ok(Some(record.status));
        }
    }
    Ok(None)
}

/// Runs `run` unless it has a sound record of an ended run. A damaged record is moved aside and the run done again.
pub fn one(
    run: &Run,
    study: &dyn Study,
    options: &Options,
    stop: &AtomicBool,
    progress: &(dyn Fn(Progress) + Sync),
    warn: &dyn Fn(&str),
) -> Result<Came, RunnerError> {
    let folder = run.folder(&options.results);
    let io = |source| RunnerError::Results { path: folder.clone(), source };
    // What is written there would land elsewhere.
    for path in folder.ancestors().take(2) {
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
            let source = std::io::Error::other("a symbolic link; put the folder itself here, or remove the link");
            return Err(RunnerError::Results { path: path.to_owned(), source });
        }
    }
    restore(&folder)?;
    match recorded(run, &options.results) {
        Ok(Some(record)) if !record.status.is_failure() => {
            return Ok(Came::Recorded { status: record.status, before: true });
        }
        // Its digests would no longer hold while the run is tried again.
        Ok(Some(_)) => std::fs::remove_file(folder.join(RUN)).map_err(io)?,
        Ok(None) => {}
        // A record that cannot be read now may be sound. One with a file that is missing or too large is damaged.
        Err(RecordError::Io { path, source })
            if !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge) =>
        {
            return Err(RunnerError::Results { path, source });
        }
        // Its results may have taken days.
        Err(newer @ RecordError::Newer { .. }) => return Err(newer.into()),
        Err(damage) => set_aside(&folder, &damage, warn)?,
    }
    std::fs::create_dir_all(&folder).map_err(io)?;
    sweep(&folder, Duration::ZERO).map_err(io)?;
    // `status` shows a run as being computed if its folder changed since this process began. Without a log nothing
    // else may change for long. Not every system lets a folder's time be set, and nothing depends on it.
    let _ = File::open(&folder).and_then(|opened| opened.set_modified(SystemTime::now()));
    // Files of an earlier record would become part of the new one. A log may belong to an unfinished run.
    let log = (!study.continues()).then_some(STEPS);
    for name in [ROWS, IMAGES, MODEL].into_iter().chain(log) {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => return Err(RunnerError::Results { path, source }),
            _ => {}
        }
    }
    match taken_over(run, &options.results) {
        Ok(Some(status)) => {
            tidy(study, &folder, false)?;
            return Ok(Came::Recorded { status, before: true });
        }
        Ok(None) => {}
        Err(RecordError::Io { path, source }) => return Err(RunnerError::Results { path, source }),
        Err(damage) => warn(&damage.to_string()),
    }

    let clock = Instant::now();
    let accelerator = options.accelerator.as_deref().filter(|_| run.device != CPU);
    let context = Context {
        settings: &run.settings,
        seed: run.seed,
        place: &run.place,
        device: &run.device,
        accelerator,
        folder: &folder,
        stop,
        progress,
    };
    let continued = begin(run, study, &context, &options.results, warn)?;
    let (status, outcome) = match guarded(study, &context) {
        Ok(Ending::Finished(outcome)) => (Status::Finished, outcome),
        Ok(Ending::Diverged { outcome, step, loss, gradient_norm, cause }) => {
            let (loss, gradient_norm) = (loss.to_string(), gradient_norm.to_string());
            (Status::Diverged { step, loss, gradient_norm, cause }, outcome)
        }
        Err(StudyError::Interrupted) => return Ok(Came::Interrupted),
        Err(StudyError::Failed { at, why }) => (Status::Failed { at, why }, Outcome::default()),
        Err(StudyError::Io { path, source }) => return Err(RunnerError::Results { path, source }),
    };
    let record = Record {
        format: FORMAT,
        run: run.id.clone(),
        experiment: run.experiment.clone(),
        profile: run.profile,
        study: run.study,
        numerics: numerics(run.study, &run.settings),
        settings: run.settings.json().clone(),
        seed: run.seed,
        inputs: run.inputs.clone(),
        status: status.clone(),
        continued,
        // One origin says no more than the environment.
        origins: if outcome.origins.len() > 1 { outcome.origins.clone() } else { vec![] },
        environment: Environment {
            accelerator: accelerator.map(str::to_owned),
            ..environment(&run.device, options.threads, outcome.earlier_seconds + clock.elapsed().as_secs_f64())
        },
        files: Default::default(),
        model: None,
    };
    write_record(&folder, &record, &outcome)?;
    if !status.is_failure() {
        tidy(study, &folder, status == Status::Finished)?;
        remove_handed_over(run, study, &options.results, &record)?;
    }
    Ok(Came::Recorded { status, before: false })
}

/// Removes what was handed over of a run that is now recorded, and of the run that it continued, if each step of that
/// one is also a step of this one.
fn remove_handed_over(run: &Run, study: &dyn Study, results: &Path, record: &Record) -> Result<(), RunnerError> {
    remove_inflight(&inflight(results, &run.experiment, &run.id))?;
    let Some(id) = &record.continued else { return Ok(()) };
    let other = inflight(results, &run.experiment, id);
    let is_covered = |found: &Earlier| found.folder == other && covers(&run.settings, &found.settings);
    // The run is recorded, whatever is wrong with other folders.
    if earlier(run, study, results, &|_| {}).is_ok_and(|found| found.iter().any(is_covered)) {
        remove_inflight(&other)?;
    }
    Ok(())
}

/// Computes a run that fits this machine. A study that panics has failed.
pub(super) fn guarded(study: &dyn Study, context: &Context<'_>) -> Result<Ending, StudyError> {
    let computed = || {
        estimate::fits(study.kind(), context.settings, context.device)?;
        study.run(context)
    };
    catch_unwind(AssertUnwindSafe(computed)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(StudyError::failed("study", format!("it panicked: {}", text.unwrap_or("no message"))))
    })
}

/// Continues another run if there is one with a usable state, and writes the header of the unfinished run. Returns the
/// id of the run that is continued, now or since an earlier call.
fn begin(
    run: &Run,
    study: &dyn Study,
    context: &Context<'_>,
    results: &Path,
    warn: &dyn Fn(&str),
) -> Result<Option<String>, RunnerError> {
    // A run that cannot fit fails when it is computed; nothing may be allocated for it before.
    if !study.continues() || estimate::fits(study.kind(), context.settings, context.device).is_err() {
        return Ok(None);
    }
    let header = |continued: Option<String>| Unfinished {
        format: FORMAT,
        run: run.id.clone(),
        experiment: run.experiment.clone(),
        profile: run.profile,
        study: run.study,
        settings: run.settings.json().clone(),
        seed: run.seed,
        inputs: run.inputs.clone(),
        device: run.device.clone(),
        continued,
    };
    let others = earlier(run, study, results, warn)?;
    // `continued` is not part of the id, so it is checked on its own.
    let credible = |id: &String| {
        let known = others.iter().find(|other| other.run == *id);
        known.is_none_or(|other| takes_same_steps(&run.settings, &other.settings))
    };
    let before = |folder: &Path, id: &str| {
        let header = Unfinished::read(folder).ok().flatten().filter(|header| header.run == id);
        header.and_then(|header| header.continued).filter(credible)
    };
    if let Err(why @ RecordError::Damaged { .. }) = Unfinished::read(context.folder) {
        warn(&format!("{why}; the record will not name a run that this one continued"));
    }
    let mut continued = before(context.folder, &run.id);
    let mut chosen = |earlier: &Earlier| {
        // A copy of this very run is no other run; it may have continued one.
        continued = if earlier.run == run.id { before(&earlier.folder, &run.id) } else { Some(earlier.run.clone()) };
        header(continued.clone()).write(context.folder).map_err(|error| match error {
            RecordError::Io { path, source } => StudyError::Io { path, source },
            damaged => StudyError::failed(UNFINISHED, damaged),
        })
    };
    match study.extend(context, &others, &mut chosen, warn) {
        Err(StudyError::Io { path, source }) => return Err(RunnerError::Results { path, source }),
        // Whatever the run had continued, it starts from scratch.
        Ok(false) => continued = None,
        // Unusable settings or inputs: the run itself reports them.
        Err(_) | Ok(true) => {}
    }
    header(continued.clone()).write(context.folder)?;
    Ok(continued)
}

/// Removes what the run needed only while it was unfinished.
fn tidy(study: &dyn Study, folder: &Path, keep: bool) -> Result<(), RunnerError> {
    Unfinished::remove(folder)?;
    match study.tidy(folder, keep) {
        Err(StudyError::Io { path, source }) => Err(RunnerError::Results { path, source }),
        _ => Ok(()),
    }
}

/// Moves a damaged run folder to `<id>.damaged-N`, so that nothing is lost.
fn set_aside(folder: &Path, damage: &RecordError, warn: &dyn Fn(&str)) -> Result<(), RunnerError> {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let free = (1..).map(|n| folder.with_file_name(format!("{name}.damaged-{n}"))).find(|p| !p.exists());
    let Some(to) = free else { return Ok(()) };
    warn(&format!("{damage}; kept as {} and run again", to.display()));
    std::fs::rename(folder, &to).map_err(|source| RunnerError::Results { path: folder.to_owned(), source })
}
