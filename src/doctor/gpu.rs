//! The GPU: what it is, its memory, and every kernel against the CPU.

use crate::kernels::cuda::{Driver, Gpu};
use crate::train::TrainingDevice;

use super::capture::compare_capture;
use super::report::{CudnnDiagnosis, GpuDiagnosis, NoGpu};
use super::training::compare_training;
use super::{Shapes, compare_both};

/// Tests the first NVIDIA GPU, or says why there is none to test.
#[cfg(feature = "cuda")]
pub(super) fn diagnose(shapes: &Shapes) -> Result<GpuDiagnosis, NoGpu> {
    use crate::kernels::cuda::{Convolver, DeviceError, Freedom};
    let own = Gpu::nvidia(0, Convolver::Own).map_err(|error| match error {
        DeviceError::NoDriver(_) | DeviceError::NoDevice(_) => NoGpu::Absent(error.to_string()),
        error => NoGpu::Unusable(error.to_string()),
    })?;
    let cudnn = Gpu::nvidia(0, Convolver::Cudnn(Freedom::Exact)).map_err(|e| e.to_string());
    diagnose_device(&own, cudnn, shapes).map_err(NoGpu::Unusable)
}

/// Says why there is none to test.
#[cfg(not(feature = "cuda"))]
pub(super) fn diagnose(_: &Shapes) -> Result<GpuDiagnosis, NoGpu> {
    Err(NoGpu::Absent(usable_gpu("cuda").err().unwrap_or_default()))
}

/// A GPU that can be trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableGpu {
    /// The device's name in records: what computes convolutions.
    pub device: &'static str,
    /// Model, driver and libraries in words.
    pub words: String,
}

/// The first NVIDIA GPU, where training can run on it as `device` names it. `cuda` is `cuda-own`: on an H200 our
/// kernels are faster in `f32` than cuDNN's deterministic algorithms on every network but AlexNet.
///
/// # Errors
/// What is missing, and what helps.
#[cfg(feature = "cuda")]
pub fn usable_gpu(device: &str) -> Result<UsableGpu, String> {
    use crate::kernels::cuda::{Convolver, load_libraries};
    let convolver = Convolver::named(device).unwrap_or(Convolver::Own);
    let gpu = Gpu::nvidia(0, convolver).map_err(|e| e.to_string())?;
    load_libraries().map_err(|e| e.to_string())?;
    Ok(UsableGpu { device: convolver.name(), words: gpu.describe() })
}

/// The first NVIDIA GPU, where training can run on it.
///
/// # Errors
/// It cannot.
#[cfg(not(feature = "cuda"))]
pub fn usable_gpu(_: &str) -> Result<UsableGpu, String> {
    let remedy = "build with `--features cuda` (see docs/cuda.md), or use --device cpu";
    Err(format!("this program was built without the feature `cuda`; {remedy}"))
}

/// Tests a device behind any driver, with its own kernels and with cuDNN: every kernel, then training steps through
/// dfdx. `cudnn` may be the reason why cuDNN is not used.
///
/// # Errors
/// A device that fails in the comparison of kernels.
pub fn diagnose_device<L: Driver>(
    gpu: &Gpu<L>,
    cudnn: Result<Gpu<L>, String>,
    shapes: &Shapes,
) -> Result<GpuDiagnosis, String>
where
    Gpu<L>: TrainingDevice,
{
    let memory = gpu.driver().memory().map_err(|e| e.to_string())?;
    let kernels = compare_both(gpu, shapes);
    let held = gpu.held();
    let left = gpu.driver().memory().map_err(|e| e.to_string())?;
    if let Some(failure) = gpu.failure() {
        return Err(failure.to_string());
    }
    // Before the training steps, so that cuDNN's count is that of these shapes.
    let mut convolutions = cudnn.as_ref().map(|gpu| CudnnDiagnosis::of(gpu, shapes)).map_err(Clone::clone);
    let capture = compare_capture::<_, f32>(gpu).and_then(|mut found| {
        found.extend(compare_capture::<_, f64>(gpu)?);
        Ok(found)
    });
    let mut training = compare_training(gpu, "own kernels");
    if let (Ok(compared), Ok(cudnn), Ok(CudnnDiagnosis { failure: failure @ None, .. })) =
        (&mut training, &cudnn, &mut convolutions)
    {
        match compare_training(cudnn, "cuDNN") {
            Ok(with_cudnn) => compared.extend(with_cudnn),
            Err(why) => *failure = Some(format!("training steps through dfdx: {why}")),
        }
    }
    Ok(GpuDiagnosis {
        device: gpu.driver().describe(),
        memory,
        counted: (held.live + held.kept, memory.0.saturating_sub(left.0)),
        kernels,
        cudnn: convolutions,
        capture,
        training,
    })
}

impl CudnnDiagnosis {
    fn of<L: Driver>(gpu: &Gpu<L>, shapes: &Shapes) -> Self {
        let convolutions = Shapes { convolutions: shapes.convolutions.clone(), ..Shapes::default() };
        let mut kernels = compare_both(gpu, &convolutions);
        let (taken, asked) = gpu.cudnn_takes();
        let failure = gpu.failure().map(|failure| failure.to_string());
        if failure.is_some() {
            // A failed device reads as zeros.
            kernels.clear();
        }
        Self { words: gpu.convolutions(), taken, asked, kernels, failure }
    }
}
