//! The GPU: what it is, its memory, and every kernel against the CPU.

use crate::kernels::cuda::{Driver, Gpu};

use super::report::GpuDiagnosis;
use super::{Shapes, compare};

/// Tests the first NVIDIA GPU, or says why there is none to test.
#[cfg(feature = "cuda")]
pub(super) fn diagnose(shapes: &Shapes) -> Result<GpuDiagnosis, String> {
    let gpu = Gpu::nvidia(0).map_err(|e| e.to_string())?;
    diagnose_device(&gpu, shapes, crate::kernels::cuda::load_libraries().err().map(|e| e.to_string()))
}

/// Says why there is none to test.
#[cfg(not(feature = "cuda"))]
pub(super) fn diagnose(_: &Shapes) -> Result<GpuDiagnosis, String> {
    Err(usable_gpu().err().unwrap_or_default())
}

/// Whether training can run on the first NVIDIA GPU.
///
/// # Errors
/// What is missing, and what helps.
#[cfg(feature = "cuda")]
pub fn usable_gpu() -> Result<(), String> {
    Gpu::nvidia(0).map_err(|e| e.to_string())?;
    crate::kernels::cuda::load_libraries().map_err(|e| e.to_string())
}

/// Whether training can run on the first NVIDIA GPU.
///
/// # Errors
/// It cannot.
#[cfg(not(feature = "cuda"))]
pub fn usable_gpu() -> Result<(), String> {
    Err("this program was built without the feature `cuda`; build with `--features cuda` (see the README), or use --device cpu".into())
}

/// Tests a device behind any driver; `training` is why dfdx's device cannot be used.
///
/// # Errors
/// A device that fails.
pub fn diagnose_device<L: Driver>(
    gpu: &Gpu<L>,
    shapes: &Shapes,
    training: Option<String>,
) -> Result<GpuDiagnosis, String> {
    let memory = gpu.driver().memory().map_err(|e| e.to_string())?;
    let mut kernels = compare::<_, f32>(gpu, shapes);
    kernels.extend(compare::<_, f64>(gpu, shapes));
    let held = gpu.held();
    let left = gpu.driver().memory().map_err(|e| e.to_string())?;
    if let Some(failure) = gpu.failure() {
        return Err(failure.to_string());
    }
    Ok(GpuDiagnosis {
        device: gpu.driver().describe(),
        memory,
        counted: (held.live + held.kept, memory.0.saturating_sub(left.0)),
        kernels,
        training,
    })
}
