//! What several studies need: typed settings, and the names of definitions turned into the things they name.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::data;
use crate::definition::settings;
use crate::digest::sha256;
use crate::evolution;
use crate::kernels;
use crate::ode::{self, ButcherTableau};

use super::{Place, StudyError};

/// The settings of a run in the type of its study.
pub fn typed<S: DeserializeOwned>(settings: &Map<String, Value>) -> Result<S, StudyError> {
    serde_json::from_value(Value::Object(settings.clone())).map_err(|e| StudyError::failed("settings", e))
}

/// The solver of this name.
pub fn solver(name: &settings::SolverName) -> Result<&'static ButcherTableau, StudyError> {
    ode::solver(name.as_str()).ok_or_else(|| StudyError::failed("settings", format!("no solver `{}`", name.as_str())))
}

/// The controller that measures the local error in this norm.
pub fn controller(norm: settings::ErrorNorm) -> ode::Controller {
    match norm {
        settings::ErrorNorm::Matlab => ode::Controller::Matlab,
        settings::ErrorNorm::Torchdiffeq => ode::Controller::Torchdiffeq,
        settings::ErrorNorm::Scipy => ode::Controller::Scipy,
        settings::ErrorNorm::ProportionalIntegral => ode::Controller::ProportionalIntegral,
    }
}

/// The activation of this name.
pub fn activation(name: settings::Activation) -> kernels::Activation {
    match name {
        settings::Activation::None => kernels::Activation::None,
        settings::Activation::Relu => kernels::Activation::Relu,
        settings::Activation::LeakyRelu => kernels::Activation::LeakyRelu,
        settings::Activation::Softplus => kernels::Activation::Softplus,
        settings::Activation::Tanh => kernels::Activation::Tanh,
    }
}

/// The law of a weight evolution, centred, with d as its unknown says.
pub fn law(
    terms: settings::Terms,
    sigma: settings::Sigma,
    border: settings::Border,
    diffusion: evolution::Diffusion,
) -> evolution::Law {
    let terms = match terms {
        settings::Terms::Constant => evolution::Terms::Constant,
        settings::Terms::Reaction => evolution::Terms::Reaction,
        settings::Terms::Diffusion => evolution::Terms::Diffusion,
        settings::Terms::Advection => evolution::Terms::Advection,
        settings::Terms::Rda => evolution::Terms::Rda,
    };
    let sigma = match sigma {
        settings::Sigma::Identity => evolution::Sigma::Identity,
        settings::Sigma::Tanh => evolution::Sigma::Tanh,
        settings::Sigma::Sigmoid => evolution::Sigma::Sigmoid,
        settings::Sigma::Relu => evolution::Sigma::Relu,
        settings::Sigma::Softplus => evolution::Sigma::Softplus,
    };
    let border = match border {
        settings::Border::Periodic => evolution::Border::Periodic,
        settings::Border::NoFlux => evolution::Border::NoFlux,
    };
    evolution::Law { terms, sigma, centred: true, diffusion, border }
}

/// The kernel K of theta(t).
pub fn memory(memory: settings::Memory) -> evolution::Memory {
    let past = |history| match history {
        settings::History::Rest => evolution::History::Rest,
        settings::History::Zero => evolution::History::Zero,
    };
    let (kernel, history) = match memory {
        settings::Memory::None => return evolution::Memory::NONE,
        settings::Memory::Exponential { rate, history } => (evolution::Kernel::Exponential { rate }, history),
        settings::Memory::Box { width, history } => (evolution::Kernel::Box { width }, history),
    };
    evolution::Memory { kernel, history: past(history) }
}

/// How weights and activations are stepped, in `steps` steps of z.
pub fn configuration(of: settings::Configuration, steps: usize) -> evolution::Configuration {
    let first = |weight_steps: usize, reading| evolution::Configuration::First {
        steps,
        weight_steps: steps.saturating_mul(weight_steps),
        reading,
    };
    match of {
        settings::Configuration::Together => evolution::Configuration::Together { steps },
        settings::Configuration::Matching { weight_steps } => first(weight_steps, evolution::Reading::Matching),
        settings::Configuration::Final { weight_steps } => first(weight_steps, evolution::Reading::Final),
    }
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
