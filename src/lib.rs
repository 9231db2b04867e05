//! Reproduces, checks and extends two papers on neural ODEs: ANODE (Gholami, Keutzer and Biros 2019, arXiv 1902.10298)
//! and ANODEV2 (Zhang et al. 2019, arXiv 1906.04596).
//!
//! This crate is the program `anode` and the library behind it: experiment files, plans, runs, records and reports. The
//! numerics are in the crates `anode-core`, `anode-kernels`, `anode-cuda` and `anode-nets`, whose modules it
//! re-exports. Depend on those instead if you need only solvers, gradients or networks.
//!
//! # First example
//!
//! Reads an experiment file and lists its runs without executing them. The id of a run is a hash of everything that
//! determines its numbers: settings, seed, inputs, device and version of the numerics.
//!
//! ```
//! use anode::definition::{Loaded, Profile, load};
//! use anode::plan::plan;
//! use anode::study::{CPU, STUDIES};
//!
//! let file = std::path::PathBuf::from("experiments/anode/anode-schedules.json");
//! let definition = load(&file).expect("a valid definition");
//! let (runs, skipped) = plan(&[Loaded { file, definition }], Profile::Quick, CPU, None, STUDIES);
//! assert!(skipped.is_empty(), "runs are skipped if their data are missing");
//! for run in &runs {
//!     println!("{} {}", run.id, run.label);
//! }
//! assert_eq!(runs.len(), 2 * 8); // two schedules, eight numbers of snapshots
//! ```
//!
//! # Entry points
//!
//! | for | use |
//! |---|---|
//! | the gradient of a vector field | [`gradient`], [`ode`] |
//! | networks, training, data sets, evolving weights | [`net`], [`train`], [`data`], [`evolution`] |
//! | kernels on the CPU and on GPUs | [`kernels`] |
//! | experiment files: reading, validating, their JSON schema | [`definition`] |
//! | the runs of an experiment, with their ids | [`plan`] |
//! | executing a plan: concurrent, resumable | [`runner::run_all`] |
//! | what a kind of experiment computes | [`study::Study`], [`study::STUDIES`] |
//! | records of runs: reading, archiving, merging | [`record`] |
//! | tables, charts, verdicts, the report | [`report::write_all`] |
//! | results as CSV or Parquet, or for TensorBoard | [`export`], [`tensorboard`] |
//! | a self-test of this machine | [`doctor::diagnose`] |
//! | the program itself | [`cli::main`] |
//!
//! # Cost
//!
//! Planning reads definitions and the digests of data sets; it computes nothing. The quick profile of all experiments
//! takes about 5 minutes on two cores, the standard profile hours, and the paper profile is meant for a GPU.
//! Besides the numerics, the crate depends on clap, plotters, resvg and serde, among others. The feature `cuda` adds
//! NVIDIA GPUs, `parquet` the export to Parquet files.

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

mod characters;
mod objects;
mod paths;

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

/// The examples of the guide to gradients, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/gradients.md")]
pub struct GradientsGuide;
