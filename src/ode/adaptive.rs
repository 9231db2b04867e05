//! Adaptive steps with an embedded error estimate.

use super::{
    ButcherTableau, Controller, Pass, Real, SolveError, Step, Vector, VectorField, Workspace, combine, guarded,
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
    pub controller: Controller,
    /// Attempted steps after which to give up.
    pub max_steps: usize,
}

impl Adaptive {
    /// These tolerances with the proportional-integral controller and at most a million attempted steps.
    pub fn new(rtol: f64, atol: f64) -> Self {
        Self { rtol, atol, controller: Controller::ProportionalIntegral, max_steps: 1_000_000 }
    }
}

/// What an adaptive solve found.
#[derive(Clone, Debug)]
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
/// # Errors
/// See [`SolveError`]. A step whose numbers overflow is rejected and made smaller, until it underflows.
pub fn integrate_adaptive<F: VectorField>(
    field: &F,
    tableau: &'static ButcherTableau,
    control: Adaptive,
    span: (f64, f64),
    z0: &F::Vector,
    theta: &F::Vector,
) -> Result<Solution<F::Vector>, SolveError> {
    integrate_observed(field, tableau, control, span, z0, theta, |_| ())
}

/// The start of a step that was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'a, V> {
    /// Number of the step, from 0.
    pub step: usize,
    /// State at the start of the step.
    pub z: &'a V,
    /// f there.
    pub rate: &'a V,
}

/// As [`integrate_adaptive`], and tells `observe` of every accepted step.
///
/// # Errors
/// See [`integrate_adaptive`].
pub fn integrate_observed<F: VectorField>(
    field: &F,
    tableau: &'static ButcherTableau,
    control: Adaptive,
    (t0, t1): (f64, f64),
    z0: &F::Vector,
    theta: &F::Vector,
    mut observe: impl FnMut(Accepted<F::Vector>),
) -> Result<Solution<F::Vector>, SolveError> {
    let embedded = tableau.embedded.as_ref().ok_or(SolveError::NoEmbedded(tableau.name))?;
    let error_weights: Vec<f64> = tableau.b.iter().zip(embedded.b).map(|(b, e)| b - e).collect();
    let exponent = 1.0 / (embedded.order.min(tableau.order) as f64 + 1.0);
    let direction = if t1 < t0 { -1.0 } else { 1.0 };
    let pass = if t1 < t0 { Pass::Reverse } else { Pass::Forward };
    let stages = tableau.stages();
    let mut workspace = Workspace::new(stages, z0);
    let (mut z, mut t) = (z0.duplicate(), t0);
    let mut solution = Solution { end: z0.zeros_like(), times: vec![t0], last: vec![], rejected: 0, evaluations: 0 };

    let start = Step { t, h: 0.0, index: 0, pass };
    guarded(start.at(tableau, 0), || field.eval(start.at(tableau, 0), &z, theta, &mut workspace.k[0]))?;
    solution.evaluations += 1;
    let mut size = control.first_step(exponent, (t1 - t0).abs(), &z, &workspace.k[0]);
    let mut probe = z.zeros_like();
    if control.controller != Controller::Matlab {
        // Hairer, Norsett, Wanner I, II.4: one Euler step tells how fast the derivative changes.
        probe.copy_from(&z);
        probe.axpy(Real::of(direction * size), &workspace.k[0]);
        let at = Step { t: t + direction * size, ..start }.at(tableau, 0);
        guarded(at, || field.eval(at, &probe, theta, &mut workspace.k[1]))?;
        solution.evaluations += 1;
        size = control.second_guess(size, exponent, &z, &workspace.k[0], &workspace.k[1]);
    }

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
        let smallest = 16.0 * f64::EPSILON * t.abs().max(f64::MIN_POSITIVE);
        size = control.limit(size, (t1 - t0).abs());
        // A last step a little longer than planned beats a sliver after it.
        let finishing =
            if control.controller == Controller::Matlab { 1.1 * size >= remaining } else { size >= remaining };
        // h is the difference of representable times, so that a fixed solve over the accepted times repeats the bits.
        let next_t = if finishing { t1 } else { t + direction * size };
        let h = next_t - t;
        if h.is_nan() {
            // No step size makes a state finite that is not.
            return Err(SolveError::NotFinite { step: index, stage: 0, t });
        }
        if h.abs() < smallest || h == 0.0 {
            return Err(SolveError::StepUnderflow { step: index, t, h });
        }
        let step = Step { t, h, index, pass };
        for i in usize::from(first_ready)..stages {
            let (done, rest) = workspace.k.split_at_mut(i);
            let state = stage_state(tableau.a[i], h, &z, done, &mut next);
            let at = step.at(tableau, i);
            guarded(at, || field.eval(at, state, theta, &mut rest[0]))?;
            solution.evaluations += 1;
        }
        next.copy_from(&z);
        combine(tableau.b, h, &workspace.k, &mut next);
        error.set_zero();
        combine(&error_weights, h, &workspace.k, &mut error);
        let ratio = if next.is_finite() { control.ratio(&error, &z, &next) } else { f64::INFINITY };
        if ratio.is_nan() || ratio > 1.0 {
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
        if !failed_before {
            size = h.abs() * control.grow(ratio, previous_ratio, exponent);
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
