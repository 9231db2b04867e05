//! What a run needs, estimated from its settings before it starts: bytes of memory, multiply-adds, evaluations.
//!
//! Estimates count the large arrays and leave out constants. They are close to what a gradient's ledger counts, and
//! good to about a factor of two for the memory of the process. All arithmetic is in `f64`, so that no size overflows.

pub(super) mod fields;
mod machine;
pub(super) mod networks;
mod solve;

use crate::definition::settings::Settings;
use crate::definition::{DefinitionError, Loaded, StudyKind};
use crate::record::LOG_STEPS;

use super::parts::typed;
use super::{CPU, StudyError, study};

pub use machine::{in_words, memory_of_this_machine, multiply_adds_per_second};

/// Most multiply-adds of a run: about 30 years at 10^11 per second.
pub const MOST_MULTIPLY_ADDS: f64 = 1e20;
/// Most evaluations of vector fields in a run: about a month at 30 ns each.
pub const MOST_EVALUATIONS: f64 = 1e14;
/// Most bytes that any machine could address.
pub const MOST_BYTES: f64 = (1u64 << 63) as f64;

/// Memory and work of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Bytes that are alive at once, at the peak.
    pub bytes: f64,
    /// Multiply-adds of the whole run.
    pub multiply_adds: f64,
    /// Evaluations of vector fields in the whole run, vector-Jacobian products included.
    pub evaluations: f64,
}

/// Estimates a run from its settings. An adaptive solve counts as `solve::ADAPTIVE` steps, that of a network's ODE
/// block as `solve::adaptive_steps`; files that settings name count as nothing.
///
/// # Errors
/// Settings that are not those of the study.
pub fn estimate(kind: StudyKind, settings: &Settings) -> Result<Estimate, StudyError> {
    study(kind)?.estimate(settings)
}

/// Bytes that a run leaves on disk; 0 for settings of another study.
pub fn disk(kind: StudyKind, settings: &Settings) -> f64 {
    study(kind).map_or(0.0, |study| study.disk(settings))
}

/// Bytes of `run.json`, a table of a few dozen rows, and small images.
pub const TABLE: f64 = 20e3;

impl Estimate {
    /// Why no machine can make such a run.
    pub fn impossible(&self) -> Option<String> {
        let Self { bytes, multiply_adds, evaluations } = *self;
        if bytes >= MOST_BYTES {
            return Some(format!("needs {}, more than any machine can address", in_words(bytes)));
        }
        if multiply_adds > MOST_MULTIPLY_ADDS {
            return Some(format!("takes {multiply_adds:.1e} multiply-adds; allowed: at most {MOST_MULTIPLY_ADDS:.0e}"));
        }
        if evaluations > MOST_EVALUATIONS {
            return Some(format!("takes {evaluations:.1e} evaluations; allowed: at most {MOST_EVALUATIONS:.0e}"));
        }
        None
    }
}

/// Refuses a run that this machine cannot make. The memory of a GPU is left to its driver.
///
/// # Errors
/// The run needs more memory than the machine has, or more work than any run may have.
pub fn fits(study: StudyKind, settings: &Settings, device: &str) -> Result<(), StudyError> {
    // The study itself refuses settings of another study.
    let Ok(needed) = estimate(study, settings) else { return Ok(()) };
    if let Some(why) = needed.impossible().or_else(|| too_long(settings)) {
        return Err(StudyError::failed("estimate", why));
    }
    match memory_of_this_machine().filter(|_| device == CPU) {
        Some(here) if needed.bytes > here => {
            let why = format!("needs {}, this machine has {}", in_words(needed.bytes), in_words(here));
            Err(StudyError::failed("memory", why))
        }
        _ => Ok(()),
    }
}

/// The fault of a training run whose log would have more steps than the program reads. `None` for other studies.
fn too_long(settings: &Settings) -> Option<String> {
    let steps = networks::steps(typed(settings).ok()?);
    let why = || format!("takes {steps:.1e} steps of training; allowed: at most {LOG_STEPS}, by fewer epochs");
    (steps > LOG_STEPS as f64).then(why)
}

/// Faults that are listed for a definition.
const LISTED: usize = 50;

/// The points of a definition whose runs no machine can make.
pub fn impossible(Loaded { file, definition }: &Loaded) -> Vec<DefinitionError> {
    let mut faults = vec![];
    for resolved in definition.profiles.keys().filter_map(|profile| definition.resolve(*profile)) {
        for point in resolved.points() {
            let settings = Settings::parse(definition.study, &point.settings);
            let Ok(settings) = settings else { continue };
            let needed = estimate(definition.study, &settings).ok();
            let why = needed.and_then(|needed| needed.impossible()).or_else(|| too_long(&settings));
            let Some(why) = why else { continue };
            let fault = DefinitionError::new(file, &point.grid, &why);
            if !faults.contains(&fault) {
                faults.push(fault);
            }
            if faults.len() == LISTED {
                return faults;
            }
        }
    }
    faults
}
