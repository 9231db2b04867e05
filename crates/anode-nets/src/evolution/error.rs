//! Errors of weight evolutions.

use crate::gradient::GradientError;
use crate::ode::SolveError;

/// An error of a weight evolution: a choice that is not allowed, steps that are unstable, or a solve that stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvolutionError {
    /// A piece that does not fit the parameters.
    #[error("piece {piece}: {why}")]
    Piece {
        /// Index of the piece, from 0.
        piece: usize,
        /// What is wrong, and what is allowed.
        why: String,
    },
    /// A choice that is not allowed, or two that exclude one another.
    #[error("{0}")]
    Choice(String),
    /// Coefficients that the solver cannot step stably.
    #[error(
        "the evolution of piece {piece}, group {group}, with d = {d}, u = ({x}, {y}), r = {r} is unstable in {steps}",
        d = coefficients[0], x = coefficients[1], y = coefficients[2], r = coefficients[3]
    )]
    Unstable {
        /// Index of the piece.
        piece: usize,
        /// Index of the group of kernels that share the coefficients.
        group: usize,
        /// d, both components of u, and r.
        coefficients: [f64; 4],
        /// The steps.
        steps: UnstableSteps,
    },
    /// An exponential memory that the solver cannot step stably.
    #[error("the exponential memory with rate {rate} is unstable in {steps}")]
    UnstableMemory {
        /// The rate of the memory.
        rate: f64,
        /// The steps.
        steps: UnstableSteps,
    },
    /// The solver stopped.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The gradient method does not fit the block.
    #[error(transparent)]
    Gradient(GradientError),
}

impl From<GradientError> for EvolutionError {
    fn from(error: GradientError) -> Self {
        match error {
            GradientError::Solve(error) => error.into(),
            error => Self::Gradient(error),
        }
    }
}

impl EvolutionError {
    /// Whether the solve diverged, see [`SolveError::is_divergence`].
    pub fn is_divergence(&self) -> bool {
        matches!(self, Self::Solve(error) if error.is_divergence())
    }
}

/// Steps that are unstable, and the stability bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnstableSteps {
    /// Name of the solver.
    pub solver: &'static str,
    /// Size of the steps.
    pub h: f64,
    /// The largest stable step, or 0 if none was found.
    pub bound: f64,
    /// The smallest stable number of steps per unit of time, if there is one below 10^9.
    pub least_steps: Option<usize>,
}

impl std::fmt::Display for UnstableSteps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { solver, h, bound, least_steps } = self;
        write!(f, "steps of {h:.4} with {solver}; the stability bound is ")?;
        // In four decimals a small bound would read as 0.
        if *bound > 0.0 && *bound < 0.001 {
            write!(f, "{bound:.3e}: ")?;
        } else {
            write!(f, "{bound:.4}: ")?;
        }
        match least_steps {
            Some(n) => write!(f, "take at least {n} steps per unit of time")?,
            None => f.write_str("no number of steps below 10^9 is stable; use smaller coefficients")?,
        }
        // Other studies do not have this setting.
        f.write_str(", or, in a network, allow it with `evolution.allow_unstable`")
    }
}
