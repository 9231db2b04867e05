//! The interface to a GPU's driver: memory, copies and launches, in the order of one stream.

use std::mem::MaybeUninit;

use anode_kernels::DeviceFailure;

use super::arena::all_live;

/// A failure of a device. Every message says how to remedy it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The driver's library is not there.
    #[error("the NVIDIA driver cannot be loaded ({0}); install it (`nvidia-smi` must work), or use --device cpu")]
    NoDriver(String),
    /// A library of the toolkit is not there.
    #[error(
        "cuBLAS cannot be loaded ({0}); install the libraries of the CUDA toolkit, or add their folder to \
        LD_LIBRARY_PATH"
    )]
    NoLibrary(String),
    /// cuDNN's library is not there, or lacks a function.
    #[error(
        "cuDNN cannot be used ({0}); install it (`pip install nvidia-cudnn-cu13`, or -cu12 for CUDA 12) and add the \
        folder of libcudnn.so.9 to LD_LIBRARY_PATH, or use --device cuda-own, which needs none"
    )]
    NoCudnn(String),
    /// cuDNN was loaded, but does not start on the device.
    #[error(
        "cuDNN does not start ({0}); use a version of cuDNN for this GPU and its driver, check that the GPU has free \
        memory, or use --device cuda-own, which needs no cuDNN"
    )]
    CudnnNotStarted(String),
    /// The driver is older than the toolkit that the program was built with.
    #[error(
        "the NVIDIA driver supports CUDA {found}, and this program was built with CUDA {needed}; install a newer \
        driver, or build with an older toolkit"
    )]
    OldDriver {
        /// CUDA version of the driver.
        found: String,
        /// CUDA version of the toolkit.
        needed: String,
    },
    /// The driver was loaded, but it finds no device.
    #[error("the driver reports no device ({0}); see CUDA_VISIBLE_DEVICES, or use --device cpu")]
    NoDevice(String),
    /// The driver was loaded, but it or the device cannot be started.
    #[error(
        "the NVIDIA driver failed in {what} ({answer}); check the GPU with `nvidia-smi -q`, start the fabric manager \
        if the code is 802, or use --device cpu"
    )]
    NotStarted {
        /// What was asked for.
        what: String,
        /// What the driver answered, with its code.
        answer: String,
    },
    /// The device has no kernels in this program.
    #[error("this program has no kernels for compute capability {found}; it has those of 8.0, 9.0 and later")]
    Capability {
        /// Compute capability of the device.
        found: String,
    },
    /// A block of memory that does not fit.
    #[error(
        "the device has no {asked} bytes left for a buffer of the network (in use: {live}, kept: {kept}, free on the \
        device: {free}); take a smaller batch, or a gradient method that keeps less"
    )]
    OutOfMemory {
        /// Bytes asked for.
        asked: usize,
        /// Bytes in use.
        live: usize,
        /// Bytes kept for later, given back before this was said.
        kept: usize,
        /// Bytes that the driver calls free.
        free: usize,
    },
    /// The device of dfdx cannot be opened.
    #[error("dfdx's device cannot be opened ({0})")]
    NoDfdx(String),
    /// A tensor of dfdx that does not fit, with all kept blocks given back.
    #[error(
        "the device has no memory left for a tensor of dfdx, which holds logits and loss ({answer}; in \
        use by the network's buffers: {live} bytes); take a smaller batch, or a gradient method that keeps less"
    )]
    NoTensor {
        /// What dfdx's device answered.
        answer: String,
        /// Bytes in use by buffers, which are not dfdx's.
        live: usize,
    },
    /// More numbers than a kernel can count.
    #[error("{what} of {count} numbers; a kernel takes at most 2147483647: take a smaller batch")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How many numbers it has.
        count: usize,
    },
    /// Work that cannot be captured, see [`anode_kernels::Device::capture`].
    #[error("{0} cannot be captured in a graph")]
    NotCaptured(&'static str),
    /// The driver refuses to execute captured work. The device itself has not failed.
    #[error(
        "the driver refuses to execute captured work ({0}); if a run fails with this message, set ANODE_CUDA_GRAPHS=0 \
        and start it again: it resumes from the last checkpoint and captures nothing"
    )]
    NotReplayed(String),
    /// Anything else that the driver says; after most such answers the device is lost to this process.
    #[error(
        "the device failed in {what}: {answer}; finished records stay, and a new start goes on from the last checkpoint"
    )]
    Failed {
        /// What was asked for.
        what: String,
        /// What the driver answered.
        answer: String,
    },
}

impl From<DeviceError> for DeviceFailure {
    fn from(error: DeviceError) -> Self {
        Self::new(error)
    }
}

impl DeviceError {
    /// Returns the failure of dfdx's device that the text of its error describes.
    pub fn of_dfdx(answer: String) -> Self {
        if ["OUT_OF_MEMORY", "ALLOC_FAILED"].iter().any(|full| answer.contains(full)) {
            return Self::NoTensor { answer, live: all_live() };
        }
        Self::Failed { what: "dfdx's device".into(), answer }
    }
}

/// Whether an error code of the driver means that this process has lost the device, so that all later calls fail. These
/// are the codes of which `cuda.h` says that the process must be terminated, and those of a context or device that is
/// gone (4, 46, 201, 709), of uncorrectable errors of the hardware (214, 220), of a failed assertion (710) and of
/// unknown errors (999).
#[cfg(any(feature = "cuda", test))]
pub(super) fn is_lost(code: std::ffi::c_int) -> bool {
    matches!(code, 4 | 46 | 201 | 214 | 220 | 226 | 700 | 702 | 709 | 710 | 714..=719 | 721 | 810 | 911 | 999)
}

/// A GPU behind its driver. All calls but the safe ones act in the order in which they are made.
pub trait Driver: Send + Sync + 'static {
    /// The device in words: its name, compute capability and driver.
    fn describe(&self) -> String;

    /// Makes the device current for this thread, for a library that asks for that.
    ///
    /// # Errors
    /// A device that fails.
    fn bind(&self) -> Result<(), DeviceError>;

    /// Bytes that the driver calls free, and all bytes of the device.
    ///
    /// # Errors
    /// A device that fails.
    fn memory(&self) -> Result<(usize, usize), DeviceError>;

    /// A block of memory, aligned to 256 bytes, with any contents.
    ///
    /// # Errors
    /// `None` where there is not enough.
    fn allocate(&self, bytes: usize) -> Result<Option<u64>, DeviceError>;

    /// Gives a block back.
    ///
    /// # Safety
    /// It came from [`Self::allocate`] with this size, and no later call uses it.
    unsafe fn free(&self, address: u64, bytes: usize);

    /// Returns memory to the device that a library's memory pool keeps for later allocations. Waits.
    fn trim(&self) {}

    /// Copies to the device.
    ///
    /// # Safety
    /// The bytes lie in a block of this driver.
    unsafe fn upload(&self, to: u64, from: &[u8]) -> Result<(), DeviceError>;

    /// Waits, and copies from the device.
    ///
    /// # Safety
    /// As [`Self::upload`].
    unsafe fn download(&self, to: &mut [u8], from: u64) -> Result<(), DeviceError>;

    /// Copies within the device.
    ///
    /// # Safety
    /// As [`Self::upload`], for both places, which do not meet.
    unsafe fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<(), DeviceError>;

    /// Sets bytes to zero.
    ///
    /// # Safety
    /// As [`Self::upload`].
    unsafe fn zero(&self, to: u64, bytes: usize) -> Result<(), DeviceError>;

    /// Launches a kernel of `kernels.cu` with its one struct of arguments.
    ///
    /// # Safety
    /// `arguments` are the bytes of the kernel's struct, aligned as it is, and what that points to lies in blocks of
    /// this driver.
    unsafe fn launch(
        &self,
        kernel: &str,
        grid: [u32; 3],
        threads: u32,
        arguments: &[MaybeUninit<u8>],
    ) -> Result<(), DeviceError>;

    /// Captures the copies, fills and launches of this thread from now on in a graph instead of executing them. Copies
    /// between host and device are refused meanwhile.
    ///
    /// # Errors
    /// The driver does not capture, which is the default; a device that fails.
    fn begin_capture(&self) -> Result<(), DeviceError> {
        Err(DeviceError::NotCaptured("the work of this driver"))
    }

    /// Ends what [`Self::begin_capture`] began on this thread, and returns the graph.
    ///
    /// # Errors
    /// Calls that cannot be captured; a device that fails.
    fn end_capture(&self) -> Result<u64, DeviceError> {
        Err(DeviceError::NotCaptured("the work of this driver"))
    }

    /// Executes a graph, in order with the other calls.
    ///
    /// # Safety
    /// [`Self::end_capture`] returned it, and the blocks that its calls use have not been freed.
    unsafe fn replay(&self, _graph: u64) -> Result<(), DeviceError> {
        Err(DeviceError::NotCaptured("the work of this driver"))
    }

    /// Frees a graph after its work.
    ///
    /// # Safety
    /// [`Self::end_capture`] returned it, and no later call uses it.
    unsafe fn drop_graph(&self, _graph: u64) {}
}

#[cfg(test)]
mod tests {
    use super::is_lost;

    #[test]
    fn codes_that_later_calls_do_not_repeat_are_no_loss_of_the_device() {
        // A failed kernel, an illegal access, a client that the MPS server terminated, an unknown error.
        assert!([719, 700, 810, 999].into_iter().all(is_lost));
        // Success, too many resources, peer access, pinned memory, a cooperative launch that is too large.
        assert!(![0, 1, 2, 701, 704, 705, 711, 712, 713, 720].into_iter().any(is_lost));
        // Not permitted, not supported, start-up, MPS connections; captures of streams.
        assert!(!(800..=809).chain(811..=812).chain(900..=910).any(is_lost));
    }
}
