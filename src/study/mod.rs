//! The kinds of computation a run can be: one file a study, one line in [`STUDIES`].
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
mod training;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::definition::settings::Settings;
use crate::record::Outcome;

pub use coupled_gradient::CoupledGradient;
pub use device::{AnyDevice, CPU};
pub use estimate::{Estimate, estimate};
pub use evaluate::{Evaluated, Seeded, Trained, write_images};
pub use extend::Earlier;
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
    /// Its name in definitions.
    fn kind(&self) -> StudyKind;

    /// What a run with these settings needs: bytes of memory, multiply-adds, evaluations.
    ///
    /// # Errors
    /// Settings that are not those of the study.
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

    /// The settings of a run with every choice made that depends on what is present, before the run's id is computed.
    fn synchronize(&self, _: &Place, settings: Settings) -> Result<Settings, StudyError> {
        Ok(settings)
    }

    /// Computes one run. Called again with the same folder after an interruption.
    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError>;

    /// Where it computes if `asked` is asked for: there (see [`AnyDevice`]), or on the CPU.
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

/// Where a run finds its files.
#[derive(Clone, Debug)]
pub struct Place {
    /// Folder of the definition; paths in settings are relative to it.
    pub definition: PathBuf,
    /// Folder of real data sets, where there is one.
    pub data: Option<PathBuf>,
}

/// What a run is given.
pub struct Context<'a> {
    /// Its settings.
    pub settings: &'a Settings,
    /// Master seed; every use takes a stream of its own.
    pub seed: u64,
    /// Where files are found.
    pub place: &'a Place,
    /// Where it is computed: `cpu`, or the name of what computes on a GPU.
    pub device: &'a str,
    /// The GPU and its libraries in words, where there is one: what was computed on another cannot be gone on with.
    pub accelerator: Option<&'a str>,
    /// The run's own folder: checkpoints and `steps.csv` go there.
    pub folder: &'a Path,
    /// Set when the run should stop at the next safe point.
    pub stop: &'a AtomicBool,
    /// Tells how far the run is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

impl Context<'_> {
    /// The name under which the run's checkpoints are saved. The folder's name is the run's id, so the checkpoint of
    /// another run is never resumed; nor is that of another GPU or another version of its libraries, which would give
    /// other bits.
    pub fn fingerprint(&self) -> String {
        self.fingerprint_of(&self.folder.file_name().unwrap_or_default().to_string_lossy())
    }

    /// As [`Self::fingerprint`], for another run on the same device.
    pub fn fingerprint_of(&self, run: &str) -> String {
        std::iter::once(run).chain(self.accelerator.iter().flat_map(|words| [" on ", words])).collect()
    }

    /// `Err(Interrupted)` once a stop was asked for; to be called where work can be taken up again.
    pub fn check_stop(&self) -> Result<(), StudyError> {
        if self.stop.load(Ordering::Relaxed) { Err(StudyError::Interrupted) } else { Ok(()) }
    }
}

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// What is seen now, in a few words: `epoch 3/8, loss 0.41`.
    pub message: String,
}

/// How a run ended, with what it found.
#[derive(Clone, Debug)]
pub enum Ending {
    /// With all its numbers.
    Finished(Outcome),
    /// Training left the finite: a result.
    Diverged {
        /// What was found up to there.
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
pub enum StudyError {
    /// A stop was asked for; the run can be taken up again.
    #[error("interrupted")]
    Interrupted,
    /// The computation failed: recorded, and the next run goes on.
    #[error("{at}: {why}")]
    Failed {
        /// Where in the run.
        at: String,
        /// Why, and what to do.
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
