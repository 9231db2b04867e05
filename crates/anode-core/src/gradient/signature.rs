//! What both sweeps of a gradient must agree on.

use crate::ode::{ButcherTableau, DifferentiableField, Grid, SolveError, Vector, expect_shape};

use super::Block;

/// The solver, the grid and the shapes of a forward sweep.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    tableau: &'static ButcherTableau,
    grid: Grid,
    state: Vec<usize>,
    theta: Vec<usize>,
}

impl Signature {
    /// The signature of a forward sweep over `block`.
    pub fn of<F: DifferentiableField>(block: &Block<F>, z: &F::Vector, theta: &F::Vector) -> Self {
        Self::new(block.tableau, block.grid.clone(), z, theta)
    }

    pub fn new<V: Vector>(tableau: &'static ButcherTableau, grid: Grid, z: &V, theta: &V) -> Self {
        Self { tableau, grid, state: z.shape(), theta: theta.shape() }
    }

    /// Refuses a backward sweep with another solver or grid, or with vectors of other shapes.
    pub fn check<V: Vector>(
        &self,
        (tableau, grid): (&ButcherTableau, &Grid),
        theta: &V,
        cotangent: &V,
        theta_bar: &V,
    ) -> Result<(), SolveError> {
        let differs = |what: &str| {
            Err(SolveError::Argument(format!("the {what} of the backward sweep is not that of the forward sweep")))
        };
        let steps = |t: &ButcherTableau| (t.name, t.a, t.b, t.c);
        if steps(tableau) != steps(self.tableau) {
            return differs("solver");
        }
        if grid != &self.grid {
            return differs("time grid");
        }
        expect_shape("theta", &theta.shape(), "the forward sweep", &self.theta)?;
        expect_shape("the cotangent", &cotangent.shape(), "the state", &self.state)?;
        expect_shape("the gradient for theta", &theta_bar.shape(), "theta", &self.theta)
    }
}
