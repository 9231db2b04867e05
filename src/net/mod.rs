//! Networks: lists of segments (plain layers, ODE blocks), each with forward and vjp.
//!
//! This room knows kernels, solvers and gradient methods. It knows nothing of data, training or experiments.

mod chain;
mod network;
mod ode_field;
mod spec;

pub use chain::{Chain, ChainTape, Parameter, StartValue, Statistics};
pub use network::{Kept, Network, Solve};
pub use ode_field::OdeField;
pub use spec::{NETWORKS, NetSpec, Part, Registered, SegmentSpec, network, network_names};
