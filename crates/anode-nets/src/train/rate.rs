//! Schedules of the learning rate of a training run.

use std::f64::consts::PI;

/// The schedule of the learning rate.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Rate {
    /// Falls to a tenth after these fractions of the epochs (the released driver's).
    Drops(Vec<f64>),
    /// Half a cosine from the start to 0 (Loshchilov & Hutter 2017, without restarts).
    Cosine,
    /// Rises from 1/25 of the rate over the first 30 % of the steps, then falls to 1/250,000 of it, both along half a
    /// cosine (Smith & Topin 2018, with PyTorch's defaults).
    OneCycle,
}

impl Rate {
    /// The learning rate of `step`, in `epoch`, if training takes `steps` in `epochs`; `base` is the largest. Steps and
    /// epochs count from 0 and are below their totals.
    pub fn at(&self, base: f64, (step, steps): (u64, u64), (epoch, epochs): (u64, usize)) -> f64 {
        let between = |from: f64, to: f64, share: f64| to + (from - to) * 0.5 * (1.0 + (PI * share).cos());
        match self {
            Self::Drops(drops) => {
                let passed = epoch as f64 / epochs as f64;
                base * 0.1f64.powi(drops.iter().filter(|&&d| passed >= d).count() as i32)
            }
            Self::Cosine => between(base, 0.0, step as f64 / steps as f64),
            Self::OneCycle => {
                let (last, peak) = (steps.saturating_sub(1) as f64, 0.3 * steps as f64 - 1.0);
                if (step as f64) < peak {
                    between(base / 25.0, base, step as f64 / peak)
                } else {
                    between(base, base / 250_000.0, (step as f64 - peak) / (last - peak).max(1.0))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn rates_start_peak_and_end_where_they_should() {
        let at = |rate: &Rate, step| rate.at(0.1, (step, 100), (step / 10, 10));
        let drops = Rate::Drops(vec![0.43, 0.71]);
        let found: Vec<f64> = [0, 49, 50, 79, 80].map(|step| at(&drops, step)).into();
        for (found, expected) in found.iter().zip([0.1, 0.1, 0.01, 0.01, 0.001]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert!((at(&Rate::Cosine, 0) - 0.1).abs() < 1e-12 && (at(&Rate::Cosine, 50) - 0.05).abs() < 1e-12);
        assert!(at(&Rate::Cosine, 99) < 1e-4);
        assert!((at(&Rate::OneCycle, 0) - 0.004).abs() < 1e-12);
        assert!((at(&Rate::OneCycle, 29) - 0.1).abs() < 1e-12, "the peak");
        assert!((at(&Rate::OneCycle, 99) - 4e-7).abs() < 1e-12, "the end");
        for step in 1..100 {
            let rising = at(&Rate::OneCycle, step) > at(&Rate::OneCycle, step - 1);
            assert_eq!(rising, step <= 29, "step {step}");
        }
    }
}
