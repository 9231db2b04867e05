//! What a gradient cost: counted by the code that evaluates and allocates, not estimated.

use std::cell::Cell;

/// Counters of one solve or one training step. Shared by reference; one ledger a thread.
#[derive(Debug, Default)]
pub struct Ledger {
    evaluations: Cell<u64>,
    vjps: Cell<u64>,
    forward_steps: Cell<u64>,
    replayed_steps: Cell<u64>,
    live: Cell<usize>,
    peak: Cell<usize>,
    snapshots: Cell<usize>,
    peak_snapshots: Cell<usize>,
}

/// The counts of a [`Ledger`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Evaluations of f, with and without tape.
    pub function_evaluations: u64,
    /// Vector-Jacobian products of f.
    pub vjps: u64,
    /// Steps of the forward sweep.
    pub forward_steps: u64,
    /// Steps taken again from a snapshot.
    pub replayed_steps: u64,
    /// Bytes that snapshots, block inputs and tapes hold now.
    pub live_bytes: usize,
    /// The most bytes that they held at once.
    pub peak_bytes: usize,
    /// The most snapshots of a checkpoint schedule that were alive at once.
    pub peak_snapshots: usize,
}

impl Ledger {
    /// A ledger with all counts zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one evaluation of f.
    pub fn evaluation(&self) {
        self.evaluations.set(self.evaluations.get() + 1);
    }

    /// Counts one vjp of f.
    pub fn vjp(&self) {
        self.vjps.set(self.vjps.get() + 1);
    }

    /// Counts one step, of the forward sweep or replayed.
    pub fn step(&self, replayed: bool) {
        let counter = if replayed { &self.replayed_steps } else { &self.forward_steps };
        counter.set(counter.get() + 1);
    }

    /// Records that `bytes` more are kept alive.
    pub fn keep(&self, bytes: usize) {
        self.live.set(self.live.get() + bytes);
        self.peak.set(self.peak.get().max(self.live.get()));
    }

    /// Records that `bytes` were freed.
    pub fn free(&self, bytes: usize) {
        self.live.set(self.live.get().saturating_sub(bytes));
    }

    /// Counts one more snapshot alive, of this size.
    pub fn keep_snapshot(&self, bytes: usize) {
        self.keep(bytes);
        self.snapshots.set(self.snapshots.get() + 1);
        self.peak_snapshots.set(self.peak_snapshots.get().max(self.snapshots.get()));
    }

    /// Counts one snapshot less.
    pub fn free_snapshot(&self, bytes: usize) {
        self.free(bytes);
        self.snapshots.set(self.snapshots.get().saturating_sub(1));
    }

    /// The counts now.
    pub fn cost(&self) -> Cost {
        Cost {
            function_evaluations: self.evaluations.get(),
            vjps: self.vjps.get(),
            forward_steps: self.forward_steps.get(),
            replayed_steps: self.replayed_steps.get(),
            live_bytes: self.live.get(),
            peak_bytes: self.peak.get(),
            peak_snapshots: self.peak_snapshots.get(),
        }
    }
}
