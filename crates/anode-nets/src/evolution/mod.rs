//! ANODEV2 (Zhang et al. 2019): weights that evolve by a PDE while the activations evolve by them.
//!
//! dz/dt = f(t, z, theta), dw/dt = q(w; p), theta(t) = integral of K(t - tau) w(tau) dtau. The unknowns are w(0) and p.
//! Independent of networks and experiments. `docs/evolution.md` has the equations and the choices that the paper
//! leaves unspecified.

mod block;
mod chain;
mod coupled;
mod error;
mod field;
mod flow;
mod given;
mod gradient;
mod law;
mod memory;
mod modes;
mod piece;
mod stability;
mod stencil;
mod sweep;
mod system;

pub use block::{Configuration, CoupledBlock, Coupling, Evaluation, Reading};
pub use coupled::{Coupled, CoupledField, CoupledTape};
pub use error::{EvolutionError, UnstableSteps};
pub use field::{WeightField, WeightTape};
pub use flow::ExactFlow;
pub use gradient::CoupledGradient;
pub use law::{Border, Coefficient, Coefficients, Diffusion, Law, Sigma, Terms};
pub use memory::{History, Memory};
pub use modes::Symbol;
pub use piece::Piece;
pub use sweep::CoupledTrajectory;
pub use system::WeightSystem;
