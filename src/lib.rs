//! Reproduces, checks and extends two papers on neural ODEs: ANODE (arXiv 1902.10298) and
//! ANODEV2 (arXiv 1906.04596).

pub mod allocator;
pub mod cli;
pub mod data;
pub mod definition;
pub mod digest;
pub mod doctor;
pub mod evolution;
pub mod export;
pub mod files;
pub mod gradient;
pub mod kernels;
pub mod nearest;
pub mod net;
pub mod ode;
pub mod plan;
pub mod problems;
pub mod random;
pub mod record;
pub mod report;
pub mod runner;
pub mod study;
pub mod tensorboard;
pub mod train;

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
