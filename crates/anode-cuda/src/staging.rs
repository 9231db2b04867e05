//! Page-locked host memory. The device copies from it while the host continues.

use std::ffi::c_void;

use cudarc::driver::sys::{self, CUevent};
use cudarc::driver::{DriverError, result};

/// The largest copy that is staged. A batch of 256 images is 0.75 MiB as bytes and 3 MiB as `f32`.
const MOST: usize = 8 << 20;

/// A page-locked buffer, and the event that follows the last copy from it.
#[derive(Default)]
pub(super) struct Staging {
    buffer: Option<(*mut c_void, usize)>,
    copied: Option<CUevent>,
}

// SAFETY: memory and event may be used from any thread to which the context is bound; there is one user at a time.
unsafe impl Send for Staging {}

impl Staging {
    /// Copies `from` to the device at `to`, in the order of the default stream, and returns before the device has
    /// copied it. Returns `false` if it did nothing, because `from` is too large or there is no page-locked memory.
    ///
    /// # Safety
    /// `to` is the address of at least as many bytes of device memory as `from` has. The context is bound to this
    /// thread.
    pub unsafe fn upload(&mut self, to: u64, from: &[u8]) -> Result<bool, DriverError> {
        if from.len() > MOST {
            return Ok(false);
        }
        // SAFETY: the event and the buffer are ours; the buffer is written only after the device has read it.
        unsafe {
            if let Some(event) = self.copied {
                sys::cuEventSynchronize(event).result()?;
            }
            let (Some(place), Some(event)) = (self.buffer(from.len()), self.event()) else { return Ok(false) };
            std::ptr::copy_nonoverlapping(from.as_ptr(), place.cast(), from.len());
            sys::cuMemcpyHtoDAsync_v2(to, place, from.len(), std::ptr::null_mut()).result()?;
            sys::cuEventRecord(event, std::ptr::null_mut()).result()?;
        }
        Ok(true)
    }

    /// Returns the buffer, enlarged to at least `bytes` bytes, or `None` if there is no page-locked memory.
    ///
    /// # Safety
    /// The device does not read the buffer.
    unsafe fn buffer(&mut self, bytes: usize) -> Option<*mut c_void> {
        if let Some((place, size)) = self.buffer {
            if size >= bytes {
                return Some(place);
            }
            // SAFETY: allocated below; the device has copied the contents, as the caller promises.
            let _ = unsafe { sys::cuMemFreeHost(place) };
            self.buffer = None;
        }
        let (mut place, size) = (std::ptr::null_mut(), bytes.next_power_of_two().max(1 << 20));
        // SAFETY: a pointer to the address that is written.
        unsafe { sys::cuMemAllocHost_v2(&mut place, size) }.result().ok()?;
        self.buffer = Some((place, size));
        Some(place)
    }

    /// Returns the event, or `None` if it cannot be created.
    fn event(&mut self) -> Option<CUevent> {
        if self.copied.is_none() {
            self.copied = result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING).ok();
        }
        self.copied
    }

    /// Frees buffer and event after the last copy.
    ///
    /// # Safety
    /// The context is bound to this thread.
    pub unsafe fn close(&mut self) {
        // SAFETY: event and buffer are ours, and the device has copied the contents. Errors of a lost device are
        // ignored.
        unsafe {
            if let Some(event) = self.copied.take() {
                let _ = sys::cuEventSynchronize(event);
                let _ = sys::cuEventDestroy_v2(event);
            }
            if let Some((place, _)) = self.buffer.take() {
                let _ = sys::cuMemFreeHost(place);
            }
        }
    }
}
