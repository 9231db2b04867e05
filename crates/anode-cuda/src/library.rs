//! CUDA's libraries, loaded when they are needed: a program with the feature `cuda` starts on any machine, and says
//! what is missing.
//!
//! cudarc calls functions of libcuda, NVRTC and cuBLAS by name. Each name is a jump through a place that is filled when
//! its library is loaded; before that, calls answer with an error.

use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::OnceLock;

use super::arena::give_back_all;
use super::driver::{DeviceError, is_lost};
use super::loader;

/// What a function answers whose library is not loaded: an error of each of the three libraries.
unsafe extern "C" fn missing() -> c_int {
    3
}

/// Defines functions that jump through a place, and a function that fills the places from a library.
macro_rules! functions {
    ($fill:ident, $places:ident: $($name:ident)*) => {
        #[allow(non_upper_case_globals)]
        mod $places {
            $(pub static mut $name: unsafe extern "C" fn() -> std::ffi::c_int = super::missing;)*
        }

        #[cfg(target_arch = "x86_64")]
        std::arch::global_asm!(
            ".text",
            $(
                concat!(".globl ", stringify!($name)),
                concat!(".type ", stringify!($name), ", @function"),
                concat!(stringify!($name), ":"),
                concat!("jmp qword ptr [rip + {", stringify!($name), "}]"),
            )*
            $($name = sym $places::$name,)*
        );

        #[cfg(target_arch = "aarch64")]
        std::arch::global_asm!(
            ".text",
            $(
                concat!(".globl ", stringify!($name)),
                concat!(".type ", stringify!($name), ", %function"),
                concat!(stringify!($name), ":"),
                concat!("adrp x16, {", stringify!($name), "}"),
                concat!("ldr x16, [x16, :lo12:{", stringify!($name), "}]"),
                "br x16",
            )*
            $($name = sym $places::$name,)*
        );

        /// Fills the places of the functions that the library has.
        fn $fill(library: *mut c_void) {
            $(if let Ok(name) = CString::new(stringify!($name)) {
                let found = loader::function(library, &name);
                if !found.is_null() {
                    // SAFETY: a function of that name has the type that cudarc calls it with. Nobody reads the places
                    // before this has run, once.
                    unsafe {
                        $places::$name = std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(found);
                    }
                }
            })*
        }
    };
}

functions! { fill_driver, driver:
    cuCtxGetCurrent cuCtxSetCurrent cuDestroyExternalMemory cuDeviceGet cuDeviceGetAttribute cuDeviceGetCount
    cuDeviceGetMemPool cuDeviceGetName cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxRetain cuDeviceTotalMem_v2
    cuDriverGetVersion cuEventCreate cuEventDestroy_v2 cuEventElapsedTime cuEventRecord cuEventSynchronize
    cuExternalMemoryGetMappedBuffer
    cuGetErrorName cuGetErrorString cuGraphDestroy cuGraphExecDestroy cuGraphInstantiateWithFlags cuGraphLaunch
    cuGraphUpload cuImportExternalMemory cuInit
    cuLaunchKernel cuMemAllocAsync cuMemAllocHost_v2 cuMemAlloc_v2 cuMemFreeAsync cuMemFreeHost cuMemFree_v2
    cuMemGetInfo_v2
    cuMemPoolSetAttribute cuMemPoolTrimTo cuMemcpyDtoDAsync_v2
    cuMemcpyDtoD_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoH_v2 cuMemcpyHtoDAsync_v2 cuMemcpyHtoD_v2
    cuMemsetD8Async cuMemsetD8_v2
    cuModuleGetFunction cuModuleLoad cuModuleLoadData cuModuleUnload cuOccupancyAvailableDynamicSMemPerBlock
    cuOccupancyMaxActiveBlocksPerMultiprocessor cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags
    cuOccupancyMaxActiveClusters cuOccupancyMaxPotentialBlockSize cuOccupancyMaxPotentialBlockSizeWithFlags
    cuOccupancyMaxPotentialClusterSize cuProfilerStart cuProfilerStop cuStreamCreate cuStreamDestroy_v2
    cuStreamBeginCapture_v2 cuStreamEndCapture cuStreamSynchronize cuStreamWaitEvent
}

functions! { fill_nvrtc, nvrtc:
    nvrtcCompileProgram nvrtcCreateProgram nvrtcDestroyProgram nvrtcGetPTX nvrtcGetPTXSize nvrtcGetProgramLog
    nvrtcGetProgramLogSize
}

functions! { fill_cublas, cublas:
    cublasCreate_v2 cublasDestroy_v2 cublasDgemmStridedBatched cublasDgemm_v2 cublasDgemv_v2 cublasGemmEx
    cublasGemmStridedBatchedEx cublasSetStream_v2 cublasSgemmStridedBatched cublasSgemm_v2 cublasSgemv_v2
}

type Unknown = unsafe extern "C" fn() -> c_int;
type OfThree = unsafe extern "C" fn(usize, usize, usize) -> c_int;

/// Puts a function before others that answers for a lost device that all is well. They give back what the device had,
/// or come before that, and cudarc panics where they fail, many times over where much is given back: the process would
/// end instead of telling what failed. Nothing is hidden by that, for the next call of any other function fails.
macro_rules! quiet {
    ($fill:ident, $places:ident, $lost:ident: $($name:ident)*) => {
        fn $fill() {
            $({
                static mut REAL: Unknown = missing;
                unsafe extern "C" fn quiet(first: usize, second: usize, third: usize) -> c_int {
                    // SAFETY: each takes at most three numbers or addresses, in whose registers these are.
                    let answer = unsafe { std::mem::transmute::<Unknown, OfThree>(REAL)(first, second, third) };
                    if $lost(answer) { 0 } else { answer }
                }
                // SAFETY: nobody reads the places before they have been filled, once, which this is a part of.
                unsafe {
                    REAL = $places::$name;
                    $places::$name = std::mem::transmute::<OfThree, Unknown>(quiet);
                }
            })*
        }
    };
}

quiet! { quieten_driver, driver, is_lost:
    cuCtxSetCurrent cuDevicePrimaryCtxRelease_v2 cuEventDestroy_v2 cuEventRecord cuMemFreeAsync cuMemFree_v2
    cuModuleUnload
    cuStreamDestroy_v2 cuStreamWaitEvent
}

/// cuBLAS has one answer for all that a device may have met.
fn is_lost_to_cublas(answer: c_int) -> bool {
    matches!(answer, 11 | 13 | 14)
}

quiet! { quieten_cublas, cublas, is_lost_to_cublas: cublasDestroy_v2 }

/// What the driver answers if there is not enough memory.
const OUT_OF_MEMORY: c_int = 2;

/// Changes allocations in two ways. A request for zero bytes becomes one for one byte: dfdx allocates zero bytes for
/// its workspace, which the driver refuses on a device without memory pools. If there is not enough memory, our arenas
/// give their kept blocks back and the driver is called again, once.
macro_rules! allocate {
    ($fill:ident, $places:ident: $($name:ident)*) => {
        fn $fill() {
            $({
                static mut REAL: Unknown = missing;
                unsafe extern "C" fn allocate(place: usize, bytes: usize, stream: usize) -> c_int {
                    // SAFETY: each takes the address of the result, a size, and at most a stream.
                    let call = || unsafe { std::mem::transmute::<Unknown, OfThree>(REAL)(place, bytes.max(1), stream) };
                    let answer = call();
                    if answer == OUT_OF_MEMORY && give_back_all() > 0 { call() } else { answer }
                }
                // SAFETY: nobody reads the places before they have been filled, once, which this is a part of.
                unsafe {
                    REAL = $places::$name;
                    $places::$name = std::mem::transmute::<OfThree, Unknown>(allocate);
                }
            })*
        }
    };
}

allocate! { change_allocations, driver: cuMemAllocAsync cuMemAlloc_v2 }

/// Opens the first of these libraries, and fills its places.
fn load(names: &[&CStr], fill: fn(*mut c_void)) -> Result<(), String> {
    loader::open(names).map(fill)
}

/// Loads the driver.
pub(super) fn load_driver() -> Result<(), DeviceError> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        load(&[c"libcuda.so.1"], fill_driver)?;
        quieten_driver();
        change_allocations();
        Ok(())
    });
    loaded.clone().map_err(DeviceError::NoDriver)
}

/// Loads what dfdx's device needs besides: cuBLAS, and NVRTC where it is there.
///
/// # Errors
/// No driver, no cuBLAS.
pub fn load_libraries() -> Result<(), DeviceError> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    load_driver()?;
    let loaded = LOADED.get_or_init(|| {
        // Only cudarc's own tests compile at run time.
        let _ = load(&[c"libnvrtc.so.13", c"libnvrtc.so.12"], fill_nvrtc);
        load(&[c"libcublas.so.13", c"libcublas.so.12"], fill_cublas).map(|()| quieten_cublas())
    });
    loaded.clone().map_err(DeviceError::NoLibrary)
}
