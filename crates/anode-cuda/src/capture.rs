//! Work that is captured once and replayed: CUDA graphs, and the memory that they reserve.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::driver::{DeviceError, Driver};
use super::gpu::Gpu;
use super::slabs::Slabs;

/// Memory that only the work of one graph uses.
#[derive(Default)]
pub(super) struct Reserved(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    slabs: Slabs,
    /// Whether the graph was dropped.
    closed: bool,
}

impl Reserved {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a block of free memory.
    pub fn take(&self, bytes: usize) -> Option<u64> {
        self.memory().slabs.take(bytes)
    }

    /// Adds a block of the arena, which is in use.
    pub fn add(&self, address: u64, bytes: usize) {
        self.memory().slabs.add(address, bytes);
    }

    /// Takes a block back. Returns memory of the arena that the graph does not need any more.
    pub fn put_back(&self, address: u64, bytes: usize) -> Vec<(u64, usize)> {
        let mut memory = self.memory();
        memory.slabs.put_back(address, bytes);
        if memory.closed { memory.slabs.remove_free() } else { vec![] }
    }

    /// Returns the memory of the arena that is not in use. The rest is returned when its blocks are put back.
    fn close(&self) -> Vec<(u64, usize)> {
        let mut memory = self.memory();
        memory.closed = true;
        memory.slabs.remove_free()
    }
}

/// What this thread captures.
struct Capturing {
    /// The device, see [`Gpu::id`].
    device: usize,
    reserved: Arc<Reserved>,
    failure: Option<DeviceError>,
}

thread_local! {
    static CAPTURING: RefCell<Option<Capturing>> = const { RefCell::new(None) };
}

/// The blocks of the graph in which this thread captures work of `device`, if it does.
pub(super) fn reserved_by_capture(device: usize) -> Option<Arc<Reserved>> {
    CAPTURING.with_borrow(|capturing| capturing.as_ref().filter(|c| c.device == device).map(|c| c.reserved.clone()))
}

/// Whether this thread captures work of `device`, and whether that has failed.
pub(super) fn capture_has_failed(device: usize) -> Option<bool> {
    CAPTURING.with_borrow(|capturing| capturing.as_ref().filter(|c| c.device == device).map(|c| c.failure.is_some()))
}

/// Stores a failure of the work of `device` that this thread captures. Returns the error if it captures none.
pub(super) fn fail_capture(device: usize, error: DeviceError) -> Option<DeviceError> {
    CAPTURING.with_borrow_mut(|capturing| match capturing {
        Some(capturing) if capturing.device == device => {
            capturing.failure.get_or_insert(error);
            None
        }
        _ => Some(error),
    })
}

/// An open capture on this thread, which ends when this is dropped, also if the captured work panics.
struct OpenCapture<'a, L: Driver> {
    driver: &'a L,
    ended: bool,
}

impl<L: Driver> OpenCapture<'_, L> {
    /// Ends the capture. Returns the driver's graph, and the first failure of the captured work.
    fn end(mut self) -> (Result<u64, DeviceError>, Option<DeviceError>) {
        self.ended = true;
        let ended = self.driver.end_capture();
        (ended, CAPTURING.take().and_then(|capturing| capturing.failure))
    }
}

impl<L: Driver> Drop for OpenCapture<'_, L> {
    fn drop(&mut self) {
        if !self.ended {
            if let Ok(part) = self.driver.end_capture() {
                // SAFETY: the graph was not given to any caller.
                unsafe { self.driver.drop_graph(part) };
            }
            CAPTURING.take();
        }
    }
}

/// Captured work of a device, in parts, and the blocks that the parts share.
pub struct Graph<L: Driver> {
    gpu: Option<Gpu<L>>,
    parts: Vec<u64>,
    reserved: Arc<Reserved>,
}

impl<L: Driver> Default for Graph<L> {
    fn default() -> Self {
        Self { gpu: None, parts: vec![], reserved: Arc::default() }
    }
}

impl<L: Driver> Graph<L> {
    /// Captures `work` as the next part. Other work of the same size must still fit into the device's memory, because
    /// the graph keeps its blocks.
    ///
    /// # Errors
    /// The driver does not capture, `work` contains calls that cannot be captured, the thread captures already, there
    /// is too little memory, or the device failed.
    pub(super) fn add<T>(&mut self, gpu: &Gpu<L>, work: impl FnOnce() -> T) -> Result<T, DeviceError> {
        if let Some(failure) = gpu.failure() {
            return Err(failure);
        }
        if CAPTURING.with_borrow(Option::is_some) {
            return Err(DeviceError::NotCaptured("another capture"));
        }
        if self.gpu.get_or_insert_with(|| gpu.clone()).id() != gpu.id() {
            return Err(DeviceError::NotCaptured("the work of a second device"));
        }
        gpu.driver().begin_capture()?;
        CAPTURING.set(Some(Capturing { device: gpu.id(), reserved: self.reserved.clone(), failure: None }));
        let open = OpenCapture { driver: gpu.driver(), ended: false };
        let made = work();
        let (ended, failure) = open.end();
        if let Ok(part) = ended {
            self.parts.push(part);
        }
        match (failure, ended) {
            (Some(error), _) | (None, Err(error)) => Err(error),
            (None, Ok(_)) if gpu.driver().memory()?.0 + gpu.held().kept < self.reserved.memory().slabs.bytes() => {
                Err(DeviceError::NotCaptured("work whose graph leaves less memory than the work needs"))
            }
            (None, Ok(_)) => Ok(made),
        }
    }

    /// The driver's graph of a part.
    pub(super) fn part(&self, part: usize) -> u64 {
        assert!(part < self.parts.len(), "no part {part}: the graph has {}", self.parts.len());
        self.parts[part]
    }
}

impl<L: Driver> Drop for Graph<L> {
    fn drop(&mut self) {
        let Some(gpu) = &self.gpu else { return };
        for part in self.parts.drain(..) {
            // SAFETY: this driver made the graph, as `add` checks, and no later call replays it.
            unsafe { gpu.driver().drop_graph(part) };
        }
        for (address, bytes) in self.reserved.close() {
            gpu.keep_block(address, bytes);
        }
    }
}
