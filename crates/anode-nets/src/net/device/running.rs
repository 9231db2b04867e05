//! The running statistics of a network on a device.

use std::collections::HashMap;

use crate::kernels::Device;

/// Running statistics, with the number of updates over which each norm has averaged them.
pub(super) struct Running<D: Device> {
    pub kept: D::Buffer<f64>,
    averaged: HashMap<usize, u64>,
}

impl<D: Device> Running<D> {
    /// Statistics that no norm has averaged yet.
    pub fn new(kept: D::Buffer<f64>) -> Self {
        Self { kept, averaged: HashMap::new() }
    }

    /// Counts an update of the norm at `place`. Returns the momentum with which its statistics become the average over
    /// all updates that were counted.
    pub fn next_average(&mut self, place: usize) -> f64 {
        let count = self.averaged.entry(place).or_default();
        *count += 1;
        1.0 / *count as f64
    }
}
