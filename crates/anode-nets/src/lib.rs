//! Networks whose residual blocks are ODEs, on top of [`anode_core`]: the nets of ANODE (arXiv 1902.10298) and of
//! ANODEV2 (arXiv 1906.04596), whose weights evolve too.
//!
//! | module | holds |
//! |---|---|
//! | [`net`] | networks as lists of segments: plain layers, ODE blocks, blocks with evolving weights |
//! | [`evolution`] | reaction-diffusion-advection of weights, the coupled block and its adjoint (ANODEV2) |
//! | [`train`] | training: loss and tape by dfdx, gradient descent, checkpoints |
//! | [`data`] | CIFAR-10, CIFAR-100, MNIST, folders of images: read, checked, altered, batched |
//! | [`problems`] | reference fields with known solutions |
//! | [`random`] | independent streams of random numbers from one seed |
//! | [`digest`], [`files`] | SHA-256, and reading files that came from elsewhere |
//!
//! Feature `cuda`: train on NVIDIA GPUs.

pub mod data;
pub mod digest;
pub mod evolution;
pub mod files;
pub mod net;
pub mod problems;
pub mod random;
pub mod train;

use anode_core::{gradient, ode};

mod kernels {
    pub use anode_cuda as cuda;
    pub use anode_kernels::*;
}
