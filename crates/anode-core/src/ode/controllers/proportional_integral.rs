//! A PI controller: steps from the last two errors.

use super::{Control, ControllerDescriptor};

#[derive(Clone, Copy)]
pub(super) struct ProportionalIntegral;

static DESCRIPTOR: ControllerDescriptor = ControllerDescriptor {
    name: "proportional-integral",
    norm: "root mean square of e_i / (atol + rtol max(|z_i|, |z'_i|)) <= 1",
    source: "Hairer & Wanner, Solving ODEs II, IV.2",
    advice: "Use it by default. It rejects the fewest steps if stability limits the step size.",
};

impl Control for ProportionalIntegral {
    fn descriptor(self) -> &'static ControllerDescriptor {
        &DESCRIPTOR
    }

    fn grow(self, ratio: f64, previous: f64, exponent: f64, failed_before: bool) -> Option<f64> {
        let integral = 0.2 * exponent;
        let factor = 0.9 * previous.powf(integral) / ratio.powf(exponent - 0.75 * integral);
        (!failed_before).then_some(factor.clamp(0.2, 10.0))
    }
}
