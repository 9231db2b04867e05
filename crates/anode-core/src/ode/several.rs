//! The solution at several times.

use super::{Adaptive, ButcherTableau, Grid, SolveError, Vector, VectorField, integrate, integrate_adaptive};

/// The states at `times[1..]`, in order, from `z0` at `times[0]`, with `steps` equal steps in each interval between
/// neighbouring times.
///
/// Use it to draw or compare a solution. For the gradient of a loss of these states use
/// [`gradient_observed`](crate::gradient::gradient_observed), whose `ends` are bit-identical if its blocks are
/// [`Block::between`](crate::gradient::Block::between) with the same arguments.
///
/// ```
/// use anode_core::ode::{Closure, integrate_at, solver};
/// let decay = Closure::new(|_t, z: &[f64], dz: &mut [f64]| dz[0] = -z[0]);
/// let z = integrate_at(&decay, solver("rk4").unwrap(), &[0.0, 0.5, 2.0], 20, &vec![2.0], &vec![]).unwrap();
/// assert!((z[0][0] - 2.0 * (-0.5f64).exp()).abs() < 1e-8);
/// assert!((z[1][0] - 2.0 * (-2.0f64).exp()).abs() < 1e-6);
/// ```
///
/// # Errors
/// [`SolveError::Argument`] for times that are not finite, or that do not strictly rise or strictly fall. Else see
/// [`SolveError`]; steps count from the start of their interval.
pub fn integrate_at<F: VectorField>(
    field: &F,
    tableau: &ButcherTableau,
    times: &[f64],
    steps: usize,
    z0: &F::Vector,
    theta: &F::Vector,
) -> Result<Vec<F::Vector>, SolveError> {
    chained(times, z0, |t0, t1, z| {
        let mut z = z.duplicate();
        integrate(field, tableau, &Grid::Uniform { t0, t1, steps }, &mut z, theta)?;
        Ok(z)
    })
}

/// As [`integrate_at`], with adaptive steps.
///
/// The solver reaches each time exactly and does not interpolate, so the error at each is that of the accepted steps.
/// It chooses a first step for each interval, which takes one or two evaluations of f; many close times therefore cost
/// more than one solve over the same span.
///
/// # Errors
/// As [`integrate_at`], and those of [`integrate_adaptive`].
pub fn integrate_adaptive_at<F: VectorField>(
    field: &F,
    tableau: &ButcherTableau,
    control: Adaptive,
    times: &[f64],
    z0: &F::Vector,
    theta: &F::Vector,
) -> Result<Vec<F::Vector>, SolveError> {
    chained(times, z0, |t0, t1, z| Ok(integrate_adaptive(field, tableau, control, (t0, t1), z, theta)?.end))
}

/// Solves over the intervals between `times` one after another; `solve` returns the state at the end of one.
fn chained<V: Vector>(
    times: &[f64],
    z0: &V,
    mut solve: impl FnMut(f64, f64, &V) -> Result<V, SolveError>,
) -> Result<Vec<V>, SolveError> {
    Grid::Times(times.to_vec()).check()?;
    let mut states: Vec<V> = Vec::with_capacity(times.len().saturating_sub(1));
    for pair in times.windows(2) {
        let next = solve(pair[0], pair[1], states.last().unwrap_or(z0))?;
        states.push(next);
    }
    Ok(states)
}
