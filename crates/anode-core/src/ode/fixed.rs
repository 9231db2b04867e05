//! Solves on a given time grid.

use super::{ButcherTableau, Pass, SolveError, Step, Vector, VectorField, Workspace, relative_distance, step};

/// The times between which steps are taken.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Grid {
    /// `steps` equal steps from `t0` to `t1`. Step n starts at t0 + n h. Because of rounding, the end of the last step,
    /// and a stage there, may differ from `t1` in the last digit.
    Uniform {
        /// Start.
        t0: f64,
        /// End.
        t1: f64,
        /// Number of steps. Without any the solution is its start.
        steps: usize,
    },
    /// Steps between these times, as an adaptive solver accepted them: finite, and strictly rising or falling.
    Times(Vec<f64>),
}

impl Grid {
    /// `steps` equal steps on t in [0, 1], the interval of both papers.
    pub fn unit(steps: usize) -> Self {
        Self::Uniform { t0: 0.0, t1: 1.0, steps }
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        match self {
            Self::Uniform { steps, .. } => *steps,
            Self::Times(times) => times.len().saturating_sub(1),
        }
    }

    /// Refuses times that are not finite, that do not strictly rise or fall, or whose differences overflow. A grid
    /// without steps is sound: the solution over it is its start.
    ///
    /// # Errors
    /// [`SolveError::Argument`] with the place.
    pub fn check(&self) -> Result<(), SolveError> {
        let refused = |why: String| Err(SolveError::Argument(format!("the time grid {why}")));
        match self {
            Self::Uniform { t0, t1, .. } if !t0.is_finite() || !t1.is_finite() => {
                refused(format!("runs from {t0:?} to {t1:?}; both must be finite"))
            }
            Self::Uniform { t0, t1, .. } if !(t1 - t0).is_finite() => {
                refused(format!("runs from {t0:?} to {t1:?}; its length must be finite"))
            }
            Self::Uniform { .. } => Ok(()),
            Self::Times(times) => {
                if let Some(place) = times.iter().position(|t| !t.is_finite()) {
                    return refused(format!("holds {} at place {place}; times must be finite", times[place]));
                }
                if let Some(pair) = times.windows(2).find(|pair| !(pair[1] - pair[0]).is_finite()) {
                    return refused(format!(
                        "goes from {:?} to {:?}; the length of a step must be finite",
                        pair[0], pair[1]
                    ));
                }
                let falls = times.first() > times.last();
                let turns = |pair: &[f64]| if falls { pair[0] <= pair[1] } else { pair[0] >= pair[1] };
                match times.windows(2).position(turns) {
                    Some(i) => refused(format!(
                        "goes from {:?} to {:?} at place {i}; times must strictly rise, or strictly fall",
                        times[i],
                        times[i + 1]
                    )),
                    None => Ok(()),
                }
            }
        }
    }

    /// Step `index` in forward time. It is not finite on a uniform grid without steps.
    ///
    /// # Panics
    /// If `index` is not below the number of steps of [`Grid::Times`].
    pub fn forward(&self, index: usize, pass: Pass) -> Step {
        let (t, h) = self.place(index);
        Step { t, h, index, pass, limit: self.limit(h, |times| times.last()) }
    }

    /// Step `index` from its end to its start. It is not finite on a uniform grid without steps.
    ///
    /// # Panics
    /// If `index` is not below the number of steps of [`Grid::Times`].
    pub fn backward(&self, index: usize) -> Step {
        let (t, h) = self.place(index);
        Step { t: t + h, h: -h, index, pass: Pass::Reverse, limit: self.limit(-h, |times| times.first()) }
    }

    /// The limit of steps of size `h` that end at the time that `end` chooses.
    fn limit(&self, h: f64, end: impl Fn(&[f64]) -> Option<&f64>) -> f64 {
        let chosen = match self {
            Self::Uniform { .. } => None,
            Self::Times(times) => end(times).copied(),
        };
        chosen.unwrap_or(if h < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY })
    }

    fn place(&self, index: usize) -> (f64, f64) {
        match self {
            Self::Uniform { t0, t1, steps } => {
                let h = (t1 - t0) / *steps as f64;
                (t0 + index as f64 * h, h)
            }
            Self::Times(times) => (times[index], times[index + 1] - times[index]),
        }
    }
}

/// Integrates `z` forward over `grid`. Costs `grid.steps() * tableau.solution_stages()` function evaluations.
///
/// # Errors
/// See [`SolveError`]; `z` then holds the state at which the solve stopped.
pub fn integrate<F: VectorField>(
    field: &F,
    tableau: &ButcherTableau,
    grid: &Grid,
    z: &mut F::Vector,
    theta: &F::Vector,
) -> Result<(), SolveError> {
    tableau.check()?;
    grid.check()?;
    sweep(field, tableau, (0..grid.steps()).map(|n| grid.forward(n, Pass::Forward)), z, theta)
}

/// Integrates `z` from the end of `grid` back to its start with the same solver and the same steps: phi(., -s) in
/// the reversibility error (ANODE, section 3).
///
/// # Errors
/// See [`SolveError`].
pub fn integrate_back<F: VectorField>(
    field: &F,
    tableau: &ButcherTableau,
    grid: &Grid,
    z: &mut F::Vector,
    theta: &F::Vector,
) -> Result<(), SolveError> {
    tableau.check()?;
    grid.check()?;
    sweep(field, tableau, (0..grid.steps()).rev().map(|n| grid.backward(n)), z, theta)
}

fn sweep<F: VectorField>(
    field: &F,
    tableau: &ButcherTableau,
    steps: impl Iterator<Item = Step>,
    z: &mut F::Vector,
    theta: &F::Vector,
) -> Result<(), SolveError> {
    let mut workspace = Workspace::lazy();
    for s in steps {
        step(tableau, s, &mut workspace, z, |at, z, dz| field.eval(at, z, theta, dz))?;
    }
    Ok(())
}

/// rho = |z0 - back| / |z0| (ANODE, section 3). 0 if `back` equals `z0`, also if both are zero. Infinite if `back` is
/// not finite, or if only `z0` is zero.
pub fn reversal_error<V: Vector>(z0: &V, back: &V) -> f64 {
    let rho = relative_distance(back, z0);
    if rho.is_nan() { f64::INFINITY } else { rho }
}
