//! Adaptive steps with an embedded error estimate.

use super::{
    ButcherTableau, Controller, Pass, Real, SolveError, Step, Vector, VectorField, Workspace, combine, located,
    stage_state,
};

/// Tolerances and limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// How steps are chosen.
    ///
    /// [`Controller::Torchdiffeq`] takes the steps of torchdiffeq in forward solves. Adaptive continuous adjoints
    /// differ: torchdiffeq takes the largest of the norms of state, adjoint and parameter gradient, and this crate,
    /// with every controller, one norm over all of them. Many parameters without gradient then loosen the tolerance
    /// on the state and its adjoint.
    pub controller: Controller,
    /// Attempted steps after which to give up.
    pub max_steps: usize,
}

impl Adaptive {
    /// These tolerances with the proportional-integral controller and at most a million attempted steps.
    pub fn new(rtol: f64, atol: f64) -> Self {
        Self { rtol, atol, controller: Controller::ProportionalIntegral, max_steps: 1_000_000 }
    }

    /// Refuses tolerances that no error can be measured by.
    ///
    /// # Errors
    /// [`SolveError::Argument`] for a tolerance that is negative or not finite, two of zero, and a relative tolerance
    /// with MATLAB's norm for which atol / rtol is not finite.
    pub fn check(&self) -> Result<(), SolveError> {
        let sound = |x: f64| x.is_finite() && x >= 0.0;
        let (rtol, atol) = (self.rtol, self.atol);
        let allowed = if !sound(rtol) || !sound(atol) {
            "finite numbers that are not negative"
        } else if rtol == 0.0 && atol == 0.0 {
            "at least one of them above 0"
        } else if rtol == 0.0 && self.controller.divides_by_rtol() {
            "a relative tolerance above 0 with MATLAB's norm"
        } else if !(atol / rtol).is_finite() && self.controller.divides_by_rtol() {
            "a finite ratio atol / rtol with MATLAB's norm"
        } else {
            return Ok(());
        };
        Err(SolveError::Argument(format!("the tolerances are rtol = {rtol:?} and atol = {atol:?}; allowed: {allowed}")))
    }
}

/// The result of an adaptive solve.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Solution<V> {
    /// State at the end.
    pub end: V,
    /// Times between which steps were accepted, from the start to the end (falling when time runs backwards).
    pub times: Vec<f64>,
    /// The last accepted states before the end, newest last, at most three, with their times: what a failed
    /// reversal is judged by.
    pub last: Vec<(f64, V)>,
    /// Attempted steps that were rejected.
    pub rejected: usize,
    /// Function evaluations.
    pub evaluations: u64,
}

/// Integrates from `t0` to `t1` (which may lie before `t0`) with steps chosen by the embedded error.
///
/// If `t0` equals `t1`, the end is `z0` and the field is not evaluated. The field is never evaluated outside the span.
/// It may depend on the time, but not on the number of the step or of the stage ([`At`](super::At)): with a solver
/// whose last stage is the first one of the next step, that derivative is computed once, as a stage of the earlier
/// step.
/// Its evaluations belong to [`Pass::Forward`] if t0 < t1, else to [`Pass::Reverse`]; [`integrate_observed`] takes the
/// pass as an argument.
///
/// # Errors
/// See [`SolveError`]. A step whose numbers overflow is rejected and made smaller, until it underflows. A start that is
/// not finite, or whose rate is not, is refused at once.
pub fn integrate_adaptive<F: VectorField>(
    field: &F,
    tableau: &ButcherTableau,
    control: Adaptive,
    span: (f64, f64),
    z0: &F::Vector,
    theta: &F::Vector,
) -> Result<Solution<F::Vector>, SolveError> {
    let pass = if span.1 < span.0 { Pass::Reverse } else { Pass::Forward };
    integrate_observed(field, tableau, control, span, pass, z0, theta, |_| ())
}

/// The start of a step that was accepted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Accepted<'a, V> {
    /// Number of the step, from 0.
    pub step: usize,
    /// State at the start of the step.
    pub z: &'a V,
    /// f there.
    pub rate: &'a V,
}

/// As [`integrate_adaptive`], for evaluations of the sweep `pass`. Calls `observe` with every accepted step.
///
/// # Errors
/// See [`integrate_adaptive`].
#[allow(clippy::too_many_arguments)]
pub fn integrate_observed<F: VectorField>(
    field: &F,
    tableau: &ButcherTableau,
    control: Adaptive,
    (t0, t1): (f64, f64),
    pass: Pass,
    z0: &F::Vector,
    theta: &F::Vector,
    mut observe: impl FnMut(Accepted<F::Vector>),
) -> Result<Solution<F::Vector>, SolveError> {
    control.check()?;
    tableau.check()?;
    let embedded = tableau.embedded.as_ref().ok_or(SolveError::NoEmbedded(tableau.name))?;
    if !t0.is_finite() || !t1.is_finite() {
        return Err(SolveError::Argument(format!("the time span runs from {t0:?} to {t1:?}; both must be finite")));
    }
    if !(t1 - t0).is_finite() {
        return Err(SolveError::Argument(format!(
            "the time span runs from {t0:?} to {t1:?}; its length must be finite"
        )));
    }
    let (mut z, mut t) = (z0.duplicate(), t0);
    let mut solution = Solution { end: z0.zeros_like(), times: vec![t0], last: vec![], rejected: 0, evaluations: 0 };
    if t0 == t1 {
        solution.end = z;
        return Ok(solution);
    }
    if !z0.is_finite() {
        return Err(SolveError::StartNotFinite { t: t0 });
    }
    let error_weights = control.controller.error_weights(tableau, embedded);
    let exponent = 1.0 / (embedded.order.min(tableau.order) as f64 + 1.0);
    let direction = if t1 < t0 { -1.0 } else { 1.0 };
    let (interval, stages) = ((t1 - t0).abs(), tableau.stages());
    let mut workspace = Workspace::new(stages, z0);
    // Where a step of this size ends: never beyond t1.
    let after = |t: f64, size: f64| if size >= (t1 - t).abs() { t1 } else { t + direction * size };

    let start = Step { t, h: 0.0, index: 0, pass, limit: t };
    located(start.at(tableau, 0), || field.eval(start.at(tableau, 0), &z, theta, &mut workspace.k[0]))?;
    solution.evaluations += 1;
    if !workspace.k[0].is_finite() {
        return Err(SolveError::StartNotFinite { t: t0 });
    }
    let mut probe = z.zeros_like();
    let mut size = match control.first_step(exponent, interval, &z, &workspace.k[0]) {
        Some(size) => size,
        None => {
            // Hairer, Norsett, Wanner I, II.4: one Euler step tells how fast the derivative changes.
            let first = control.first_guess(&z, &workspace.k[0]).max(resolution(t0)).min(interval);
            probe.copy_from(&z);
            probe.axpy(Real::of(direction * first), &workspace.k[0]);
            let t = after(t, first);
            let at = Step { t, limit: t, ..start }.at(tableau, 0);
            located(at, || field.eval(at, &probe, theta, &mut workspace.k[1]))?;
            solution.evaluations += 1;
            control.second_guess(first, exponent, &z, &workspace.k[0], &workspace.k[1])
        }
    };

    let mut first_ready = true;
    let mut failed_before = false;
    let mut previous_ratio = 1e-4;
    let mut next = z.zeros_like();
    let mut error = z.zeros_like();
    for attempt in 0.. {
        if attempt == control.max_steps {
            return Err(SolveError::TooManySteps { limit: control.max_steps, t });
        }
        let index = solution.times.len() - 1;
        let remaining = (t1 - t).abs();
        size = control.limit(size, interval);
        if !failed_before {
            size = size.max(resolution(t));
        }
        // A last step a little longer than planned beats a sliver after it, and no end is missed by rounding.
        let finishing = control.finishes(size, remaining, resolution(t.abs().max(t1.abs())));
        if failed_before && size < resolution(t) {
            return Err(SolveError::StepUnderflow { step: index, t, h: direction * size });
        }
        // h is the difference of representable times, so that a fixed solve over the accepted times repeats the bits.
        let next_t = if finishing { t1 } else { after(t, size) };
        let h = next_t - t;
        let step = Step { t, h, index, pass, limit: t1 };
        for i in usize::from(first_ready)..stages {
            let (done, rest) = workspace.k.split_at_mut(i);
            let state = stage_state(tableau.a[i], h, &z, done, &mut next);
            let at = step.at(tableau, i);
            located(at, || field.eval(at, state, theta, &mut rest[0]))?;
            solution.evaluations += 1;
        }
        next.copy_from(&z);
        combine(tableau.b, h, &workspace.k, &mut next);
        error.set_zero();
        combine(&error_weights, h, &workspace.k, &mut error);
        let finite = next.is_finite() && error.is_finite();
        let ratio = if finite { control.ratio(&error, &z, &next) } else { f64::INFINITY };
        if !control.accepts(ratio) {
            solution.rejected += 1;
            size = h.abs() * control.shrink(ratio, exponent, failed_before);
            failed_before = true;
            first_ready = true;
            continue;
        }
        observe(Accepted { step: index, z: &z, rate: &workspace.k[0] });
        solution.last.push((t, z.duplicate()));
        if solution.last.len() > 3 {
            solution.last.remove(0);
        }
        std::mem::swap(&mut z, &mut next);
        t = next_t;
        solution.times.push(t);
        if finishing {
            break;
        }
        if let Some(factor) = control.grow(ratio, previous_ratio, exponent, failed_before) {
            size = h.abs() * factor;
        }
        previous_ratio = ratio.max(1e-4);
        failed_before = false;
        first_ready = tableau.first_same_as_last();
        if first_ready {
            workspace.k.swap(0, stages - 1);
        }
    }
    solution.end = z;
    Ok(solution)
}

/// The smallest step that is taken at time `t`.
fn resolution(t: f64) -> f64 {
    16.0 * f64::EPSILON * t.abs().max(f64::MIN_POSITIVE)
}
