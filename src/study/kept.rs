//! The trained network that a finished run leaves.

use std::collections::BTreeMap;

use crate::definition::settings::TrainingSettings;
use crate::record::{MODEL, Row, cell, write_atomically};
use crate::train::{Model, Trainer};

use super::training::log_error;
use super::{Context, StudyError};

/// Writes the trained network into the run's folder, with what is needed to evaluate it again; `row` is the run's
/// result.
pub(super) fn keep(
    context: &Context<'_>,
    settings: &TrainingSettings,
    trainer: &Trainer,
    row: &Row,
) -> Result<(), StudyError> {
    let setting = |name: &str| context.settings.get(name).map(cell).unwrap_or_default();
    let found = |name: &str| row.get(name).map(cell).unwrap_or_default();
    let steps =
        if settings.steps.is_some() { setting("steps") } else { format!("tolerances {}", setting("tolerances")) };
    let norm = if settings.norm_per_step { "one per step" } else { "shared by all steps" };
    let settings = serde_json::to_string(context.settings.json()).map_err(|e| StudyError::failed("model", e))?;
    let metadata = [
        ("net", setting("net")),
        ("form", setting("form")),
        ("solver", setting("solver")),
        ("steps", steps),
        ("norm", norm.to_owned()),
        ("method", setting("method")),
        ("data", found("data")),
        ("loss", found("test_loss")),
        ("accuracy", found("test_accuracy")),
        ("run", context.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()),
        ("seed", context.seed.to_string()),
        ("settings", settings),
    ];
    let metadata: BTreeMap<String, String> = metadata.map(|(name, value)| (name.to_owned(), value)).into();
    let bytes = Model::encode(trainer.network(), &trainer.theta(), &trainer.statistics(), metadata);
    trainer.sound().map_err(|e| StudyError::failed("parameters", e))?;
    let bytes = bytes.map_err(|why| StudyError::failed("model", why))?;
    write_atomically(&context.folder.join(MODEL), &bytes).map_err(log_error)
}
