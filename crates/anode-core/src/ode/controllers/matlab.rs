//! MATLAB's ode45.

use super::{Adaptive, Control, ControllerDescriptor, Vector};

#[derive(Clone, Copy)]
pub(super) struct Matlab;

static DESCRIPTOR: ControllerDescriptor = ControllerDescriptor {
    name: "matlab",
    norm: "max_i |e_i| / max(|z_i|, |z'_i|, atol / rtol) <= rtol",
    source: "Shampine & Reichelt, SIAM J. Sci. Comput. 18(1), 1997",
    advice: "Use it to reproduce MATLAB, or if each component must meet the tolerance.",
};

/// The size of a component below which its error counts as absolute.
fn threshold(control: &Adaptive) -> f64 {
    (control.atol / control.rtol).max(f64::MIN_POSITIVE)
}

impl Control for Matlab {
    fn descriptor(self) -> &'static ControllerDescriptor {
        &DESCRIPTOR
    }

    fn ratio<V: Vector>(self, control: &Adaptive, error: &V, z: &V, next: &V) -> f64 {
        error.weighted_most(z, next, threshold(control), 0.0) / control.rtol
    }

    fn limit(self, size: f64, interval: f64) -> f64 {
        size.min(0.1 * interval)
    }

    /// A last step up to 10 % longer than planned avoids a very small last step.
    fn finishes(self, size: f64, remaining: f64, _: f64) -> bool {
        1.1 * size >= remaining
    }

    fn first_step<V: Vector>(self, control: &Adaptive, exponent: f64, interval: f64, z: &V, dz: &V) -> Option<f64> {
        let rate = dz.weighted_most(z, z, threshold(control), 0.0) / (0.8 * control.rtol.powf(exponent));
        Some(if interval * 0.1 * rate > 1.0 { 1.0 / rate } else { 0.1 * interval })
    }

    fn grow(self, ratio: f64, _: f64, exponent: f64, failed_before: bool) -> Option<f64> {
        let inverse = 1.25 * ratio.powf(exponent);
        (!failed_before).then_some(if inverse > 0.2 { 1.0 / inverse } else { 5.0 })
    }

    fn shrink(self, ratio: f64, exponent: f64, failed_before: bool) -> f64 {
        if failed_before { 0.5 } else { (0.8 / ratio.powf(exponent)).max(0.1) }
    }

    fn divides_by_rtol(self) -> bool {
        true
    }
}
