//! Verdicts: whether what was measured is what the definition expects.

mod exceeds;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::definition::{Check, Filter, Otherwise, Rule};
use crate::record::{Row, cell};

use super::results::{Results, as_number, is_empty, matches, short};
use exceeds::Exceeds;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every check holds.
    Confirmed,
    /// A check does not hold.
    Contradicted,
    /// Nothing can be said.
    Inconclusive,
    /// There are no records.
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

/// One check with what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What the check says.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The numbers it was judged by.
    pub measured: String,
    /// The same in a few words, for the summary.
    pub brief: String,
    /// Whether there were numbers to judge by.
    pub found: bool,
}

/// Judges an experiment by its checks.
pub fn judge(results: &Results) -> (Verdict, Vec<Checked>) {
    if results.runs.is_empty() {
        return (Verdict::NotRun, vec![]);
    }
    let rows = results.rows();
    let checks: Vec<Checked> = results.definition.expectation.checks.iter().map(|c| judge_check(c, &rows)).collect();
    let whole = results.runs.len() == results.asked && results.failures().is_empty();
    let any = |v: Verdict| checks.iter().any(|c| c.verdict == v);
    let verdict = if any(Verdict::Contradicted) {
        Verdict::Contradicted
    } else if any(Verdict::Inconclusive) || !whole {
        Verdict::Inconclusive
    } else {
        Verdict::Confirmed
    };
    (verdict, checks)
}

/// Judges one check on rows.
pub fn judge_check(check: &Check, rows: &[Row]) -> Checked {
    let rows: Vec<&Row> = rows.iter().filter(|row| matches(row, &check.filter)).collect();
    let judged = if rows.is_empty() { Err(nothing(&check.filter)) } else { judge_rule(&check.rule, &rows) };
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
    let value = |value: &Value| match value {
        Value::Array(any) => any.iter().map(cell).collect::<Vec<_>>().join(" or "),
        one => cell(one),
    };
    let wanted: Vec<String> = filter.iter().map(|(column, wanted)| format!("{column} {}", value(wanted))).collect();
    if wanted.is_empty() { "no row to judge by".into() } else { format!("no row with {}", wanted.join(", ")) }
}

/// Whether a rule holds, where that can be said, with the numbers behind it.
struct Finding {
    holds: Option<bool>,
    measured: String,
    brief: String,
}

/// A finding, or why the rule cannot be judged.
type Judged = Result<Finding, String>;

fn finding(holds: bool, measured: String, brief: String) -> Judged {
    Ok(Finding { holds: Some(holds), measured, brief })
}

fn judge_rule(rule: &Rule, rows: &[&Row]) -> Judged {
    match rule {
        Rule::Within { column, min, max } => within(column, *min, *max, rows),
        Rule::Share { column, min, max, at_least } => share(column, *min, *max, *at_least, rows),
        Rule::Equals { column, value } => equals(column, value, rows),
        Rule::Slope { x, y, over, series, min, max } => slopes(x, y, *over, series, *min, *max, rows),
        Rule::Exceeds { column, greater, than, by, per, confidence } => {
            exceeds::exceeds(&Exceeds { column, greater, than, by: *by, per, confidence: *confidence }, rows)
        }
        Rule::Identical { columns, per } => identical(columns, per, rows),
    }
}

/// The numbers of a column, or how many rows have none: an empty cell is no evidence.
fn numbers(column: &str, rows: &[&Row]) -> Result<Vec<f64>, String> {
    let found: Vec<f64> = rows.iter().filter_map(|row| as_number(row.get(column))).collect();
    if found.len() == rows.len() { Ok(found) } else { Err(empty(column, rows.len() - found.len(), rows.len())) }
}

/// The reason of a rule that meets empty cells.
fn empty(column: &str, empty: usize, rows: usize) -> String {
    format!("{column} is empty in {empty} of {rows} rows")
}

/// How many rows lie between two ends, with the range that holds them all.
fn range(column: &str, min: Option<f64>, max: Option<f64>, rows: &[&Row]) -> Result<(usize, String, String), String> {
    let numbers = numbers(column, rows)?;
    let inside = |x: f64| min.is_none_or(|m| x >= m) && max.is_none_or(|m| x <= m);
    let (low, high) = numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
    let range = if short(low) == short(high) { short(low) } else { format!("{} to {}", short(low), short(high)) };
    let brief = format!("{column} {range}");
    let count = numbers.iter().filter(|x| inside(**x)).count();
    Ok((count, format!("{column} is {range} over {} rows", rows.len()), brief))
}

fn limits(min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("in [{min}, {max}]"),
        (Some(min), None) => format!("at least {}", short(min)),
        (_, Some(max)) => format!("at most {}", short(max)),
        (None, None) => "any".into(),
    }
}

fn within(column: &str, min: Option<f64>, max: Option<f64>, rows: &[&Row]) -> Judged {
    let (inside, found, brief) = range(column, min, max, rows)?;
    finding(inside == rows.len(), format!("{found} (expected {})", limits(min, max)), brief)
}

fn share(column: &str, min: Option<f64>, max: Option<f64>, at_least: f64, rows: &[&Row]) -> Judged {
    let (inside, found, _) = range(column, min, max, rows)?;
    let text = format!(
        "{inside} of {} rows have {column} {} (expected a share of {at_least}); {found}",
        rows.len(),
        limits(min, max)
    );
    let brief = format!("{column} {} in {inside} of {} rows", limits(min, max), rows.len());
    finding(inside as f64 >= at_least * rows.len() as f64, text, brief)
}

fn equals(column: &str, value: &Value, rows: &[&Row]) -> Judged {
    let blank = rows.iter().filter(|row| is_empty(row.get(column))).count();
    if blank > 0 {
        return Err(empty(column, blank, rows.len()));
    }
    let wanted = Filter::from([(column.to_owned(), value.clone())]);
    let odd: Vec<String> = rows
        .iter()
        .filter(|row| !matches(row, &wanted))
        .map(|row| row.get(column).map(cell).unwrap_or_default())
        .collect();
    let found = match odd.first() {
        None => format!("{column} is {} in all {} rows", cell(value), rows.len()),
        Some(first) => format!("{column} is not {} in {} of {} rows, but {first}", cell(value), odd.len(), rows.len()),
    };
    let brief = if odd.is_empty() { format!("{column} {}", cell(value)) } else { found.clone() };
    finding(odd.is_empty(), found, brief)
}

/// Rows grouped by what they have in some columns.
fn groups<'a>(rows: &[&'a Row], columns: &[String]) -> BTreeMap<String, Vec<&'a Row>> {
    let mut groups: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = columns.iter().map(|c| row.get(c).map(cell).unwrap_or_default()).collect::<Vec<_>>().join(", ");
        groups.entry(key).or_default().push(row);
    }
    groups
}

/// Slope of log y against log x by least squares; `None` with fewer than three points above zero.
pub fn log_slope(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> =
        points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0 && y.is_finite()).map(|(x, y)| (x.ln(), y.ln())).collect();
    if logs.len() < 3 {
        return None;
    }
    let n = logs.len() as f64;
    let (mx, my) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    let (xy, xx) = logs.iter().fold((0.0, 0.0), |(xy, xx), (x, y)| (xy + (x - mx) * (y - my), xx + (x - mx).powi(2)));
    (xx > 0.0).then(|| xy / xx)
}

fn slopes(x: &str, y: &str, over: [f64; 2], series: &[String], min: f64, max: f64, rows: &[&Row]) -> Judged {
    let (mut parts, mut found) = (vec![], vec![]);
    for (key, rows) in groups(rows, series) {
        let at = |why: String| if key.is_empty() { why } else { format!("{key}: {why}") };
        let abscissae = numbers(x, &rows).map_err(at)?;
        let inside = abscissae.iter().zip(&rows).filter(|(x, _)| (over[0]..=over[1]).contains(*x));
        let (abscissae, rows): (Vec<f64>, Vec<&Row>) = inside.map(|(x, row)| (*x, *row)).unzip();
        let ordinates = numbers(y, &rows).map_err(at)?;
        let points: Vec<(f64, f64)> = abscissae.into_iter().zip(ordinates).collect();
        let slope = log_slope(&points).ok_or_else(|| at("fewer than three points to fit".into()))?;
        found.push(slope);
        parts.push(if key.is_empty() { format!("{slope:.2}") } else { format!("{key}: {slope:.2}") });
    }
    let (low, high) = found.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &s| (l.min(s), h.max(s)));
    let brief = format!("slope of {y} against {x} {low:.2} to {high:.2}");
    let holds = found.iter().all(|slope| (min..=max).contains(slope));
    finding(holds, format!("slope of {y} against {x}: {} (expected {min} to {max})", parts.join("; ")), brief)
}

fn identical(columns: &[String], per: &[String], rows: &[&Row]) -> Judged {
    let (mut pairs, mut odd) = (0, vec![]);
    for (key, rows) in groups(rows, per) {
        pairs += rows.len() - 1;
        for column in columns.iter().filter(|_| rows.len() > 1) {
            let blank = rows.iter().filter(|row| is_empty(row.get(column))).count();
            if blank > 0 {
                return Err(format!("{key}: {}", empty(column, blank, rows.len())));
            }
        }
        let differs = |column: &String| rows.iter().any(|r| r.get(column).map(cell) != rows[0].get(column).map(cell));
        odd.extend(columns.iter().filter(|c| differs(c)).map(|c| format!("{c} at {key}")));
    }
    if pairs == 0 {
        return Err("no two rows to compare".into());
    }
    let what = columns.join(", ");
    let found = match odd.first() {
        None => format!("{what}: the same bits in all {pairs} comparisons"),
        Some(first) => format!("{} differences, the first in {first}", odd.len()),
    };
    finding(odd.is_empty(), found.clone(), found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{number, row};
    use serde_json::json;

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
        let exceeds = |by: f64| json!({ "exceeds": { "column": "y", "greater": { "solver": "cube" }, "than": { "solver": "square" }, "by": by, "per": ["x"] } });
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
            json!({ "slope": { "x": "x", "y": "y", "over": [1.0, 8.0], "series": ["solver"], "min": 0.0, "max": 9.0 } }),
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
