//! Networks on a device: what the CPU's fused sweeps do on slices, a kernel a layer on buffers. Solvers, gradient
//! methods and ledger are the same code.

mod chain;
mod evaluate;
mod field;
mod network;
mod residual;
mod running;

pub use chain::DeviceTape;
pub use field::DeviceField;
pub use network::{DeviceKept, DeviceNetwork, Swept};
