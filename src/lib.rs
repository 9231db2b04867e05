//! Reproduces, checks and extends two papers on neural ODEs: ANODE (arXiv 1902.10298) and
//! ANODEV2 (arXiv 1906.04596).

pub mod cli;
pub mod definition;
pub mod doctor;
pub mod export;
pub mod nearest;
pub mod plan;
pub mod record;
pub mod report;
pub mod runner;
pub mod study;
pub mod tensorboard;

pub use anode_core::{gradient, ode};
pub use anode_kernels::allocator;
pub use anode_nets::{data, digest, evolution, files, net, problems, random, train};

pub mod kernels {
    //! Numerical kernels on the CPU and, in [`cuda`], on CUDA devices.
    pub use anode_cuda as cuda;
    pub use anode_kernels::*;
}

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
