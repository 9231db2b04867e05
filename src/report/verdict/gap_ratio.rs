//! The rule that the gap between two sides is smaller in one column than in another.

use super::exceeds::{both, is_single, mean, paired, side, why_open};
use super::quantity::{difference, interval};
use super::rules::groups;
use super::{Finding, Judged};
use crate::definition::Filter;
use crate::record::Row;
use crate::report::results::short;
use crate::report::seeds::CONFIDENCE;
use crate::report::statistics::mean_interval;

/// The rule's settings.
pub struct GapRatio<'a> {
    /// The column whose gap should be small.
    pub column: &'a str,
    /// The column whose gap it is compared with.
    pub reference: &'a str,
    /// Selects the rows of the greater side.
    pub greater: &'a Filter,
    /// Selects the rows of the smaller side.
    pub than: &'a Filter,
    /// The largest ratio.
    pub at_most: f64,
    /// Columns that pair the groups.
    pub per: &'a [String],
}

/// Judges the rule. The 95 % interval of `at_most` times the reference's gap less the column's gap, seed by seed, must
/// not contain 0. Rows of a single seed decide nothing; rows without seeds decide without an interval.
pub fn gap_ratio(rule: &GapRatio, rows: &[&Row]) -> Judged {
    let (mut parts, mut single, mut holds) = (vec![], false, Some(true));
    for (key, rows) in groups(rows, rule.per) {
        let name = if key.is_empty() { String::new() } else { format!("{key}: ") };
        let at = |why: String| format!("{name}{why}");
        let gap = |column| -> Result<_, String> {
            let (a, b) = (side(column, &rows, rule.greater)?, side(column, &rows, rule.than)?);
            Ok((mean(&a) - mean(&b), paired(&a, &b), is_single(&a, &b)))
        };
        let (own, reference) = (gap(rule.column).map_err(at)?, gap(rule.reference).map_err(at)?);
        let alone = own.2 || reference.2;
        single |= alone;
        let margins: Vec<f64> = own.1.iter().zip(&reference.1).map(|(x, y)| rule.at_most * y - x).collect();
        let margin = mean_interval(&margins, CONFIDENCE);
        let (own, reference) = (own.0, reference.0);
        if !(own.is_finite() && reference.is_finite() && reference > 0.0) {
            let found = difference(rule.reference, reference);
            return Err(at(format!("the gap of {} is {found}: no gap to compare with", rule.reference)));
        }
        let known = margin.map_or(!alone, |i| i.mean.abs() >= i.half);
        holds = both(holds, known.then_some(own <= rule.at_most * reference));
        let ratio = short(own / reference);
        let (own, reference) = (difference(rule.column, own), difference(rule.reference, reference));
        let margin = margin.map_or(String::new(), |i| {
            let (times, margin, seeds) = (short(rule.at_most), interval(rule.column, i), i.count);
            format!(", {times} times the second gap less the first: {margin} ({} %, {seeds} seeds)", 100.0 * CONFIDENCE)
        });
        parts.push(format!("{name}{own} against {reference}, ratio {ratio}{margin}"));
    }
    let open = if holds.is_none() { why_open(single) } else { "" };
    let brief = format!("gaps of {} and {} {}{open}", rule.column, rule.reference, parts.join("; "));
    let measured = format!(
        "gap of {} against that of {}: {} (expected a ratio of at most {}){}",
        rule.column,
        rule.reference,
        parts.join("; "),
        short(rule.at_most),
        open
    );
    Ok(Finding { holds, measured, brief })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::record::{Row, number, row};
    use crate::report::verdict::{Checked, Verdict, judge_check};

    fn line(net: &str, method: &str, x: f64, y: f64) -> Row {
        row([("net", net.into()), ("method", method.into()), ("x", number(x)), ("y", number(y))])
    }

    fn judged(at_most: f64, per: &[&str], rows: &[Row]) -> Checked {
        let rule = json!({ "column": "x", "reference": "y", "greater": { "method": "a" }, "than": { "method": "b" },
            "at_most": at_most, "per": per });
        judge_check(&serde_json::from_value(json!({ "name": "check", "rule": { "gap-ratio": rule } })).unwrap(), rows)
    }

    /// Means of x: a 0.75, b 0.5, gap 0.25. Means of y: a 0.75, b 0.25, gap 0.5. The ratio is exactly one half.
    fn half() -> Vec<Row> {
        [("a", 0.5, 1.0), ("a", 1.0, 0.5), ("b", 0.5, 0.25)].map(|(m, x, y)| line("n", m, x, y)).into()
    }

    #[test]
    fn the_ratio_of_two_gaps_of_means_is_judged() {
        let found = judged(0.5, &[], &half());
        assert_eq!(found.verdict, Verdict::Confirmed, "{}", found.measured);
        assert!(found.measured.contains("0.25 against 0.5, ratio 0.5 (expected a ratio of at most 0.5)"));
        assert_eq!(judged(0.49, &[], &half()).verdict, Verdict::Contradicted);
        // A gap that is negative is below every multiple of a positive one.
        let reversed = [line("n", "a", 0.1, 0.9), line("n", "b", 0.2, 0.1)];
        assert_eq!(judged(0.0, &[], &reversed).verdict, Verdict::Confirmed);
    }

    #[test]
    fn seeds_that_disagree_leave_it_open() {
        let seeds = |x: [f64; 3]| -> Vec<Row> {
            let side = |method: &str, seed: usize, x: f64, y: f64| {
                let mut row = line("n", method, x, y);
                row.insert("seed".into(), seed.into());
                row
            };
            x.into_iter().enumerate().flat_map(|(i, x)| [side("a", i, x, 1.0), side("b", i, 0.0, 0.0)]).collect()
        };
        // Gaps of x per seed; the gap of y is 1. 0.8 - x is 0.3, 0.4, 0.5: 0.40 ± 0.25.
        assert_eq!(judged(0.8, &[], &seeds([0.5, 0.4, 0.3])).verdict, Verdict::Confirmed);
        // -0.1, 0, 0.7: 0.2 ± 1.1.
        let found = judged(0.8, &[], &seeds([0.9, 0.8, 0.1]));
        assert_eq!(found.verdict, Verdict::Inconclusive, "{}", found.measured);
        let margin = "0.8 times the second gap less the first: 0.2 ± 1.1 (95 %, 3 seeds)";
        assert!(found.measured.contains(margin), "{}", found.measured);
        assert_eq!(judged(0.8, &[], &seeds([1.9, 1.8, 1.7])).verdict, Verdict::Contradicted);
        let found = judged(0.8, &[], &seeds([0.5, 0.4, 0.3])[..2]);
        assert_eq!(found.verdict, Verdict::Inconclusive);
        assert!(found.measured.ends_with("; a single seed has no interval and decides nothing"), "{}", found.measured);
    }

    #[test]
    fn every_group_must_hold() {
        let other = [line("m", "a", 0.9, 0.9), line("m", "b", 0.1, 0.1)];
        let rows = [half(), other.into()].concat();
        assert_eq!(judged(1.0, &["net"], &rows).verdict, Verdict::Confirmed);
        let found = judged(0.5, &["net"], &rows);
        assert_eq!(found.verdict, Verdict::Contradicted);
        assert!(
            found.measured.contains("m: 0.8 against 0.8, ratio 1") && found.measured.contains("n: 0.25 against 0.5")
        );
    }

    #[test]
    fn without_a_positive_gap_to_compare_with_nothing_can_be_said() {
        for y in [0.1, 0.0, f64::INFINITY, f64::NAN] {
            let rows = [line("n", "a", 0.5, y), line("n", "b", 0.1, 0.1)];
            assert_eq!(judged(0.5, &[], &rows).verdict, Verdict::Inconclusive, "{y}");
        }
        assert_eq!(judged(0.5, &[], &half()[..2]).verdict, Verdict::Inconclusive, "one side alone");
        let mut rows = half();
        rows[0].remove("x");
        assert_eq!(judged(0.5, &[], &rows).measured, "x is empty in 1 of 2 rows");
    }
}
