//! The one place that opens the device of a run: studies are written once, for any device.

#[cfg(feature = "cuda")]
use std::collections::BTreeMap;
#[cfg(feature = "cuda")]
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "cuda")]
use crate::kernels::ComputeError;
#[cfg(feature = "cuda")]
use crate::kernels::cuda::{Convolver, Gpu, Nvidia};
use crate::kernels::{Cpu, Device};
use crate::train::TrainingDevice;

use super::{Context, Ending, StudyError};

/// The processor as a device, in ids and records.
pub const CPU: &str = Cpu::NAME;

/// A study that computes on any device.
pub trait AnyDevice {
    /// Computes one run on `device`; what the context says of devices is not looked at.
    ///
    /// # Errors
    /// See [`StudyError`].
    fn compute<D: TrainingDevice>(&self, device: &D, context: &Context<'_>) -> Result<Ending, StudyError>;
}

/// Computes a run on the device that it asks for.
pub(super) fn compute(study: &impl AnyDevice, context: &Context<'_>) -> Result<Ending, StudyError> {
    if context.device == CPU { study.compute(&Cpu, context) } else { on_cuda(study, context) }
}

/// On the first NVIDIA GPU.
#[cfg(feature = "cuda")]
fn on_cuda(study: &impl AnyDevice, context: &Context<'_>) -> Result<Ending, StudyError> {
    // Opening a device takes longer than most runs; one that failed is not used again.
    static IDLE: Mutex<BTreeMap<String, Gpu<Nvidia>>> = Mutex::new(BTreeMap::new());
    let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(convolver) = Convolver::named(context.device) else {
        let known = Convolver::ALL.map(Convolver::name).join(", ");
        return Err(StudyError::failed(
            "device",
            format!("there is no device `{}`; use {CPU}, {known}", context.device),
        ));
    };
    let found = idle().remove(context.device);
    let opened = found.map_or_else(|| Gpu::nvidia(0, convolver), Ok);
    let gpu = opened.map_err(|e| StudyError::failed("device", e))?;
    let ended = study.compute(&gpu, context);
    match gpu.synchronize() {
        // An overflow that nobody asked for is not the next run's.
        Ok(()) | Err(ComputeError::Solve(_)) => drop(idle().insert(context.device.to_owned(), gpu)),
        // Numbers read from a device that failed are zeros.
        Err(ComputeError::Device(failure)) => {
            ended?;
            return Err(StudyError::failed("device", failure));
        }
    }
    ended
}

#[cfg(not(feature = "cuda"))]
fn on_cuda(_: &impl AnyDevice, _: &Context<'_>) -> Result<Ending, StudyError> {
    let why = "this program was built without the feature `cuda`; use --device cpu";
    Err(StudyError::failed("device", why))
}
