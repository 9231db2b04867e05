//! Self-tests: what this machine computes with, whether it computes right, and what helps where it does not.
//!
//! Covers the kernels and, on a GPU, training steps of a small network. Independent of experiments.

mod capture;
mod comparison;
mod cpu;
mod gpu;
mod report;
mod shapes;
mod training;

use crate::kernels::Cpu;

pub use comparison::{Comparison, compare, compare_both, compare_convolutions};
pub use gpu::{UsableGpu, diagnose_device, usable_gpu};
pub use report::{Adjoint, CudnnDiagnosis, Diagnosis, GpuDiagnosis, NoGpu};
pub use shapes::Shapes;

/// Tests the CPU, and the GPU where there is one. Takes seconds.
pub fn diagnose(machine: Vec<(&'static str, String)>) -> Diagnosis {
    let shapes = Shapes::usual();
    Diagnosis {
        machine,
        cpu: compare_both(&Cpu, &shapes),
        adjoints: cpu::adjoints(&shapes),
        threads: cpu::threads(&shapes),
        gpu: gpu::diagnose(&shapes),
    }
}
