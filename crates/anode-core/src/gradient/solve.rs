//! The front door: forward sweep and gradient of a block by any method.

use crate::ode::{DifferentiableField, SolveError, Vector};

use super::signature::Signature;
use super::{Block, Cost, Ledger, Method, continuous, executor, leapfrog, reversible, schedule};

/// The forward sweep of a block: where it ended, and what its method keeps for the backward sweep.
///
/// ```
/// use anode_core::gradient::{Block, Ledger, Method};
/// use anode_core::ode::{ClosureField, Grid, solver};
///
/// // dz/dt = sin(w z), J = z(1)^2 / 2, four Heun steps.
/// let field = ClosureField(
///     |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = (w[0] * z[0]).sin(),
///     |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
///         z_bar[0] += w[0] * (w[0] * z[0]).cos() * c[0];
///         w_bar[0] += z[0] * (w[0] * z[0]).cos() * c[0];
///     },
/// );
/// let block = Block { field: &field, tableau: solver("heun").unwrap(), grid: Grid::unit(4) };
/// let (z0, w) = (vec![1.0], vec![0.5]);
/// let ledger = Ledger::new();
/// let forward = Method::Revolve(2).forward(&block, &z0, &w, &ledger).unwrap();
/// let cotangent = forward.end().clone();
/// let mut w_bar = vec![0.0];
/// let z0_bar = forward.backward(&block, &w, &cotangent, &mut w_bar, &ledger).unwrap();
/// assert!(z0_bar[0] > 0.0 && w_bar[0] > 0.0);
/// ```
pub struct Trajectory<F: DifferentiableField> {
    end: F::Vector,
    kept: Reversal<F>,
}

/// What the backward sweep of a block starts from, without the end of the forward sweep where the method can do without
/// it.
pub struct Reversal<F: DifferentiableField> {
    kept: Kept<F>,
    signature: Signature,
}

enum Kept<F: DifferentiableField> {
    /// A grid without steps: the end is the start.
    Nothing,
    Schedule(executor::Paused<F>),
    Continuous(continuous::Kept<F::Vector>),
    Leapfrog(leapfrog::Pair<F::Vector>),
    Reversible(reversible::Pair<F::Vector>),
}

/// The gradient of a loss of z(t1), with what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient<V> {
    /// z(t1).
    pub end: V,
    /// dJ/dz(t0).
    pub z0: V,
    /// dJ/dtheta.
    pub theta: V,
    /// Evaluations, vjps, steps and bytes.
    pub cost: Cost,
}

impl Method {
    /// Forward sweep and gradient in one call; `cotangent` gives dJ/dz(t1) for z(t1).
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn gradient<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        cotangent: impl FnOnce(&F::Vector) -> F::Vector,
    ) -> Result<Gradient<F::Vector>, SolveError> {
        let ledger = Ledger::new();
        let forward = self.forward(block, z0, theta, &ledger)?;
        let end = forward.end().duplicate();
        let mut theta_bar = theta.zeros_like();
        let z0_bar = forward.backward(block, theta, &cotangent(&end), &mut theta_bar, &ledger)?;
        Ok(Gradient { end, z0: z0_bar, theta: theta_bar, cost: ledger.cost() })
    }

    /// Integrates `block` from `z0` and keeps what this method's backward sweep needs.
    ///
    /// Costs Nt s evaluations of f for a solver of s stages; [`Method::Leapfrog`] costs Nt + 1, [`Method::Reversible`]
    /// 2 Nt s. Over a grid without steps the end is `z0`, by any method.
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn forward<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<Trajectory<F>, SolveError> {
        block.grid.check()?;
        let signature = Signature::of(block, z0, theta);
        let trajectory = |end, kept| Trajectory { end, kept: Reversal { kept, signature } };
        if block.grid.steps() == 0 {
            return Ok(trajectory(z0.duplicate(), Kept::Nothing));
        }
        if let Self::Within(budget) = self {
            return block.extent(z0, theta)?.within(budget)?.forward(block, z0, theta, ledger);
        }
        if let Some(actions) = schedule::schedule(self, block.grid.steps()) {
            let (end, paused) = executor::forward(block, actions, z0, theta, ledger)?;
            return Ok(trajectory(end, Kept::Schedule(paused)));
        }
        let (end, kept) = match self {
            Self::Leapfrog => {
                let pair = leapfrog::forward(block, z0, theta, ledger)?;
                (pair.end().duplicate(), Kept::Leapfrog(pair))
            }
            Self::Reversible => {
                let pair = reversible::forward(block, z0, theta, ledger)?;
                (pair.end().duplicate(), Kept::Reversible(pair))
            }
            _ => {
                let (end, kept) = continuous::forward(block, self, z0, theta, ledger)?;
                (end, Kept::Continuous(kept))
            }
        };
        Ok(trajectory(end, kept))
    }
}

impl<F: DifferentiableField> Trajectory<F> {
    /// z at the end of the block.
    pub fn end(&self) -> &F::Vector {
        &self.end
    }

    /// z at the end of the block, and what the backward sweep starts from: for callers that need not keep both.
    pub fn into_parts(self) -> (F::Vector, Reversal<F>) {
        (self.end, self.kept)
    }

    /// From `cotangent` = dJ/dz(t1): adds dJ/dtheta to `theta_bar` and returns dJ/dz(t0).
    ///
    /// # Errors
    /// A block with another solver or grid than that of the forward sweep, vectors that do not fit the state or theta.
    /// Else see [`SolveError`]; `theta_bar` then holds a part of the sum.
    pub fn backward(
        self,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: &F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, SolveError> {
        self.kept.backward(block, theta, cotangent.duplicate(), theta_bar, ledger)
    }
}

impl<F: DifferentiableField> Reversal<F> {
    /// As [`Trajectory::backward`]; the cotangent's memory becomes that of the result.
    ///
    /// # Errors
    /// See [`Trajectory::backward`].
    pub fn backward(
        self,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, SolveError> {
        self.signature.check((block.tableau.name, &block.grid), theta, &cotangent, theta_bar)?;
        match self.kept {
            Kept::Nothing => Ok(cotangent),
            Kept::Schedule(paused) => paused.backward(block, theta, cotangent, theta_bar, ledger),
            Kept::Continuous(kept) => continuous::backward(kept, block, theta, &cotangent, theta_bar, ledger),
            Kept::Leapfrog(pair) => leapfrog::backward(pair, block, theta, &cotangent, theta_bar, ledger),
            Kept::Reversible(pair) => reversible::backward(pair, block, theta, &cotangent, theta_bar, ledger),
        }
    }
}
