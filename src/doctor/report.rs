//! What the self-test found.

use std::fmt::Write;

use super::Comparison;

/// What a self-test found.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Diagnosis {
    /// The machine in words: name, value.
    pub machine: Vec<(&'static str, String)>,
    /// Kernels of the CPU: `f32` against `f64`, `f64` against themselves.
    pub cpu: Vec<Comparison>,
    /// Convolutions of the CPU in `f64`: how far each vjp is from the transpose of the forward sweep.
    pub adjoints: Vec<Adjoint>,
    /// Numbers of threads, and whether all kernels gave the same bits with each.
    pub threads: (Vec<usize>, bool),
    /// The GPU, or why none was tested and what helps.
    pub gpu: Result<GpuDiagnosis, NoGpu>,
}

/// Why no GPU was tested, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum NoGpu {
    /// There is no GPU, or the program was built without support for one. This is no fault.
    Absent(String),
    /// There is a GPU, but it failed or cannot be used. This is a fault.
    Unusable(String),
}

/// |<y_bar, A x> - <A^T y_bar, x>| over the size of the products.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Adjoint {
    /// The vjp.
    pub kernel: &'static str,
    /// The shape.
    pub shape: String,
    /// The distance.
    #[schemars(with = "Option<f64>")]
    pub error: f64,
    /// What rounding alone may give.
    #[schemars(with = "Option<f64>")]
    pub bound: f64,
}

/// A GPU.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct GpuDiagnosis {
    /// The device in words.
    pub device: String,
    /// Bytes that the driver calls free, and all bytes.
    pub memory: (usize, usize),
    /// Bytes that this program counts as in use and kept, and by how much the driver's figure fell while they were
    /// taken.
    pub counted: (usize, usize),
    /// Every kernel against the CPU in double precision.
    pub kernels: Vec<Comparison>,
    /// Convolutions by cuDNN, or why it is not used.
    pub cudnn: Result<CudnnDiagnosis, String>,
    /// Captured sweeps against plain ones, or why sweeps cannot be captured. This is not a fault: training steps then
    /// launch each kernel.
    pub capture: Result<Vec<Comparison>, String>,
    /// Training steps through dfdx against the CPU in double precision, with our own kernels and, unless that fails,
    /// with cuDNN; or what failed in those with our own kernels. A failure is a fault.
    pub training: Result<Vec<Comparison>, String>,
}

/// cuDNN on a GPU.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct CudnnDiagnosis {
    /// Its version, and what it may do.
    pub words: String,
    /// Sweeps of the shapes that it computes; our own kernels compute the others.
    pub taken: usize,
    /// Sweeps of the shapes.
    pub asked: usize,
    /// Every convolution against the CPU in double precision. Empty if the device failed meanwhile.
    pub kernels: Vec<Comparison>,
    /// The failure of a convolution or of a training step, if there was one. It counts as a fault.
    pub failure: Option<String>,
}

impl GpuDiagnosis {
    fn is_sound(&self) -> bool {
        let cudnn_failed = self.cudnn.as_ref().is_ok_and(|cudnn| cudnn.failure.is_some());
        let cudnn = self.cudnn.iter().flat_map(|cudnn| &cudnn.kernels);
        let training =
            self.training.as_ref().is_ok_and(|found| !found.is_empty() && found.iter().all(Comparison::holds));
        let captured = self.capture.iter().flatten();
        self.kernels.iter().chain(cudnn).chain(captured).all(Comparison::holds) && training && !cudnn_failed
    }
}

impl Diagnosis {
    /// Whether all that is there works.
    pub fn is_sound(&self) -> bool {
        let gpu = match &self.gpu {
            Ok(gpu) => gpu.is_sound(),
            Err(NoGpu::Absent(_)) => true,
            Err(NoGpu::Unusable(_)) => false,
        };
        let adjoints = self.adjoints.iter().all(|a| a.error <= a.bound);
        self.cpu.iter().all(Comparison::holds) && adjoints && self.threads.1 && gpu
    }
}

/// Comparisons as a table: one row per kernel and type, with its largest error.
fn table(text: &mut String, comparisons: &[Comparison]) {
    let mut rows: Vec<(&Comparison, usize, bool)> = vec![];
    for found in comparisons {
        match rows.iter_mut().find(|(row, ..)| row.kernel == found.kernel && row.dtype == found.dtype) {
            Some((row, count, holds)) => {
                (*count, *holds) = (*count + 1, *holds && found.holds());
                // The one that comes nearest to its bound, or is farthest beyond.
                if found.error * row.bound > row.error * found.bound || found.error.is_infinite() {
                    *row = found;
                }
            }
            None => rows.push((found, 1, found.holds())),
        }
    }
    for (row, count, holds) in rows {
        let verdict = if holds { "ok" } else { "WRONG" };
        let Comparison { kernel, dtype, shape, error, bound, .. } = row;
        let _ = writeln!(
            text,
            "  {verdict:<5} {dtype} {kernel:<36} error {error:.1e} of {bound:.1e} allowed, {count} shapes, nearest: \
            {shape}"
        );
    }
}

impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for (name, value) in &self.machine {
            let _ = writeln!(text, "{name}: {value}");
        }
        let _ = writeln!(text, "\nCPU, every kernel against double precision, each twice:");
        table(&mut text, &self.cpu);
        for Adjoint { kernel, shape, error, bound } in &self.adjoints {
            let verdict = if error <= bound { "ok" } else { "WRONG" };
            let _ = writeln!(
                text,
                "  {verdict:<5} f64 {kernel:<36} off its transpose by {error:.1e} of {bound:.1e} allowed: {shape}"
            );
        }
        let (counts, same) = &self.threads;
        let counts = counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let verdict = if *same { "the same bits" } else { "WRONG: other bits" };
        let _ = writeln!(text, "  {verdict} with {counts} threads");
        match &self.gpu {
            Ok(gpu) => {
                let mib = |bytes: usize| bytes >> 20;
                let _ = writeln!(text, "\nGPU: {}", gpu.device);
                let _ = writeln!(text, "  memory: {} of {} MiB free", mib(gpu.memory.0), mib(gpu.memory.1));
                let (counted, fell) = gpu.counted;
                let _ = writeln!(
                    text,
                    "  {} MiB counted as in use or kept; the driver's free memory fell by {} MiB",
                    mib(counted),
                    mib(fell)
                );
                table(&mut text, &gpu.kernels);
                let _ = match &gpu.cudnn {
                    Ok(CudnnDiagnosis { words, taken, asked, .. }) => {
                        writeln!(text, "  convolutions are computed by {words}; it takes {taken} of {asked} sweeps:")
                    }
                    Err(why) => writeln!(text, "  convolutions are computed by the kernels above: {why}"),
                };
                if let Ok(CudnnDiagnosis { kernels, failure, .. }) = &gpu.cudnn {
                    table(&mut text, kernels);
                    if let Some(why) = failure {
                        let _ = writeln!(text, "  WRONG cuDNN failed: {why}");
                    }
                }
                let _ = match &gpu.capture {
                    Ok(_) => writeln!(text, "  sweeps of a network captured in a graph, against plain ones:"),
                    Err(why) => writeln!(text, "  training steps launch each kernel: {why}"),
                };
                table(&mut text, gpu.capture.as_ref().map_or(&[], Vec::as_slice));
                let _ = match &gpu.training {
                    Ok(_) => writeln!(text, "  training steps through dfdx, against the CPU in double precision:"),
                    Err(why) => writeln!(text, "  WRONG training steps through dfdx failed: {why}"),
                };
                table(&mut text, gpu.training.as_ref().map_or(&[], Vec::as_slice));
            }
            Err(NoGpu::Absent(why)) => {
                let _ = writeln!(text, "\nGPU: none tested. {why}");
            }
            Err(NoGpu::Unusable(why)) => {
                let _ = writeln!(text, "\nGPU: WRONG, cannot be used. {why}");
            }
        }
        let _ =
            write!(text, "\n{}", if self.is_sound() { "All that is there is sound." } else { "Something is WRONG." });
        f.write_str(&text)
    }
}
