//! The running statistics of a network.

use std::collections::HashMap;

use crate::kernels::{Cpu, Device};

/// Running statistics of batch norms, with the number of updates over which each norm has averaged them.
pub struct Running<D: Device = Cpu> {
    /// For each norm, means then variances.
    pub kept: D::Buffer<f64>,
    averaged: HashMap<usize, u64>,
}

impl<D: Device> Running<D> {
    /// Statistics that no norm has averaged yet.
    pub fn new(kept: D::Buffer<f64>) -> Self {
        Self { kept, averaged: HashMap::new() }
    }

    /// Starts the averages anew.
    pub(super) fn restart_averages(&mut self) {
        self.averaged.clear();
    }

    /// Counts an update of the norm at `place`. Returns the momentum with which its statistics become the average over
    /// all updates that were counted.
    pub(super) fn next_average(&mut self, place: usize) -> f64 {
        let count = self.averaged.entry(place).or_default();
        *count += 1;
        1.0 / *count as f64
    }
}
