//! SciPy's RK45 and RK23, the textbook controller.

use super::{Control, ControllerDescriptor};

#[derive(Clone, Copy)]
pub(super) struct Scipy;

static DESCRIPTOR: ControllerDescriptor = ControllerDescriptor {
    name: "scipy",
    norm: "root mean square of e_i / (atol + rtol max(|z_i|, |z'_i|)) < 1",
    source: "Hairer, Norsett & Wanner, Solving ODEs I, II.4",
    advice: "Use it to reproduce SciPy's RK45 and RK23.",
};

impl Control for Scipy {
    fn descriptor(self) -> &'static ControllerDescriptor {
        &DESCRIPTOR
    }

    fn accepts(self, ratio: f64) -> bool {
        ratio < 1.0
    }

    fn grow(self, ratio: f64, _: f64, exponent: f64, failed_before: bool) -> Option<f64> {
        // A ratio of zero gives an infinite factor, which the bound takes.
        let factor = 0.9 / ratio.powf(exponent);
        Some(factor.min(if failed_before { 1.0 } else { 10.0 }))
    }
}
