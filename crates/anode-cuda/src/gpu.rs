//! A CUDA device: its driver, its memory, and its first failure.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anode_core::ode::{Real, SolveError};
use anode_kernels::{ComputeError, DeviceFailure};

use super::arena::{Arena, Block, Held};
use super::buffer::Buffer;
use super::capture::{capture_has_failed, fail_capture};
use super::cudnn::{Cudnn, Freedom};
use super::driver::{DeviceError, Driver};

/// Threads of a block of most kernels.
pub(super) const THREADS: u32 = 256;

/// A CUDA device behind its driver; clones are the same device.
///
/// Launches do not wait. After the first failure nothing is launched, and [`Gpu::synchronize`] returns the failure. A
/// flag on the device stores that a vector has a non-finite number, which `synchronize` returns as an error too. A
/// replay that the driver refuses is returned by the next `synchronize` only, and later work is executed.
pub struct Gpu<L: Driver> {
    inner: Arc<Inner<L>>,
}

struct Inner<L: Driver> {
    /// Before the memory that its work is done in.
    cudnn: Option<Cudnn>,
    arena: Arc<Arena<L>>,
    /// Two flags on the device: a non-finite number was found since the last call of `synchronize`, and by the last
    /// check of a vector.
    flags: Block<L>,
    failed: AtomicBool,
    failure: Mutex<Option<DeviceError>>,
    /// The first refused replay since the last call of `synchronize`.
    refused: Mutex<Option<DeviceError>>,
}

impl<L: Driver> Drop for Inner<L> {
    fn drop(&mut self) {
        if self.cudnn.is_some() {
            // cuDNN is closed next, and wants the device to be current. One that is lost cannot be told.
            let _ = self.arena.driver.bind();
        }
    }
}

impl<L: Driver> Clone for Gpu<L> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<L: Driver> std::fmt::Debug for Gpu<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.describe())
    }
}

impl<L: Driver> Gpu<L> {
    /// The device behind `driver`; our own kernels compute everything.
    ///
    /// # Errors
    /// The device has no memory left, or fails.
    pub fn new(driver: L) -> Result<Self, DeviceError> {
        Self::with(driver, |_| Ok(None))
    }

    /// The device behind `driver`; convolutions are computed by the first of these libraries of cuDNN that is there.
    ///
    /// # Errors
    /// See [`Gpu::new`]; none of the libraries can be used.
    pub fn with_cudnn(driver: L, libraries: &[&CStr], freedom: Freedom) -> Result<Self, DeviceError> {
        Self::with(driver, |driver| {
            driver.bind()?;
            Cudnn::open(libraries, freedom).map(Some)
        })
    }

    fn with(driver: L, cudnn: impl FnOnce(&L) -> Result<Option<Cudnn>, DeviceError>) -> Result<Self, DeviceError> {
        let arena = Arena::new(driver);
        let flags = arena.block(8)?;
        // SAFETY: the block is ours.
        unsafe { arena.driver.zero(flags.address, 8)? };
        // Last, because an error above would close the driver before cuDNN.
        let cudnn = cudnn(&arena.driver)?;
        let (failed, failure, refused) = (AtomicBool::new(false), Mutex::new(None), Mutex::new(None));
        Ok(Self { inner: Arc::new(Inner { cudnn, arena, flags, failed, failure, refused }) })
    }

    /// Device and driver in words, and what computes convolutions: all that decides bits besides the program.
    pub fn describe(&self) -> String {
        format!("{}, convolutions: {}", self.driver().describe(), self.convolutions())
    }

    /// Describes what computes convolutions: `own kernels`, or the version of cuDNN and its [`Freedom`].
    pub fn convolutions(&self) -> String {
        self.cudnn().map_or_else(|| "own kernels".into(), Cudnn::describe)
    }

    /// How many of the sweeps of convolutions that were asked for so far, by shape and type of numbers, cuDNN takes,
    /// and how many there were.
    pub fn cudnn_takes(&self) -> (usize, usize) {
        self.cudnn().map_or((0, 0), Cudnn::takes)
    }

    /// The algorithms of cuDNN for the sweeps of convolutions so far, in words.
    pub fn cudnn_algorithms(&self) -> Vec<String> {
        self.cudnn().map_or(vec![], Cudnn::algorithms)
    }

    /// The driver.
    pub fn driver(&self) -> &L {
        &self.inner.arena.driver
    }

    /// Bytes of this program's buffers on the device.
    pub fn held(&self) -> Held {
        self.inner.arena.held()
    }

    /// Restarts the peak of [`Self::held`] from the bytes in use now.
    pub fn restart_peak(&self) {
        self.inner.arena.restart_peak();
    }

    /// Waits for all work.
    ///
    /// # Errors
    /// The first failure of the device; the first replay since the last call that the driver refused; or
    /// [`SolveError::Overflow`] if a vector left the finite numbers since the last call.
    pub fn synchronize(&self) -> Result<(), ComputeError> {
        let mut flag = [0; 4];
        // SAFETY: the flags are ours.
        self.attempt(|driver| unsafe { driver.download(&mut flag, self.inner.flags.address) });
        if flag != [0; 4] {
            // SAFETY: as above.
            self.attempt(|driver| unsafe { driver.zero(self.inner.flags.address, 4) });
        }
        if let Some(failure) = self.failure() {
            return Err(DeviceFailure::from(failure).into());
        }
        if let Some(refused) = self.refused().take() {
            return Err(DeviceFailure::from(refused).into());
        }
        if flag == [0; 4] { Ok(()) } else { Err(SolveError::Overflow.into()) }
    }

    /// The first failure of the device; `None` if it has not failed.
    pub fn failure(&self) -> Option<DeviceError> {
        self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refused(&self) -> MutexGuard<'_, Option<DeviceError>> {
        self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes a part of a graph. If the driver refuses it, the device stays usable, so that the same work can be
    /// launched kernel by kernel. A device that is lost fails in the next call.
    ///
    /// # Safety
    /// See [`Driver::replay`].
    pub(super) unsafe fn replay_part(&self, part: u64) {
        // SAFETY: the caller's promise.
        self.attempt(|driver| match unsafe { driver.replay(part) } {
            Err(error) if !self.is_capturing() => {
                let answer = match error {
                    DeviceError::Failed { answer, .. } => answer,
                    error => error.to_string(),
                };
                self.refused().get_or_insert(DeviceError::NotReplayed(answer));
                Ok(())
            }
            answered => answered,
        });
    }

    /// Keeps what went wrong, if it is the first thing. What goes wrong in captured work fails only the capture.
    pub(super) fn fail(&self, error: DeviceError) {
        let Some(error) = fail_capture(self.id(), error) else { return };
        self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.inner.failed.store(true, Ordering::Release);
    }

    /// Runs `work`, unless something went wrong before.
    pub(super) fn attempt<T>(&self, work: impl FnOnce(&L) -> Result<T, DeviceError>) -> Option<T> {
        if capture_has_failed(self.id()).unwrap_or_else(|| self.inner.failed.load(Ordering::Acquire)) {
            return None;
        }
        work(self.driver()).map_err(|error| self.fail(error)).ok()
    }

    /// A block, `None` once something went wrong.
    pub(super) fn block(&self, bytes: usize) -> Option<Block<L>> {
        self.attempt(|_| self.arena_block(bytes))
    }

    /// A block.
    pub(super) fn arena_block(&self, bytes: usize) -> Result<Block<L>, DeviceError> {
        self.inner.arena.block(bytes)
    }

    /// A number that identifies the device and is the same for all clones.
    pub(super) fn id(&self) -> usize {
        self.inner.arena.id()
    }

    /// Whether this thread captures work of the device.
    pub(super) fn is_capturing(&self) -> bool {
        capture_has_failed(self.id()).is_some()
    }

    /// Returns a block to the arena that captured work had reserved.
    pub(super) fn keep_block(&self, address: u64, bytes: usize) {
        self.inner.arena.keep(address, bytes);
    }

    /// What computes convolutions, where it is not our own kernels.
    pub(super) fn cudnn(&self) -> Option<&Cudnn> {
        self.inner.cudnn.as_ref()
    }

    /// The address of a flag that a kernel sets where a number is not finite.
    pub(super) fn flag(&self) -> u64 {
        self.inner.flags.address
    }

    /// Runs `work` with a flag that is zero, and tells whether it was set. Waits.
    pub(super) fn asked(&self, work: impl FnOnce(u64)) -> bool {
        let place = self.inner.flags.address + 4;
        let mut flag = [0; 4];
        // SAFETY: the flags are ours.
        self.attempt(|driver| unsafe { driver.zero(place, 4) });
        work(place);
        // SAFETY: as above.
        self.attempt(|driver| unsafe { driver.download(&mut flag, place) });
        flag != [0; 4]
    }

    /// Launches a kernel of this type of numbers.
    ///
    /// # Safety
    /// See [`Driver::launch`].
    pub(super) unsafe fn launch<R: Real, A>(&self, kernel: &str, grid: [usize; 3], threads: u32, arguments: &A) {
        let name = format!("{kernel}_{}", R::NAME);
        // SAFETY: the caller's promise.
        unsafe { self.launch_named(&name, grid, threads, arguments) };
    }

    /// Launches a kernel by its whole name.
    ///
    /// # Safety
    /// See [`Driver::launch`].
    pub(super) unsafe fn launch_named<A>(&self, name: &str, grid: [usize; 3], threads: u32, arguments: &A) {
        self.attempt(|driver| {
            let mut blocks = [0; 3];
            for (block, count) in blocks.iter_mut().zip(grid) {
                *block = u32::try_from(count).map_err(|_| DeviceError::TooLarge { what: "a grid", count })?;
            }
            // SAFETY: any bytes of the struct, padding included, may be uninitialized here.
            let bytes = unsafe {
                std::slice::from_raw_parts(std::ptr::from_ref(arguments).cast::<MaybeUninit<u8>>(), size_of::<A>())
            };
            // SAFETY: the caller's promise.
            unsafe { driver.launch(name, blocks, threads, bytes) }
        });
    }

    /// Like [`Self::launch`], with one thread for each of `count` items. Launches nothing if there are none.
    ///
    /// # Safety
    /// See [`Driver::launch`].
    pub(super) unsafe fn launch_for<R: Real, A>(&self, kernel: &str, count: usize, arguments: &A) {
        if count > 0 {
            // SAFETY: the caller's promise.
            unsafe { self.launch::<R, A>(kernel, [count.div_ceil(THREADS as usize), 1, 1], THREADS, arguments) };
        }
    }

    /// A buffer with any contents.
    pub(super) fn alloc_uninit<R: Real>(&self, len: usize) -> Buffer<R, L> {
        Buffer::new(self.clone(), len)
    }

    /// A number of things as kernels count them; too many is a failure of the device, and gives 0.
    pub(super) fn count(&self, what: &'static str, count: usize) -> i32 {
        i32::try_from(count).unwrap_or_else(|_| {
            self.fail(DeviceError::TooLarge { what, count });
            0
        })
    }
}
