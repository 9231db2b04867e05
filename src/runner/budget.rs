//! Memory shared by the runs that are computed at once: a run begins when what it needs is free.

use std::sync::{Condvar, Mutex, PoisonError};

/// The memory of the machine, and what the present runs take of it.
pub struct MemoryBudget {
    /// Bytes in all; `None` where the system does not tell.
    all: Option<f64>,
    taken: Mutex<(f64, usize)>,
    freed: Condvar,
}

/// A run's part of the memory, given back when it is dropped.
pub struct MemoryShare<'a> {
    budget: &'a MemoryBudget,
    bytes: f64,
}

impl MemoryBudget {
    /// A budget of `all` bytes; `None` for no limit.
    pub fn new(all: Option<f64>) -> Self {
        Self { all, taken: Mutex::new((0.0, 0)), freed: Condvar::new() }
    }

    /// Waits until `bytes` are free. A run that needs more than there is waits until it is alone, and then fails by
    /// itself.
    pub fn take(&self, bytes: f64) -> MemoryShare<'_> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.1 > 0 && self.all.is_some_and(|all| taken.0 + bytes > all) {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        taken.0 += bytes;
        taken.1 += 1;
        MemoryShare { budget: self, bytes }
    }
}

impl Drop for MemoryShare<'_> {
    fn drop(&mut self) {
        let mut taken = self.budget.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Rounding must not leave a remainder that nobody frees.
        taken.1 -= 1;
        taken.0 = if taken.1 == 0 { 0.0 } else { (taken.0 - self.bytes).max(0.0) };
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    /// The most runs of `bytes` each that ever were at work at once, of 12 that begin together.
    fn at_once(all: Option<f64>, bytes: f64) -> usize {
        let (budget, working, most) = (MemoryBudget::new(all), AtomicUsize::new(0), AtomicUsize::new(0));
        let barrier = std::sync::Barrier::new(12);
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    barrier.wait();
                    let _part = budget.take(bytes);
                    most.fetch_max(working.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::yield_now();
                    working.fetch_sub(1, SeqCst);
                });
            }
        });
        assert_eq!(*budget.taken.lock().unwrap(), (0.0, 0), "all is given back");
        most.load(SeqCst)
    }

    #[test]
    fn no_more_runs_are_at_work_than_fit() {
        assert!(at_once(Some(100.0), 40.0) <= 2);
        assert_eq!(at_once(Some(100.0), 60.0), 1);
        assert_eq!(at_once(Some(100.0), 1e30), 1, "alone");
        assert!(at_once(None, 1e30) >= 1);
    }
}
