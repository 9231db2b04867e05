//! From rows to points: one for each x, over the seeds.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::Share;
use crate::record::{Row, cell};
use crate::report::results::as_number;
use crate::report::statistics::{mean, median, share_interval};
use crate::report::verdict::log_slope;

/// More steps of a training run than this become means of equal parts of the run.
pub const MOST_POINTS: usize = 60;

/// Confidence of the interval of a share.
pub const CONFIDENCE: f64 = 0.95;

/// The values of the seeds at one x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Place.
    pub x: f64,
    /// Mean over the seeds, or a share of them; the median on a logarithmic axis, where a mean would be the largest
    /// value and nothing else.
    pub y: f64,
    /// The smallest value, or the lower end of the interval of a share.
    pub low: f64,
    /// The largest value, or the upper end of the interval of a share.
    pub high: f64,
    /// Number of seeds, or of values that have none.
    pub count: usize,
}

/// A value of a seed at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The seed; empty where rows have none.
    pub seed: String,
    /// Place.
    pub x: f64,
    /// Value.
    pub y: f64,
}

/// The middle of some numbers that are sorted.
fn centre(sorted: &[f64], log: bool) -> f64 {
    if log { median(sorted) } else { mean(sorted) }
}

/// Groups by x, in rising order: the centre of the values, the smallest and the largest.
pub fn over_seeds(samples: Vec<Sample>, log: bool) -> Vec<Point> {
    grouped(samples, |ys, _| [centre(ys, log), ys[0], ys[ys.len() - 1]])
}

/// Groups by x, in rising order: the share of values in a range and the ends of its interval, in percent. Several
/// values of one seed are no independent draws; their share has no interval.
pub fn shares(samples: Vec<Sample>, share: &Share) -> Vec<Point> {
    grouped(samples, |ys, seeds| {
        let inside = ys.iter().filter(|y| share.contains(**y)).count();
        let part = inside as f64 / ys.len() as f64;
        let draws = seeds == ys.len();
        let interval = if draws { share_interval(inside, ys.len(), CONFIDENCE) } else { None };
        let (low, high) = interval.unwrap_or((part, part));
        [part, low, high].map(|part| 100.0 * part)
    })
}

/// Groups by x, in rising order. `ends` returns place, lower and upper end from the sorted values of a group and the
/// number of its seeds.
fn grouped(mut samples: Vec<Sample>, ends: impl Fn(&[f64], usize) -> [f64; 3]) -> Vec<Point> {
    samples.sort_by(|a, b| a.x.total_cmp(&b.x));
    let point = |group: &[Sample]| {
        let mut ys: Vec<f64> = group.iter().map(|sample| sample.y).collect();
        ys.sort_by(f64::total_cmp);
        let named: BTreeSet<&str> = group.iter().map(|s| s.seed.as_str()).filter(|seed| !seed.is_empty()).collect();
        let count = named.len() + group.iter().filter(|sample| sample.seed.is_empty()).count();
        let [y, low, high] = ends(&ys, count);
        Point { x: group[0].x, y, low, high, count }
    };
    samples.chunk_by(|a, b| a.x == b.x).map(point).collect()
}

/// The steps of each seed in `parts` equal parts of `range`, each as one value: in the middle of the part, where seeds
/// meet, or of a single seed at the mean of its places. A part with a number that is not finite has that number.
pub fn in_parts(rows: &[Sample], range: [f64; 2], parts: usize, log: bool) -> Vec<Sample> {
    let width = (range[1] - range[0]) / parts as f64;
    let mut found = vec![];
    let mut seeds: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for Sample { seed, x, y } in rows {
        seeds.entry(seed).or_default().push((*x, *y));
    }
    let single = seeds.len() == 1;
    for (seed, rows) in seeds {
        let mut each: Vec<(Vec<f64>, Vec<f64>)> = vec![(vec![], vec![]); parts];
        for (x, y) in rows {
            let part = &mut each[(((x - range[0]) / width) as usize).min(parts - 1)];
            part.0.push(x);
            part.1.push(y);
        }
        for (part, (xs, mut ys)) in each.into_iter().enumerate().filter(|(_, (xs, _))| !xs.is_empty()) {
            ys.sort_by(f64::total_cmp);
            let y = ys.iter().copied().find(|y| !y.is_finite()).unwrap_or_else(|| centre(&ys, log));
            let x = if single { mean(&xs) } else { range[0] + (part as f64 + 0.5) * width };
            found.push(Sample { seed: seed.to_owned(), x, y });
        }
    }
    found
}

/// The slope of a log-log fit over x in a closed range; `None` where the points are not on a line.
pub fn slope(points: &[Point], [from, to]: [f64; 2]) -> Option<f64> {
    /// Most that a point may be off the line, in decades.
    const SCATTER: f64 = 0.12;
    let inside: Vec<(f64, f64)> = points.iter().filter(|p| (from..=to).contains(&p.x)).map(|p| (p.x, p.y)).collect();
    let slope = log_slope(&inside)?;
    let level = |(x, y): &(f64, f64)| y.log10() - slope * x.log10();
    let levels: Vec<f64> = inside.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0 && y.is_finite()).map(level).collect();
    let mean = mean(&levels);
    levels.iter().all(|l| (l - mean).abs() <= SCATTER).then_some(slope)
}

/// How far a training step is, in epochs: (step + 1) of the steps of an epoch.
pub fn epochs(row: &Row) -> Option<f64> {
    let number = |column: &str| as_number(row.get(column));
    let (images, batch) = (number("train_images")?, number("batch")?);
    (batch > 0.0 && images > 0.0).then(|| number("step").map(|step| (step + 1.0) / (images / batch).ceil()))?
}

/// The seed of a row, to tell its runs apart.
pub fn seed(row: &Row) -> String {
    row.get("seed").map(cell).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::row;

    /// A value of a new seed at each place.
    fn samples(pairs: &[(f64, f64)]) -> Vec<Sample> {
        pairs.iter().enumerate().map(|(seed, &(x, y))| Sample { seed: seed.to_string(), x, y }).collect()
    }

    #[test]
    fn points_have_the_centre_and_the_ends_of_their_seeds() {
        let found = over_seeds(samples(&[(2.0, 5.0), (1.0, 1.0), (1.0, 100.0), (1.0, 10.0)]), true);
        assert_eq!(found[0], Point { x: 1.0, y: 10.0, low: 1.0, high: 100.0, count: 3 });
        let rows = samples(&[(1.0, 1.0), (1.0, 100.0), (1.0, 10.0)]);
        assert_eq!(over_seeds(rows.clone(), false)[0].y, 37.0);
        // Two settings of one seed are one seed.
        let twice: Vec<Sample> = rows.iter().chain(&rows).cloned().collect();
        assert_eq!(over_seeds(twice, false)[0].count, 3);
    }

    #[test]
    fn a_share_has_the_interval_of_its_seeds_and_counts_infinity() {
        let share = Share { min: Some(0.5), max: None };
        let rows = samples(&[(1.0, 0.5), (1.0, f64::INFINITY), (1.0, 0.4), (2.0, 0.0)]);
        let found = shares(rows.clone(), &share);
        // Two of three: the ends solve 3 p^2 - 2 p^3 = 0.025 and 1 - p^3 = 0.025.
        assert!(found[0].count == 3 && (found[0].y - 200.0 / 3.0).abs() < 1e-9, "{:?}", found[0]);
        assert!((found[0].low - 9.43).abs() < 0.01 && (found[0].high - 99.16).abs() < 0.01, "{:?}", found[0]);
        // None of one: the upper end solves 1 - p = 0.025.
        assert_eq!((found[1].y, found[1].low, found[1].count), (0.0, 0.0, 1));
        assert!((found[1].high - 97.5).abs() < 1e-9, "{:?}", found[1]);
        // Two settings of each seed are no draws.
        let twice = shares(rows.iter().chain(&rows).cloned().collect(), &share);
        assert_eq!((twice[0].count, twice[0].low, twice[0].high), (3, twice[0].y, twice[0].y));
    }

    #[test]
    fn parts_are_means_of_a_seed_and_keep_what_is_not_finite() {
        let sample = |seed: &str, x: f64, y: f64| Sample { seed: seed.into(), x, y };
        let pairs = |rows: &[Sample]| -> Vec<(f64, f64)> {
            in_parts(rows, [0.0, 8.0], 2, false).iter().map(|s| (s.x, s.y)).collect()
        };
        let steps: Vec<Sample> = (0..8).map(|i| sample("0", f64::from(i), f64::from(i))).collect();
        assert_eq!(pairs(&steps), [(1.5, 1.5), (5.5, 5.5)]);
        let second = steps.iter().map(|s| sample("1", s.x, 2.0 * s.y));
        let both: Vec<_> = steps.iter().cloned().chain(second).collect();
        assert_eq!(pairs(&both), [(2.0, 1.5), (6.0, 5.5), (2.0, 3.0), (6.0, 11.0)]);
        let broken = [sample("0", 0.0, 1.0), sample("0", 1.0, f64::INFINITY)];
        assert_eq!(pairs(&broken), [(0.5, f64::INFINITY)]);
    }

    #[test]
    fn a_slope_is_that_of_a_line_and_of_nothing_else() {
        let points = |y: fn(i32) -> f64| -> Vec<Point> {
            let point = |i| Point { x: 2f64.powi(i), y: y(i), low: y(i), high: y(i), count: 1 };
            (0..5).map(point).collect()
        };
        assert!((slope(&points(|i| 8f64.powi(i)), [1.0, 16.0]).unwrap() - 3.0).abs() < 1e-12);
        let scattered = |i: i32| 8f64.powi(i) * if i % 2 == 0 { 1.0 } else { 3.0 };
        assert_eq!(slope(&points(scattered), [1.0, 16.0]), None);
    }

    #[test]
    fn an_epoch_ends_with_its_last_step() {
        let step = |i: usize| row([("train_images", 50_000.into()), ("batch", 256.into()), ("step", i.into())]);
        assert_eq!(epochs(&step(195)), Some(1.0));
        assert_eq!(epochs(&step(2351)), Some(12.0));
        assert_eq!(epochs(&row([("step", 3.into())])), None);
    }
}
