//! CUDA's libraries, loaded when they are needed: a program with the feature `cuda` starts on any machine, and says what is missing.
//!
//! cudarc calls functions of libcuda, NVRTC and cuBLAS by name. Each name is a jump through a place that is filled when its library
//! is loaded; before that, calls answer with an error.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::OnceLock;

use super::driver::DeviceError;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlerror() -> *const c_char;
}

const RTLD_NOW: c_int = 2;

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
                // SAFETY: the library is loaded; a function of that name has the type that cudarc calls it with. Nobody reads the
                // places before this has run, once.
                unsafe {
                    let found = dlsym(library, name.as_ptr());
                    if !found.is_null() {
                        $places::$name = std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(found);
                    }
                }
            })*
        }
    };
}

functions! { fill_driver, driver:
    cuCtxGetCurrent cuCtxSetCurrent cuDestroyExternalMemory cuDeviceGet cuDeviceGetAttribute cuDeviceGetCount cuDeviceGetName
    cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxRetain cuDeviceTotalMem_v2 cuDriverGetVersion cuEventCreate cuEventDestroy_v2
    cuEventElapsedTime cuEventRecord cuExternalMemoryGetMappedBuffer cuGetErrorName cuGetErrorString cuImportExternalMemory cuInit
    cuLaunchKernel cuMemAllocAsync cuMemAlloc_v2 cuMemFreeAsync cuMemFree_v2 cuMemGetInfo_v2 cuMemcpyDtoDAsync_v2
    cuMemcpyDtoD_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoH_v2 cuMemcpyHtoDAsync_v2 cuMemcpyHtoD_v2 cuMemsetD8Async cuMemsetD8_v2
    cuModuleGetFunction cuModuleLoad cuModuleLoadData cuModuleUnload cuOccupancyAvailableDynamicSMemPerBlock
    cuOccupancyMaxActiveBlocksPerMultiprocessor cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags
    cuOccupancyMaxActiveClusters cuOccupancyMaxPotentialBlockSize cuOccupancyMaxPotentialBlockSizeWithFlags
    cuOccupancyMaxPotentialClusterSize cuProfilerStart cuProfilerStop cuStreamCreate cuStreamDestroy_v2 cuStreamSynchronize
    cuStreamWaitEvent
}

functions! { fill_nvrtc, nvrtc:
    nvrtcCompileProgram nvrtcCreateProgram nvrtcDestroyProgram nvrtcGetPTX nvrtcGetPTXSize nvrtcGetProgramLog
    nvrtcGetProgramLogSize
}

functions! { fill_cublas, cublas:
    cublasCreate_v2 cublasDestroy_v2 cublasDgemmStridedBatched cublasDgemm_v2 cublasDgemv_v2 cublasGemmEx
    cublasGemmStridedBatchedEx cublasSetStream_v2 cublasSgemmStridedBatched cublasSgemm_v2 cublasSgemv_v2
}

/// Loads the first library of these that is there. It stays loaded.
fn load(names: &[&CStr], fill: fn(*mut c_void)) -> Result<(), String> {
    let mut why = String::new();
    for name in names {
        // SAFETY: CUDA's libraries may be loaded at any time.
        let library = unsafe { dlopen(name.as_ptr(), RTLD_NOW) };
        if !library.is_null() {
            fill(library);
            return Ok(());
        }
        // SAFETY: an error was just met, so there is a text.
        let said = unsafe { CStr::from_ptr(dlerror()) }.to_string_lossy().into_owned();
        why = if why.is_empty() { said } else { format!("{why}; {said}") };
    }
    Err(why)
}

/// Loads the driver.
pub(super) fn load_driver() -> Result<(), DeviceError> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| load(&[c"libcuda.so.1"], fill_driver));
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
        load(&[c"libcublas.so.13", c"libcublas.so.12"], fill_cublas)
    });
    loaded.clone().map_err(DeviceError::NoLibrary)
}
