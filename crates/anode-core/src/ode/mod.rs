//! Solving dz/dt = f(t, z, theta) with explicit Runge-Kutta methods.
//!
//! Independent of gradients, networks and experiments.

mod adaptive;
mod closure;
mod controllers;
mod error;
mod field;
mod fixed;
mod pair;
mod several;
mod solvers;
mod stack;
mod step;
mod tableau;
mod time_parameters;
mod vector;
mod vjp_error;

pub use adaptive::{Accepted, Adaptive, Solution, integrate_adaptive, integrate_observed};
pub use closure::{Closure, ClosureField};
pub use controllers::{Controller, ControllerDescriptor};
pub use error::SolveError;
pub use field::{At, DifferentiableField, FieldError, Pass, VectorField, expect_len};
pub use fixed::{Grid, integrate, integrate_back, reversal_error};
pub use pair::Pair;
pub use several::{integrate_adaptive_at, integrate_at};
pub use solvers::{SOLVERS, UnknownSolver, solver, solver_names};
pub use stack::Stack;
pub use step::{Step, Workspace, advance, combine, combine_is_finite, finish, located, stage_state, stages, step};
pub use tableau::{ButcherTableau, Embedded};
pub use time_parameters::{TimeParameters, TimeRule};
pub use vector::{Real, Vector, all_finite, copied, distance, expect_shape, relative_distance, zeros};
pub use vjp_error::vjp_error;
