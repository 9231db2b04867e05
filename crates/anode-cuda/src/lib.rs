//! The kernels on a CUDA device: `kernels.cu`, and what launches them.
//!
//! [`Gpu`] is a [`Device`](anode_kernels::Device) behind any [`Driver`]: CUDA's own where the program is built with the
//! feature `cuda`, an emulator in the tests, which runs the same source. Everything is summed in a fixed order, so bits
//! repeat from run to run.

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
