//! Adaptive steps with an embedded error estimate, as MATLAB's ode45 and as torchdiffeq's dopri5 choose them.

use super::{
    ButcherTableau, Pass, Real, SolveError, Step, Vector, VectorField, Workspace, combine, guarded, stage_state,
};

/// How the local error is measured. The two also differ in how the first and the next step are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorNorm {
    /// max_i |e_i| / max(|z_i|, |z'_i|, atol / rtol) <= rtol; no step above a tenth of the interval.
    Matlab,
    /// Root mean square of e_i / (atol + rtol max(|z_i|, |z'_i|)) <= 1.
    Torchdiffeq,
}

/// Tolerances and limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// The norm of the error.
    pub norm: ErrorNorm,
    /// Attempted steps after which to give up.
    pub max_steps: usize,
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
    (t0, t1): (f64, f64),
    z0: &F::Vector,
    theta: &F::Vector,
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
    if control.norm == ErrorNorm::Torchdiffeq {
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
        let finishing = if control.norm == ErrorNorm::Matlab { 1.1 * size >= remaining } else { size >= remaining };
        // h is the difference of representable times, so that a fixed solve over the accepted times repeats the bits.
        let next_t = if finishing { t1 } else { t + direction * size };
        let h = next_t - t;
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
            size = h.abs() * control.grow(ratio, exponent);
        }
        failed_before = false;
        first_ready = tableau.first_same_as_last();
        if first_ready {
            workspace.k.swap(0, stages - 1);
        }
    }
    solution.end = z;
    Ok(solution)
}

impl Adaptive {
    /// Error over tolerance: at most 1 is accepted.
    fn ratio<V: Vector>(&self, error: &V, z: &V, next: &V) -> f64 {
        let (e, z, n) = (error.to_f64(), z.to_f64(), next.to_f64());
        let parts = e.iter().zip(z.iter().zip(&n)).map(|(e, (z, n))| (e.abs(), z.abs().max(n.abs())));
        match self.norm {
            ErrorNorm::Matlab => {
                let threshold = self.atol / self.rtol;
                parts.map(|(e, size)| e / size.max(threshold)).fold(0.0, f64::max) / self.rtol
            }
            ErrorNorm::Torchdiffeq => {
                let sum: f64 = parts.map(|(e, size)| (e / (self.atol + self.rtol * size)).powi(2)).sum();
                (sum / e.len().max(1) as f64).sqrt()
            }
        }
    }

    fn limit(&self, size: f64, interval: f64) -> f64 {
        match self.norm {
            ErrorNorm::Matlab => size.min(0.1 * interval),
            ErrorNorm::Torchdiffeq => size,
        }
    }

    /// First step: from the size of the derivative.
    fn first_step<V: Vector>(&self, exponent: f64, interval: f64, z: &V, dz: &V) -> f64 {
        match self.norm {
            ErrorNorm::Matlab => {
                let threshold = self.atol / self.rtol;
                let rate = (z.to_f64().iter().zip(dz.to_f64()))
                    .map(|(z, d)| d.abs() / z.abs().max(threshold))
                    .fold(0.0, f64::max)
                    / (0.8 * self.rtol.powf(exponent));
                if interval * 0.1 * rate > 1.0 { 1.0 / rate } else { 0.1 * interval }
            }
            ErrorNorm::Torchdiffeq => {
                let (d0, d1) = (self.scaled(z, z), self.scaled(dz, z));
                if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 }
            }
        }
    }

    fn second_guess<V: Vector>(&self, first: f64, exponent: f64, z: &V, dz: &V, changed: &V) -> f64 {
        let mut difference = changed.duplicate();
        difference.axpy(Real::of(-1.0), dz);
        let (d1, d2) = (self.scaled(dz, z), self.scaled(&difference, z) / first);
        let guess = if d1.max(d2) <= 1e-15 { (first * 1e-3).max(1e-6) } else { (0.01 / d1.max(d2)).powf(exponent) };
        guess.min(100.0 * first)
    }

    fn scaled<V: Vector>(&self, x: &V, z: &V) -> f64 {
        let (x, z) = (x.to_f64(), z.to_f64());
        let sum: f64 = x.iter().zip(&z).map(|(x, z)| (x / (self.atol + self.rtol * z.abs())).powi(2)).sum();
        (sum / x.len().max(1) as f64).sqrt()
    }

    fn grow(&self, ratio: f64, exponent: f64) -> f64 {
        match self.norm {
            ErrorNorm::Matlab => {
                let inverse = 1.25 * ratio.powf(exponent);
                if inverse > 0.2 { 1.0 / inverse } else { 5.0 }
            }
            ErrorNorm::Torchdiffeq => (0.9 / ratio.powf(exponent)).clamp(1.0, 10.0),
        }
    }

    fn shrink(&self, ratio: f64, exponent: f64, failed_before: bool) -> f64 {
        match self.norm {
            _ if !ratio.is_finite() => 0.2,
            ErrorNorm::Matlab if failed_before => 0.5,
            ErrorNorm::Matlab => (0.8 / ratio.powf(exponent)).max(0.1),
            ErrorNorm::Torchdiffeq => (0.9 / ratio.powf(exponent)).max(0.2),
        }
    }
}
