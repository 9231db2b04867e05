//! `anode evaluate`: loss and accuracy of a kept model or of a checkpoint.

use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::data::data_folder;
use crate::definition::Profile;
use crate::net::{EvaluationMode, Reversal};
use crate::ode::reversal_error;
use crate::paths::as_text;
use crate::plan::plan;
use crate::record::{RUN, UNFINISHED, Unfinished, number, read_header, write_atomically};
use crate::report::{ReportError, ReversedBlock, reversal_svg};
use crate::study::{CPU, Place, REVERSED_IMAGES, STUDIES, Seeded, StudyError, Trained, write_images};

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};
use super::select;

/// Which network.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// A model (results/models/*.safetensors, model.safetensors of a run's folder) or the checkpoint of a run
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Batch norm's statistics: running, test-batch (those of each test batch: a diagnostic), recalibrated (estimated
    /// again from training images) or per-evaluation (the same for each step and stage of an ODE block);
    /// recalibrated-augmented and per-evaluation-augmented estimate them from images cropped and mirrored at random, as
    /// in training
    #[arg(long, value_name = "MODE", default_value_t = EvaluationMode::Running)]
    pub statistics: EvaluationMode,
    /// Write the decoded images to this folder, in the binary layout of CIFAR-10: test.bin, and train.bin for
    /// statistics
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Reverse each ODE block on the first 250 test images, print its relative round-trip error, and draw what comes
    /// back of the first image as an SVG file
    #[arg(long, value_name = "FILE")]
    pub reversal: Option<PathBuf>,
}

/// Loss and accuracy of a trained network. Non-finite numbers are the texts `NaN`, `inf` and `-inf`.
#[derive(Serialize, JsonSchema)]
pub struct Evaluated {
    /// The file of the network.
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    /// Id of the run that trained it.
    run: String,
    /// Statistics of batch norm: `running`, `test-batch`, `recalibrated`, `per-evaluation`, `recalibrated-augmented` or
    /// `per-evaluation-augmented`.
    statistics: String,
    /// Mean loss on the test images.
    loss: Value,
    /// Share of the test images classified correctly.
    accuracy: Value,
    /// Number of test images.
    images: usize,
    /// Mean of each channel by which images are normalised.
    mean: Vec<f64>,
    /// Standard deviation of each channel by which images are normalised.
    deviation: Vec<f64>,
    /// Loss and accuracy that the file states, with running statistics.
    recorded: Option<Recorded>,
    /// Relative round-trip error of each ODE block with constant weights on the first 250 test images, if it was asked
    /// for.
    #[serde(skip_serializing_if = "Option::is_none")]
    reversal: Option<Vec<Value>>,
}

document!(Evaluated, "evaluate", 1);

/// Loss and accuracy at the end of training.
#[derive(Serialize, JsonSchema)]
pub struct Recorded {
    /// Mean loss on the test images.
    loss: Value,
    /// Share of the test images classified correctly.
    accuracy: Value,
}

/// `anode evaluate FILE`
///
/// # Errors
/// The file is neither a model nor a checkpoint, its settings are not found, or its images are missing.
pub fn evaluate(common: &Common, arguments: &EvaluateArguments) -> Result<(), CliError> {
    let file = &arguments.file;
    let fault = |error: StudyError| CliError::Usage(format!("{}: {error}", file.display()));
    let trained = Trained::read(file).map_err(|error| CliError::Usage(error.to_string()))?;
    let data = data_folder(common.data.as_deref());
    let (settings, seed) = match trained.settings().map_err(fault)? {
        Some(found) => found,
        None => match beside(file, trained.run()) {
            Some(found) => found,
            None => planned(common, trained.run(), data.as_deref())?,
        },
    };
    let place = Place { definition: common.experiments.clone(), data };
    let found = trained.evaluate(&place, &settings, seed, arguments.statistics).map_err(fault)?;
    if let Some(folder) = &arguments.images {
        let written = write_images(&place, &settings, arguments.statistics, folder);
        written.map_err(|error| match error {
            StudyError::Io { path, source } => CliError::Io { path, source },
            other => fault(other),
        })?;
    }
    let recorded = trained.recorded();
    let setting = |name: &str| settings.get(name).map(crate::record::cell).unwrap_or_default();
    let network = format!("{}, {}, {}", setting("net"), setting("method"), setting("data"));
    let mut reversal = None;
    if let Some(path) = &arguments.reversal {
        let found = trained.reversals(&place, &settings, seed).map_err(fault)?;
        if found.is_empty() {
            return Err(CliError::Usage(format!(
                "{}: the network has no ODE block with constant weights to reverse",
                file.display()
            )));
        }
        let steps = settings.get("steps").and_then(Value::as_u64).map_or(String::new(), |n| format!(", Nt = {n}"));
        let solver = setting("solver");
        let title =
            format!("Reversed ODE blocks of a trained network: {network}, {solver}{steps} (run {})", trained.run());
        let block = |r| {
            let Reversal { shape, start, back, .. }: &Reversal<f32> = r;
            ReversedBlock { shape: *shape, start, back: back.as_deref() }
        };
        let blocks: Vec<ReversedBlock> = found.iter().map(block).collect();
        write_atomically(path, reversal_svg(title, &blocks)?.as_bytes()).map_err(ReportError::from)?;
        let error = |r: &Reversal<f32>| r.back.as_ref().map_or(f64::INFINITY, |back| reversal_error(&r.start, back));
        reversal = Some(found.iter().map(error).collect::<Vec<f64>>());
    }
    if common.json {
        let stated = |(loss, accuracy)| Recorded { loss: number(loss), accuracy: number(accuracy) };
        print_json(&Evaluated {
            file: file.clone(),
            run: trained.run().to_owned(),
            statistics: arguments.statistics.name().to_owned(),
            loss: number(found.loss),
            accuracy: number(found.accuracy),
            images: found.images,
            mean: found.mean.to_vec(),
            deviation: found.deviation.to_vec(),
            recorded: recorded.map(stated),
            reversal: reversal.map(|errors| errors.into_iter().map(number).collect()),
        });
        return Ok(());
    }
    print(&format!("run {}: {network}, seed {seed}", trained.run()));
    print(&format!(
        "test loss {}, test accuracy {} ({} images, {} statistics)",
        found.loss, found.accuracy, found.images, arguments.statistics
    ));
    if let Some((loss, accuracy)) = recorded {
        print(&format!("recorded: test loss {loss}, test accuracy {accuracy} (running statistics)"));
    }
    for (block, rho) in reversal.iter().flatten().enumerate() {
        print(&format!(
            "ODE block {}: relative round-trip error {rho} ({} images, statistics of the batch)",
            block + 1,
            REVERSED_IMAGES.min(found.images)
        ));
    }
    Ok(())
}

/// The settings and seed of a run, from the header or the record in the folder of its checkpoint.
fn beside(file: &Path, run: &str) -> Option<Seeded> {
    let folder = file.parent()?;
    if let Ok(Some(header)) = Unfinished::read(folder)
        && header.run == run
        && header.own_id() == run
    {
        return Some((header.settings, header.seed));
    }
    let record = read_header(folder).filter(|record| record.run == run)?;
    Some((record.settings, record.seed))
}

/// The settings and seed of a run, from the definition whose plan has its id.
fn planned(common: &Common, run: &str, data: Option<&Path>) -> Result<Seeded, CliError> {
    let loaded = select::all(common)?;
    for profile in Profile::ALL {
        let (runs, _) = plan(&loaded, profile, CPU, data, STUDIES);
        if let Some(run) = runs.into_iter().find(|planned| planned.id == run) {
            return Ok((run.settings.json().clone(), run.seed));
        }
    }
    Err(CliError::Usage(format!(
        "the settings of run {run} are unknown: there is no {UNFINISHED} or {RUN} of it beside the checkpoint, and no \
        definition in {} plans it; name the folder of its definition with --experiments",
        common.experiments.display()
    )))
}
