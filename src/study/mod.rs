//! The kinds of computation that a run can be: one file per study, and one line in [`STUDIES`].
//!
//! A study turns settings and a seed into rows. It knows nothing of the runner or the report: what it
//! needs of its surroundings is in [`Context`].

mod coupled_gradient;
mod device;
mod epoch_end;
pub mod estimate;
mod evaluate;
mod extend;
mod gradient_error;
mod images;
mod kept;
mod kernel_evolution;
mod known_digests;
mod memory;
mod network;
mod network_cost;
mod parts;
mod process_memory;
mod reversibility;
mod schedules;
mod tensor_file;
mod training;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::definition::settings::Settings;
use crate::record::{Environment, Outcome, environment};

pub use coupled_gradient::CoupledGradient;
pub use device::{AnyDevice, CPU};
pub use estimate::{Estimate, estimate};
pub use evaluate::{Evaluated, REVERSED_IMAGES, Seeded, Trained, write_images};
pub use extend::{Earlier, covers, newest_state, takes_same_steps};
pub use gradient_error::GradientError;
pub use memory::Memory;
pub(crate) use parts::faults_in_words;
pub use process_memory::{measure, this_is_the_program};
pub use reversibility::Reversibility;
pub use training::Training;

/// Every registered study.
pub static STUDIES: &[&dyn Study] = &[
    &Reversibility,
    &GradientError,
    &Memory,
    &schedules::Schedules,
    &kernel_evolution::KernelEvolution,
    &CoupledGradient,
    &network_cost::NetworkCost,
    &Training,
];

/// The registered study of this kind.
///
/// # Errors
/// None is registered.
pub fn study(kind: StudyKind) -> Result<&'static dyn Study, StudyError> {
    let found = STUDIES.iter().copied().find(|study| study.kind() == kind);
    found.ok_or_else(|| StudyError::failed("study", format!("{kind:?} is not registered in `STUDIES`")))
}

/// A kind of computation.
pub trait Study: Sync {
    /// The kind of study, as definitions name it.
    fn kind(&self) -> StudyKind;

    /// Estimates what a run with these settings needs: bytes of memory, multiply-adds, evaluations.
    ///
    /// # Errors
    /// The settings belong to another study.
    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError>;

    /// Bytes that a run with these settings leaves on disk.
    fn disk(&self, _settings: &Settings) -> f64 {
        estimate::TABLE
    }

    /// SHA-256 of every input that decides the numbers, by name: part of the run's id. Refuses settings whose
    /// inputs are missing or broken.
    fn inputs(&self, place: &Place, settings: &Settings) -> Result<Map<String, Value>, StudyError>;

    /// The part of the settings that decides what [`Study::inputs`] reads: settings that agree in it share one reading,
    /// since a plan of a thousand runs need not read its data a thousand times.
    fn input_settings(&self, settings: &Settings) -> Value {
        Value::Object(settings.json().clone())
    }

    /// Resolves every choice in the settings of a run that depends on which inputs are present, such as the first data
    /// set of a list that is found. Called before the run's id is computed.
    ///
    /// # Errors
    /// None of the inputs to choose from is present.
    fn resolve_settings(&self, _: &Place, settings: Settings) -> Result<Settings, StudyError> {
        Ok(settings)
    }

    /// Computes one run. Called again with the same folder after an interruption.
    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError>;

    /// The device that computes the study if device `asked` is requested: `asked` (see [`AnyDevice`]), or the CPU.
    fn device<'a>(&self, asked: &'a str) -> &'a str {
        asked
    }

    /// Whether an interrupted run continues from a saved state, and may continue another run's.
    fn continues(&self) -> bool {
        false
    }

    /// Settings of other runs that a run with `settings` might continue, most of which nobody has made: by their ids
    /// the folder of an unfinished run is recognised that holds no header.
    fn relatives(&self, _settings: &Settings) -> Box<dyn Iterator<Item = Map<String, Value>>> {
        Box::new(std::iter::empty())
    }

    /// Carries the furthest usable state among `earlier` over into the run's folder, if it is further than the run's
    /// own and every step up to it is bit-identical to this run's. Calls `chosen` before it writes, and `warn` about
    /// damaged files. Returns whether the folder then holds a usable state. Seed, inputs, device and numerics of the
    /// earlier runs are those of this run; their settings may be others.
    ///
    /// # Errors
    /// The run's own folder, settings or inputs are at fault; never an earlier run. Errors of `chosen` are passed on.
    fn extend(
        &self,
        _context: &Context<'_>,
        _earlier: &[Earlier],
        _chosen: &mut dyn FnMut(&Earlier) -> Result<(), StudyError>,
        _warn: &dyn Fn(&str),
    ) -> Result<bool, StudyError> {
        Ok(false)
    }

    /// Removes what a run needed only while it was unfinished; called once its record is written. With `keep` the state
    /// at the end stays, from which a longer run can continue.
    fn tidy(&self, _folder: &Path, _keep: bool) -> Result<(), StudyError> {
        Ok(())
    }
}

/// The folders in which a run finds its inputs.
#[derive(Clone, Debug)]
pub struct Place {
    /// Folder of the definition; paths in settings are relative to it.
    pub definition: PathBuf,
    /// Folder of real data sets, where there is one.
    pub data: Option<PathBuf>,
}

/// The inputs of a run, and its means to report progress and to stop.
pub struct Context<'a> {
    /// Settings of the run.
    pub settings: &'a Settings,
    /// Master seed, from which each use of random numbers derives a separate stream.
    pub seed: u64,
    /// The folders of the definition and of the data sets.
    pub place: &'a Place,
    /// The device: `cpu`, or the name of a GPU's implementation of convolutions, such as `cuda-own`.
    pub device: &'a str,
    /// Description of the GPU and its libraries, if there is one. A run is not resumed on another GPU.
    pub accelerator: Option<&'a str>,
    /// The run's own folder: checkpoints and `steps.csv` go there.
    pub folder: &'a Path,
    /// Set when the run should stop at the next safe point.
    pub stop: &'a AtomicBool,
    /// Reports the progress of the run.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

impl Context<'_> {
    /// The name under which the run's checkpoints are saved. The folder's name is the run's id, so the checkpoint of
    /// another run is never resumed; nor is that of another GPU or another version of its libraries, which would give
    /// other bits.
    pub fn fingerprint(&self) -> String {
        self.fingerprint_of(&self.folder.file_name().unwrap_or_default().to_string_lossy())
    }

    /// The [`Self::fingerprint`] of another run on the same device.
    pub fn fingerprint_of(&self, run: &str) -> String {
        std::iter::once(run).chain(self.accelerator.iter().flat_map(|words| [" on ", words])).collect()
    }

    /// The environment of this computation, at its start.
    pub fn environment(&self) -> Environment {
        let accelerator = self.accelerator.map(str::to_owned);
        Environment { accelerator, ..environment(self.device, rayon::current_num_threads(), 0.0) }
    }

    /// Returns [`StudyError::Interrupted`] after a stop was requested. Call it at points from which the run can resume.
    pub fn check_stop(&self) -> Result<(), StudyError> {
        if self.stop.load(Ordering::Relaxed) { Err(StudyError::Interrupted) } else { Ok(()) }
    }

    /// Begins the part of the run that takes `steps` steps, after `done` of `total` such parts.
    fn begin_steps(&self, steps: usize, done: usize, total: usize) -> Result<(), StudyError> {
        self.check_stop()?;
        (self.progress)(Progress { done: done as u64, total: total as u64, message: format!("Nt = {steps}") });
        Ok(())
    }
}

/// The progress of a run.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Completed units of work, such as steps.
    pub done: u64,
    /// Total units of work.
    pub total: u64,
    /// The state of the run in a few words: `epoch 3/8, loss 0.41`.
    pub message: String,
}

/// How a run ended, with its results.
#[derive(Clone, Debug)]
pub enum Ending {
    /// With all its numbers.
    Finished(Outcome),
    /// Training diverged, which is a result.
    Diverged {
        /// The results up to the divergence.
        outcome: Outcome,
        /// Step.
        step: u64,
        /// Loss at that step.
        loss: f64,
        /// Gradient norm at that step.
        gradient_norm: f64,
        /// The solve that failed, where that is the cause and steps are adaptive.
        cause: Option<String>,
    },
}

/// Why a run gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A stop was requested. The run can be resumed.
    #[error("interrupted")]
    Interrupted,
    /// The computation failed. The failure is recorded, and the next run starts.
    #[error("{at}: {why}")]
    Failed {
        /// The part of the run that failed.
        at: String,
        /// The cause, and how to remedy it.
        why: String,
    },
    /// The run's own files could not be read or written: not recorded, since the fault is not the run's.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl StudyError {
    /// A failure at a named place.
    pub fn failed(at: impl Into<String>, why: impl ToString) -> Self {
        Self::Failed { at: at.into(), why: why.to_string() }
    }
}
