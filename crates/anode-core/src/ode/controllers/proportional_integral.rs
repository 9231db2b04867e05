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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_those_of_hairers_dopri5() {
        // Hairer, Norsett, Wanner I, appendix, DOPRI5 with BETA = 0.04: FAC = ERR^(0.2 - 0.75 BETA) / FACOLD^BETA / 0.9
        // between 1/10 and 5, and the next step is H / FAC.
        for ratio in [1e-9, 1e-4, 0.01, 0.3, 0.9, 1.0f64] {
            for previous in [1e-4, 0.02, 0.5, 1.0f64] {
                let fac = (ratio.powf(0.17) / previous.powf(0.04) / 0.9).clamp(0.1, 5.0);
                let found = ProportionalIntegral.grow(ratio, previous, 0.2, false).unwrap();
                assert!((found * fac - 1.0).abs() < 1e-14, "{ratio} {previous}: {found} and {}", 1.0 / fac);
            }
        }
        assert_eq!(ProportionalIntegral.grow(0.0, 1e-4, 0.2, false), Some(10.0));
        assert_eq!(ProportionalIntegral.grow(1e-9, 1e-4, 0.2, true), None, "the step after a rejection keeps its size");
    }
}
