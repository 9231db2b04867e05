//! The rules on a column, a slope and identity. An empty cell is no evidence under any of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::exceeds::FEW;
use super::quantity::value;
use super::{Finding, Judged};
use crate::definition::{Filter, Wanted, value_label};
use crate::record::{Row, cell};
use crate::report::results::{as_number, is_empty, matches};
use crate::report::seeds::CONFIDENCE;
use crate::report::statistics::share_interval;

fn finding(holds: bool, measured: String, brief: String) -> Judged {
    Ok(Finding { holds: Some(holds), measured, brief })
}

/// The numbers of a column, or how many rows have none: an empty cell is no evidence.
pub fn numbers(column: &str, rows: &[&Row]) -> Result<Vec<f64>, String> {
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
    let undefined = numbers.iter().filter(|x| x.is_nan()).count();
    let (least, most) = (value(column, low), value(column, high));
    let range = match undefined {
        0 if least == most => least,
        0 => format!("{least} to {most}"),
        n if n == numbers.len() => "NaN".to_owned(),
        n if least == most => format!("{least}, and NaN in {n} rows,"),
        n => format!("{least} to {most}, and NaN in {n} rows,"),
    };
    let brief = format!("{column} {range}");
    let count = numbers.iter().filter(|x| inside(**x)).count();
    Ok((count, format!("{column} is {range} over {} rows", rows.len()), brief))
}

fn limits(column: &str, min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("in [{min}, {max}]"),
        (Some(min), None) => format!("at least {}", value(column, min)),
        (_, Some(max)) => format!("at most {}", value(column, max)),
        (None, None) => "any".into(),
    }
}

/// Every row lies between two ends.
pub fn within(column: &str, min: Option<f64>, max: Option<f64>, rows: &[&Row]) -> Judged {
    let (inside, found, brief) = range(column, min, max, rows)?;
    finding(inside == rows.len(), format!("{found} (expected {})", limits(column, min, max)), brief)
}

/// At least a share of the rows lies between two ends. Of rows with separate seeds, the interval of the share decides.
pub fn share(column: &str, min: Option<f64>, max: Option<f64>, at_least: f64, rows: &[&Row]) -> Judged {
    let (inside, found, _) = range(column, min, max, rows)?;
    let count = rows.len();
    let interval = if at_least < 1.0 && are_draws(rows) { share_interval(inside, count, CONFIDENCE) } else { None };
    let holds = match interval {
        None => Some(inside as f64 >= at_least * count as f64),
        Some((low, _)) if low >= at_least => Some(true),
        Some((_, high)) if high < at_least => Some(false),
        Some(_) => None,
    };
    let (limits, percent) = (limits(column, min, max), |x: f64| format!("{:.1}", 100.0 * x));
    let known = interval.map_or_else(String::new, |(low, high)| {
        format!(
            " ({} %, {} % interval {} to {} %)",
            percent(inside as f64 / count as f64),
            100.0 * CONFIDENCE,
            percent(low),
            percent(high)
        )
    });
    let open = if holds.is_none() { FEW } else { "" };
    let required = (at_least * count as f64).ceil();
    let measured =
        format!("{inside} of {count} rows{known} have {column} {limits} (the rule requires {required}); {found}{open}");
    Ok(Finding { holds, measured, brief: format!("{column} {limits} in {inside} of {count} rows{known}{open}") })
}

/// Whether no two rows have the same seed, and every row has one.
fn are_draws(rows: &[&Row]) -> bool {
    let seeds: BTreeSet<String> = rows.iter().filter_map(|row| row.get("seed").map(cell)).collect();
    seeds.len() == rows.len()
}

/// Every row has this value.
pub fn equals(column: &str, value: &Value, rows: &[&Row]) -> Judged {
    let blank = rows.iter().filter(|row| is_empty(row.get(column))).count();
    if blank > 0 {
        return Err(empty(column, blank, rows.len()));
    }
    let wanted = Filter::from([(column.to_owned(), Wanted::One(value.clone()))]);
    let odd: Vec<String> = rows
        .iter()
        .filter(|row| !matches(row, &wanted))
        .map(|row| row.get(column).map(cell).unwrap_or_default())
        .collect();
    let found = match (odd.first(), value) {
        _ if column == DIVERGED && value.is_boolean() => diverged(rows),
        (None, _) if rows.len() == 1 => format!("{column} is {}", cell(value)),
        (None, _) => format!("{column} is {} in all {} rows", cell(value), rows.len()),
        (Some(first), _) => {
            format!("{column} is {first}, not {}, in {} of {} rows", cell(value), odd.len(), rows.len())
        }
    };
    finding(odd.is_empty(), found.clone(), found)
}

/// The column that says whether a run diverged.
const DIVERGED: &str = "diverged";

/// How many runs diverged, as a sentence.
fn diverged(rows: &[&Row]) -> String {
    let wanted = Filter::from([(DIVERGED.to_owned(), Wanted::One(true.into()))]);
    match (rows.iter().filter(|row| matches(row, &wanted)).count(), rows.len()) {
        (0, all) => format!("none of the {all} runs diverged"),
        (some, all) => format!("{some} of the {all} runs diverged"),
    }
}

/// Rows grouped by what they have in some columns, with the label of each group.
pub fn groups<'a>(rows: &[&'a Row], columns: &[String]) -> Vec<(String, Vec<&'a Row>)> {
    // By values and not by labels, which two values may share.
    let mut groups: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = columns.iter().map(|c| row.get(c).map(cell).unwrap_or_default()).collect();
        groups.entry(key).or_default().push(row);
    }
    let label = |key: Vec<String>| {
        let words = columns.iter().zip(key).map(|(column, value)| value_label(column, &value).unwrap_or(value));
        words.collect::<Vec<_>>().join(", ")
    };
    groups.into_iter().map(|(key, rows)| (label(key), rows)).collect()
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

/// The slope of each series lies between two ends.
pub fn slopes(x: &str, y: &str, over: [f64; 2], series: &[String], min: f64, max: f64, rows: &[&Row]) -> Judged {
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

/// Rows of one group have the same cells.
pub fn identical(columns: &[String], per: &[String], rows: &[&Row]) -> Judged {
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
        None => format!("{what}: bit-identical in all {pairs} comparisons"),
        Some(first) => format!("{} differences, the first in {first}", odd.len()),
    };
    finding(odd.is_empty(), found.clone(), found)
}
