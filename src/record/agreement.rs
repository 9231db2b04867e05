//! Two tables of the same run, cell by cell: what was recorded and what a repetition found.

use std::collections::HashMap;

use serde_json::Value;

use super::{Row, cell, is_timing};

/// Steps for which there is a [`tolerance`]: a long training forgets where it began.
pub const TOLERATED_STEPS: u64 = 50;

/// Largest relative difference of `loss` and `gradient_norm` that rounding explains at a step of a training in `f32` on
/// processors whose vector instructions differ. Sums in another order differ by some units in the last place, and each
/// step multiplies what the one before left; docs/records.md shows what was measured.
pub fn tolerance(step: u64) -> f64 {
    5e-4 * 1.13_f64.powi(step.min(TOLERATED_STEPS) as i32)
}

/// Columns to which [`tolerance`] applies. Settings such as the learning rate have the same bits everywhere; an
/// accuracy moves by whole images.
const TOLERATED: [&str; 2] = ["loss", "gradient_norm"];

/// A row that both tables have, with the column in which they differ most.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedRow {
    /// Value of the key column, or index of the row in its table.
    pub key: u64,
    /// The column that differs most; the first one where none does.
    pub column: String,
    /// The recorded cell.
    pub archived: Value,
    /// The repeated cell.
    pub repeated: Value,
    /// |repeated - archived| / |archived|; infinite where one is no number or the archived one is zero.
    pub difference: f64,
}

/// The comparison of a recorded table with a repeated one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agreement {
    /// The rows of the recorded table that were repeated.
    pub rows: Vec<ComparedRow>,
    /// Keys of recorded rows that the repetition lacks.
    pub missing: Vec<u64>,
    /// Cells compared.
    pub cells: usize,
    /// The largest difference as a share of its tolerance, in the columns and steps that have one.
    pub share: f64,
}

impl Agreement {
    /// Compares the rows that agree in the column `key`, or in their place where there is none, in the columns that the
    /// recorded ones have: a later version may measure more. Times are left out: they differ from one run to the next.
    ///
    /// With `gaps`, cells that are empty on one side are left out too: the first steps of a run that continued another
    /// one have what the other logged, which may be less or more.
    pub fn of(archived: &[Row], repeated: &[Row], key: Option<&str>, gaps: bool) -> Self {
        let name = |(place, row): (usize, &Row)| match key {
            Some(key) => row.get(key).and_then(Value::as_u64).unwrap_or(u64::MAX),
            None => place as u64,
        };
        let mut found = Self::default();
        // Of several rows with one name the first counts.
        let others: HashMap<u64, &Row> = repeated.iter().enumerate().rev().map(|r| (name(r), r.1)).collect();
        for (place, row) in archived.iter().enumerate() {
            let own = name((place, row));
            match others.get(&own) {
                Some(other) => found.add(own, row, other, gaps),
                None => found.missing.push(own),
            }
        }
        found
    }

    fn add(&mut self, key: u64, archived: &Row, repeated: &Row, gaps: bool) {
        let mut worst: Option<ComparedRow> = None;
        for column in archived.keys().filter(|column| !is_timing(column)) {
            let of = |row: &Row| row.get(column).cloned().unwrap_or_default();
            let (archived, repeated) = (of(archived), of(repeated));
            if gaps && (archived.is_null() || repeated.is_null()) {
                continue;
            }
            let difference = difference(&archived, &repeated);
            self.cells += 1;
            if TOLERATED.contains(&column.as_str()) && key < TOLERATED_STEPS {
                self.share = self.share.max(difference / tolerance(key));
            }
            if worst.as_ref().is_none_or(|w| difference > w.difference) {
                worst = Some(ComparedRow { key, column: column.clone(), archived, repeated, difference });
            }
        }
        self.rows.extend(worst);
    }

    /// Whether every recorded row was repeated with the same bits in every cell, and there are some.
    pub fn is_identical(&self) -> bool {
        !self.rows.is_empty() && self.missing.is_empty() && self.rows.iter().all(|row| row.difference == 0.0)
    }

    /// Whether every recorded row was repeated, and what has a tolerance keeps it.
    pub fn is_tolerable(&self) -> bool {
        !self.rows.is_empty() && self.missing.is_empty() && self.share <= 1.0
    }

    /// The row that differs most, where one does.
    pub fn largest(&self) -> Option<&ComparedRow> {
        let differing = self.rows.iter().filter(|row| row.difference > 0.0);
        differing.max_by(|a, b| a.difference.total_cmp(&b.difference))
    }
}

/// Zero for cells that are the same as written, which for numbers means the same bits.
fn difference(archived: &Value, repeated: &Value) -> f64 {
    if cell(archived) == cell(repeated) {
        return 0.0;
    }
    match (archived.as_f64(), repeated.as_f64()) {
        (Some(a), Some(b)) if a != 0.0 => ((b - a) / a).abs(),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{number, row};

    fn log(losses: &[f64]) -> Vec<Row> {
        let line = |(i, loss): (usize, &f64)| {
            row([("step", (3 * i).into()), ("loss", number(*loss)), ("test_loss", Value::Null), ("seconds", i.into())])
        };
        losses.iter().enumerate().map(line).collect()
    }

    #[test]
    fn the_last_bit_counts_and_times_do_not() {
        let archived = log(&[2.5, 0.1]);
        let mut repeated = log(&[2.5, 0.1, 7.0]);
        repeated[1].insert("seconds".into(), 9.into());
        let found = Agreement::of(&archived, &repeated, Some("step"), false);
        assert!(found.is_identical() && found.largest().is_none());
        assert_eq!((found.rows.len(), found.cells), (2, 6));

        repeated[1].insert("loss".into(), number(0.1_f64.next_up()));
        let found = Agreement::of(&archived, &repeated, Some("step"), false);
        let worst = found.largest().expect("a difference");
        assert_eq!((worst.key, worst.column.as_str()), (3, "loss"));
        assert!(!found.is_identical() && found.is_tolerable() && worst.difference < 2e-16);
    }

    #[test]
    fn what_is_missing_or_no_number_is_never_tolerable() {
        let archived = log(&[2.5, 0.1]);
        let found = Agreement::of(&archived, &log(&[2.5]), Some("step"), false);
        assert_eq!(found.missing, [3]);
        assert!(!found.is_identical() && !found.is_tolerable());
        assert!(
            !Agreement::of(&[], &archived, Some("step"), false).is_tolerable(),
            "nothing to compare is no agreement"
        );
        let found = Agreement::of(&archived, &log(&[2.5, f64::NAN]), None, false);
        assert!(found.largest().is_some_and(|w| w.difference.is_infinite()) && !found.is_tolerable());
        assert!(!Agreement::of(&archived, &log(&[2.5, 0.1 * (1.0 + 2.0 * tolerance(1))]), None, false).is_tolerable());
    }

    #[test]
    fn a_run_that_continued_another_is_not_compared_in_what_only_one_of_them_logged() {
        let (archived, mut repeated) = (log(&[2.5, 0.1]), log(&[2.5, 0.1]));
        repeated[1].insert("test_loss".into(), 0.5.into());
        let identical = |a, b, gaps| Agreement::of(a, b, Some("step"), gaps).is_identical();
        for (a, b) in [(&archived, &repeated), (&repeated, &archived)] {
            assert!(identical(a, b, true) && !identical(a, b, false));
        }
    }

    #[test]
    fn the_tolerance_is_for_the_first_steps_and_for_what_rounding_moves() {
        let at = |step: u64, loss: f64, rate: f64| {
            vec![row([("step", step.into()), ("loss", number(loss)), ("learning_rate", number(rate))])]
        };
        let found = Agreement::of(&at(TOLERATED_STEPS, 1.0, 0.1), &at(TOLERATED_STEPS, 2.0, 0.1), Some("step"), false);
        assert_eq!((found.share, found.rows[0].difference), (0.0, 1.0));
    }
}
