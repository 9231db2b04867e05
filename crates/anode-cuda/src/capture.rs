//! Work that is captured once and replayed: CUDA graphs, and the memory that they reserve.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::driver::{DeviceError, Driver};
use super::gpu::Gpu;

/// Blocks that only the work of one graph uses.
#[derive(Default)]
pub(super) struct Reserved(Mutex<Blocks>);

#[derive(Default)]
struct Blocks {
    free: BTreeMap<usize, Vec<u64>>,
    /// Bytes of all blocks of the graph.
    bytes: usize,
    /// Whether the graph was dropped.
    closed: bool,
}

impl Reserved {
    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a free block of exactly this size.
    pub fn take(&self, bytes: usize) -> Option<u64> {
        self.blocks().free.get_mut(&bytes)?.pop()
    }

    /// Counts a new block.
    pub fn grow(&self, bytes: usize) {
        self.blocks().bytes += bytes;
    }

    /// Takes a block back, unless the graph was dropped.
    pub fn put_back(&self, address: u64, bytes: usize) -> bool {
        let mut blocks = self.blocks();
        if !blocks.closed {
            blocks.free.entry(bytes).or_default().push(address);
        }
        !blocks.closed
    }

    /// Returns the free blocks with their sizes. Later ones are not taken back.
    fn close(&self) -> Vec<(u64, usize)> {
        let mut blocks = self.blocks();
        blocks.closed = true;
        let free = std::mem::take(&mut blocks.free);
        free.into_iter().flat_map(|(bytes, all)| all.into_iter().map(move |address| (address, bytes))).collect()
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
            (None, Ok(_)) if gpu.driver().memory()?.0 + gpu.held().kept < self.reserved.blocks().bytes => {
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
