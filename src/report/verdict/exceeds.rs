//! The rule that one side is greater than another, and how sure that is.

use std::collections::BTreeMap;

use super::super::seeds::CONFIDENCE;
use super::super::statistics::{self, Interval, mean_interval};
use super::quantity::{self, difference, value};
use super::rules::{groups, numbers};
use super::{Finding, Judged, nothing};
use crate::definition::Filter;
use crate::record::{Row, cell};
use crate::report::results::matches;

/// The rule's settings.
pub struct Exceeds<'a> {
    /// The column.
    pub column: &'a str,
    /// Selects the rows that should be greater.
    pub greater: &'a Filter,
    /// Selects the rows that should be smaller.
    pub than: &'a Filter,
    /// The smallest difference.
    pub by: f64,
    /// Columns that pair the groups.
    pub per: &'a [String],
    /// Level at which the whole interval must be above or below `by`; absent: the means decide, if their interval
    /// supports it ([`is_known`]). Rows of a single seed decide nothing; rows without seeds decide without an interval.
    pub confidence: Option<f64>,
}

/// Said of seeds that differ too much for their number.
pub(super) const FEW: &str = "; too few seeds: the interval leaves it open";
/// Said of rows of a single seed: another seed may give another sign.
const SINGLE: &str = "; a single seed has no interval and decides nothing";

/// Why seeds leave a rule open.
pub(super) fn why_open(single: bool) -> &'static str {
    if single { SINGLE } else { FEW }
}

/// Whether the rows of a side have seeds, of which fewer than two are also on the other side.
pub(super) fn is_single(a: &BTreeMap<String, Vec<f64>>, b: &BTreeMap<String, Vec<f64>>) -> bool {
    a.keys().any(|seed| !seed.is_empty()) && a.keys().filter(|seed| b.contains_key(*seed)).count() < 2
}

/// Whether an interval of the difference supports the verdict of a rule on means: a difference that is large enough is
/// also positive, or within the margin if the margin is negative, in the whole interval; and the other way round.
fn is_known(interval: Interval, holds: bool, by: f64) -> bool {
    let Interval { mean, half, .. } = interval;
    if holds { mean - half >= by.min(0.0) } else { mean + half <= by.max(0.0) }
}

/// Whether two groups hold: one that fails decides; one of which nothing can be said leaves the rest open.
pub(super) fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (None, _) | (_, None) => None,
        _ => Some(true),
    }
}

/// Judges the rule.
pub fn exceeds(rule: &Exceeds, rows: &[&Row]) -> Judged {
    let (mut parts, mut single, mut holds, mut known) = (vec![], false, Some(true), false);
    for (key, rows) in groups(rows, rule.per) {
        let at = |why: String| if key.is_empty() { why } else { format!("{key}: {why}") };
        let a = side(rule.column, &rows, rule.greater).map_err(at)?;
        let b = side(rule.column, &rows, rule.than).map_err(at)?;
        let interval = mean_interval(&paired(&a, &b), rule.confidence.unwrap_or(CONFIDENCE));
        single |= is_single(&a, &b);
        known |= interval.is_some();
        let found = match (rule.confidence, interval) {
            (None, None) if is_single(&a, &b) => None,
            (None, interval) => {
                let holds = mean(&a) - mean(&b) >= rule.by;
                let known = interval.is_none_or(|i| is_known(i, holds, rule.by));
                known.then_some(holds)
            }
            (Some(_), None) => None,
            (Some(_), Some(i)) if i.mean - i.half >= rule.by => Some(true),
            (Some(_), Some(i)) if i.mean + i.half < rule.by => Some(false),
            (Some(_), Some(_)) => None,
        };
        holds = both(holds, found);
        let name = if key.is_empty() { String::new() } else { format!("{key}: ") };
        let [a, b] = [&a, &b].map(|side| value(rule.column, mean(side)));
        parts.push(format!("{name}{a} against {b}{}", spread(rule, interval)));
    }
    let by = difference(rule.column, rule.by);
    let few = if holds.is_none() && rule.confidence.is_none() { why_open(single) } else { "" };
    let brief = format!("{} {}{few}", rule.column, parts.join("; "));
    let expected = match rule.confidence {
        Some(_) => format!("the whole interval of the difference to be at least {by}"),
        // What `is_known` requires of a difference that is large enough.
        None if known => {
            let above = difference(rule.column, rule.by.min(0.0));
            format!("a difference of at least {by}, and its whole interval at least {above}")
        }
        None => format!("a difference of at least {by}"),
    };
    let measured = format!("mean {}: {} (expected {expected}){few}", rule.column, parts.join("; "));
    Ok(Finding { holds, measured, brief })
}

fn spread(rule: &Exceeds, interval: Option<Interval>) -> String {
    let percent = 100.0 * rule.confidence.unwrap_or(CONFIDENCE);
    match interval {
        Some(found) => {
            let (difference, seeds) = (quantity::interval(rule.column, found), found.count);
            format!(", paired difference {difference} ({percent} %, {seeds} seeds)")
        }
        None if rule.confidence.is_some() => ", fewer than two shared seeds".into(),
        None => String::new(),
    }
}

/// The values of one side by seed, or why there are none.
pub(super) fn side(column: &str, rows: &[&Row], filter: &Filter) -> Result<BTreeMap<String, Vec<f64>>, String> {
    let rows: Vec<&Row> = rows.iter().copied().filter(|r| matches(r, filter)).collect();
    if rows.is_empty() {
        return Err(nothing(filter));
    }
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (row, x) in rows.iter().zip(numbers(column, &rows)?) {
        found.entry(row.get("seed").map(cell).unwrap_or_default()).or_default().push(x);
    }
    Ok(found)
}

/// The mean of all values of a side.
pub(super) fn mean(side: &BTreeMap<String, Vec<f64>>) -> f64 {
    let count: usize = side.values().map(Vec::len).sum();
    side.values().flatten().sum::<f64>() / count as f64
}

/// The differences of the means of each seed that both sides have.
pub(super) fn paired(a: &BTreeMap<String, Vec<f64>>, b: &BTreeMap<String, Vec<f64>>) -> Vec<f64> {
    a.iter().filter_map(|(seed, values)| Some(statistics::mean(values) - statistics::mean(b.get(seed)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::record::{Row, number, row};
    use crate::report::verdict::{Checked, Verdict, judge_check};

    /// Accuracies of two methods over seeds, and what the rule makes of them.
    fn judged(a: &[f64], b: &[f64], by: f64, confidence: Option<f64>) -> Checked {
        let line = |method: &str, seed: usize, x: f64| {
            row([("method", method.into()), ("seed", seed.into()), ("score", number(x))])
        };
        let side = |method, values: &[f64]| -> Vec<Row> {
            values.iter().enumerate().map(|(seed, x)| line(method, seed, *x)).collect()
        };
        let mut rule = json!({ "column": "score", "greater": { "method": "a" }, "than": { "method": "b" }, "by": by });
        if let Some(level) = confidence {
            rule["confidence"] = level.into();
        }
        let check = serde_json::from_value(json!({ "name": "check", "rule": { "exceeds": rule } })).unwrap();
        judge_check(&check, &[side("a", a), side("b", b)].concat())
    }

    #[test]
    fn pairs_tell_what_unpaired_means_hide() {
        // Seeds differ by far more than methods do; every pair differs by about 0.02.
        let (a, b) = ([0.30, 0.52, 0.71, 0.93], [0.28, 0.50, 0.69, 0.90]);
        assert_eq!(judged(&a, &b, 0.0, Some(0.95)).verdict, Verdict::Confirmed);
        let found = judged(&a, &b, 0.02, Some(0.95));
        assert_eq!(found.verdict, Verdict::Inconclusive, "{}", found.measured);
        assert_eq!(judged(&a, &b, 0.05, Some(0.95)).verdict, Verdict::Contradicted);
        assert_eq!(judged(&a, &b, 0.02, None).verdict, Verdict::Confirmed, "the means alone differ by 0.0225");
    }

    #[test]
    fn means_decide_only_if_their_interval_supports_it() {
        // Differences 1, 2, 3: 2 ± 2.484. Differences 11, 12, 13: 12 ± 2.484.
        let verdict = |a: [f64; 3], by| judged(&a, &[0.0; 3], by, None).verdict;
        assert_eq!(verdict([1.0, 2.0, 3.0], 1.0), Verdict::Inconclusive, "0 is in the interval");
        assert_eq!(verdict([1.0, 2.0, 3.0], 3.0), Verdict::Inconclusive, "3 is in the interval");
        assert_eq!(verdict([1.0, 2.0, 3.0], 5.0), Verdict::Contradicted);
        assert_eq!(verdict([11.0, 12.0, 13.0], 11.0), Verdict::Confirmed, "above 0 in the whole interval");
        assert_eq!(verdict([1.0, 2.0, 3.0], -0.4), Verdict::Inconclusive, "the margin is in the interval");
        assert_eq!(verdict([1.0, 2.0, 3.0], -0.5), Verdict::Confirmed, "the margin is below the interval");
        assert_eq!(verdict([-1.0, -2.0, -3.0], -1.0), Verdict::Inconclusive, "0 is in the interval");
        assert_eq!(verdict([-11.0, -12.0, -13.0], -1.0), Verdict::Contradicted);
        assert_eq!(verdict([2.0, 2.0, 2.0], 2.0), Verdict::Confirmed, "no spread");
        let open = judged(&[1.0, 2.0, 3.0], &[0.0; 3], 1.0, None);
        assert!(open.measured.ends_with("too few seeds: the interval leaves it open"), "{}", open.measured);
    }

    #[test]
    fn the_interval_is_that_of_the_paired_differences() {
        // Differences 1, 2, 3: mean 2, half 4.30265 / sqrt 3 = 2.484.
        let found = judged(&[1.0, 2.0, 3.0], &[0.0, 0.0, 0.0], 0.0, Some(0.95));
        assert!(found.measured.contains("paired difference 2.0 ± 2.5 (95 %, 3 seeds)"), "{}", found.measured);
        assert_eq!(found.verdict, Verdict::Inconclusive);
    }

    #[test]
    fn a_single_seed_is_never_sure() {
        assert_eq!(judged(&[0.9], &[0.1], 0.0, Some(0.95)).verdict, Verdict::Inconclusive);
        let found = judged(&[0.9], &[0.1], 0.0, None);
        assert_eq!(found.verdict, Verdict::Inconclusive);
        assert!(found.measured.ends_with("; a single seed has no interval and decides nothing"), "{}", found.measured);
        assert_eq!(judged(&[0.9], &[0.1], 1.0, None).verdict, Verdict::Inconclusive);
        assert_eq!(judged(&[0.9, 0.8], &[0.1], 0.0, None).verdict, Verdict::Inconclusive, "one seed in common");
    }

    #[test]
    fn groups_have_the_names_of_the_report() {
        let line = |net: &str, method: &str, x: f64| {
            row([("net", net.into()), ("method", method.into()), ("score", number(x))])
        };
        let nets = ["resnet4", "alexnet"];
        let rows: Vec<Row> = nets.iter().flat_map(|net| [line(net, "a", 0.75), line(net, "b", 0.5)]).collect();
        let rule = json!({ "exceeds": { "column": "score", "greater": { "method": "a" }, "than": { "method": "b" },
            "by": 0.0, "per": ["net"] } });
        let check = serde_json::from_value(json!({ "name": "n", "rule": rule })).unwrap();
        let found = judge_check(&check, &rows);
        assert!(found.measured.contains("AlexNet: 0.75 against 0.5; ResNet-4: 0.75 against 0.5"), "{}", found.measured);
    }
}
