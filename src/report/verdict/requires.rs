//! Requirements: what has to hold before the checks of an experiment decide anything.

use super::quantity::{is_share, value};
use super::rules::numbers;
use super::select;
use crate::definition::{Need, Requirement, SourceTag};
use crate::record::Row;
use crate::report::results::short;
use crate::report::statistics::mean;

/// A requirement with what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Required {
    /// The runs that must meet the requirement.
    pub name: String,
    /// Whether they meet it.
    pub met: bool,
    /// The numbers it was judged by, with what is required.
    pub measured: String,
}

/// Judges a requirement on the rows of its table.
pub fn judge(requirement: &Requirement, rows: &[Row]) -> Required {
    let Requirement { name, source, filter, column, need } = requirement;
    let mean = select::rows(*source, filter, &[column], &[], rows).and_then(|rows| {
        let numbers = numbers(column, &rows)?;
        Ok((mean(&numbers), numbers.len()))
    });
    let wanted = wanted(column, *need);
    let (met, measured) = match mean {
        Err(why) => (false, format!("{why} (required: {wanted})")),
        Ok((mean, count)) => {
            let met = match *need {
                Need::Reported { value, below, .. } => mean >= value - below,
                Need::AtLeast(least) => mean >= least,
                Need::AtMost(most) => mean <= most,
            };
            let of = if count > 1 { format!(" (mean of {count})") } else { String::new() };
            let found = format!("{}{of}{}", quantity(column, mean), reported(column, *need));
            let end = if met { "" } else { "; not met" };
            (met, format!("{found} (required: {wanted}{end})"))
        }
    };
    Required { name: name.clone(), met, measured }
}

fn wanted(column: &str, need: Need) -> String {
    match need {
        Need::Reported { below, .. } if is_share(column) => format!("at most {} points below", short(100.0 * below)),
        Need::Reported { below, .. } => format!("at most {} below", short(below)),
        Need::AtLeast(least) => format!("at least {}", value(column, least)),
        Need::AtMost(most) => format!("at most {}", value(column, most)),
    }
}

fn reported(column: &str, need: Need) -> String {
    let Need::Reported { value: number, source, .. } = need else { return String::new() };
    let how = if source == SourceTag::F { "digitised" } else { "reported" };
    let shown = if is_share(column) { format!("{} %", short(100.0 * number)) } else { short(number) };
    format!("; {how}: {shown}")
}

/// A number with the name of its column, unless its unit tells enough.
fn quantity(column: &str, x: f64) -> String {
    if is_share(column) { value(column, x) } else { format!("{column} {}", value(column, x)) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::{number, row};

    fn judged(need: Value, column: &str, values: &[f64]) -> Required {
        let mut rows: Vec<Row> =
            values.iter().map(|&x| row([("method", "anode".into()), (column, number(x))])).collect();
        rows.push(row([("method", "other".into()), (column, number(0.0))]));
        let requirement = json!({ "name": "ANODE", "where": { "method": "anode" }, "column": column, "need": need });
        judge(&serde_json::from_value(requirement).unwrap(), &rows)
    }

    fn reported(value: f64, source: &str) -> Value {
        json!({ "reported": { "value": value, "source": source, "below": 0.05 } })
    }

    #[test]
    fn a_distance_from_a_reported_number_is_one_sided() {
        let found = judged(reported(0.773, "S"), "test_accuracy", &[0.488]);
        let text = "48.8 %; reported: 77.3 % (required: at most 5 points below; not met)";
        assert_eq!((found.met, found.measured.as_str()), (false, text));
        // The bound is 0.75 - 0.05, up to rounding; the mean counts, and more than the paper's number is allowed.
        for (values, met) in [(vec![0.701], true), (vec![0.699], false), (vec![0.6, 0.81], true), (vec![0.99], true)] {
            assert_eq!(judged(reported(0.75, "F"), "test_accuracy", &values).met, met, "{values:?}");
        }
        let found = judged(reported(0.75, "F"), "test_accuracy", &[0.7, 0.8]);
        assert_eq!(found.measured, "75.0 % (mean of 2); digitised: 75 % (required: at most 5 points below)");
    }

    #[test]
    fn bounds_are_closed_and_empty_or_missing_rows_never_meet_one() {
        let most = |x: f64| judged(json!({ "at-most": 0.5 }), "train_loss", &[x]);
        assert!(most(0.5).met && !most(0.6).met && !most(f64::NAN).met);
        assert_eq!(most(0.75).measured, "train_loss 0.75 (required: at most 0.5; not met)");
        let least = |x: f64| judged(json!({ "at-least": 50000 }), "train_images", &[x]);
        assert!(least(5e4).met && !least(4e4).met && !least(f64::NAN).met);
        let none = judged(json!({ "at-least": 0.0 }), "accuracy", &[]);
        assert!(!none.met && none.measured.starts_with("no records with method: ANODE"), "{}", none.measured);
        let requirement = json!({ "name": "ANODE", "column": "x", "need": { "at-least": 0.0 } });
        let rows = [row([("x", 1.0.into())]), row([("x", Value::Null)])];
        let empty = judge(&serde_json::from_value(requirement).unwrap(), &rows);
        assert_eq!((empty.met, &empty.measured[..24]), (false, "x is empty in 1 of 2 row"));
    }
}
