//! Networks: lists of segments (plain layers, residual blocks, ODE blocks), each with forward and vjp. Each
//! network is a function in a file of its own or beside similar ones, and an entry in [`NETWORKS`].
//!
//! Independent of data, training and experiments.

mod alexnet;
mod builder;
mod captured;
mod chain;
mod describe;
mod error;
mod evaluate;
mod evolving;
mod layer;
mod network;
mod ode_field;
mod residual;
mod resnet;
mod running;
mod segment;
mod solve;
mod spec;
mod squeezenext;
mod statistics;
mod unit;

pub use builder::{Parameter, StartValue};
pub use captured::CapturedSweeps;
pub use chain::{Chain, ChainTape};
pub use describe::{LayerRow, describe};
pub use error::NetworkError;
pub use evaluate::Reversal;
pub use evolving::{Evolution, Sharing, WeightStepping};
pub use layer::{Kind, Layer, Statistics};
pub use network::{Network, SavedSegments, Swept};
pub use ode_field::{Mode, OdeField, Updates};
pub use residual::{Residual, ResidualTape};
pub use running::Running;
pub use segment::Segment;
pub use solve::{Solve, Steps};
pub use spec::{Form, LayerSpec, NETWORKS, NetSpec, Registered, SegmentSpec, network, network_names};
pub use statistics::{EvaluationMode, UnknownMode};
