//! Step-size control: how the local error is measured, as MATLAB's ode45, torchdiffeq's dopri5 and a PI controller do it, and
//! what step follows from it.

use super::{Adaptive, Real, Vector};

/// How the local error is measured, and the first and the next step chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// max_i |e_i| / max(|z_i|, |z'_i|, atol / rtol) <= rtol; no step above a tenth of the interval.
    Matlab,
    /// Root mean square of e_i / (atol + rtol max(|z_i|, |z'_i|)) <= 1; the next step from this error alone.
    Torchdiffeq,
    /// The same norm; the next step from this error and the one before (a PI controller, Hairer, Norsett, Wanner,
    /// *Solving ODEs II*, IV.2), which rejects fewer steps where stability limits them.
    ProportionalIntegral,
}

impl Adaptive {
    /// Error over tolerance: at most 1 is accepted.
    pub(super) fn ratio<V: Vector>(&self, error: &V, z: &V, next: &V) -> f64 {
        let (rtol, atol) = (self.rtol, self.atol);
        match self.controller {
            Controller::Matlab => error.weighted_most(z, next, atol / rtol, 0.0) / rtol,
            Controller::Torchdiffeq | Controller::ProportionalIntegral => {
                let sum = error.weighted_squares(z, next, [atol, rtol], 0.0);
                (sum / error.len().max(1) as f64).sqrt()
            }
        }
    }

    /// The largest step that this controller takes.
    pub(super) fn limit(&self, size: f64, interval: f64) -> f64 {
        match self.controller {
            Controller::Matlab => size.min(0.1 * interval),
            Controller::Torchdiffeq | Controller::ProportionalIntegral => size,
        }
    }

    /// First step: from the size of the derivative.
    pub(super) fn first_step<V: Vector>(&self, exponent: f64, interval: f64, z: &V, dz: &V) -> f64 {
        match self.controller {
            Controller::Matlab => {
                let rate = dz.weighted_most(z, z, self.atol / self.rtol, 0.0) / (0.8 * self.rtol.powf(exponent));
                if interval * 0.1 * rate > 1.0 { 1.0 / rate } else { 0.1 * interval }
            }
            Controller::Torchdiffeq | Controller::ProportionalIntegral => {
                let (d0, d1) = (self.scaled(z, z), self.scaled(dz, z));
                if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 }
            }
        }
    }

    /// First step, once one Euler step of size `first` told how fast the derivative changes.
    pub(super) fn second_guess<V: Vector>(&self, first: f64, exponent: f64, z: &V, dz: &V, changed: &V) -> f64 {
        let mut difference = changed.duplicate();
        difference.axpy(Real::of(-1.0), dz);
        let (d1, d2) = (self.scaled(dz, z), self.scaled(&difference, z) / first);
        let guess = if d1.max(d2) <= 1e-15 { (first * 1e-3).max(1e-6) } else { (0.01 / d1.max(d2)).powf(exponent) };
        guess.min(100.0 * first)
    }

    fn scaled<V: Vector>(&self, x: &V, z: &V) -> f64 {
        let sum = x.weighted_squares(z, z, [self.atol, self.rtol], 0.0);
        (sum / x.len().max(1) as f64).sqrt()
    }

    /// Factor for the step after an accepted one with this ratio, the one before having had `previous`.
    pub(super) fn grow(&self, ratio: f64, previous: f64, exponent: f64) -> f64 {
        match self.controller {
            Controller::Matlab => {
                let inverse = 1.25 * ratio.powf(exponent);
                if inverse > 0.2 { 1.0 / inverse } else { 5.0 }
            }
            Controller::Torchdiffeq => (0.9 / ratio.powf(exponent)).clamp(1.0, 10.0),
            Controller::ProportionalIntegral => {
                let integral = 0.2 * exponent;
                let factor = 0.9 * previous.powf(integral) / ratio.powf(exponent - 0.75 * integral);
                // A ratio of zero gives infinity, which the clamp takes.
                factor.clamp(0.2, 10.0)
            }
        }
    }

    /// Factor for the next attempt after a rejected one.
    pub(super) fn shrink(&self, ratio: f64, exponent: f64, failed_before: bool) -> f64 {
        match self.controller {
            _ if !ratio.is_finite() => 0.2,
            Controller::Matlab if failed_before => 0.5,
            Controller::Matlab => (0.8 / ratio.powf(exponent)).max(0.1),
            Controller::Torchdiffeq | Controller::ProportionalIntegral => (0.9 / ratio.powf(exponent)).max(0.2),
        }
    }
}
