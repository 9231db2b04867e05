//! Training: a network with one gradient method, every step logged, checkpointed, divergence recorded (ANODE,
//! section 8).

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::data::DataSet;
use crate::definition::StudyKind;
use crate::definition::settings::{DataChoice, RateSchedule, Settings, TrainingSettings};
use crate::digest::sha256;
use crate::gradient::Cost;
use crate::kernels::{Cpu, Device};
use crate::net::Network;
use crate::record::{Outcome, RecordError, STEPS, StepLog, TIMES, number, origins, origins_text, row};
use crate::train::{self, CheckpointError, PastSteps, Rate, Recipe, StepError, TrainError, Trainer, TrainingDevice};

use super::epoch_end::EpochEnd;
use super::images::{first_present, identity, load};
use super::kept::keep;
use super::network::{Chosen, network};
use super::parts::{faults_in_words, typed};
use super::{
    AnyDevice, Context, Earlier, Ending, Estimate, Place, Progress, Study, StudyError, device, estimate, extend,
};

/// Columns of `steps.csv`, before those of the coefficients of evolving weights.
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

/// Columns of the measurements of the gradient's quality: the reverse-time gradient against the exact one, and the
/// reversibility error of the blocks.
const QUALITY: &[&str] = &["gradient_error", "gradient_cosine", "reversal_error"];

/// Columns of adaptive steps: steps that the blocks accepted and rejected in the forward sweep, the steps that
/// they accepted and rejected in an adaptive backward sweep, and evaluations and vjps of f in both.
const ADAPTIVE: &[&str] = &["solver_steps", "rejected_steps", "back_steps", "back_rejected", "evaluations", "vjps"];

/// The training study.
pub struct Training;

impl Study for Training {
    fn kind(&self) -> StudyKind {
        StudyKind::Training
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        estimate::networks::training(typed(settings)?)
    }

    /// Log, checkpoint and network besides the table.
    fn disk(&self, settings: &Settings) -> f64 {
        let more = typed(settings).and_then(estimate::networks::disk);
        more.map_or(0.0, |more| estimate::TABLE + more)
    }

    fn inputs(&self, place: &Place, settings: &Settings) -> Result<Map<String, Value>, StudyError> {
        let settings: &TrainingSettings = typed(settings)?;
        let data = identity(place, settings)?;
        Ok(Map::from_iter([(data.name, Value::String(data.digest))]))
    }

    fn resolve_settings(&self, place: &Place, settings: Settings) -> Result<Settings, StudyError> {
        let named: &TrainingSettings = typed(&settings)?;
        let first = first_present(place.data.as_deref(), named.data.sets())?;
        let DataChoice::First(sets) = &named.data else { return Ok(settings) };
        let data = DataChoice::One(sets[first].clone());
        Settings::new(TrainingSettings { data, ..named.clone() })
            .map_err(|faults| StudyError::failed("settings", faults_in_words(&faults)))
    }

    fn input_settings(&self, settings: &Settings) -> Value {
        ["data", "train_images", "test_images", "held_out"].iter().map(|name| settings.get(*name).cloned()).collect()
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        device::compute(self, context)
    }

    fn continues(&self) -> bool {
        true
    }

    fn relatives(&self, settings: &Settings) -> Box<dyn Iterator<Item = Map<String, Value>>> {
        Box::new(extend::relatives(settings))
    }

    fn extend(
        &self,
        context: &Context<'_>,
        earlier: &[Earlier],
        chosen: &mut dyn FnMut(&Earlier) -> Result<(), StudyError>,
        warn: &dyn Fn(&str),
    ) -> Result<bool, StudyError> {
        extend::extend(context, earlier, chosen, warn)
    }

    fn tidy(&self, folder: &Path, keep: bool) -> Result<(), StudyError> {
        if keep { train::keep_newest(folder) } else { train::remove(folder) }.map_err(checkpoint)
    }
}

impl AnyDevice for Training {
    fn compute<D: TrainingDevice>(&self, device: &D, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: &TrainingSettings = typed(context.settings)?;
        let data = load(context.place, settings)?;
        let name = data.name.clone();
        let trainer = trainer(device, context, settings, data)?;
        go(context, settings, trainer, &name)
    }
}

/// A fresh start of the run that `context` describes.
pub(super) fn trainer<D: TrainingDevice>(
    device: &D,
    context: &Context<'_>,
    settings: &TrainingSettings,
    data: Arc<DataSet>,
) -> Result<Trainer, StudyError> {
    let (mut network, solve) = network(&Chosen::from(settings), data.classes)?;
    if settings.replay_updates_statistics {
        network.update_in_replay();
    }
    if settings.reverse_updates_statistics {
        network.update_in_reverse();
    }
    let recipe = Recipe {
        solve,
        epochs: settings.epochs,
        batch: settings.batch,
        learning_rate: settings.learning_rate,
        rate: rate(settings),
        momentum: settings.momentum,
        weight_decay: settings.weight_decay,
        momentum_restart: settings.momentum_restart,
        augment: settings.augment,
        random_error: settings.random_error,
        seed: context.seed,
    };
    // The CPU's own sweeps are fused.
    let on_cpu = D::NAME == Cpu::NAME;
    let trainer =
        if on_cpu { Trainer::new(network, data, recipe) } else { Trainer::on(device.clone(), network, data, recipe) };
    trainer.map_err(|e| StudyError::failed("start", e))
}

/// How the learning rate of a run moves.
pub(super) fn rate(settings: &TrainingSettings) -> Rate {
    match settings.schedule {
        None => Rate::Drops(settings.drops.clone()),
        Some(RateSchedule::Cosine) => Rate::Cosine,
        Some(RateSchedule::OneCycle) => Rate::OneCycle,
    }
}

/// The columns of `steps.csv`; `coefficients` are those of evolving weights.
pub(super) fn columns(settings: &TrainingSettings, network: &Network, coefficients: &[(String, f64)]) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut columns = owned(COLUMNS);
    columns.extend(EpochEnd::new(settings, network).columns());
    if settings.quality_every.is_some() {
        columns.extend(owned(QUALITY));
    }
    if settings.tolerances.is_some() {
        columns.extend(owned(ADAPTIVE));
    }
    columns.extend(coefficients.iter().map(|(name, _)| name.clone()));
    columns
}

pub(super) fn checkpoint(error: CheckpointError) -> StudyError {
    match error {
        CheckpointError::Io { path, source } => StudyError::Io { path, source },
        other => StudyError::failed("checkpoint", other),
    }
}

pub(super) fn log_error(error: RecordError) -> StudyError {
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
    let fingerprint = context.fingerprint();
    let epoch_end = EpochEnd::new(settings, trainer.network());
    let unread = |error: TrainError| StudyError::failed("the coefficients of the network", error);
    let columns = columns(settings, trainer.network(), &trainer.coefficients().map_err(unread)?);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let usable = |step, digest: Option<&str>| StepLog::holds(context.folder, &columns, step, digest);
    let before = train::resume(&mut trainer, context.folder, &fingerprint, usable).unwrap_or_default();
    let clock = Instant::now();
    let origins = origins(before.origins.as_deref(), trainer.next_step(), &context.environment());
    let mut log = StepLog::open(context.folder, STEPS, &columns, trainer.next_step()).map_err(log_error)?;
    let mut times =
        StepLog::open(context.folder, TIMES, &["step", "seconds"], trainer.next_step()).map_err(log_error)?;
    let save = |trainer: &Trainer, log: &mut StepLog| {
        log.sync().map_err(log_error)?;
        let seconds = before.seconds + clock.elapsed().as_secs_f64();
        let past = PastSteps { seconds, log: Some(log.digest()), origins: Some(origins_text(&origins)) };
        train::save(trainer, context.folder, &fingerprint, &past).map_err(checkpoint)
    };

    let mut divergence = None;
    while trainer.next_step() < trainer.total_steps() {
        if context.check_stop().is_err() {
            save(&trainer, &mut log)?;
            return Err(StudyError::Interrupted);
        }
        let measured = match settings.quality_every {
            Some(every) if trainer.next_step().is_multiple_of(every as u64) => trainer.quality().map(Some),
            _ => Ok(None),
        };
        let quality = match measured {
            Ok(quality) => quality,
            // The step that follows meets the same overflow, and tells it as a divergence.
            Err(TrainError::Step(StepError::Forward(e))) if e.is_divergence() => None,
            Err(error) => {
                return Err(StudyError::failed(format!("gradient's quality, step {}", trainer.next_step()), error));
            }
        };
        let begun = Instant::now();
        let metrics = match trainer.step() {
            Ok(metrics) => metrics,
            Err(TrainError::Diverged { step, loss, gradient_norm, cause }) => {
                divergence = Some((step, loss, gradient_norm, cause));
                break;
            }
            Err(error) => return Err(StudyError::failed(format!("step {}", trainer.next_step()), error)),
        };
        let seconds = number(begun.elapsed().as_secs_f64());
        times.append(&row([("step", metrics.step.into()), ("seconds", seconds)])).map_err(log_error)?;
        let mut line = row([
            ("step", metrics.step.into()),
            ("epoch", metrics.epoch.into()),
            ("loss", number(metrics.loss)),
            ("accuracy", number(metrics.accuracy)),
            ("gradient_norm", number(metrics.gradient_norm)),
            ("learning_rate", number(metrics.learning_rate)),
            ("peak_bytes", metrics.cost.peak_bytes.into()),
        ]);
        if let Some(quality) = quality {
            let found = [quality.relative_error, quality.cosine, quality.reversal_error];
            line.extend(QUALITY.iter().zip(found).map(|(&name, value)| (name.to_owned(), number(value))));
        }
        line.extend(ADAPTIVE.iter().zip(counts(&metrics.cost)).map(|(&name, n)| (name.to_owned(), n.into())));
        let coefficients = trainer.coefficients().map_err(unread)?;
        line.extend(coefficients.into_iter().map(|(name, value)| (name, number(value))));
        if metrics.ends_epoch {
            line.extend(epoch_end.measure(&trainer, metrics.epoch)?);
        }
        log.append(&line).map_err(log_error)?;
        if trainer.next_step().is_multiple_of(settings.checkpoint_every as u64) {
            save(&trainer, &mut log)?;
        }
        (context.progress)(Progress {
            done: trainer.next_step(),
            total: trainer.total_steps(),
            message: format!(
                "epoch {}/{}, loss {:.3}, accuracy {:.3}",
                metrics.epoch + 1,
                settings.epochs,
                metrics.loss,
                metrics.accuracy
            ),
        });
    }
    // A longer run may continue from the last state.
    if divergence.is_none() {
        save(&trainer, &mut log)?
    } else {
        log.sync().map_err(log_error)?
    }
    let seconds = before.seconds + clock.elapsed().as_secs_f64();
    let outcome = summary(context, (&trainer, &epoch_end), data, divergence.is_some(), seconds)?;
    let outcome = Outcome { origins, earlier_seconds: before.seconds, ..outcome };
    // Networks of a search for a recipe are no results.
    if divergence.is_none() && settings.held_out.is_none() {
        outcome.rows.iter().try_for_each(|row| keep(context, settings, &trainer, row))?;
    }
    Ok(match divergence {
        None => Ending::Finished(outcome),
        Some((step, loss, gradient_norm, cause)) => Ending::Diverged { outcome, step, loss, gradient_norm, cause },
    })
}

/// The counts under [`ADAPTIVE`].
fn counts(cost: &Cost) -> [u64; 6] {
    let Cost { forward_steps, rejected_steps, reverse_steps, rejected_reverse_steps, .. } = *cost;
    [forward_steps, rejected_steps, reverse_steps, rejected_reverse_steps, cost.function_evaluations, cost.vjps]
}

/// The row of a run: the test accuracy at the end (or before the step that diverged), the best one, the means of the
/// last epoch, and a digest of the parameters by which two runs show that they agree to the last bit.
fn summary(
    context: &Context<'_>,
    (trainer, epoch_end): (&Trainer, &EpochEnd),
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
    trainer.sound().map_err(|e| StudyError::failed("parameters", e))?;
    let mut row = row([
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
    if context.settings.contains_key("tolerances") {
        let epochs = trainer.next_step() as f64 / trainer.steps_per_epoch() as f64;
        row.insert("epochs_taken".into(), number(epochs));
    }
    row.extend(epoch_end.at_the_end(trainer, &steps)?);
    for name in QUALITY.iter().chain(ADAPTIVE) {
        let found = cells(name);
        if !found.is_empty() {
            row.insert(format!("mean_{name}"), number(found.iter().sum::<f64>() / found.len() as f64));
        }
    }
    Ok(Outcome { rows: vec![row], ..Outcome::default() })
}
