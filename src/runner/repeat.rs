//! The first steps of a recorded run, taken again from its seed and settings, beside what the record holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Map, Value};

use crate::definition::settings::Settings;
use crate::files;
use crate::plan::{Run, run_id};
use crate::record::{Agreement, Environment, LoadedRecord, RecordError, Row, StepLog, canonical, environment};
use crate::study::{Context, Ending, Place, Progress, Study, StudyError, faults_in_words};

use super::forecast::Measured;
use super::one::guarded;
use super::progress::Display;

/// The comparison of a repeated run with its record.
pub struct Repeated {
    /// Agreement of the steps, if the study logs them.
    pub steps: Option<Agreement>,
    /// Agreement of the rows, if the run was repeated to its end.
    pub rows: Option<Agreement>,
    /// The archived value and the repeated one of the column that is shown, for each repeated step.
    pub shown: Vec<[Option<f64>; 2]>,
    /// The environment of the repetition.
    pub here: Environment,
    /// Whether processor and device are such that bit-identical results are expected.
    pub same_instructions: bool,
    /// Number of steps requested.
    asked: u64,
}

/// The column of a log of steps that is shown beside its differences.
pub const SHOWN: &str = "loss";

impl Repeated {
    fn tables(&self) -> impl Iterator<Item = &Agreement> {
        self.steps.iter().chain(&self.rows)
    }

    /// How many of the first steps were compared; `None` if all of the run was repeated.
    pub fn compared_steps(&self) -> Option<u64> {
        self.rows.is_none().then_some(self.asked)
    }

    /// Whether every cell that the record holds was found again, to the last bit.
    pub fn is_identical(&self) -> bool {
        self.tables().next().is_some() && self.tables().all(Agreement::is_identical)
    }

    /// Whether the record is reproduced: to the last bit where the same bits are to be expected, elsewhere within the
    /// tolerance.
    pub fn holds(&self) -> bool {
        let tolerable = || match (&self.steps, &self.rows) {
            (Some(steps), _) => steps.is_tolerable(),
            // Other studies compute in f64, or count; their rows have no common tolerance, and are shown.
            (None, rows) => rows.as_ref().is_some_and(|rows| rows.missing.is_empty()),
        };
        self.is_identical() || (!self.same_instructions && tolerable())
    }
}

/// Why a run was not repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepeatError {
    /// The record was made from other inputs, or under other numerics.
    #[error("{0}")]
    Other(String),
    /// The inputs are missing, or the run failed.
    #[error("it could not be computed: {0}")]
    Study(StudyError),
    /// The log of the repetition cannot be written or read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Takes the first `steps` steps of the run of `loaded` again, in a temporary folder, and compares them with those that
/// the record holds: an archive keeps a part of a long log. A study without a log of steps is repeated as a whole.
///
/// # Errors
/// See [`RepeatError`].
pub fn repeat(
    loaded: &LoadedRecord,
    place: &Place,
    study: &dyn Study,
    steps: u64,
    quiet: bool,
    stop: &AtomicBool,
) -> Result<Repeated, RepeatError> {
    let record = &loaded.record;
    // A record may come from anywhere: what a definition may not ask for is not run.
    let settings = Settings::parse(record.study, &record.settings).map_err(|faults| {
        RepeatError::Other(format!("no definition may have its settings: {}", faults_in_words(&faults)))
    })?;
    if *settings != record.settings {
        let why = "its settings lack some that this version fills in: repeat it with the program that made it";
        return Err(RepeatError::Other(why.into()));
    }
    let inputs = study.inputs(place, &settings).map_err(RepeatError::Study)?;
    if inputs != record.inputs {
        let json = |digests: &Map<String, Value>| canonical(&Value::Object(digests.clone()));
        let why = format!("its inputs had the digests {}; those here have {}", json(&record.inputs), json(&inputs));
        return Err(RepeatError::Other(why));
    }
    let id = run_id(record.study, &record.settings, record.seed, &inputs, &record.environment.device);
    if id != record.run {
        let why = format!(
            "run {} would be {id} under the numerics of this version: repeat it with the program of commit {}",
            record.run,
            record.environment.commit.as_deref().unwrap_or("unknown")
        );
        return Err(RepeatError::Other(why));
    }
    let io = |error| RecordError::Io { path: std::env::temp_dir(), source: files::without_path(error) };
    let folder = tempfile::tempdir().map_err(io)?;
    let run = Run {
        id,
        experiment: record.experiment.clone(),
        profile: record.profile,
        study: record.study,
        settings,
        seed: record.seed,
        inputs,
        device: record.environment.device.clone(),
        place: place.clone(),
        label: String::new(),
    };
    let logged = !loaded.steps.is_empty();
    // The study stops as it does for Ctrl-C, once it has taken its steps.
    let enough = AtomicBool::new(false);
    let forecast = Measured::default().forecast(&run);
    let display = Display::new(std::slice::from_ref(&run), std::slice::from_ref(&forecast), 1, quiet);
    let line = display.begin(&run.experiment, &format!("{} {}", run.experiment, run.id), &forecast);
    let progress = |at: Progress| {
        if stop.load(Ordering::Relaxed) || (logged && at.done >= steps) {
            enough.store(true, Ordering::Relaxed);
        }
        let total = if logged { at.total.min(steps) } else { at.total };
        display.advance(&line, &Progress { total, ..at });
    };
    let clock = Instant::now();
    let context = Context {
        settings: &run.settings,
        seed: run.seed,
        place,
        device: &run.device,
        accelerator: record.environment.accelerator.as_deref(),
        folder: folder.path(),
        stop: &enough,
        progress: &progress,
    };
    let gaps = record.continued.is_some();
    let ended = guarded(study, &context);
    display.finish();
    let rows = match ended {
        Ok(Ending::Finished(outcome) | Ending::Diverged { outcome, .. }) => {
            Some(Agreement::of(&loaded.rows, &outcome.rows, None, gaps))
        }
        Err(StudyError::Interrupted) if !stop.load(Ordering::Relaxed) => None,
        Err(error) => return Err(RepeatError::Study(error)),
    };
    let (mut found, mut shown) = (None, vec![]);
    if logged {
        let repeated = StepLog::read(folder.path())?;
        let number = |row: &Row| row.get("step").and_then(serde_json::Value::as_u64);
        let first: Vec<Row> =
            loaded.steps.iter().filter(|row| number(row).is_some_and(|s| s < steps)).cloned().collect();
        let value = |row: &Row| row.get(SHOWN).and_then(serde_json::Value::as_f64);
        for row in &first {
            let other = repeated.iter().find(|other| number(other) == number(row));
            shown.extend(other.map(|other| [value(row), value(other)]));
        }
        found = Some(Agreement::of(&first, &repeated, Some("step"), gaps));
    }
    let here = environment(&record.environment.device, rayon::current_num_threads(), clock.elapsed().as_secs_f64());
    let same_instructions = record.has_instructions_of(&here, rows.is_none().then_some(steps));
    Ok(Repeated { steps: found, rows, shown, here, same_instructions, asked: steps })
}
