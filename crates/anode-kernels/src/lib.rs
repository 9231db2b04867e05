//! Convolution, batch norm, pooling and linear layers on the CPU, each with its vector-Jacobian product (vjp), and
//! gradient descent, in `f32` and `f64`. [`Device`] is the interface that the CPU and the GPUs of `anode-cuda`
//! implement.
//!
//! Use it to write layers of a network without an autodiff library: each function computes one operation or its vjp on
//! slices and leaves it to the caller what to keep between the two. `anode-nets` builds its networks from them.
//!
//! # First example
//!
//! A convolution of one 4 x 4 image with a kernel whose centre is 1, and the gradient of J = sum(y) for its weights.
//!
//! ```
//! use anode_kernels::{ConvShape, conv, conv_vjp_weights, moments};
//!
//! let shape = ConvShape::same([1, 4, 4], 1, [3, 3]);
//! let x: Vec<f64> = (0..16).map(f64::from).collect();
//! let mut w = vec![0.0; shape.weight_len()];
//! w[4] = 1.0;
//! let mut y = vec![0.0; shape.output_len()];
//! conv(&shape, &x, &w, None, &mut y);
//! assert_eq!(y, x);
//!
//! // dJ/dy = 1. Cotangents of parameters are added to, so they start at zero.
//! let (y_bar, mut w_bar) = (vec![1.0; y.len()], vec![0.0; w.len()]);
//! conv_vjp_weights(&shape, &x, &y_bar, &mut w_bar, None);
//! assert_eq!(w_bar[4], x.iter().sum::<f64>());
//!
//! // Batch statistics of the only channel, which has 16 pixels per image.
//! assert_eq!(moments(&y, 1, 16, &[]).mean, [7.5]);
//! ```
//!
//! # Layout
//!
//! Images are NCHW: a batch of n images is one slice `[n, channels, height, width]`, row by row. Weights of a
//! convolution are `[channels, input channels, kernel height, kernel width]`. Functions panic if a slice has the wrong
//! length.
//!
//! # Entry points
//!
//! | for | use |
//! |---|---|
//! | a convolution of any kernel, stride and zero padding | [`conv()`], [`conv_vjp_input`], [`conv_vjp_weights`] |
//! | a convolution of the batch norm of its input, in fewer passes over memory | [`norm_conv`], [`norm_conv_vjp`] |
//! | batch norm, with or without ReLU | [`moments`], [`Norm`] |
//! | pooling over windows that tile the image | [`PoolShape`], [`average_pool`], [`max_pool`] |
//! | fully connected layers | [`linear`] for batches, [`dense()`] for one vector |
//! | activation functions of one number | [`Activation`] |
//! | a step of SGD with momentum and weight decay | [`descend`] |
//! | images of bytes, cropped, mirrored and normalised | [`ByteImages`] |
//! | code that runs on the CPU and on GPUs | [`Device`], with [`Cpu`] as its implementation for the CPU |
//! | an allocator that keeps the memory of large blocks | [`allocator`] |
//!
//! # Cost
//!
//! Images are spread over the threads of rayon's pool. Every sum runs in an order that does not depend on the number of
//! threads, so results are bit-identical for any number of them, and also on all x86-64 processors with AVX2 or AVX-512
//! ([`vector_instructions`]). In `f32`, 3 x 3 convolutions with at least 64 input and output channels use Winograd's
//! F(4x4, 3x3) (relative error below 1e-5) for most shapes, and other small kernels a direct convolution by vector
//! registers. All other convolutions, and those in `f64`, multiply matrices: each thread unrolls one image at a time
//! into (input channels x kernel height x kernel width x output pixels) numbers. The crate depends on `anode-core`,
//! gemm, libc, pulp, rayon and thiserror, and on no system library.
//!
//! # Sources
//!
//! Batch norm and gradient descent follow PyTorch's definitions. The convolutions are those of the networks of ANODE
//! (arXiv 1902.10298) and ANODEV2 (arXiv 1906.04596), which prescribe no algorithm for them.

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
mod direct_weights;
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
pub use simd::vector_instructions;
