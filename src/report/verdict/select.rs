//! The rows that a rule judges: of the steps of a run, only those that have its values, and those of every epoch.

use std::collections::{BTreeMap, BTreeSet};

use super::nothing;
use crate::definition::{Filter, Range, Source, Wanted};
use crate::record::{Row, cell};
use crate::report::results::{RUN_COLUMN, as_number, is_empty, matches};

const EPOCH: &str = "epoch";

/// The rows that fit `filter`. Of the steps, those that have a value in each of `columns`; every run that fits the
/// filter, and one of the `sides` if there are any, must have one in each epoch that the filter selects.
///
/// # Errors
/// No row, or an epoch without values: why nothing can be said.
pub fn rows<'a>(
    source: Source,
    filter: &Filter,
    columns: &[&str],
    sides: &[&Filter],
    rows: &'a [Row],
) -> Result<Vec<&'a Row>, String> {
    let fits = |row: &&Row| matches(row, filter);
    if source == Source::Rows {
        let found: Vec<&Row> = rows.iter().filter(fits).collect();
        return if found.is_empty() { Err(nothing(filter)) } else { Ok(found) };
    }
    let whole = |row: &&Row| columns.iter().all(|column| !is_empty(row.get(*column)));
    let mut short = None;
    for run in runs(filter, sides, rows).values() {
        let (missing, all) = missing(filter, run, |row| fits(&row) && whole(&row));
        if missing > 0 {
            let (runs, most, of) = short.unwrap_or((0, 0, 0));
            short = Some((runs + 1, missing.max(most), all.max(of)));
        }
    }
    if let Some((runs, missing, all)) = short {
        let what = columns.join(", ");
        return Err(format!("{what} is empty in up to {missing} of {all} epochs of {runs} runs"));
    }
    let found: Vec<&Row> = rows.iter().filter(fits).filter(whole).collect();
    if found.is_empty() { Err(nothing(filter)) } else { Ok(found) }
}

/// The steps of each run, whatever their epoch.
fn runs<'a>(filter: &Filter, sides: &[&Filter], rows: &'a [Row]) -> BTreeMap<String, Vec<&'a Row>> {
    let always = |filter: &Filter| -> Filter {
        filter.iter().filter(|(column, _)| *column != EPOCH).map(|(c, w)| (c.clone(), w.clone())).collect()
    };
    let (filter, sides) = (always(filter), sides.iter().map(|side| always(side)).collect::<Vec<_>>());
    let mut found: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if matches(row, &filter) && (sides.is_empty() || sides.iter().any(|side| matches(row, side))) {
            found.entry(row.get(RUN_COLUMN).map(cell).unwrap_or_default()).or_default().push(row);
        }
    }
    found
}

/// How many of the epochs that a filter selects lack a value in a run, and how many it selects.
fn missing(filter: &Filter, run: &[&Row], has_values: impl Fn(&Row) -> bool) -> (usize, usize) {
    let epochs = |rows: &mut dyn Iterator<Item = &&Row>| -> BTreeSet<u64> {
        rows.filter_map(|row| as_number(row.get(EPOCH))).map(f64::to_bits).collect()
    };
    let there = epochs(&mut run.iter().filter(|row| has_values(row))).len();
    let wanted = match filter.get(EPOCH) {
        Some(Wanted::Range(Range { from, to })) => (to.floor() - from.ceil() + 1.0).max(0.0) as usize,
        Some(Wanted::Any(any)) => any.len(),
        Some(Wanted::One(_)) => 1,
        None => epochs(&mut run.iter()).len(),
    };
    (wanted.saturating_sub(there), wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::{number, row};
    use crate::report::verdict::{Verdict, judge_check};

    /// Two runs of four epochs of three steps; accuracies 0.1, 0.2, 0.3, 0.4 of `a` and half of that of `b` at epoch
    /// ends.
    fn steps() -> Vec<Row> {
        let run = |name: &str, factor: f64| {
            let name = name.to_owned();
            (0..12).map(move |step: usize| {
                let ends = step % 3 == 2;
                let accuracy = if ends { number(factor * (step / 3 + 1) as f64 / 10.0) } else { Value::Null };
                let cells = [("step", step.into()), ("epoch", (step / 3).into()), ("accuracy", accuracy)];
                let mut row = row(cells);
                row.extend([("method".into(), name.clone().into()), ("run".into(), format!("id-{name}").into())]);
                row
            })
        };
        run("a", 1.0).chain(run("b", 0.5)).collect()
    }

    fn judged(filter: Value, by: f64, rows: &[Row]) -> (Verdict, String) {
        let rule = json!({ "exceeds": { "column": "accuracy", "greater": { "method": "a" },
            "than": { "method": "b" }, "by": by } });
        let check = json!({ "name": "check", "source": "steps", "where": filter, "rule": rule });
        let checked = judge_check(&serde_json::from_value(check).unwrap(), rows);
        (checked.verdict, checked.measured)
    }

    #[test]
    fn a_rule_over_steps_averages_over_the_selected_epochs() {
        // Means of a over epochs 1 to 2: 0.25, of b: 0.125; over all: 0.25 and 0.125 too; over 2 to 3: 0.35 and 0.175.
        let steps = steps();
        for (filter, gap) in [
            (json!({ "epoch": { "from": 1, "to": 2 } }), 0.125),
            (json!({}), 0.125),
            (json!({ "epoch": { "from": 1.5, "to": 3 } }), 0.175),
            (json!({ "epoch": [0, 3] }), 0.125),
            (json!({ "epoch": 3 }), 0.2),
        ] {
            assert_eq!(judged(filter.clone(), gap - 1e-9, &steps).0, Verdict::Confirmed, "{filter}");
            assert_eq!(judged(filter.clone(), gap + 1e-9, &steps).0, Verdict::Contradicted, "{filter}");
        }
    }

    #[test]
    fn an_epoch_without_values_leaves_a_rule_open() {
        let found = judged(json!({ "epoch": { "from": 2, "to": 9 } }), 0.0, &steps());
        assert_eq!(found, (Verdict::Inconclusive, "accuracy is empty in up to 6 of 8 epochs of 2 runs".into()));
        // A run that ended early, and an evaluation that is lost.
        let mut early = steps();
        early.truncate(12 + 7);
        assert_eq!(judged(json!({ "epoch": [2] }), 0.0, &early).0, Verdict::Inconclusive);
        assert_eq!(judged(json!({ "epoch": [1] }), 0.0, &early).0, Verdict::Confirmed);
        assert_eq!(judged(json!({}), 0.0, &early).0, Verdict::Inconclusive, "its last epoch has none");
        let mut lost = steps();
        lost[5]["accuracy"] = Value::Null;
        assert_eq!(judged(json!({}), 0.0, &lost).1, "accuracy is empty in up to 1 of 4 epochs of 1 runs");
        assert_eq!(judged(json!({ "method": "c" }), 0.0, &steps()).0, Verdict::Inconclusive);
        // A third run on neither side is not asked for values.
        let other = row([("epoch", 0.into()), ("method", "c".into()), ("run", "id-c".into())]);
        assert_eq!(judged(json!({}), 0.0, &[steps(), vec![other]].concat()).0, Verdict::Confirmed);
    }
}
