//! Training: a network with one gradient method, every step logged, checkpointed, divergence recorded (ANODE,
//! section 8).

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::data;
use crate::definition::StudyKind;
use crate::definition::settings::{self, DataSet, TrainingSettings};
use crate::digest::sha256;
use crate::gradient::Method;
use crate::net::{self, Form, Network, Solve};
use crate::record::{Outcome, RecordError, StepLog, number, row};
use crate::train::{self, CheckpointError, Recipe, TrainError, Trainer};

use super::parts::{solver, typed};
use super::{Context, Ending, Place, Progress, Study, StudyError};

/// Columns of `steps.csv`.
const COLUMNS: &[&str] = &[
    "step",
    "epoch",
    "loss",
    "accuracy",
    "gradient_norm",
    "learning_rate",
    "peak_bytes",
    "test_loss",
    "test_accuracy",
];

/// The training study.
pub struct Training;

impl Study for Training {
    fn kind(&self) -> StudyKind {
        StudyKind::Training
    }

    fn inputs(&self, place: &Place, settings: &Map<String, Value>) -> Result<Map<String, Value>, StudyError> {
        let settings: TrainingSettings = typed(settings)?;
        let data = load(place, &settings)?;
        Ok(Map::from_iter([(data.name, Value::String(data.digest))]))
    }

    fn input_settings(&self, settings: &Map<String, Value>) -> Value {
        ["data", "train_images", "test_images"].iter().map(|name| settings.get(*name).cloned()).collect()
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: TrainingSettings = typed(context.settings)?;
        let data = load(context.place, &settings)?;
        let name = data.name.clone();
        let trainer = trainer(context, &settings, data)?;
        go(context, &settings, trainer, &name)
    }

    fn tidy(&self, folder: &Path) -> Result<(), StudyError> {
        train::remove(folder).map_err(checkpoint)
    }
}

fn load(place: &Place, settings: &TrainingSettings) -> Result<data::DataSet, StudyError> {
    let failed = |e: data::DataError| StudyError::failed("data", e);
    let folder = || {
        let missing = "no data folder; name one with --data or ANODE_DATA";
        place.data.as_deref().ok_or_else(|| StudyError::failed("data", missing))
    };
    let mut set = match &settings.data {
        DataSet::Synthetic => data::synthetic(),
        DataSet::Cifar10 => data::cifar10(&data::cifar10_folder(folder()?).map_err(failed)?).map_err(failed)?,
        DataSet::Cifar10Jpeg => {
            data::cifar10_jpeg(&data::cifar10_jpeg_path(folder()?).map_err(failed)?).map_err(failed)?
        }
        DataSet::CifarFolder(path) => data::cifar10(&folder()?.join(path)).map_err(failed)?,
    };
    if settings.data == DataSet::Cifar10 && set.name != "cifar10" {
        let why =
            format!("these files are `{}`, not CIFAR-10; name their folder as `cifar-folder` to use them", set.name);
        return Err(StudyError::failed("data", why));
    }
    set.train.truncate(settings.train_images.unwrap_or(usize::MAX).min(set.train.len()));
    set.test.truncate(settings.test_images.unwrap_or(usize::MAX).min(set.test.len()));
    Ok(set)
}

fn trainer(context: &Context<'_>, settings: &TrainingSettings, data: data::DataSet) -> Result<Trainer, StudyError> {
    let unknown = || StudyError::failed("settings", format!("no network `{}`", settings.net.as_str()));
    let registered = net::network(settings.net.as_str()).ok_or_else(unknown)?;
    let method: Method = settings.method.as_str().parse().map_err(|e| StudyError::failed("settings", e))?;
    let width = settings.width.unwrap_or(registered.width);
    let network = Network::new(&(registered.build)(form(settings.form), width, data.classes));
    let recipe = Recipe {
        solve: Solve { tableau: solver(&settings.solver)?, steps: settings.steps, method },
        epochs: settings.epochs,
        batch: settings.batch,
        learning_rate: settings.learning_rate,
        drops: settings.drops.clone(),
        momentum: settings.momentum,
        weight_decay: settings.weight_decay,
        momentum_restart: settings.momentum_restart,
        augment: settings.augment,
        seed: context.seed,
    };
    Trainer::new(network, Arc::new(data), recipe).map_err(|e| StudyError::failed("start", e))
}

fn form(form: settings::Form) -> Form {
    match form {
        settings::Form::Ode => Form::Ode,
        settings::Form::Baseline => Form::Baseline,
    }
}

fn checkpoint(error: CheckpointError) -> StudyError {
    match error {
        CheckpointError::Io { path, source } => StudyError::Io { path, source },
        other => StudyError::failed("checkpoint", other),
    }
}

fn log_error(error: RecordError) -> StudyError {
    match error {
        RecordError::Io { path, source } => StudyError::Io { path, source },
        other => StudyError::failed("steps.csv", other),
    }
}

fn go(
    context: &Context<'_>,
    settings: &TrainingSettings,
    mut trainer: Trainer,
    data: &str,
) -> Result<Ending, StudyError> {
    // The folder's name is the run's id, so a checkpoint of another run is never taken up.
    let fingerprint = context.folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let logged = StepLog::len(context.folder);
    let before =
        train::resume(&mut trainer, context.folder, &fingerprint, |step| step <= logged).map_err(checkpoint)?;
    let (clock, before) = (Instant::now(), before.unwrap_or(0.0));
    let mut log = StepLog::open(context.folder, COLUMNS, trainer.next_step()).map_err(log_error)?;
    let save = |trainer: &Trainer, log: &mut StepLog| {
        log.sync().map_err(log_error)?;
        let seconds = before + clock.elapsed().as_secs_f64();
        train::save(trainer, context.folder, &fingerprint, seconds).map_err(checkpoint)
    };

    let mut divergence = None;
    while trainer.next_step() < trainer.total_steps() {
        if context.check_stop().is_err() {
            save(&trainer, &mut log)?;
            return Err(StudyError::Interrupted);
        }
        let metrics = match trainer.step() {
            Ok(metrics) => metrics,
            Err(TrainError::Diverged { step, loss, gradient_norm }) => {
                divergence = Some((step, loss, gradient_norm));
                break;
            }
            Err(error) => return Err(StudyError::failed(format!("step {}", trainer.next_step()), error)),
        };
        let mut line = row([
            ("step", metrics.step.into()),
            ("epoch", metrics.epoch.into()),
            ("loss", number(metrics.loss)),
            ("accuracy", number(metrics.accuracy)),
            ("gradient_norm", number(metrics.gradient_norm)),
            ("learning_rate", number(metrics.learning_rate)),
            ("peak_bytes", metrics.cost.peak_bytes.into()),
        ]);
        if metrics.ends_epoch {
            let (loss, accuracy) = trainer.evaluate().map_err(|e| StudyError::failed("evaluation", e))?;
            line.insert("test_loss".into(), number(loss));
            line.insert("test_accuracy".into(), number(accuracy));
        }
        log.append(&line).map_err(log_error)?;
        if trainer.next_step().is_multiple_of(settings.checkpoint_every as u64) {
            save(&trainer, &mut log)?;
        }
        (context.progress)(Progress {
            done: trainer.next_step(),
            total: trainer.total_steps(),
            message: format!("epoch {}/{}, loss {:.3}", metrics.epoch + 1, settings.epochs, metrics.loss),
        });
    }
    log.sync().map_err(log_error)?;
    let seconds = before + clock.elapsed().as_secs_f64();
    let outcome = summary(context, &trainer, data, divergence.is_some(), seconds)?;
    Ok(match divergence {
        None => Ending::Finished(outcome),
        Some((step, loss, gradient_norm)) => Ending::Diverged { outcome, step, loss, gradient_norm },
    })
}

/// The row of a run: the test accuracy at the end (or before the step that diverged), the best one, the means of the
/// last epoch, and a digest of the parameters by which two runs show that they agree to the last bit.
fn summary(
    context: &Context<'_>,
    trainer: &Trainer,
    data: &str,
    diverged: bool,
    seconds: f64,
) -> Result<Outcome, StudyError> {
    let (test_loss, test_accuracy) = trainer.evaluate().map_err(|e| StudyError::failed("evaluation", e))?;
    let steps = StepLog::read(context.folder).map_err(log_error)?;
    let cells = |column: &str| steps.iter().filter_map(|r| r.get(column)?.as_f64()).collect::<Vec<f64>>();
    let best = cells("test_accuracy").into_iter().fold(test_accuracy, f64::max);
    let losses = cells("loss");
    let last = &losses[losses.len().saturating_sub(trainer.steps_per_epoch() as usize)..];
    let theta: Vec<u8> = trainer.theta().iter().flat_map(|x| x.to_le_bytes()).collect();
    let row = row([
        ("data", data.into()),
        ("steps_taken", trainer.next_step().into()),
        ("diverged", diverged.into()),
        ("train_loss", number(last.iter().sum::<f64>() / last.len().max(1) as f64)),
        ("test_loss", number(test_loss)),
        ("test_accuracy", number(test_accuracy)),
        ("best_test_accuracy", number(best)),
        ("peak_bytes", number(cells("peak_bytes").into_iter().fold(0.0, f64::max))),
        ("parameters_sha256", sha256(&theta).into()),
        ("seconds", number(seconds)),
    ]);
    Ok(Outcome { rows: vec![row], images: vec![] })
}
