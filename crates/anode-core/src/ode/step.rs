//! One explicit Runge-Kutta step: the core loop that every solve and every replay runs.

use super::{At, ButcherTableau, FieldError, Pass, Real, SolveError, Vector};

/// Which step is taken: its place in time, its number and the sweep that asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Time at the start of the step.
    pub t: f64,
    /// Step size; negative when time runs backwards.
    pub h: f64,
    /// Number of the step in forward time.
    pub index: usize,
    /// The sweep.
    pub pass: Pass,
    /// The time beyond which no stage lies, in the direction of `h`: the end of a solve with adaptive steps, or of a
    /// grid of its accepted times. Infinite for uniform steps.
    pub limit: f64,
}

impl Step {
    /// Time, step, stage and sweep of the evaluation in stage `stage` of this step.
    ///
    /// # Panics
    /// If the tableau has no node for this stage.
    pub fn at(&self, tableau: &ButcherTableau, stage: usize) -> At {
        let t = self.t + tableau.c[stage] * self.h;
        // t + (t1 - t) may round to a number beyond t1.
        let t = if self.h < 0.0 { t.max(self.limit) } else { t.min(self.limit) };
        At { t, step: self.index, stage, pass: self.pass }
    }
}

/// Scratch vectors for a Runge-Kutta step: one derivative per stage, and one stage state. Reused by all steps of a
/// solve.
#[derive(Clone, Debug)]
pub struct Workspace<V> {
    /// Derivatives k_i of the last step.
    pub k: Vec<V>,
    /// State of the stage in work, from the first stage on that needs one.
    stage: Option<V>,
}

impl<V: Vector> Workspace<V> {
    /// Allocates the derivatives of `stages` stages, each with the shape of `z`.
    pub fn new(stages: usize, z: &V) -> Self {
        Self { k: (0..stages).map(|_| z.zeros_like()).collect(), stage: None }
    }

    /// Allocates nothing. The first step allocates what it needs.
    pub fn lazy() -> Self {
        Self { k: vec![], stage: None }
    }
}

/// Advances `z` by one step of `tableau` over the first `stages` stages, those that its weights use.
///
/// `eval(at, stage_state, k)` writes the derivative. Every sweep of every method goes through here, so that a
/// replay repeats the forward numbers bit for bit.
///
/// # Errors
/// Whatever `eval` says, and a state that is no longer finite.
///
/// # Panics
/// May panic if [`ButcherTableau::check`] refuses the tableau.
pub fn step<V: Vector>(
    tableau: &ButcherTableau,
    step: Step,
    workspace: &mut Workspace<V>,
    z: &mut V,
    mut eval: impl FnMut(At, &V, &mut V) -> Result<(), FieldError>,
) -> Result<(), SolveError> {
    stages(tableau, step, workspace, z, &mut eval)?;
    finish(tableau, step, workspace, z)
}

/// A whole step of a solver of one stage by a field that can move a state, see [`super::VectorField::advance`]:
/// `call(at, z, a)` is `z += a f(z)`. `None`: this step goes another way.
///
/// # Errors
/// As [`step`].
///
/// # Panics
/// As [`step`].
pub fn advance<V: Vector, T>(
    tableau: &ButcherTableau,
    step: Step,
    z: &mut V,
    call: impl FnOnce(At, &mut V, V::Real) -> Option<Result<(T, bool), FieldError>>,
) -> Result<Option<T>, SolveError> {
    if tableau.solution_stages() != 1 || tableau.b[0] == 0.0 {
        return Ok(None);
    }
    let at = step.at(tableau, 0);
    match located(at, || call(at, z, V::Real::of(step.h * tableau.b[0])).transpose())? {
        Some((_, false)) => Err(SolveError::NotFinite { step: step.index, stage: 0, t: step.t }),
        done => Ok(done.map(|(made, _)| made)),
    }
}

/// The first half of a step: evaluates the stages from `z` and leaves their derivatives in the workspace.
///
/// # Errors
/// Whatever `eval` says.
///
/// # Panics
/// May panic if [`ButcherTableau::check`] refuses the tableau.
pub fn stages<V: Vector>(
    tableau: &ButcherTableau,
    step: Step,
    workspace: &mut Workspace<V>,
    z: &V,
    mut eval: impl FnMut(At, &V, &mut V) -> Result<(), FieldError>,
) -> Result<(), SolveError> {
    for i in 0..tableau.solution_stages() {
        if workspace.k.len() == i {
            workspace.k.push(z.alloc_uninit_like());
        }
        let (done, rest) = workspace.k.split_at_mut(i);
        let at = step.at(tableau, i);
        let state = match tableau.a[i] {
            [] => z,
            row => stage_state(row, step.h, z, done, workspace.stage.get_or_insert_with(|| z.alloc_uninit_like())),
        };
        located(at, || eval(at, state, &mut rest[0]))?;
    }
    Ok(())
}

/// The second half of a step: `z += h sum_i b_i k_i`.
///
/// # Errors
/// A state that is no longer finite.
///
/// # Panics
/// If the workspace has fewer derivatives than the solution has stages: call [`stages`] first.
pub fn finish<V: Vector>(
    tableau: &ButcherTableau,
    step: Step,
    workspace: &Workspace<V>,
    z: &mut V,
) -> Result<(), SolveError> {
    let k = &workspace.k[..tableau.solution_stages()];
    if combine_is_finite(tableau.b, step.h, k, z) { Ok(()) } else { Err(not_finite(step, k)) }
}

/// z + h sum_j a_j k_j, or `z` itself where the row is empty.
pub fn stage_state<'a, V: Vector>(row: &[f64], h: f64, z: &'a V, k: &[V], into: &'a mut V) -> &'a V {
    if row.is_empty() {
        return z;
    }
    into.copy_from(z);
    combine(row, h, k, into);
    into
}

/// `z += h sum_i w_i k_i`, in the order of i, without the zero weights.
pub fn combine<V: Vector>(weights: &[f64], h: f64, k: &[V], z: &mut V) {
    for (&w, k) in weights.iter().zip(k) {
        if w != 0.0 {
            z.axpy(V::Real::of(h * w), k);
        }
    }
}

/// Computes [`combine`] and returns whether every number of the sum is finite.
pub fn combine_is_finite<V: Vector>(weights: &[f64], h: f64, k: &[V], z: &mut V) -> bool {
    let used = weights.iter().take(k.len()).rposition(|&w| w != 0.0);
    let Some(last) = used else { return z.is_finite() };
    combine(&weights[..last], h, k, z);
    z.axpy_is_finite(V::Real::of(h * weights[last]), &k[last])
}

/// Runs a call into a field and names the step and the stage of an error. A panic passes through.
pub fn located<T>(at: At, call: impl FnOnce() -> Result<T, FieldError>) -> Result<T, SolveError> {
    call().map_err(|source| SolveError::Field { step: at.step, stage: at.stage, t: at.t, source })
}

fn not_finite<V: Vector>(step: Step, k: &[V]) -> SolveError {
    let stage = k.iter().position(|k| !k.is_finite()).unwrap_or(k.len() - 1);
    SolveError::NotFinite { step: step.index, stage, t: step.t }
}
