//! Scales of axes: from numbers to places, with ticks for readers.

use crate::definition::Scale;
use crate::report::results::short;

/// Larger numbers are drawn at the ends of a linear axis.
const LARGEST: f64 = 1e300;

/// A scale over a range of numbers.
#[derive(Clone, Debug)]
pub struct AxisScale {
    log: bool,
    /// Ends, in the scale's own measure: decades where it is logarithmic.
    low: f64,
    high: f64,
    /// Every number is whole, as epochs are: ticks are whole too.
    whole: bool,
    /// On a logarithmic axis: the numbers, if they are few and whole, as numbers of steps are.
    counts: Vec<f64>,
}

/// Larger numbers are not treated as counts of steps.
const LARGE: f64 = 1000.0;
/// Largest number of counts that become ticks.
const FEW: usize = 8;
/// Smallest distance between such ticks, as a fraction of the axis.
const APART: f64 = 0.06;

impl AxisScale {
    /// A scale that shows all of `numbers`. A logarithmic one leaves out what is not above zero.
    pub fn new(scale: Scale, numbers: impl Iterator<Item = f64>) -> Self {
        let log = scale == Scale::Log;
        // The span of two numbers of opposite sign may be beyond what a float holds.
        let inside = |x: f64| x.clamp(-LARGEST, LARGEST);
        let (mut whole, mut counts) = (true, vec![]);
        let measured = numbers.filter(|x| x.is_finite() && (!log || *x > 0.0)).map(|x| {
            whole &= x.fract() == 0.0 && (!log || x <= LARGE);
            if log && counts.len() <= FEW && !counts.contains(&x) {
                counts.push(x);
            }
            if log { x.log10() } else { inside(x) }
        });
        let (low, high) = measured.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let margin = if high > low {
            0.06 * (high - low)
        } else if log {
            0.5
        } else {
            (0.1 * low.abs()).max(0.5)
        };
        // A share or a count starts at zero, not a little below.
        let low = if !log && low >= 0.0 && low - margin < 0.0 { low.min(0.0) } else { low - margin };
        if !whole || counts.len() > FEW {
            counts.clear();
        }
        counts.sort_by(f64::total_cmp);
        Self { log, low, high: high + margin, whole, counts }
    }

    /// Place of a number, 0 at the low end and 1 at the high one; what a logarithmic scale cannot show stands at 0,
    /// infinity at 1.
    pub fn place(&self, x: f64) -> f64 {
        if self.log && x <= 0.0 {
            return 0.0;
        }
        let measured = if self.log { x.log10() } else { x };
        ((measured - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Whether a number has no true place.
    pub fn is_off(&self, x: f64) -> bool {
        !x.is_finite() || (self.log && x <= 0.0)
    }

    /// Ticks: places with labels, at most about `most` of them.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let place = |m: f64| (m - self.low) / (self.high - self.low);
        if !self.log {
            let mut found = steps(self.low, self.high, most);
            if self.whole && found.iter().filter(|x| x.fract() == 0.0).count() > 1 {
                found.retain(|x| x.fract() == 0.0);
            }
            if found.is_empty() {
                found.push(f64::midpoint(self.low, self.high));
            }
            return found.into_iter().map(|x| (place(x), short(x))).collect();
        }
        let apart = |pair: &[f64]| place(pair[1].log10()) - place(pair[0].log10()) >= APART;
        if (3..=most).contains(&self.counts.len()) && self.counts.windows(2).all(apart) {
            return self.counts.iter().map(|x| (place(x.log10()), short(*x))).collect();
        }
        let decades = self.high - self.low;
        let every = (decades / most as f64).ceil().max(1.0) as i32;
        let (from, to) = (self.low.ceil() as i32, self.high.floor() as i32);
        let powers: Vec<i32> = (from..=to).filter(|e| e.rem_euclid(every) == 0).collect();
        if decades >= 1.6 && powers.len() >= 3 {
            return powers.into_iter().map(|e| (place(f64::from(e)), power(e))).collect();
        }
        let mut found = self.within_decades(most);
        if found.is_empty() {
            // Below the normal numbers there are no round ones.
            found.push(10f64.powf(f64::midpoint(self.low, self.high)));
        }
        found.into_iter().map(|x| (place(x.log10()), short(x))).collect()
    }

    /// Plain numbers for a logarithmic axis of few decades: 1, 2, 5 of each, finer ones where fewer than three would
    /// show.
    fn within_decades(&self, most: usize) -> Vec<f64> {
        let digits: [&[f64]; 2] = [&[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]];
        let (from, to) = (self.low.floor() as i32, self.high.ceil() as i32);
        let shown = |digits: &[f64]| -> Vec<f64> {
            let all = (from..=to).flat_map(|e| digits.iter().map(move |d| d * 10f64.powi(e)));
            all.filter(|x| (self.low..=self.high).contains(&x.log10())).collect()
        };
        let found = digits.into_iter().map(shown).find(|ticks| ticks.len() >= 3);
        found.unwrap_or_else(|| steps(10f64.powf(self.low), 10f64.powf(self.high), most))
    }
}

/// Round numbers in equal steps from `low` to `high`, at most about `most` of them.
fn steps(low: f64, high: f64, most: usize) -> Vec<f64> {
    let rough = (high - low) / most.max(1) as f64;
    if !rough.is_normal() {
        return vec![];
    }
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * unit).find(|s| *s >= rough).unwrap_or(10.0 * unit);
    let (from, to) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    // Dividing by the inverse step keeps 0.3 from becoming 0.30000000000000004.
    (from..=to).map(|i| if step < 1.0 { i as f64 / (1.0 / step).round() } else { i as f64 * step }).collect()
}

/// 10 to an exponent; small ones as plain numbers.
fn power(exponent: i32) -> String {
    match exponent {
        0 => "1".into(),
        1 => "10".into(),
        2 => "100".into(),
        3 => "1000".into(),
        -1 => "0.1".into(),
        -2 => "0.01".into(),
        _ => {
            let digits = exponent.to_string();
            let raised = digits.chars().map(|c| match c {
                '-' => '⁻',
                '1' => '¹',
                '2' => '²',
                '3' => '³',
                '4' => '⁴',
                '5' => '⁵',
                '6' => '⁶',
                '7' => '⁷',
                '8' => '⁸',
                '9' => '⁹',
                _ => '⁰',
            });
            format!("10{}", raised.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(low: f64, high: f64) -> Vec<String> {
        AxisScale::new(Scale::Log, [low, high].into_iter()).ticks(6).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn a_logarithmic_axis_of_few_counts_has_them_as_ticks() {
        let labels = |numbers: &[f64]| -> Vec<String> {
            let scale = AxisScale::new(Scale::Log, numbers.iter().copied());
            scale.ticks(6).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(&[4.0, 1.0, 2.0, 2.0]), ["1", "2", "4"]);
        assert_eq!(labels(&[1.0, 2.0, 4.0, 8.0, 128.0]), ["1", "2", "4", "8", "128"]);
        assert!(labels(&[1.0, 1.5, 4.0]).contains(&"1.5".to_owned()));
        assert_eq!(labels(&[1024.0, 4096.0, 1e6]).first(), Some(&"1000".to_owned()));
        let crowded = labels(&[100.0, 101.0, 102.0, 500.0]);
        assert!(!crowded.contains(&"101".to_owned()), "{crowded:?}");
        assert_eq!(labels(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), ["1", "2", "5"], "more than six");
    }

    #[test]
    fn a_logarithmic_axis_of_few_decades_has_plain_numbers() {
        assert_eq!(labels(1.25, 2.6), ["1.5", "2", "2.5"]);
        assert_eq!(labels(0.9, 5.5), ["1", "2", "5"]);
        assert_eq!(labels(6e-4, 0.02), ["5e-4", "0.001", "0.002", "0.005", "0.01", "0.02"]);
        assert_eq!(labels(2e-4, 0.09), ["10⁻³", "0.01", "0.1"]);
        assert_eq!(labels(1e-5, 0.02), ["10⁻⁵", "10⁻⁴", "10⁻³", "0.01"]);
    }

    #[test]
    fn an_axis_of_whole_numbers_has_whole_ticks() {
        let labels = |numbers: &[f64]| -> Vec<String> {
            let scale = AxisScale::new(Scale::Linear, numbers.iter().copied());
            scale.ticks(7).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(&[1.0, 2.0]), ["1", "2"]);
        assert_eq!(labels(&[1.0, 2.0, 3.0]), ["1", "2", "3"]);
        assert_eq!(labels(&[1.0, 1.5, 2.0]).len(), 6);
    }

    #[test]
    fn an_axis_of_the_least_or_the_largest_numbers_is_drawn() {
        for numbers in [&[5e-324][..], &[f64::MAX], &[5e-324, 1e-323], &[-f64::MAX, f64::MAX], &[f64::MAX, 1.0], &[]] {
            for scale in [Scale::Log, Scale::Linear] {
                let axis = AxisScale::new(scale, numbers.iter().copied());
                let ticks = axis.ticks(6);
                let sound = ticks.iter().all(|(place, label)| (-1e-9..=1.0 + 1e-9).contains(place) && label != "NaN");
                assert!((1..=12).contains(&ticks.len()) && sound, "{numbers:?}, {scale:?}: {ticks:?}");
                assert!(numbers.iter().all(|x| (0.0..=1.0).contains(&axis.place(*x))));
            }
        }
    }

    proptest! {
        #[test]
        fn every_axis_has_ticks_enough_to_be_read(low in -6.0..6.0f64, decades in 0.02..12.0f64, log: bool) {
            let (from, to) = (10f64.powf(low), 10f64.powf(low + decades));
            let scale = AxisScale::new(if log { Scale::Log } else { Scale::Linear }, [from, to].into_iter());
            let ticks = scale.ticks(6);
            // Equal steps of 1, 2 or 5 can leave two.
            prop_assert!((2..=9).contains(&ticks.len()), "{ticks:?}");
            for ((a, first), (b, second)) in ticks.iter().zip(&ticks[1..]) {
                prop_assert!(*a >= 0.0 && a < b && *b <= 1.0 + 1e-12 && first != second, "{ticks:?}");
            }
        }
    }
}
