//! Numerical kernels, forward and vjp, in `f32` and `f64` on the CPU, and [`Device`],
//! what any computer of them must do.
//!
//! Images are NCHW; a batch of n images is one slice. Slices of the wrong length are a bug of the caller and panic.

pub mod allocator;

mod activation;
mod bytes;
mod conv;
mod cpu;
mod dense;
mod descent;
mod device;
mod direct;
mod direct_vjp;
mod error;
mod fused;
mod norm;
mod part;
mod plan;
mod pool;
mod simd;
mod unwritten;
mod winograd;

pub use activation::Activation;
pub use bytes::{ByteImages, Crop};
pub use conv::{ConvShape, conv, conv_vjp_input, conv_vjp_weights, linear, linear_vjp};
pub use cpu::Cpu;
pub use dense::{dense, dense_vjp};
pub use descent::{Descent, descend};
pub use device::{Cotangent, Device, DeviceImages, DeviceNorm};
pub use error::{ComputeError, DeviceFailure};
pub use fused::{ConvBars, Images, norm_conv, norm_conv_vjp};
pub use norm::{EPSILON, Moments, Norm, NormVjp, channel_sums, moments};
pub use part::{Part, PartMut};
pub use pool::{PoolShape, average_pool, average_pool_vjp, max_pool, max_pool_vjp};
