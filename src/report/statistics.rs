//! Means and shares over seeds with confidence intervals.

use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

use super::results::{fixed, short};

/// A mean, and how far it is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Mean.
    pub mean: f64,
    /// Half the width of the confidence interval: mean - half to mean + half.
    pub half: f64,
    /// Number of values.
    pub count: usize,
}

/// The mean of some numbers.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The median of sorted numbers: the middle one, or the mean of the two in the middle. Panics if there is none.
pub fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2])
}

/// The mean with its two-sided interval of Student's t: half = t(confidence, n - 1) s / sqrt(n), with s the sample's
/// standard deviation. It holds the true mean in a share `confidence` of samples from a normal distribution. `None`
/// with fewer than two values, and for a confidence outside (0, 1).
pub fn mean_interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let count = values.len();
    if count < 2 || !(0.0 < confidence && confidence < 1.0) {
        return None;
    }
    let n = count as f64;
    let mean = mean(values);
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(f64::midpoint(1.0, confidence));
    Some(Interval { mean, half: t * (variance / n).sqrt(), count })
}

/// Half the width of the confidence interval of the difference of two means, by Welch's method: the samples are
/// independent and may have different variances. `None` if a sample has fewer than two values, and for a confidence
/// outside (0, 1).
pub fn welch(a: &[f64], b: &[f64], confidence: f64) -> Option<f64> {
    if a.len() < 2 || b.len() < 2 || !(0.0 < confidence && confidence < 1.0) {
        return None;
    }
    // The variance of a mean, and its degrees of freedom.
    let of = |values: &[f64]| {
        let n = values.len() as f64;
        let mean = mean(values);
        (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0) / n, n - 1.0)
    };
    let ((u, m), (v, n)) = (of(a), of(b));
    if u + v == 0.0 {
        return Some(0.0);
    }
    // As a ratio, since the square of a small variance would be zero. Rounding must not leave the theoretical range.
    let share = u / (u + v);
    let freedom = (share.powi(2) / m + (1.0 - share).powi(2) / n).recip().clamp(m.min(n), m + n);
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(f64::midpoint(1.0, confidence));
    Some(t * (u + v).sqrt())
}

/// The two-sided interval of Clopper and Pearson (Biometrika 26, 1934) for the share of which `inside` of `count`
/// independent draws are a sample. At least a share `confidence` of such intervals hold the true share, whatever it is.
/// `None` without draws, and for a confidence outside (0, 1).
pub fn share_interval(inside: usize, count: usize, confidence: f64) -> Option<(f64, f64)> {
    if count == 0 || inside > count || !(0.0 < confidence && confidence < 1.0) {
        return None;
    }
    let (k, n, tail) = (inside as f64, count as f64, (1.0 - confidence) / 2.0);
    let low = if inside == 0 { 0.0 } else { Beta::new(k, n - k + 1.0).ok()?.inverse_cdf(tail) };
    let high = if inside == count { 1.0 } else { Beta::new(k + 1.0, n - k).ok()?.inverse_cdf(1.0 - tail) };
    Some((low, high))
}

impl std::fmt::Display for Interval {
    /// `5.50 ± 0.66`: the half to two digits, the mean to as many places; a common power of ten where that is shorter.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { mean, half, .. } = *self;
        if half == 0.0 || !half.is_finite() || !mean.is_finite() {
            return write!(f, "{} ± {}", short(mean), short(half));
        }
        let largest = mean.abs().max(half);
        let power = if (1e-3..1e6).contains(&largest) { 0 } else { largest.log10().floor() as i32 };
        let scale = 10f64.powi(power);
        let (mean, half) = (mean / scale, half / scale);
        let places = (1.0 - half.log10().floor()).max(0.0) as usize;
        if places > 6 {
            return write!(f, "{} ± {}", short(self.mean), short(self.half));
        }
        let mean = fixed(mean, places);
        match power {
            0 => write!(f, "{mean} ± {half:.places$}"),
            _ => write!(f, "({mean} ± {half:.places$})e{power}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // Student's t, two-sided 95 % and 99 %, as printed in any table.
        for (count, confidence, t) in
            [(2, 0.95, 12.7062), (3, 0.95, 4.30265), (5, 0.95, 2.77645), (10, 0.95, 2.26216), (5, 0.99, 4.60409)]
        {
            // Half the values one above, half one below the mean, and one at it where the count is odd.
            let values: Vec<f64> = (0..count)
                .map(|i| if i + 1 == count && count % 2 == 1 { 0.0 } else { 1.0 - 2.0 * (i % 2) as f64 })
                .collect();
            let s = (values.iter().map(|x| x * x).sum::<f64>() / (count - 1) as f64).sqrt();
            let found = mean_interval(&values, confidence).unwrap();
            let expected = t * s / (count as f64).sqrt();
            assert!((found.half - expected).abs() < 1e-4 * expected, "{count}: {found:?}, {expected}");
        }
    }

    #[test]
    fn the_interval_holds_the_true_mean_as_often_as_it_says() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        // The sum of twelve uniform numbers is close to normal, with mean 6.
        let mut sample = || (0..5).map(|_| (0..12).map(|_| random.r#gen::<f64>()).sum::<f64>()).collect::<Vec<f64>>();
        let holds = |i: Interval| (i.mean - 6.0).abs() <= i.half;
        let share = (0..4000).filter(|_| holds(mean_interval(&sample(), 0.9).unwrap())).count() as f64 / 4000.0;
        assert!((0.88..0.92).contains(&share), "{share}");
    }

    #[test]
    fn the_interval_of_a_share_holds_the_true_share_at_least_as_often_as_it_says() {
        // In closed form: none of n, and all of n.
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        let (low, high) = share_interval(0, 30, 0.95).unwrap();
        assert_eq!(low, 0.0);
        close(high, 1.0 - 0.025f64.powf(1.0 / 30.0));
        let (low, high) = share_interval(30, 30, 0.95).unwrap();
        close(low, 0.025f64.powf(1.0 / 30.0));
        assert_eq!(high, 1.0);
        // Its ends are defined by tails of the binomial distribution, summed here.
        for (count, p) in [(1, 0.5), (10, 0.03), (30, 0.5), (30, 0.6), (300, 0.5), (300, 0.015)] {
            let mut mass = vec![(1.0f64 - p).powi(count)];
            for k in 0..count {
                mass.push(mass[k as usize] * f64::from(count - k) / f64::from(k + 1) * p / (1.0 - p));
            }
            let holds = |k: usize| share_interval(k, count as usize, 0.95).is_some_and(|(l, h)| l <= p && p <= h);
            let held: f64 = mass.iter().enumerate().filter(|(k, _)| holds(*k)).map(|(_, mass)| mass).sum();
            assert!((0.95..=1.0 + 1e-9).contains(&held), "{count} draws, {p}: {held}");
        }
        let (low, _) = share_interval(18, 30, 0.95).unwrap();
        let mut tail = 0.0;
        for k in 18..=30u32 {
            let ways: f64 = (0..k).map(|i| f64::from(30 - i) / f64::from(i + 1)).product();
            tail += ways * low.powi(k as i32) * (1.0 - low).powi(30 - k as i32);
        }
        assert!((tail - 0.025).abs() < 1e-9, "{tail}");
        assert_eq!(
            (share_interval(0, 0, 0.95), share_interval(2, 1, 0.95), share_interval(1, 2, 1.0)),
            (None, None, None)
        );
    }

    #[test]
    fn two_samples_are_compared_by_the_method_of_welch() {
        // Means 20 and 30, variances of the means 1 and 4; 5 and 5 values: 25 / (1/4 + 16/4) = 5.882 degrees of
        // freedom, for which t(0.975) = 2.4590.
        let spread = |mean: f64, half: f64| [-1.0, -1.0, 0.0, 1.0, 1.0].map(|x| mean + x * half);
        let half = welch(&spread(20.0, 5f64.sqrt()), &spread(30.0, 20f64.sqrt()), 0.95).unwrap();
        assert!((half / 5f64.sqrt() - 2.4590).abs() < 2e-3, "{}", half / 5f64.sqrt());
        assert_eq!(welch(&[1.0, 1.0], &[2.0, 2.0], 0.95), Some(0.0));
        assert_eq!(welch(&[1.0], &[2.0, 2.0], 0.95), None);
        for scale in [1e-300, 1e-160, 1e-90, 1e90, 1e150, 1e300] {
            let half = welch(&[scale, 2.0 * scale], &[3.0 * scale, 5.0 * scale], 0.95);
            assert!(half.is_none_or(|half| half >= 0.0), "{scale}: {half:?}");
        }
        let at = |scale: f64| welch(&[scale, 2.0 * scale], &[3.0 * scale, 5.0 * scale], 0.95).unwrap() / scale;
        assert!((at(1e-90) / at(1.0) - 1.0).abs() < 1e-9, "the interval scales with the values");
    }

    #[test]
    fn one_value_has_no_interval_and_equal_ones_a_point() {
        assert_eq!(mean_interval(&[1.0], 0.95), None);
        assert_eq!(mean_interval(&[1.0, 2.0], 1.0), None);
        assert_eq!(mean_interval(&[3.0; 4], 0.95), Some(Interval { mean: 3.0, half: 0.0, count: 4 }));
    }

    #[test]
    fn an_interval_is_printed_as_precisely_as_it_is_known() {
        let text = |mean, half| Interval { mean, half, count: 3 }.to_string();
        assert_eq!(text(5.50412, 0.66421), "5.50 ± 0.66");
        assert_eq!(text(0.4801, 0.0123), "0.480 ± 0.012");
        assert_eq!(text(51_234.0, 1_234.0), "51234 ± 1234");
        assert_eq!(text(1.234e-9, 4.5e-10), "(1.23 ± 0.45)e-9");
        assert_eq!(text(1.0, 4.36e-16), "1 ± 4.36e-16");
        assert_eq!(text(2.0, 0.0), "2 ± 0");
        assert_eq!((text(-0.03, 7.1), text(-0.0, 0.0)), ("0.0 ± 7.1".to_owned(), "0 ± 0".to_owned()));
        assert_eq!((text(-0.03, 0.21), text(-1.2e-11, 4.5e-9)), ("-0.03 ± 0.21".into(), "(0.0 ± 4.5)e-9".into()));
        assert_eq!(text(f64::INFINITY, f64::NAN), "inf ± NaN");
    }
}
