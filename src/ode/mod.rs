//! Solving dz/dt = f(t, z, theta) with explicit Runge-Kutta methods.
//!
//! This room knows Butcher tableaus, steps and step-size control. It knows nothing of gradients,
//! networks or experiments.

mod adaptive;
mod error;
mod field;
mod fixed;
mod solvers;
mod step;
mod tableau;
mod vector;

pub use adaptive::{Adaptive, ErrorNorm, Solution, integrate_adaptive};
pub use error::SolveError;
pub use field::{At, DifferentiableField, FieldError, Pass, VectorField, expect_len};
pub use fixed::{Closure, Grid, integrate, integrate_back, reversal_error};
pub use solvers::{SOLVERS, solver, solver_names};
pub use step::{Step, Workspace, combine, guarded, stage_state, step};
pub use tableau::{ButcherTableau, Embedded};
pub use vector::{Real, Vector, distance, relative_distance};
