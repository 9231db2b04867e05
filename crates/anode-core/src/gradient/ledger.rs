//! What a gradient cost: counted by the code that evaluates and allocates, not estimated.

use std::cell::Cell;

/// Counters of one solve or one training step. Shared by reference within one thread; each thread has its own ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    evaluations: Cell<u64>,
    vjps: Cell<u64>,
    forward_steps: Cell<u64>,
    replayed_steps: Cell<u64>,
    rejected_steps: Cell<u64>,
    reverse_steps: Cell<u64>,
    rejected_reverse_steps: Cell<u64>,
    live: Cell<usize>,
    peak: Cell<usize>,
    snapshots: Cell<usize>,
    peak_snapshots: Cell<usize>,
    drift: Cell<f64>,
}

/// The counts of a [`Ledger`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Cost {
    /// Evaluations of f, with and without tape.
    pub function_evaluations: u64,
    /// Vector-Jacobian products of f.
    pub vjps: u64,
    /// Steps of the forward sweep.
    pub forward_steps: u64,
    /// Steps taken again from a snapshot.
    pub replayed_steps: u64,
    /// Steps of the forward sweep that an adaptive solver tried and rejected.
    pub rejected_steps: u64,
    /// Steps that a continuous adjoint chose on its way back by tolerance.
    pub reverse_steps: u64,
    /// Steps that it tried and rejected.
    pub rejected_reverse_steps: u64,
    /// Bytes that snapshots, block inputs and tapes hold now. Not counted: checkpoint schedules, workspaces,
    /// cotangents, and the tapes of continuous adjoints, each of which is used as soon as it is made. What a trajectory
    /// holds that is dropped without its backward sweep, or whose sweep returns an error, stays counted.
    pub live_bytes: usize,
    /// The most bytes that they held at once.
    pub peak_bytes: usize,
    /// The most snapshots of a checkpoint schedule that were alive at once.
    pub peak_snapshots: usize,
    /// The largest relative distance from its start at which a solver that runs backwards came out; 0 for other
    /// methods.
    pub reversal_drift: f64,
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

    /// Counts steps that the forward sweep rejected.
    pub fn rejected(&self, steps: usize) {
        self.rejected_steps.set(self.rejected_steps.get() + steps as u64);
    }

    /// Counts steps of an adaptive solve backwards.
    pub fn reverse_steps(&self, accepted: usize, rejected: usize) {
        self.reverse_steps.set(self.reverse_steps.get() + accepted as u64);
        self.rejected_reverse_steps.set(self.rejected_reverse_steps.get() + rejected as u64);
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

    /// Records how far from its start a solver came out that ran backwards.
    pub fn drifted(&self, drift: f64) {
        self.drift.set(self.drift.get().max(drift));
    }

    /// Counts work that was counted before, by another ledger.
    pub fn add(&self, cost: &Cost) {
        self.evaluations.set(self.evaluations.get() + cost.function_evaluations);
        self.vjps.set(self.vjps.get() + cost.vjps);
        self.forward_steps.set(self.forward_steps.get() + cost.forward_steps);
        self.replayed_steps.set(self.replayed_steps.get() + cost.replayed_steps);
        self.rejected_steps.set(self.rejected_steps.get() + cost.rejected_steps);
        self.reverse_steps.set(self.reverse_steps.get() + cost.reverse_steps);
        self.rejected_reverse_steps.set(self.rejected_reverse_steps.get() + cost.rejected_reverse_steps);
        self.peak.set(self.peak.get().max(self.live.get() + cost.peak_bytes));
        self.live.set(self.live.get() + cost.live_bytes);
        self.peak_snapshots.set(self.peak_snapshots.get().max(self.snapshots.get() + cost.peak_snapshots));
        self.drifted(cost.reversal_drift);
    }

    /// The counts now.
    pub fn cost(&self) -> Cost {
        Cost {
            function_evaluations: self.evaluations.get(),
            vjps: self.vjps.get(),
            forward_steps: self.forward_steps.get(),
            replayed_steps: self.replayed_steps.get(),
            rejected_steps: self.rejected_steps.get(),
            reverse_steps: self.reverse_steps.get(),
            rejected_reverse_steps: self.rejected_reverse_steps.get(),
            live_bytes: self.live.get(),
            peak_bytes: self.peak.get(),
            peak_snapshots: self.peak_snapshots.get(),
            reversal_drift: self.drift.get(),
        }
    }
}
