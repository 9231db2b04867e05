//! cuDNN's functions, taken from its library when the program runs. Names, types and numbers are those of the header
//! `cudnn_cnn.h`, which cuDNN 8 and 9 share.

use std::ffi::{CStr, c_char, c_float, c_int, c_void};

use crate::loader;

/// What cuDNN works with: its context, a descriptor.
pub(super) type Handle = *mut c_void;

/// What cuDNN expects of an algorithm.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expectation {
    pub algorithm: c_int,
    pub status: c_int,
    pub time: c_float,
    pub memory: usize,
    pub determinism: c_int,
    pub math: c_int,
    reserved: [c_int; 3],
}

/// How cuDNN may multiply.
#[derive(Clone, Copy, PartialEq)]
#[repr(i32)]
pub(super) enum Math {
    /// As it likes: TF32 where the numbers are `f32`.
    Any = 0,
    TensorOp = 1,
    TensorOpConverted = 2,
    /// With fused multiply-adds only.
    Fused = 3,
}

pub(super) const NCHW: c_int = 0;
pub(super) const CROSS_CORRELATION: c_int = 1;
pub(super) const DETERMINISTIC: c_int = 1;

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) -> $answer:ty;)*) => {
        #[allow(non_snake_case)]
        pub(super) struct Functions {
            $(pub $name: unsafe extern "C" fn($($argument),*) -> $answer,)*
        }

        impl Functions {
            /// Loads the functions of the first of these libraries that exists. Returns as text why none can be used.
            pub fn load(names: &[&CStr]) -> Result<Self, String> {
                let library = loader::open(names)?;
                Ok(Self {
                    $($name: {
                        let name = CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes());
                        let found = loader::function(library, name.unwrap_or_default());
                        if found.is_null() {
                            return Err(format!("it has no function {}", stringify!($name)));
                        }
                        // SAFETY: the library's function of this name has the type that its header declares.
                        unsafe {
                            std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) -> $answer>(found)
                        }
                    },)*
                })
            }
        }
    };
}

functions! {
    cudnnGetVersion: fn() -> usize;
    cudnnGetErrorString: fn(c_int) -> *const c_char;
    cudnnCreate: fn(*mut Handle) -> c_int;
    cudnnDestroy: fn(Handle) -> c_int;
    cudnnCreateTensorDescriptor: fn(*mut Handle) -> c_int;
    cudnnDestroyTensorDescriptor: fn(Handle) -> c_int;
    cudnnSetTensor4dDescriptor: fn(Handle, c_int, c_int, c_int, c_int, c_int, c_int) -> c_int;
    cudnnCreateFilterDescriptor: fn(*mut Handle) -> c_int;
    cudnnDestroyFilterDescriptor: fn(Handle) -> c_int;
    cudnnSetFilter4dDescriptor: fn(Handle, c_int, c_int, c_int, c_int, c_int, c_int) -> c_int;
    cudnnCreateConvolutionDescriptor: fn(*mut Handle) -> c_int;
    cudnnDestroyConvolutionDescriptor: fn(Handle) -> c_int;
    cudnnSetConvolution2dDescriptor: fn(Handle, c_int, c_int, c_int, c_int, c_int, c_int, c_int, c_int) -> c_int;
    cudnnSetConvolutionMathType: fn(Handle, c_int) -> c_int;
    // What each expects: of x, w, convolution, y; of w, y, convolution, x; of x, y, convolution, w.
    cudnnGetConvolutionForwardAlgorithm_v7:
        fn(Handle, Handle, Handle, Handle, Handle, c_int, *mut c_int, *mut Expectation) -> c_int;
    cudnnGetConvolutionBackwardDataAlgorithm_v7:
        fn(Handle, Handle, Handle, Handle, Handle, c_int, *mut c_int, *mut Expectation) -> c_int;
    cudnnGetConvolutionBackwardFilterAlgorithm_v7:
        fn(Handle, Handle, Handle, Handle, Handle, c_int, *mut c_int, *mut Expectation) -> c_int;
    // alpha, two operands with their descriptors, convolution, algorithm, workspace and its bytes, beta, the result.
    cudnnConvolutionForward: fn(
        Handle, *const c_void, Handle, *const c_void, Handle, *const c_void, Handle, c_int, *mut c_void, usize,
        *const c_void, Handle, *mut c_void
    ) -> c_int;
    cudnnConvolutionBackwardData: fn(
        Handle, *const c_void, Handle, *const c_void, Handle, *const c_void, Handle, c_int, *mut c_void, usize,
        *const c_void, Handle, *mut c_void
    ) -> c_int;
    cudnnConvolutionBackwardFilter: fn(
        Handle, *const c_void, Handle, *const c_void, Handle, *const c_void, Handle, c_int, *mut c_void, usize,
        *const c_void, Handle, *mut c_void
    ) -> c_int;
    cudnnAddTensor: fn(Handle, *const c_void, Handle, *const c_void, *const c_void, Handle, *mut c_void) -> c_int;
}
