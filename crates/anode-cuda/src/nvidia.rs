//! CUDA's own driver, through cudarc. Kernels were compiled when the program was built and lie in it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{
    self, CUdevice_attribute_enum as Attribute, CUfunction, CUgraphExec, CUmemPool_attribute_enum as PoolAttribute,
    CUmemoryPool, CUmodule, CUresult, CUstream, CUstreamCaptureMode_enum as CaptureMode,
};
use cudarc::driver::{CudaDevice, DriverError, result};

use anode_core::ode::{Real, Vector};

use super::buffer::Buffer;
use super::convolver::Convolver;
use super::cudnn::LIBRARIES;
use super::driver::{DeviceError, Driver};
use super::gpu::Gpu;
use super::library;
use super::staging::Staging;

/// Bytes where the driver likes them to begin.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

static KERNELS: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin")));

/// A stream whose work does not wait for the default stream.
const NON_BLOCKING: u32 = 1;

thread_local! {
    /// The module of the device whose work this thread captures, and the stream; null if it captures none.
    static CAPTURING: Cell<(CUmodule, CUstream)> = const { Cell::new((std::ptr::null_mut(), std::ptr::null_mut())) };
}

/// An NVIDIA GPU. All work runs on the default stream, as dfdx's does.
pub struct Nvidia {
    ordinal: usize,
    device: Arc<CudaDevice>,
    module: CUmodule,
    /// The pool that dfdx's tensors are allocated from; `None` if the device has no memory pools.
    pool: Option<CUmemoryPool>,
    functions: Mutex<BTreeMap<String, CUfunction>>,
    staging: Mutex<Staging>,
    description: String,
}

// SAFETY: handles of the driver may be used from any thread to which the context is bound, which every call does first.
unsafe impl Send for Nvidia {}
// SAFETY: as above.
unsafe impl Sync for Nvidia {}

/// The driver's name of an error, and what it means.
fn answer(error: DriverError) -> String {
    let text = |found: Result<&std::ffi::CStr, DriverError>| {
        found.map_or_else(|_| "?".into(), |text| text.to_string_lossy().into_owned())
    };
    format!("{}: {}", text(error.error_name()), text(error.error_string()))
}

fn failed(what: &str) -> impl Fn(DriverError) -> DeviceError + '_ {
    move |error| DeviceError::Failed { what: what.into(), answer: answer(error) }
}

/// As [`failed`], before the device is open: no run has begun that could be resumed.
fn not_started(what: &str) -> impl Fn(DriverError) -> DeviceError + '_ {
    move |error| DeviceError::NotStarted {
        what: what.into(),
        answer: format!("code {}, {}", error.0 as u32, answer(error)),
    }
}

/// A version as CUDA writes it: 13000 is 13.0.
fn version(number: i32) -> (i32, i32) {
    (number / 1000, number % 1000 / 10)
}

/// The version of the toolkit that compiled the kernels.
fn toolkit() -> (i32, i32) {
    let (major, minor) = env!("ANODE_CUDA").split_once('.').unwrap_or((env!("ANODE_CUDA"), "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

/// The driver's library and version, checked. Everything below needs this.
fn driver() -> Result<(i32, i32), DeviceError> {
    library::load_driver()?;
    let mut number = 0;
    // SAFETY: a place for a number.
    unsafe { sys::cuDriverGetVersion(&mut number) }.result().map_err(not_started("reporting its version"))?;
    let (found, needed) = (version(number), toolkit());
    if found < needed {
        let text = |(major, minor)| format!("{major}.{minor}");
        return Err(DeviceError::OldDriver { found: text(found), needed: text(needed) });
    }
    result::init().map_err(|DriverError(code)| match code {
        CUresult::CUDA_ERROR_NO_DEVICE => DeviceError::NoDevice("CUDA_ERROR_NO_DEVICE".into()),
        code => not_started("starting")(DriverError(code)),
    })?;
    Ok(found)
}

/// The memory pool of `device`, if it has pools. The pool keeps freed memory: by default, it returns large blocks to
/// the system each time the host waits for the device, and dfdx would allocate them again in every step.
fn memory_pool(device: &CudaDevice) -> Result<Option<CUmemoryPool>, DeviceError> {
    let has_pools = device.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED);
    if has_pools.map_err(not_started("asking the device for memory pools"))? == 0 {
        return Ok(None);
    }
    let (mut pool, mut threshold) = (std::ptr::null_mut(), u64::MAX);
    let release = PoolAttribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: a pointer to a pool.
    unsafe { sys::cuDeviceGetMemPool(&mut pool, *device.cu_device()) }
        .result()
        .map_err(not_started("asking the device for its memory pool"))?;
    // SAFETY: the attribute is a `u64`, which the driver reads.
    unsafe { sys::cuMemPoolSetAttribute(pool, release, std::ptr::from_mut(&mut threshold).cast()) }
        .result()
        .map_err(not_started("setting the release threshold of the memory pool"))?;
    Ok(Some(pool))
}

impl Nvidia {
    /// The GPU with this number.
    ///
    /// # Errors
    /// No driver, too old a driver, no such device, a device without kernels in this program.
    pub fn new(ordinal: usize) -> Result<Self, DeviceError> {
        let (major, minor) = driver()?;
        let count = result::device::get_count().map_err(not_started("counting devices"))?;
        if ordinal >= usize::try_from(count).unwrap_or(0) {
            return Err(DeviceError::NoDevice(format!("number {ordinal} of {count}")));
        }
        let device = CudaDevice::new(ordinal).map_err(not_started("opening the device"))?;
        let attribute = |which| device.attribute(which).map_err(not_started("asking the device"));
        let capability = (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        if capability < (8, 0) {
            return Err(DeviceError::Capability { found: format!("{}.{}", capability.0, capability.1) });
        }
        // SAFETY: a whole fat binary, and a device that is open.
        let module =
            unsafe { result::module::load_data(KERNELS.0.as_ptr().cast()) }.map_err(not_started("loading kernels"))?;
        let pool = memory_pool(&device)?;
        let mut name = [0; 128];
        // SAFETY: room for the name and its end.
        unsafe { sys::cuDeviceGetName(name.as_mut_ptr(), name.len() as i32, *device.cu_device()) }
            .result()
            .map_err(not_started("asking for the device's name"))?;
        let name: String = name.iter().take_while(|&&c| c != 0).map(|&c| char::from(c as u8)).collect();
        let description = format!(
            "{name}, compute capability {}.{}, driver for CUDA {major}.{minor}, kernels of CUDA {}",
            capability.0,
            capability.1,
            env!("ANODE_CUDA")
        );
        Ok(Self { ordinal, device, module, pool, functions: Mutex::default(), staging: Mutex::default(), description })
    }

    /// The number of the device.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    fn bound(&self, what: &str) -> Result<(), DeviceError> {
        self.device.bind_to_thread().map_err(failed(what))
    }

    /// The stream of a call: that of a capture on this thread, else the default stream.
    fn stream(&self) -> CUstream {
        let (module, stream) = CAPTURING.get();
        if module == self.module { stream } else { std::ptr::null_mut() }
    }

    /// An error if this thread captures work, which `what` cannot be a part of.
    fn not_captured(&self, what: &'static str) -> Result<(), DeviceError> {
        if self.stream().is_null() { Ok(()) } else { Err(DeviceError::NotCaptured(what)) }
    }

    fn function(&self, kernel: &str) -> Result<CUfunction, DeviceError> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&function) = functions.get(kernel) {
            return Ok(function);
        }
        let name = CString::new(kernel).unwrap_or_default();
        // SAFETY: the module stays loaded.
        let function = unsafe { result::module::get_function(self.module, name) }.map_err(failed(kernel))?;
        functions.insert(kernel.to_owned(), function);
        Ok(function)
    }
}

impl Drop for Nvidia {
    fn drop(&mut self) {
        if self.bound("closing").is_ok() {
            // SAFETY: the context is bound.
            unsafe { self.staging.get_mut().unwrap_or_else(PoisonError::into_inner).close() };
            // SAFETY: loaded by `new`; nothing is launched any more. A device that is lost cannot be told.
            let _ = unsafe { result::module::unload(self.module) };
        }
    }
}

impl Gpu<Nvidia> {
    /// The NVIDIA GPU with this number.
    ///
    /// # Errors
    /// See [`Nvidia::new`]; cuDNN that is asked for and cannot be used.
    pub fn nvidia(ordinal: usize, convolver: Convolver) -> Result<Self, DeviceError> {
        let driver = Nvidia::new(ordinal)?;
        match convolver {
            Convolver::Own => Self::new(driver),
            Convolver::Cudnn(freedom) => Self::with_cudnn(driver, LIBRARIES, freedom),
        }
    }

    /// Copies the numbers of `from` to memory on this device that another library allocated.
    ///
    /// # Safety
    /// At `to` there is memory for all numbers of `from`.
    pub unsafe fn copy_out<R: Real>(&self, to: u64, from: &Buffer<R, Nvidia>) {
        // SAFETY: the buffer has these numbers, and the caller's promise.
        self.attempt(|driver| unsafe { driver.copy(to, from.source().address(), from.bytes()) });
    }

    /// Overwrites `to` with numbers from memory on this device that another library allocated.
    ///
    /// # Safety
    /// At `from` there are as many numbers as in `to`.
    pub unsafe fn copy_in<R: Real>(&self, to: &mut Buffer<R, Nvidia>, from: u64) {
        let (target, bytes) = (to.target().address(), to.bytes());
        // SAFETY: the buffer has these numbers, and the caller's promise.
        self.attempt(|driver| unsafe { driver.copy(target, from, bytes) });
    }
}

impl Driver for Nvidia {
    fn describe(&self) -> String {
        self.description.clone()
    }

    fn bind(&self) -> Result<(), DeviceError> {
        self.bound("becoming current")
    }

    fn memory(&self) -> Result<(usize, usize), DeviceError> {
        self.bound("asking for memory")?;
        result::mem_get_info().map_err(failed("asking for memory"))
    }

    fn allocate(&self, bytes: usize) -> Result<Option<u64>, DeviceError> {
        self.bound("allocating memory")?;
        // SAFETY: the arena gives it back by `free`.
        match unsafe { result::malloc_sync(bytes) } {
            Ok(address) => Ok(Some(address)),
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => Ok(None),
            Err(error) => Err(failed("allocating memory")(error)),
        }
    }

    unsafe fn free(&self, address: u64, _: usize) {
        if self.bound("freeing memory").is_ok() {
            // SAFETY: the caller's promise. Memory of a device that is lost is gone anyway.
            let _ = unsafe { result::free_sync(address) };
        }
    }

    fn trim(&self) {
        if let Some(pool) = self.pool
            && self.bound("freeing memory").is_ok()
        {
            // SAFETY: the default stream and the device's pool. What fails here leaves the pool as it is.
            unsafe {
                let _ = sys::cuStreamSynchronize(std::ptr::null_mut());
                let _ = sys::cuMemPoolTrimTo(pool, 0);
            }
        }
    }

    unsafe fn upload(&self, to: u64, from: &[u8]) -> Result<(), DeviceError> {
        self.not_captured("a copy to the device")?;
        self.bound("copying to the device")?;
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller's promise, and the context is bound.
        if unsafe { staging.upload(to, from) }.map_err(failed("copying to the device"))? {
            return Ok(());
        }
        // SAFETY: the caller's promise.
        unsafe { result::memcpy_htod_sync(to, from) }.map_err(failed("copying to the device"))
    }

    unsafe fn download(&self, to: &mut [u8], from: u64) -> Result<(), DeviceError> {
        self.not_captured("a copy from the device")?;
        self.bound("copying from the device")?;
        // SAFETY: the caller's promise.
        unsafe { result::memcpy_dtoh_sync(to, from) }.map_err(failed("copying from the device"))
    }

    unsafe fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<(), DeviceError> {
        self.bound("copying on the device")?;
        // SAFETY: the caller's promise.
        unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream()) }.map_err(failed("copying on the device"))
    }

    unsafe fn zero(&self, to: u64, bytes: usize) -> Result<(), DeviceError> {
        self.bound("clearing memory")?;
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the caller's promise.
        unsafe { result::memset_d8_async(to, 0, bytes, self.stream()) }.map_err(failed("clearing memory"))
    }

    unsafe fn launch(
        &self,
        kernel: &str,
        [x, y, z]: [u32; 3],
        threads: u32,
        arguments: &[MaybeUninit<u8>],
    ) -> Result<(), DeviceError> {
        self.bound(kernel)?;
        let function = self.function(kernel)?;
        let mut parameters = [arguments.as_ptr().cast_mut().cast()];
        // SAFETY: the caller's promise.
        unsafe { result::launch_kernel(function, (x, y, z), (threads, 1, 1), 0, self.stream(), &mut parameters) }
            .map_err(failed(kernel))
    }

    /// Captures on a new stream, because the default stream cannot be captured. This does not change the work of other
    /// threads and of dfdx.
    fn begin_capture(&self) -> Result<(), DeviceError> {
        if std::env::var_os("ANODE_CUDA_GRAPHS").is_some_and(|value| value == "0") {
            return Err(DeviceError::NotCaptured("with ANODE_CUDA_GRAPHS=0, work"));
        }
        self.bound("beginning a capture")?;
        let mut stream = std::ptr::null_mut();
        // SAFETY: a pointer to the stream that is written.
        unsafe { sys::cuStreamCreate(&mut stream, NON_BLOCKING) }
            .result()
            .map_err(failed("creating a stream for a capture"))?;
        // Relaxed, because the arena may have to allocate a block meanwhile.
        // SAFETY: the stream was just created.
        let begun = unsafe { sys::cuStreamBeginCapture_v2(stream, CaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED) };
        if let Err(error) = begun.result() {
            // SAFETY: the stream has no other user.
            let _ = unsafe { sys::cuStreamDestroy_v2(stream) };
            return Err(failed("beginning a capture")(error));
        }
        CAPTURING.set((self.module, stream));
        Ok(())
    }

    fn end_capture(&self) -> Result<u64, DeviceError> {
        let (_, stream) = CAPTURING.replace((std::ptr::null_mut(), std::ptr::null_mut()));
        self.bound("ending a capture")?;
        let (mut graph, mut executable): (_, CUgraphExec) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: `begin_capture` created the stream; pointers to the graphs that are written; neither has another
        // user.
        unsafe {
            let ended = sys::cuStreamEndCapture(stream, &mut graph).result();
            let _ = sys::cuStreamDestroy_v2(stream);
            ended.map_err(failed("ending a capture"))?;
            let made = sys::cuGraphInstantiateWithFlags(&mut executable, graph, 0).result();
            let _ = sys::cuGraphDestroy(graph);
            made.map_err(failed("instantiating a graph"))?;
            // Here, a lack of memory fails the capture; in the first replay, it would fail the device.
            if let Err(error) = sys::cuGraphUpload(executable, std::ptr::null_mut()).result() {
                let _ = sys::cuGraphExecDestroy(executable);
                return Err(failed("copying a graph to the device")(error));
            }
        }
        Ok(executable as u64)
    }

    unsafe fn replay(&self, graph: u64) -> Result<(), DeviceError> {
        self.not_captured("a replay")?;
        self.bound("replaying a graph")?;
        // SAFETY: the caller's promise.
        unsafe { sys::cuGraphLaunch(graph as CUgraphExec, std::ptr::null_mut()) }
            .result()
            .map_err(failed("replaying a graph"))
    }

    unsafe fn drop_graph(&self, graph: u64) {
        if self.bound("freeing a graph").is_ok() {
            // SAFETY: the caller's promise. The graph may still run, so the host waits. A device that is lost has
            // freed it already.
            unsafe {
                let _ = sys::cuStreamSynchronize(std::ptr::null_mut());
                let _ = sys::cuGraphExecDestroy(graph as CUgraphExec);
            }
        }
    }
}
