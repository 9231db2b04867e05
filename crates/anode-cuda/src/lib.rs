//! The kernels of [`anode_kernels`] on CUDA devices.
//!
//! [`Gpu`] implements [`Device`](anode_kernels::Device), so code that is generic over the device runs on an NVIDIA GPU
//! without changes. A [`Gpu`] calls its GPU through a [`Driver`]: CUDA's driver if the crate is built with the feature
//! `cuda`, or, in the tests, an emulator that runs the same kernel source (`kernels.cu`) on the CPU. The feature is off
//! by default. The crate then has no `Nvidia` and needs neither CUDA nor a GPU.
//!
//! # First example
//!
//! A function for any device. It runs on the CPU, and on the first GPU if the feature is on and there is a GPU.
//!
//! ```
//! use anode_kernels::{Activation, ComputeError, Cpu, Device};
//!
//! fn tanh(device: &impl Device, x: Vec<f32>) -> Result<Vec<f32>, ComputeError> {
//!     let mut y = device.upload(x);
//!     device.activate(Activation::Tanh, 1.0, &mut y);
//!     // Launches do not wait. Their errors are returned here.
//!     device.synchronize()?;
//!     Ok(device.download(&y))
//! }
//!
//! let on_cpu = tanh(&Cpu, vec![0.5])?;
//! assert!((on_cpu[0] - 0.5f32.tanh()).abs() < 1e-6);
//! #[cfg(feature = "cuda")]
//! if let Ok(gpu) = anode_cuda::Gpu::nvidia(0, anode_cuda::Convolver::Own) {
//!     assert!((tanh(&gpu, vec![0.5])?[0] - on_cpu[0]).abs() < 1e-6);
//! }
//! # Ok::<(), ComputeError>(())
//! ```
//!
//! # Entry points
//!
//! | for | use |
//! |---|---|
//! | the GPU with number n | `Gpu::nvidia(n, convolver)` (feature `cuda`) |
//! | which code computes convolutions: these kernels, or cuDNN | [`Convolver`], [`Freedom`] |
//! | numbers in the device's memory | [`Buffer`] |
//! | work that is captured once and replayed with one call of the driver | [`Graph`], `Device::capture` |
//! | bytes in use, their peak, and bytes kept for later blocks | [`Gpu::held`], [`Held`] |
//! | the first failure of the device | [`Gpu::failure`], [`DeviceError`] |
//! | another way to reach a device, or an emulator | [`Driver`], [`Gpu::new`], [`Gpu::with_cudnn`] |
//!
//! # Cost
//!
//! With the feature `cuda`, the build requires a CUDA toolkit with `nvcc`; running requires the NVIDIA driver and a GPU
//! of compute capability 8.0 or later. cuDNN is loaded when a device with [`Convolver::Cudnn`] is opened, and needed
//! only then. Freed blocks of memory are kept for the next block of the same size.
//!
//! Each sum is computed in a fixed order without atomics, so results are bit-identical between runs on one device. They
//! differ from those of the CPU by rounding. [`Freedom::Fast`] is the exception: its results are not reproducible.
//! `docs/cuda.md` has measured times, the kernels and the tests without a GPU.

mod activation;
mod address;
mod arena;
mod buffer;
mod bytes;
mod capture;
mod conv;
mod convolver;
mod cudnn;
mod dense;
mod descent;
mod device;
mod driver;
mod gpu;
#[cfg(feature = "cuda")]
mod library;
mod loader;
mod norm;
#[cfg(feature = "cuda")]
mod nvidia;
mod pool;
mod slabs;
#[cfg(feature = "cuda")]
mod staging;

pub use arena::{Held, give_back_all};
pub use buffer::Buffer;
pub use capture::Graph;
pub use convolver::Convolver;
pub use cudnn::{Freedom, LIBRARIES};
pub use driver::{DeviceError, Driver};
pub use gpu::Gpu;
#[cfg(feature = "cuda")]
pub use library::load_libraries;
pub use norm::GpuMoments;
#[cfg(feature = "cuda")]
pub use nvidia::Nvidia;
