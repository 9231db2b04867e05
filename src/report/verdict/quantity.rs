//! Numbers of verdicts for a reader: accuracies in per cent, their differences in percentage points.

use crate::report::results::short;
use crate::report::statistics::Interval;

/// Accuracies are shares, which a reader compares in per cent.
pub fn is_share(column: &str) -> bool {
    column.contains("accuracy")
}

/// A number of a column.
pub fn value(column: &str, x: f64) -> String {
    if is_share(column) { format!("{:.1} %", 100.0 * x) } else { short(x) }
}

/// A difference of two numbers of a column.
pub fn difference(column: &str, x: f64) -> String {
    if is_share(column) { format!("{} points", short((1e6 * x).round() / 1e4)) } else { short(x) }
}

/// A difference with its interval.
pub fn interval(column: &str, found: Interval) -> String {
    if is_share(column) {
        let points = Interval { mean: 100.0 * found.mean, half: 100.0 * found.half, ..found };
        format!("{points} points")
    } else {
        found.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_are_in_per_cent_and_their_differences_in_points() {
        assert_eq!((value("test_accuracy", 0.488), value("loss", 0.488)), ("48.8 %".into(), "0.488".into()));
        assert_eq!((difference("accuracy", 0.05), difference("x", 0.05)), ("5 points".into(), "0.05".into()));
        let found = Interval { mean: 0.055, half: 0.0066, count: 3 };
        assert_eq!(interval("test_accuracy", found), "5.50 ± 0.66 points");
        assert_eq!(interval("loss", found), found.to_string());
    }
}
