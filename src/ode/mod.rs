//! Solving dz/dt = f(t, z, theta) with explicit Runge-Kutta methods.
//!
//! This room knows Butcher tableaus, steps and step-size control. It knows nothing of gradients,
//! networks or experiments.

mod field;
mod solvers;
mod tableau;
mod vector;

pub use field::{At, DifferentiableField, FieldError, Pass, VectorField, expect_len};
pub use solvers::{SOLVERS, solver, solver_names};
pub use tableau::{ButcherTableau, Embedded};
pub use vector::{Real, Vector, distance, relative_distance};
