//! Which rows of a long table the report shows.

use std::collections::BTreeSet;

use crate::definition::{Check, Source};
use crate::record::Row;

use super::results::matches;

/// Places of at most `most` rows, in order. Of more rows, those that the checks judge are taken first, one of each
/// check in turn, so that the report shows the rows that decided. The others are taken at equal distances.
pub fn excerpt(rows: &[Row], checks: &[Check], most: usize) -> Vec<usize> {
    let judged: Vec<Vec<usize>> = checks
        .iter()
        .filter(|check| check.source == Source::Rows)
        .map(|check| (0..rows.len()).filter(|&place| matches(&rows[place], &check.filter)).collect())
        .collect();
    let turns = judged.iter().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..turns).flat_map(|turn| judged.iter().filter_map(move |own| own.get(turn).copied()));
    let mut shown = BTreeSet::new();
    for place in in_turn {
        if shown.len() == most {
            break;
        }
        shown.insert(place);
    }
    let others: Vec<usize> = (0..rows.len()).filter(|place| !shown.contains(place)).collect();
    let wanted = others.len().min(most - shown.len());
    shown.extend((0..wanted).map(|i| others[i * others.len() / wanted]));
    shown.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::row;

    #[test]
    fn rows_that_checks_judge_come_first_and_the_others_at_equal_distances() {
        let rows: Vec<Row> = (0..10u64).map(|c| row([("c", c.into())])).collect();
        let check = |values: &[u64]| -> Check {
            let rule = json!({ "within": { "column": "c", "min": 0.0 } });
            serde_json::from_value(json!({ "name": "check", "where": { "c": values }, "rule": rule })).unwrap()
        };
        assert_eq!(excerpt(&rows, &[], 3), [0, 3, 6]);
        assert_eq!(excerpt(&rows, &[check(&[7])], 3), [0, 4, 7]);
        // One of each in turn.
        let checks = [check(&[4, 5, 6]), check(&[9])];
        assert_eq!(excerpt(&rows, &checks, 2), [4, 9]);
        assert_eq!(excerpt(&rows, &checks, 3), [4, 5, 9]);
        assert_eq!(excerpt(&rows, &checks, 20), (0..10).collect::<Vec<_>>());
        assert_eq!(excerpt(&[], &checks, 3), [0; 0]);
    }
}
