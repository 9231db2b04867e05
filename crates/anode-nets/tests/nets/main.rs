//! Solvers, gradients, kernels, networks and training against exact and independent results. One program, since each
//! one more takes seconds to link.

mod adaptive_networks;
mod adjoints;
mod arguments;
mod block_gradients;
mod coupled;
mod gradients;
mod kernels;
mod networks;
mod solvers;
mod torch;
mod training;
mod winograd;
