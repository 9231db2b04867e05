//! What several studies need: typed settings, and the names of definitions turned into the things they name.

use std::path::Path;

use serde_json::{Map, Value};

use crate::data;
use crate::definition::StudyKind;
use crate::definition::settings::{self, Settings, StudySettings};
use crate::digest::sha256;
use crate::gradient::Method;
use crate::ode::{self, ButcherTableau};

use super::{Place, StudyError};

/// Returns the parsed settings of a run.
///
/// # Errors
/// They are those of another study.
pub fn typed<S: StudySettings>(settings: &Settings) -> Result<&S, StudyError> {
    settings.typed().ok_or_else(|| StudyError::failed("settings", "they are those of another study"))
}

/// Parses the settings of a run of `study` that come from outside a definition.
///
/// # Errors
/// No definition may have them.
pub fn parsed(study: StudyKind, settings: &Map<String, Value>) -> Result<Settings, StudyError> {
    Settings::parse(study, settings).map_err(|faults| StudyError::failed("settings", faults_in_words(&faults)))
}

/// Joins all faults in one line.
pub fn faults_in_words(faults: &[settings::Fault]) -> String {
    faults.iter().map(|(at, why)| format!("{at}: {why}")).collect::<Vec<_>>().join("; ")
}

/// The solver of this name.
pub fn solver(name: &settings::SolverName) -> Result<&'static ButcherTableau, StudyError> {
    ode::solver(name.as_str()).map_err(|error| StudyError::failed("settings", error))
}

/// The gradient method of this name.
pub fn method(name: &settings::MethodName) -> Result<Method, StudyError> {
    name.as_str().parse().map_err(|e| StudyError::failed("settings", e))
}

/// The numbers of a file that a definition names, which must have this shape: see [`data::Array::into_shape`].
pub fn shaped_array(place: &Place, file: &Path, shape: &[usize]) -> Result<Vec<f64>, StudyError> {
    named_array(place, file)?.into_shape(file, shape).map_err(|e| StudyError::failed("inputs", e))
}

/// The array of a file that a definition names.
pub fn named_array(place: &Place, file: &Path) -> Result<data::Array, StudyError> {
    data::read_array(&place.definition.join(file)).map_err(|e| StudyError::failed("inputs", e))
}

/// Digest of an array: of its shape and its numbers.
pub fn array_digest(array: &data::Array) -> Value {
    let numbers = array.numbers.iter().flat_map(|x| x.to_le_bytes());
    let bytes: Vec<u8> = array.shape.iter().flat_map(|n| n.to_le_bytes()).chain(numbers).collect();
    Value::String(sha256(&bytes))
}
