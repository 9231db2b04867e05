//! Evaluating a trained network again: a kept model, or the checkpoint of a run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value};

use crate::data::{DataSet, IMAGE_LEN};
use crate::definition::StudyKind;
use crate::definition::settings::Settings;
use crate::definition::settings::TrainingSettings;
use crate::files;
use crate::kernels::Cpu;
use crate::net::{EvaluationMode, Network, Reversal};
use crate::record::write_atomically;
use crate::train::{Model, RECALIBRATION_IMAGES, Saved, Trainer, recalibration_images};

use super::images::load;
use super::network::{Chosen, network};
use super::parts::{parsed, typed};
use super::training::trainer;
use super::{CPU, Context, Place, StudyError, estimate, tensor_file};

/// Largest file that is read, in bytes.
const MOST: u64 = 1 << 30;
/// Longest evaluation, in hours.
const MOST_HOURS: f64 = 12.0;
/// Images of an evaluation: the test images and those from which statistics are estimated again, of each at most
/// [`RECALIBRATION_IMAGES`].
const IMAGES: usize = 2 * RECALIBRATION_IMAGES;
/// Test images on which ODE blocks are reversed.
pub const REVERSED_IMAGES: usize = 250;
/// A step of training takes at least this many times as long as a forward sweep.
const SWEEPS: f64 = 3.0;

/// A trained network as it was found in a file.
pub enum Trained {
    /// A kept model, with the settings of its run in its metadata.
    Model(Model),
    /// The checkpoint of a run, whose settings stand elsewhere.
    Checkpoint(Saved),
}

/// The settings of a run, and its seed.
pub type Seeded = (Map<String, Value>, u64);

/// Loss and accuracy of an evaluation, with its images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluated {
    /// Mean cross-entropy on the test images.
    pub loss: f64,
    /// Fraction of the test images that are classified correctly, 0 to 1.
    pub accuracy: f64,
    /// Number of test images.
    pub images: usize,
    /// Mean of each channel that normalised them, in [0, 1].
    pub mean: [f64; 3],
    /// Standard deviation of each channel, likewise.
    pub deviation: [f64; 3],
}

impl Trained {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is too large, or is neither a model nor a checkpoint.
    pub fn read(path: &Path) -> Result<Self, StudyError> {
        let failed = |why: String| StudyError::failed(path.display().to_string(), why);
        let bytes =
            files::open(path).and_then(|file| tensor_file::read(file, MOST)).map_err(|e| failed(e.to_string()))?;
        if let Some(saved) = Saved::decode(&bytes).map_err(failed)? {
            return Ok(Self::Checkpoint(saved));
        }
        let model = Model::decode(&bytes).map_err(failed)?;
        Ok(Self::Model(model))
    }

    /// Id of the run that trained the network; empty if the file does not contain it.
    pub fn run(&self) -> &str {
        match self {
            Self::Model(model) => model.metadata.get("run").map_or("", String::as_str),
            Self::Checkpoint(saved) => saved.run(),
        }
    }

    /// Settings and seed of the run, if the file contains them.
    ///
    /// # Errors
    /// They are there and cannot be read.
    pub fn settings(&self) -> Result<Option<Seeded>, StudyError> {
        let Self::Model(model) = self else { return Ok(None) };
        let text = |name: &str| model.metadata.get(name).map_or("", String::as_str);
        let failed = |name: &str| {
            let why = format!("`{name}` is missing or is not that of a run; allowed: a model that this program wrote");
            StudyError::failed("metadata", why)
        };
        let settings = serde_json::from_str(text("settings")).map_err(|_| failed("settings"))?;
        let seed = text("seed").parse().map_err(|_| failed("seed"))?;
        Ok(Some((settings, seed)))
    }

    /// Loss and accuracy that the run recorded, if the file contains them.
    pub fn recorded(&self) -> Option<(f64, f64)> {
        let Self::Model(model) = self else { return None };
        let number = |name: &str| model.metadata.get(name)?.parse().ok();
        Some((number("loss")?, number("accuracy")?))
    }

    /// Evaluates it on the test images that `settings` name, with a choice of batch norm's statistics.
    ///
    /// # Errors
    /// The images are missing, the file belongs to another network, or the solver has no such statistics.
    pub fn evaluate(
        &self,
        place: &Place,
        settings: &Map<String, Value>,
        seed: u64,
        mode: EvaluationMode,
    ) -> Result<Evaluated, StudyError> {
        let (trainer, data) = self.trainer(place, settings, seed)?;
        let (loss, accuracy) = trainer.evaluate_in(mode).map_err(|e| StudyError::failed("evaluation", e))?;
        let (images, mean, deviation) = (data.test.len(), data.mean, data.deviation);
        Ok(Evaluated { loss, accuracy, images, mean, deviation })
    }

    /// Reverses every ODE block with constant weights on the first [`REVERSED_IMAGES`] test images as one batch. Batch
    /// norm normalises with the batch, as in training.
    ///
    /// # Errors
    /// The images are missing, the file belongs to another network, or a forward solve fails.
    pub fn reversals(
        &self,
        place: &Place,
        settings: &Map<String, Value>,
        seed: u64,
    ) -> Result<Vec<Reversal<f32>>, StudyError> {
        let (trainer, _) = self.trainer(place, settings, seed)?;
        trainer.reversals(REVERSED_IMAGES).map_err(|e| StudyError::failed("reversal", e))
    }

    /// A trainer with the state of the file, and its images.
    fn trainer(
        &self,
        place: &Place,
        settings: &Map<String, Value>,
        seed: u64,
    ) -> Result<(Trainer, Arc<DataSet>), StudyError> {
        let settings = &sound(settings)?;
        let chosen: &TrainingSettings = typed(settings)?;
        let data = load(place, chosen)?;
        let context = Context {
            settings,
            seed,
            place,
            device: CPU,
            accelerator: None,
            folder: Path::new(""),
            stop: &AtomicBool::new(false),
            progress: &|_| {},
        };
        let failed = |why: String| StudyError::failed("evaluate", why);
        // Before the arrays of training are allocated, whose sizes come from the file.
        self.fits(&network(&Chosen::from(chosen), data.classes)?.0).map_err(failed)?;
        let mut trainer = trainer(&Cpu, &context, chosen, data.clone())?;
        self.load(&mut trainer).map_err(failed)?;
        Ok((trainer, data))
    }

    /// Whether it has the numbers that a network needs.
    fn fits(&self, network: &Network) -> Result<(), String> {
        match self {
            Self::Model(model) => model.numbers(network).map(|_| ()),
            Self::Checkpoint(saved) if !saved.fits(network) => Err("the file belongs to another network".into()),
            Self::Checkpoint(_) => Ok(()),
        }
    }

    fn load(&self, trainer: &mut Trainer) -> Result<(), String> {
        match self {
            Self::Model(model) => {
                let (theta, statistics) = model.numbers(trainer.network())?;
                trainer.set_state(&theta, &statistics).map_err(|e| e.to_string())
            }
            Self::Checkpoint(saved) => saved.load(trainer),
        }
    }
}

/// Refuses settings that no definition may have, and a network that does not fit this machine: a model may come from
/// anywhere.
fn sound(settings: &Map<String, Value>) -> Result<Settings, StudyError> {
    let settings = parsed(StudyKind::Training, settings)?;
    // Evaluation takes less than training: no gradient, and no batch of the run.
    let mut least = settings.json().clone();
    least.extend(["batch", "epochs"].map(|name| (name.to_owned(), Value::from(1))));
    estimate::fits(StudyKind::Training, &parsed(StudyKind::Training, &least)?, CPU)?;
    least.insert("train_images".into(), IMAGES.into());
    let epoch = estimate::estimate(StudyKind::Training, &parsed(StudyKind::Training, &least)?)?.multiply_adds;
    let hours = epoch / SWEEPS / estimate::multiply_adds_per_second() / 3600.0;
    if hours > MOST_HOURS {
        let why = format!("takes about {hours:.0} hours on this machine; allowed: at most {MOST_HOURS}");
        return Err(StudyError::failed("evaluate", why));
    }
    Ok(settings)
}

/// Writes the decoded images that `settings` name into `folder`, in the binary layout of CIFAR-10 (a label, then the
/// bytes of the image): `test.bin`, and `train.bin` with those training images from which `mode` estimates statistics
/// again.
///
/// # Errors
/// The images are missing, or the folder cannot be written.
pub fn write_images(
    place: &Place,
    settings: &Map<String, Value>,
    mode: EvaluationMode,
    folder: &Path,
) -> Result<(), StudyError> {
    let settings = parsed(StudyKind::Training, settings)?;
    let data = load(place, typed(&settings)?)?;
    let write =
        |name: &str, bytes: Vec<u8>| write_atomically(&folder.join(name), &bytes).map_err(super::training::log_error);
    let test = data.test.labels.iter().zip(data.test.pixels.chunks_exact(IMAGE_LEN));
    write("test.bin", test.flat_map(|(label, pixels)| std::iter::once(label).chain(pixels)).copied().collect())?;
    let channel = IMAGE_LEN / 3;
    let byte = |(i, x): (usize, f32)| {
        let c = i / channel;
        (255.0 * (f64::from(x) * data.deviation[c] + data.mean[c])).round() as u8
    };
    let mut train = vec![];
    for (images, labels) in recalibration_images(&data, mode) {
        for (label, image) in labels.into_iter().zip(images.chunks_exact(IMAGE_LEN)) {
            train.push(label);
            train.extend(image.iter().copied().enumerate().map(byte));
        }
    }
    write("train.bin", train)
}
