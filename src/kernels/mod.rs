//! Numerical kernels, forward and vjp. This room knows nothing of networks or solvers.

mod activation;

pub use activation::Activation;
