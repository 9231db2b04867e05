//! Self-tests: what this machine computes with, whether it computes right, and what helps where it does not.
//!
//! This room knows the kernels. It knows nothing of networks or experiments.

mod comparison;
mod cpu;
mod gpu;
mod report;

pub use comparison::{Comparison, Shapes, compare};
pub use gpu::{UsableGpu, diagnose_device, usable_gpu};
pub use report::{Adjoint, CudnnDiagnosis, Diagnosis, GpuDiagnosis};

/// Tests the CPU, and the GPU where there is one. Takes seconds.
pub fn diagnose(machine: Vec<(&'static str, String)>) -> Diagnosis {
    let shapes = Shapes::usual();
    Diagnosis {
        machine,
        cpu: cpu::comparisons(&shapes),
        adjoints: cpu::adjoints(&shapes),
        threads: cpu::threads(&shapes),
        gpu: gpu::diagnose(&shapes),
    }
}
