//! Step-size control: how the local error is measured, and which step follows from it, as MATLAB's ode45, torchdiffeq's
//! dopri5, SciPy's RK45 and a PI controller do it.

use super::{Adaptive, ButcherTableau, Embedded, Real, Vector};

/// How an adaptive solver measures its local error and chooses the first and the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "serde", schemars(rename = "ErrorNorm"))]
#[non_exhaustive]
pub enum Controller {
    /// MATLAB's ode45: max_i |e_i| / max(|z_i|, |z'_i|, atol / rtol) <= rtol, and no step above a tenth of the
    /// interval.
    Matlab,
    /// torchdiffeq: root mean square of e_i / (atol + rtol max(|z_i|, |z'_i|)) <= 1, steps unbounded; for
    /// Dormand-Prince with Shampine's error weights, as its `dopri5`. The next step follows from this error alone, and
    /// steps grow at once after a rejection.
    Torchdiffeq,
    /// SciPy's RK45 and RK23, the textbook controller (Hairer, Norsett, Wanner, Solving ODEs I, II.4): the norm of
    /// torchdiffeq with the error weights of the solver, and no growth after a rejection.
    Scipy,
    /// The norm of SciPy; steps from the last two errors (a PI controller, Hairer, Norsett, Wanner, Solving ODEs II,
    /// IV.2), which rejects fewer steps where stability limits them.
    ProportionalIntegral,
}

impl Controller {
    /// Weights of the stages in the error estimate.
    pub(super) fn error_weights(self, tableau: &ButcherTableau, embedded: &Embedded) -> Vec<f64> {
        let other = embedded.torchdiffeq.filter(|_| self == Self::Torchdiffeq);
        tableau.b.iter().zip(other.unwrap_or(embedded.b)).map(|(b, e)| b - e).collect()
    }
}

impl Adaptive {
    /// The tolerances, an absolute one of zero replaced by the smallest positive number: a component that is zero and
    /// has no error meets its tolerance.
    fn tolerances(&self) -> [f64; 2] {
        [self.atol.max(f64::MIN_POSITIVE), self.rtol]
    }

    /// MATLAB's threshold, below which the error of a component counts as absolute.
    fn threshold(&self) -> f64 {
        (self.atol / self.rtol).max(f64::MIN_POSITIVE)
    }

    /// Error over tolerance.
    pub(super) fn ratio<V: Vector>(&self, error: &V, z: &V, next: &V) -> f64 {
        match self.controller {
            Controller::Matlab => error.weighted_most(z, next, self.threshold(), 0.0) / self.rtol,
            Controller::Torchdiffeq | Controller::Scipy | Controller::ProportionalIntegral => {
                let sum = error.weighted_squares(z, next, self.tolerances(), 0.0);
                (sum / error.len().max(1) as f64).sqrt()
            }
        }
    }

    /// Whether a step with this ratio is accepted. One that is not a number is not.
    pub(super) fn accepts(&self, ratio: f64) -> bool {
        if self.controller == Controller::Scipy { ratio < 1.0 } else { ratio <= 1.0 }
    }

    /// The largest step that this controller takes.
    pub(super) fn limit(&self, size: f64, interval: f64) -> f64 {
        if self.controller == Controller::Matlab { size.min(0.1 * interval) } else { size }
    }

    /// First step: from the size of the derivative.
    pub(super) fn first_step<V: Vector>(&self, exponent: f64, interval: f64, z: &V, dz: &V) -> f64 {
        if self.controller == Controller::Matlab {
            let rate = dz.weighted_most(z, z, self.threshold(), 0.0) / (0.8 * self.rtol.powf(exponent));
            return if interval * 0.1 * rate > 1.0 { 1.0 / rate } else { 0.1 * interval };
        }
        let (d0, d1) = (self.scaled(z, z), self.scaled(dz, z));
        if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 }
    }

    /// First step, once one Euler step of size `first` told how fast the derivative changes.
    pub(super) fn second_guess<V: Vector>(&self, first: f64, exponent: f64, z: &V, dz: &V, changed: &V) -> f64 {
        let mut difference = changed.duplicate();
        difference.axpy(Real::of(-1.0), dz);
        let (d1, d2) = (self.scaled(dz, z), self.scaled(&difference, z) / first);
        let guess = if d1.max(d2) <= 1e-15 { (first * 1e-3).max(1e-6) } else { (0.01 / d1.max(d2)).powf(exponent) };
        // Rates that are infinitely many tolerances large, as at z = 0 without an absolute one, tell nothing.
        if guess > 0.0 { guess.min(100.0 * first) } else { first }
    }

    fn scaled<V: Vector>(&self, x: &V, z: &V) -> f64 {
        let sum = x.weighted_squares(z, z, self.tolerances(), 0.0);
        (sum / x.len().max(1) as f64).sqrt()
    }

    /// Factor for the step after an accepted one with this ratio, the one before having had `previous`; `None` keeps
    /// the size that the last rejection led to.
    pub(super) fn grow(&self, ratio: f64, previous: f64, exponent: f64, failed_before: bool) -> Option<f64> {
        // A ratio of zero gives an infinite factor, which all bounds take.
        let factor = 0.9 / ratio.powf(exponent);
        match self.controller {
            Controller::Torchdiffeq => Some(factor.clamp(if ratio < 1.0 { 1.0 } else { 0.2 }, 10.0)),
            Controller::Scipy => Some(factor.min(if failed_before { 1.0 } else { 10.0 })),
            _ if failed_before => None,
            Controller::Matlab => {
                let inverse = 1.25 * ratio.powf(exponent);
                Some(if inverse > 0.2 { 1.0 / inverse } else { 5.0 })
            }
            Controller::ProportionalIntegral => {
                let integral = 0.2 * exponent;
                let factor = 0.9 * previous.powf(integral) / ratio.powf(exponent - 0.75 * integral);
                Some(factor.clamp(0.2, 10.0))
            }
        }
    }

    /// Factor for the next attempt after a rejected one.
    pub(super) fn shrink(&self, ratio: f64, exponent: f64, failed_before: bool) -> f64 {
        match self.controller {
            _ if !ratio.is_finite() => 0.2,
            Controller::Matlab if failed_before => 0.5,
            Controller::Matlab => (0.8 / ratio.powf(exponent)).max(0.1),
            _ => (0.9 / ratio.powf(exponent)).max(0.2),
        }
    }
}
