//! Verdicts: whether what was measured is what the definition expects.

mod exceeds;
mod gap_ratio;
pub(super) mod quantity;
mod requires;
mod rules;
mod select;

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use crate::definition::{Check, Decision, Filter, Otherwise, Range, Rule, Source, Wanted, value_label};
use crate::record::{Row, cell};

use super::results::{Results, matches};
use exceeds::Exceeds;
use gap_ratio::GapRatio;
pub use requires::Required;
pub use rules::log_slope;

/// The verdict on a claim or a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every check holds.
    Confirmed,
    /// A check does not hold.
    Contradicted,
    /// The results do not decide the claim.
    Inconclusive,
    /// No run has a record.
    NotRun,
}

impl Verdict {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Contradicted => "contradicted",
            Self::Inconclusive => "inconclusive",
            Self::NotRun => "not run",
        }
    }
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Confirmed => Self::Confirmed,
            Decision::Contradicted => Self::Contradicted,
            Decision::Inconclusive => Self::Inconclusive,
        }
    }
}

/// One check with what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The statement of the check.
    pub name: String,
    /// Whether it holds.
    pub verdict: Verdict,
    /// The numbers it was judged by.
    pub measured: String,
    /// The measured values in a few words, for the summary.
    pub brief: String,
    /// Whether there were numbers to judge by.
    pub found: bool,
}

/// The verdict on an experiment, with what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict on the claim.
    pub verdict: Verdict,
    /// Conditions without which the checks decide nothing.
    pub required: Vec<Required>,
    /// The checks.
    pub checks: Vec<Checked>,
}

/// Judges an experiment by its checks. While a requirement is not met, the verdict is inconclusive.
pub fn judge(results: &Results) -> Judgement {
    if results.runs.is_empty() {
        return Judgement { verdict: Verdict::NotRun, required: vec![], checks: vec![] };
    }
    let expectation = &results.definition.expectation;
    let mut sources = expectation.requires.iter().map(|r| r.source).chain(expectation.checks.iter().map(|c| c.source));
    let steps = if sources.any(|s| s == Source::Steps) { results.of(Source::Steps) } else { Cow::Borrowed(&[][..]) };
    let table = |source| if source == Source::Steps { &steps } else { results.rows() };
    let required: Vec<Required> = expectation.requires.iter().map(|r| requires::judge(r, table(r.source))).collect();
    let met = required.iter().all(|r| r.met);
    let judged = |check: &Check| {
        let mut judged = judge_check(check, table(check.source));
        let missing = missing(results, check);
        if missing > 0 && judged.verdict == Verdict::Confirmed {
            // A run that is missing may be the one for which the check does not hold.
            judged.verdict = Verdict::Inconclusive;
            judged.measured += &format!("; {missing} of {} planned runs are missing", results.asked);
        }
        if !met && !check.regardless {
            judged.verdict = Verdict::Inconclusive;
        }
        judged
    };
    let checks: Vec<Checked> = expectation.checks.iter().map(judged).collect();
    let whole = results.runs.len() == results.asked && results.failures().is_empty();
    let any = |v: Verdict| checks.iter().any(|c| c.verdict == v);
    let verdict = if !met {
        Verdict::Inconclusive
    } else if any(Verdict::Contradicted) {
        Verdict::Contradicted
    } else if any(Verdict::Inconclusive) || !whole {
        Verdict::Inconclusive
    } else {
        Verdict::Confirmed
    };
    Judgement { verdict, required, checks }
}

/// How many of the planned runs without a record may have rows that a check judges. Of a filter, only columns of
/// settings decide.
fn missing(results: &Results, check: &Check) -> usize {
    let all = results.asked.saturating_sub(results.runs.len());
    if results.missing.len() != all {
        return all;
    }
    let planned = || results.runs.iter().map(|run| &run.settings).chain(&results.missing);
    // A run with a list of values has rows with each of them.
    let lists: HashSet<&String> = planned().flatten().filter(|(_, x)| x.is_array()).map(|(column, _)| column).collect();
    let settings: HashSet<&String> = planned().flat_map(|row| row.keys()).filter(|c| !lists.contains(c)).collect();
    let decides = |filter: &Filter| -> Filter {
        filter.iter().filter(|(column, _)| settings.contains(column)).map(|(c, w)| (c.clone(), w.clone())).collect()
    };
    let (filter, sides) = (decides(&check.filter), check.rule.sides().into_iter().map(&decides).collect::<Vec<_>>());
    let side = |row: &Row| sides.is_empty() || sides.iter().any(|side| matches(row, side));
    results.missing.iter().filter(|row| matches(row, &filter) && side(row)).count()
}

/// Judges one check on the rows of its table; those of the steps have the run in the column `run`.
pub fn judge_check(check: &Check, rows: &[Row]) -> Checked {
    let Check { filter, rule, .. } = check;
    let judged = select::rows(check.source, filter, &rule.columns(), &rule.sides(), rows)
        .and_then(|rows| judge_rule(rule, &rows));
    let found = judged.is_ok();
    let Finding { holds, measured, brief } =
        judged.unwrap_or_else(|why| Finding { holds: None, measured: why.clone(), brief: why });
    let verdict = match (holds, check.otherwise) {
        (Some(true), _) => Verdict::Confirmed,
        (Some(false), Otherwise::Contradicted) => Verdict::Contradicted,
        (Some(false), Otherwise::Inconclusive) | (None, _) => Verdict::Inconclusive,
    };
    Checked { name: check.name.clone(), verdict, measured, brief, found }
}

/// Why there is nothing to judge by.
fn nothing(filter: &Filter) -> String {
    let named = |column: &str, value: &Value| {
        let raw = cell(value);
        value_label(column, &raw).unwrap_or(raw)
    };
    let value = |column: &str, value: &Wanted| match value {
        Wanted::Range(Range { from, to }) => format!("{from} to {to}"),
        Wanted::Any(any) => any.iter().map(|one| named(column, one)).collect::<Vec<_>>().join(" or "),
        Wanted::One(one) if one.is_null() => "not set".into(),
        Wanted::One(one) => named(column, one),
    };
    let wanted: Vec<String> =
        filter.iter().map(|(column, wanted)| format!("{column}: {}", value(column, wanted))).collect();
    if wanted.is_empty() { "no records".into() } else { format!("no records with {}", wanted.join("; ")) }
}

/// Whether a rule holds, where that can be said, with the numbers behind it.
struct Finding {
    holds: Option<bool>,
    measured: String,
    brief: String,
}

/// A finding, or why the rule cannot be judged.
type Judged = Result<Finding, String>;

fn judge_rule(rule: &Rule, rows: &[&Row]) -> Judged {
    match rule {
        Rule::Within { column, min, max } => rules::within(column, *min, *max, rows),
        Rule::Share { column, min, max, at_least } => rules::share(column, *min, *max, *at_least, rows),
        Rule::Equals { column, value } => rules::equals(column, value, rows),
        Rule::Slope { x, y, over, series, min, max } => rules::slopes(x, y, *over, series, *min, *max, rows),
        Rule::Exceeds { column, greater, than, by, per, confidence } => {
            exceeds::exceeds(&Exceeds { column, greater, than, by: *by, per, confidence: *confidence }, rows)
        }
        Rule::GapRatio { column, reference, greater, than, at_most, per } => {
            gap_ratio::gap_ratio(&GapRatio { column, reference, greater, than, at_most: *at_most, per }, rows)
        }
        Rule::Identical { columns, per } => rules::identical(columns, per, rows),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::{number, row};

    fn table() -> Vec<Row> {
        let line = |solver: &str, x: f64, y: f64| row([("solver", solver.into()), ("x", number(x)), ("y", number(y))]);
        let square = [1.0, 2.0, 4.0, 8.0].map(|x| line("square", x, 3.0 * x * x));
        let cube = [1.0, 2.0, 4.0, 8.0].map(|x| line("cube", x, x * x * x));
        square.into_iter().chain(cube).collect()
    }

    fn verdict(rule: serde_json::Value, filter: serde_json::Value) -> Checked {
        let check = json!({ "name": "check", "where": filter, "rule": rule });
        judge_check(&serde_json::from_value(check).unwrap(), &table())
    }

    #[test]
    fn rules_hold_where_the_numbers_do_and_fail_where_they_do_not() {
        let square = json!({ "solver": "square" });
        let slope =
            |min: f64, max: f64| json!({ "slope": { "x": "x", "y": "y", "over": [1.0, 8.0], "min": min, "max": max } });
        assert_eq!(verdict(slope(1.9, 2.1), square.clone()).verdict, Verdict::Confirmed);
        assert_eq!(verdict(slope(2.9, 3.1), square.clone()).verdict, Verdict::Contradicted);
        let within = |max: f64| json!({ "within": { "column": "y", "max": max } });
        assert_eq!(verdict(within(192.0), square.clone()).verdict, Verdict::Confirmed);
        assert_eq!(verdict(within(191.0), square.clone()).verdict, Verdict::Contradicted);
        let exceeds = |by: f64| {
            json!({ "exceeds": { "column": "y", "greater": { "solver": "cube" },
            "than": { "solver": "square" }, "by": by, "per": ["x"] } })
        };
        assert_eq!(verdict(exceeds(100.0), json!({ "x": 8 })).verdict, Verdict::Confirmed);
        assert_eq!(verdict(exceeds(100.0), json!({})).verdict, Verdict::Contradicted);
        let identical = |column: &str| json!({ "identical": { "columns": [column], "per": ["x"] } });
        assert_eq!(verdict(identical("x"), json!({})).verdict, Verdict::Confirmed);
        assert_eq!(verdict(identical("y"), json!({})).verdict, Verdict::Contradicted);
        let equals = |value: f64| json!({ "equals": { "column": "y", "value": value } });
        assert_eq!(verdict(equals(3.0), json!({ "solver": "square", "x": 1 })).verdict, Verdict::Confirmed);
        assert_eq!(verdict(equals(3.5), json!({ "solver": "square", "x": 1 })).verdict, Verdict::Contradicted);
    }

    #[test]
    fn a_share_of_draws_decides_only_if_its_interval_does() {
        let draws = |inside: u64, count: u64| -> Vec<Row> {
            (0..count).map(|seed| row([("seed", seed.into()), ("y", u64::from(seed < inside).into())])).collect()
        };
        let judge = |at_least: f64, rows: &[Row]| {
            let rule = json!({ "share": { "column": "y", "min": 1.0, "at_least": at_least } });
            judge_check(&serde_json::from_value(json!({ "name": "check", "rule": rule })).unwrap(), rows)
        };
        // Half is outside 54.2 to 65.6 %, and inside 40.6 to 77.3 %.
        assert_eq!(judge(0.5, &draws(180, 300)).verdict, Verdict::Confirmed);
        assert_eq!(judge(0.5, &draws(120, 300)).verdict, Verdict::Contradicted);
        for inside in [12, 15, 18] {
            assert_eq!(judge(0.5, &draws(inside, 30)).verdict, Verdict::Inconclusive, "{inside}");
        }
        let measured = judge(0.5, &draws(18, 30)).measured;
        assert!(measured.contains("18 of 30 rows (60.0 %, 95 % interval 40.6 to 77.3 %)"), "{measured}");
        // All of the rows, and rows that are no draws.
        assert_eq!(judge(1.0, &draws(30, 30)).verdict, Verdict::Confirmed);
        assert_eq!(judge(1.0, &draws(29, 30)).verdict, Verdict::Contradicted);
        let plain: Vec<Row> = draws(18, 30)
            .into_iter()
            .map(|mut row| {
                row.remove("seed");
                row
            })
            .collect();
        assert_eq!(judge(0.5, &plain).verdict, Verdict::Confirmed);
    }

    #[test]
    fn nothing_to_judge_by_is_never_a_pass() {
        let nobody = json!({ "solver": "nobody" });
        assert_eq!(verdict(json!({ "within": { "column": "y", "max": 1e9 } }), nobody).verdict, Verdict::Inconclusive);
        let two = json!({ "slope": { "x": "x", "y": "y", "over": [1.0, 2.0], "min": 0.0, "max": 9.0 } });
        assert_eq!(verdict(two, json!({ "solver": "cube" })).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn an_empty_cell_is_no_evidence_under_any_rule() {
        let side = |method: &str| json!({ "solver": method });
        let rules = [
            json!({ "within": { "column": "y", "max": 1e9 } }),
            json!({ "within": { "column": "y", "max": -1.0 } }),
            json!({ "share": { "column": "y", "max": 1e9, "at_least": 0.1 } }),
            json!({ "share": { "column": "y", "max": -1.0, "at_least": 0.1 } }),
            json!({ "equals": { "column": "y", "value": 3.0 } }),
            json!({ "slope": { "x": "x", "y": "y", "over": [1.0, 8.0], "series": ["solver"], "min": 0.0,
                "max": 9.0 } }),
            json!({ "exceeds": { "column": "y", "greater": side("cube"), "than": side("square"), "by": -1e9 } }),
            json!({ "identical": { "columns": ["x", "y"], "per": ["solver"] } }),
        ];
        for rule in rules {
            let check: Check = serde_json::from_value(json!({ "name": "check", "rule": rule })).unwrap();
            for (blank, count) in [(vec![3], 1), ((0..8).collect(), 8)] {
                let mut rows = table();
                for &i in &blank {
                    rows[i].remove("y");
                }
                let removed = judge_check(&check, &rows);
                assert_eq!((removed.verdict, removed.found), (Verdict::Inconclusive, false), "{rule}, {count} removed");
                for i in blank {
                    rows[i].insert("y".into(), Value::Null);
                }
                let null = judge_check(&check, &rows);
                assert_eq!(null, removed, "{rule}, {count} null");
                let (told, of) = null.measured.split_once(" of ").expect("a count");
                let (told, _) = (told.rsplit(' ').next().unwrap(), of);
                assert!(["1", "4", "8"].contains(&told), "{rule}: {}", null.measured);
            }
        }
    }

    #[test]
    fn a_slope_needs_no_cells_outside_its_range() {
        let slope = json!({ "slope": { "x": "x", "y": "y", "over": [1.0, 4.0], "min": 1.9, "max": 2.1 } });
        let check =
            serde_json::from_value(json!({ "name": "c", "where": { "solver": "square" }, "rule": slope })).unwrap();
        let mut rows = table();
        rows[3].remove("y");
        assert_eq!(judge_check(&check, &rows).verdict, Verdict::Confirmed);
    }
}
