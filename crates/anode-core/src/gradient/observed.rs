//! Gradients of losses of the solution at several times, as for a time series of measurements.

use crate::ode::{Adaptive, ButcherTableau, DifferentiableField, Grid, Real, SolveError, Vector, expect_shape};

use super::solve::finite_theta;
use super::{AdaptiveBlock, Adjoint, Block, Cost, GradientError, Ledger};

/// The gradient of a loss of the states at the ends of several blocks, with what it cost.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ObservedGradient<V> {
    /// The state at the end of each block, in order.
    pub ends: Vec<V>,
    /// dJ/dz(t0), with the shape of the initial state.
    pub z0: V,
    /// dJ/dtheta.
    pub theta: V,
    /// Evaluations, vjps, steps and bytes of all blocks together, without `ends` and their cotangents.
    pub cost: Cost,
}

impl<'a, F> Block<'a, F> {
    /// A block for each interval between neighbouring `times`, with `steps` equal steps each: the blocks of
    /// [`gradient_observed`] for measurements at `times[1..]` and the initial state at `times[0]`.
    ///
    /// # Errors
    /// [`SolveError::Argument`] for times that are not finite, or that do not strictly rise or strictly fall.
    pub fn between(
        field: &'a F,
        tableau: &'static ButcherTableau,
        times: &[f64],
        steps: usize,
    ) -> Result<Vec<Self>, SolveError> {
        Grid::Times(times.to_vec()).check()?;
        let block = |pair: &[f64]| Block { field, tableau, grid: Grid::Uniform { t0: pair[0], t1: pair[1], steps } };
        Ok(times.windows(2).map(block).collect())
    }
}

impl<'a, F> AdaptiveBlock<'a, F> {
    /// A block for each interval between neighbouring `times`: the blocks of [`gradient_observed_adaptive`] for
    /// measurements at `times[1..]` and the initial state at `times[0]`.
    ///
    /// # Errors
    /// [`SolveError::Argument`] for times that are not finite, or that do not strictly rise or strictly fall.
    pub fn between(
        field: &'a F,
        tableau: &'static ButcherTableau,
        control: Adaptive,
        times: &[f64],
    ) -> Result<Vec<Self>, SolveError> {
        Grid::Times(times.to_vec()).check()?;
        Ok(times.windows(2).map(|pair| AdaptiveBlock { field, tableau, control, span: (pair[0], pair[1]) }).collect())
    }
}

/// Integrates `blocks` one after another from `z0`, and computes the gradient of a loss of the states at all their
/// ends. `cotangents` receives these states and returns dJ/dz(t_i) for each, in the same order.
///
/// Use it to fit a solution to measurements at several times, see [`Block::between`]; for a loss of the last state
/// alone, use [`Method::gradient`](super::Method::gradient). `method` is a [`Method`](super::Method) or an [`Adjoint`]
/// of your own. Exact methods return the gradient of the steps of all blocks. Each block may have its own field, solver
/// and grid; all share theta and the shape of the state. Without blocks, the loss depends on nothing and the gradients
/// are zero.
///
/// Every block keeps what the method stores until the backward sweep reaches it: `anode` one state per block,
/// `revolve:M` up to M states per block, `full` the tapes of all blocks. The continuous adjoints restart from the state
/// at the end of each block, which limits the error of `reverse-time` to that of one block.
///
/// ```
/// use anode_core::gradient::{Block, Method, gradient_observed};
/// use anode_core::ode::{ClosureField, solver};
/// // dz/dt = -theta z. Measurements at three times, J = sum_i (z(t_i) - y_i)^2 / 2.
/// let decay = ClosureField::new(
///     |_t, z: &[f64], theta: &[f64], dz: &mut [f64]| dz[0] = -theta[0] * z[0],
///     |_t, z: &[f64], theta: &[f64], c: &[f64], z_bar: &mut [f64], theta_bar: &mut [f64]| {
///         z_bar[0] -= theta[0] * c[0];
///         theta_bar[0] -= z[0] * c[0];
///     },
/// );
/// let (times, y) = ([0.0, 0.5, 1.0, 2.0], [1.3, 0.8, 0.3]);
/// let blocks = Block::between(&decay, solver("rk4").unwrap(), &times, 20)?;
/// let residuals = |ends: &[Vec<f64>]| ends.iter().zip(y).map(|(z, y)| vec![z[0] - y]).collect();
/// let found = gradient_observed(Method::Anode, &blocks, &vec![2.0], &vec![0.9], residuals)?;
/// let exact: f64 = times[1..].iter().zip(y).map(|(t, y)| {
///     let z = 2.0 * (-0.9 * t).exp();
///     (z - y) * -t * z
/// }).sum();
/// assert!((found.theta[0] - exact).abs() < 1e-6);
/// # Ok::<(), anode_core::gradient::GradientError>(())
/// ```
///
/// # Errors
/// [`SolveError::Argument`] for another number of cotangents than blocks, and for one without the shape of the state.
/// Else see [`GradientError`]. Steps in errors count from the start of their block.
pub fn gradient_observed<A: Adjoint, F: DifferentiableField>(
    method: A,
    blocks: &[Block<F>],
    z0: &F::Vector,
    theta: &F::Vector,
    cotangents: impl FnOnce(&[F::Vector]) -> Vec<F::Vector>,
) -> Result<ObservedGradient<F::Vector>, GradientError> {
    let ledger = Ledger::new();
    let forward = |block: &Block<F>, z: &F::Vector| Ok(method.forward(block, z, theta, &ledger)?.into_parts());
    let (ends, kept) = sweep(blocks, z0, forward)?;
    let backward = |block: &Block<F>, kept: super::Reversal<F, A>, z_bar, theta_bar: &mut _| {
        kept.backward(block, theta, z_bar, theta_bar, &ledger)
    };
    let (z0, theta) = reverse(blocks, kept, (z0, theta), cotangents(&ends), backward)?;
    Ok(ObservedGradient { ends, z0, theta, cost: ledger.cost() })
}

/// As [`gradient_observed`] with adaptive steps, see [`AdaptiveBlock::between`].
///
/// The solver reaches the end of each block exactly; it does not interpolate. It chooses a first step for each block,
/// which takes one or two evaluations of f.
///
/// # Errors
/// As [`gradient_observed`], and [`GradientError::StepCountNeeded`] for a method that needs the number of steps in
/// advance.
pub fn gradient_observed_adaptive<A: Adjoint, F: DifferentiableField>(
    method: A,
    blocks: &[AdaptiveBlock<F>],
    z0: &F::Vector,
    theta: &F::Vector,
    cotangents: impl FnOnce(&[F::Vector]) -> Vec<F::Vector>,
) -> Result<ObservedGradient<F::Vector>, GradientError> {
    let ledger = Ledger::new();
    let forward = |block: &AdaptiveBlock<F>, z: &F::Vector| {
        let kept = method.forward_adaptive(block, z, theta, &ledger)?;
        Ok((kept.end().duplicate(), kept))
    };
    let (ends, kept) = sweep(blocks, z0, forward)?;
    let backward = |block: &AdaptiveBlock<F>, kept: super::AdaptiveTrajectory<F>, z_bar, theta_bar: &mut _| {
        kept.backward(block, theta, &z_bar, theta_bar, &ledger)
    };
    let (z0, theta) = reverse(blocks, kept, (z0, theta), cotangents(&ends), backward)?;
    Ok(ObservedGradient { ends, z0, theta, cost: ledger.cost() })
}

/// The forward sweeps of `blocks`. Returns the state at the end of each, and what each keeps.
fn sweep<B, V: Vector, K>(
    blocks: &[B],
    z0: &V,
    forward: impl Fn(&B, &V) -> Result<(V, K), GradientError>,
) -> Result<(Vec<V>, Vec<K>), GradientError> {
    let (mut ends, mut kept) = (Vec::with_capacity(blocks.len()), Vec::with_capacity(blocks.len()));
    for block in blocks {
        let (end, stored) = forward(block, ends.last().unwrap_or(z0))?;
        ends.push(end);
        kept.push(stored);
    }
    Ok((ends, kept))
}

/// The backward sweeps of `blocks`, from the last to the first. Adds the cotangent of each end before the sweep of its
/// block. Returns dJ/dz(t0) and dJ/dtheta.
fn reverse<B, V: Vector, K>(
    blocks: &[B],
    kept: Vec<K>,
    (z0, theta): (&V, &V),
    cotangents: Vec<V>,
    backward: impl Fn(&B, K, V, &mut V) -> Result<V, GradientError>,
) -> Result<(V, V), GradientError> {
    let (found, expected) = (cotangents.len(), blocks.len());
    if found != expected {
        return Err(SolveError::Argument(format!("{found} cotangents, expected {expected}, one per block")).into());
    }
    for (i, cotangent) in cotangents.iter().enumerate() {
        expect_shape(&format!("cotangent {i}"), &cotangent.shape(), "the state", &z0.shape())?;
    }
    let (mut z_bar, mut theta_bar) = (None, theta.zeros_like());
    for ((block, kept), mut cotangent) in blocks.iter().zip(kept).zip(cotangents).rev() {
        if let Some(later) = &z_bar {
            cotangent.axpy(Real::of(1.0), later);
        }
        z_bar = Some(backward(block, kept, cotangent, &mut theta_bar)?);
    }
    finite_theta(&theta_bar)?;
    Ok((z_bar.unwrap_or_else(|| z0.zeros_like()), theta_bar))
}
