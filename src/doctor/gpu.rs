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
    let why = "This program was built without the feature `cuda`; with an NVIDIA GPU, build with `--features cuda` (see the README).";
    Err(why.into())
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
