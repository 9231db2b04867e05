//! Neural ODEs: explicit Runge-Kutta solvers for dz/dt = f(t, z, theta), and gradients of a loss of z(t1) with respect
//! to z(t0) and theta in bounded memory: a bounded number of states and tapes. A checkpoint schedule itself is a list
//! of 16 bytes per action, so O(Nt) bytes.
//!
//! Gholami, Keutzer and Biros (ANODE, arXiv 1902.10298) showed that the gradient from solving the ODE backwards in time
//! (Chen et al. 2018) is numerically unstable, and that optimize-then-discretize gradients are wrong at practical step
//! sizes. This crate has both, and the exact discretize-then-optimize gradients with checkpointing to compare them
//! with.
//!
//! # First example
//!
//! dz/dt = theta z, so z(1) = exp(theta) z(0). The loss is J = z(1); `|_| vec![1.0]` gives its cotangent dJ/dz(1).
//!
//! ```
//! use anode_core::gradient::{Block, Method};
//! use anode_core::ode::{ClosureField, Grid, solver};
//!
//! let field = ClosureField::new(
//!     |_t, z: &[f64], theta: &[f64], dz: &mut [f64]| dz[0] = theta[0] * z[0],
//!     |_t, z: &[f64], theta: &[f64], cotangent: &[f64], z_bar: &mut [f64], theta_bar: &mut [f64]| {
//!         z_bar[0] += theta[0] * cotangent[0];
//!         theta_bar[0] += z[0] * cotangent[0];
//!     },
//! );
//! let block = Block { field: &field, tableau: solver("rk4").unwrap(), grid: Grid::unit(20) };
//! let gradient = Method::Revolve(4).gradient(&block, &vec![2.0], &vec![0.5], |_| vec![1.0])?;
//! assert!((gradient.theta[0] - 2.0 * 0.5f64.exp()).abs() < 1e-6);
//! let cost = gradient.cost;
//! println!("{} evaluations of f, at most {} bytes kept", cost.function_evaluations, cost.peak_bytes);
//! # Ok::<(), anode_core::gradient::GradientError>(())
//! ```
//!
//! # Entry points
//!
//! | for | use |
//! |---|---|
//! | a solution | [`ode::integrate`], [`ode::integrate_adaptive`] |
//! | a solution at several times | [`ode::integrate_at`], [`ode::integrate_adaptive_at`] |
//! | a gradient, fixed steps | [`gradient::Block`] with [`gradient::Method::gradient`] |
//! | a gradient, adaptive steps | [`gradient::AdaptiveBlock`] with [`gradient::Method::gradient_adaptive`] |
//! | a gradient of a loss of the states at several times | [`gradient::gradient_observed`] |
//! | a gradient whose cotangent other code computes | [`gradient::Method::forward`], then `backward` |
//! | a gradient of the equation itself, with an error estimate | [`gradient::reference`] |
//! | a field of your own | [`ode::ClosureField`], or [`ode::VectorField`] and [`ode::DifferentiableField`] |
//! | the schedule that fits a byte budget | [`gradient::Extent::within`], or `Method::Within` |
//!
//! # Cost
//!
//! Per block, for Nt steps of a solver whose solution needs s stages ([`ode::ButcherTableau::solution_stages`]). This
//! is [`gradient::METHODS`] as a table; each entry there also has the method's source and when to use it.
//!
//! | method | gradient | memory | evaluations of f |
//! |---|---|---|---|
//! | `Full` | exact | Nt tapes | s Nt |
//! | `Anode` | exact | input; Nt tapes in the backward sweep of the block | 2 s Nt |
//! | `Uniform(m)` | exact | m snapshots, tapes of ⌈Nt / m⌉ steps | 2 s Nt |
//! | `Revolve(m)` | exact | m snapshots, tapes of one step | fewest for m snapshots |
//! | `Online(m)` | exact | m snapshots, tapes of one step | close to the fewest, for unknown Nt |
//! | `Within(bytes)` | exact | at most the given bytes | fewest for these bytes |
//! | `ReverseTime` | continuous adjoint; unstable | one state, tape of one evaluation | 2 s Nt |
//! | `StoredAdjoint` | continuous adjoint | Nt states, tape of one evaluation | 2 s Nt |
//! | `InterpolatedAdjoint` | continuous adjoint | 2 (Nt + 1) states, tape of one evaluation | 2 s Nt + 1 |
//! | `Leapfrog` | exact to a measured drift | two states, tape of one evaluation | 2 Nt + 2 |
//! | `Reversible` | exact to a measured drift | two states, tapes of one step | 4 s Nt |
//!
//! `Leapfrog` is a separate solver of order 2 and does not use the block's tableau. The ledger counts this memory,
//! except the tapes of the continuous adjoints, each of which is used as soon as it is made. It does not count the
//! schedule itself or the scratch vectors of a step. The crate depends on num-traits, rayon and thiserror.

pub mod gradient;
pub mod ode;
