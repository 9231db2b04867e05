//! Networks: lists of segments (plain layers, residual blocks, ODE blocks), each with forward and vjp. A network is a file of
//! its own and a line in [`NETWORKS`].
//!
//! This room knows kernels, solvers and gradient methods. It knows nothing of data, training or experiments.

mod alexnet;
mod builder;
mod chain;
mod describe;
mod layer;
mod network;
mod ode_field;
mod residual;
mod resnet;
mod spec;
mod squeezenext;

pub use builder::{Parameter, StartValue};
pub use chain::{Chain, ChainTape};
pub use describe::{LayerRow, describe};
pub use layer::{Kind, Layer, Statistics};
pub use network::{Kept, Network, Segment, Solve};
pub use ode_field::OdeField;
pub use residual::{Residual, ResidualTape};
pub use spec::{Form, NETWORKS, NetSpec, Part, Registered, SegmentSpec, network, network_names};
