//! Long logs of steps, thinned to what a chart can show.

use std::collections::HashMap;

use serde_json::Value;

use super::Row;
use super::limits::{Budget, COLUMNS, LOG_STEPS};
use super::read::{bounded_rows, header};

/// Most steps without an evaluation that are kept.
pub const MOST_STEPS: usize = 1000;

/// Columns of evaluations on the test images begin so.
const EVALUATED: &str = "test_";

/// Every step with an evaluation on the test images or another value that some steps lack, and at most [`MOST_STEPS`]
/// of the others, evenly spaced from the first: rules over steps lose no epoch. Thinning again changes nothing.
pub fn thin(steps: Vec<Row>) -> Vec<Row> {
    if steps.len() <= MOST_STEPS {
        return steps;
    }
    let empty = |row: &Row, column: &String| matches!(row.get(column), None | Some(Value::Null));
    let kept = |column: &String| column.starts_with(EVALUATED) || steps.iter().any(|row| empty(row, column));
    let sparse: Vec<String> = steps[0].keys().filter(|column| kept(column)).cloned().collect();
    let special: Vec<bool> = steps.iter().map(|row| sparse.iter().any(|column| !empty(row, column))).collect();
    let every = special.iter().filter(|s| !**s).count().div_ceil(MOST_STEPS).max(1);
    let mut ordinary = 0;
    let keep = |special: bool| {
        ordinary += usize::from(!special);
        special || (ordinary - 1).is_multiple_of(every)
    };
    let kept: Vec<bool> = special.into_iter().map(keep).collect();
    steps.into_iter().zip(kept).filter(|(_, keep)| *keep).map(|(row, _)| row).collect()
}

/// The rows that [`thin`] keeps of a table in CSV. The other rows are not built, because the log of a long training run
/// takes hundreds of megabytes as rows.
///
/// # Errors
/// See [`csv_to_rows`](super::csv_to_rows); the table has more steps than a log can have.
pub fn thin_csv(bytes: &[u8]) -> Result<Vec<Row>, String> {
    thin_within(bytes, 0, &mut Budget::of_an_experiment()).map(|(rows, _)| rows)
}

/// Like [`thin_csv`], and returns the number of all steps. The values of each kept row, and `settings` values more per
/// row, are taken from `budget`.
///
/// # Errors
/// See [`thin_csv`]; the rows have more values than `budget`.
pub fn thin_within(bytes: &[u8], settings: usize, budget: &mut Budget) -> Result<(Vec<Row>, usize), String> {
    std::str::from_utf8(bytes).map_err(|e| format!("no UTF-8: {e}"))?;
    let log = Log::of(bytes)?;
    if log.rows.len() <= MOST_STEPS {
        return Ok((bounded_rows(bytes, settings, budget)?, log.rows.len()));
    }
    let special = log.special();
    let ordinary = log.rows.iter().filter(|(_, kind)| !special[*kind as usize]).count();
    let every = ordinary.div_ceil(MOST_STEPS).max(1);
    // The lines that are kept, as they are.
    let start = |row: usize| log.rows.get(row).map_or(bytes.len(), |(start, _)| *start as usize);
    let (mut kept, mut seen) = (bytes[..start(0)].to_vec(), 0usize);
    for (row, (_, kind)) in log.rows.iter().enumerate() {
        let special = special[*kind as usize];
        seen += usize::from(!special);
        if special || (seen - 1).is_multiple_of(every) {
            kept.extend_from_slice(&bytes[start(row)..start(row + 1)]);
        }
    }
    Ok((bounded_rows(&kept, settings, budget)?, log.rows.len()))
}

/// Which columns of a row have a value: one bit per column.
type Filled = [u64; COLUMNS / 64];

/// What is known of a log after one pass.
struct Log {
    header: csv::StringRecord,
    /// Where each row starts, and which of `kinds` it is.
    rows: Vec<(u32, u32)>,
    /// The sets of columns that have a value in some row.
    kinds: Vec<Filled>,
}

impl Log {
    fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(bytes);
        let header = header(&mut reader)?;
        let (mut rows, mut kinds, mut known) = (vec![], vec![], HashMap::new());
        let mut record = csv::ByteRecord::new();
        loop {
            let start = u32::try_from(reader.position().byte()).map_err(|e| e.to_string())?;
            if !reader.read_byte_record(&mut record).map_err(|e| e.to_string())? {
                return Ok(Self { header, rows, kinds });
            }
            if rows.len() == LOG_STEPS {
                return Err(format!("more than {LOG_STEPS} steps; no training run of this program takes as many"));
            }
            let mut filled = Filled::default();
            for (column, _) in record.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                filled[column / 64] |= 1 << (column % 64);
            }
            let kind = *known.entry(filled).or_insert_with(|| {
                kinds.push(filled);
                kinds.len() as u32 - 1
            });
            rows.push((start, kind));
        }
    }

    /// Which of `kinds` have a value in a column that is empty in some row. Of two columns of a name the last one
    /// counts, as in a row.
    fn special(&self) -> Vec<bool> {
        let last = |i: usize| self.header.iter().skip(i + 1).all(|name| Some(name) != self.header.get(i));
        let mut sparse = Filled::default();
        for column in (0..self.header.len()).filter(|&i| last(i)) {
            let bit = 1 << (column % 64);
            let evaluated = self.header.get(column).is_some_and(|name| name.starts_with(EVALUATED));
            if evaluated || self.kinds.iter().any(|filled| filled[column / 64] & bit == 0) {
                sparse[column / 64] |= bit;
            }
        }
        self.kinds.iter().map(|filled| filled.iter().zip(&sparse).any(|(a, b)| a & b != 0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{csv_to_rows, row, rows_to_csv};

    fn log(steps: usize, evaluated_every: usize) -> Vec<Row> {
        let accuracy = |i: usize| if i % evaluated_every == evaluated_every - 1 { 0.5.into() } else { Value::Null };
        (0..steps).map(|i| row([("step", i.into()), ("loss", 1.0.into()), ("test_accuracy", accuracy(i))])).collect()
    }

    #[test]
    fn epochs_of_one_step_keep_every_evaluation() {
        assert_eq!(thin(log(3000, 1)).len(), 3000);
        assert_eq!(thin_csv(&rows_to_csv(&log(3000, 1)).unwrap()).unwrap().len(), 3000);
    }

    proptest! {
        #[test]
        fn thinning_keeps_evaluations_and_the_first_step_and_is_done_once(steps in 1usize..9000,
            every in 1usize..3000) {
            let full = log(steps, every);
            let thinned = thin(full.clone());
            let evaluated = |rows: &[Row]| rows.iter().filter(|r| !r["test_accuracy"].is_null()).count();
            prop_assert_eq!(evaluated(&thinned), evaluated(&full));
            prop_assert_eq!(&thinned[0], &full[0]);
            prop_assert!(thinned.len() - evaluated(&thinned) <= MOST_STEPS);
            prop_assert_eq!(thin(thinned.clone()), thinned.clone());
            if steps <= MOST_STEPS {
                prop_assert_eq!(thinned, full);
            }
        }

        #[test]
        fn a_table_is_thinned_as_its_rows_are(steps in 1usize..4000, every in 1usize..3000, cut in 0usize..40) {
            let mut rows = log(steps, every);
            rows.iter_mut().enumerate().for_each(|(i, row)| {
                row.insert("text".into(), format!("a, \"{i}\"").into());
            });
            let mut bytes = rows_to_csv(&rows).unwrap();
            prop_assert_eq!(thin_csv(&bytes), csv_to_rows(&bytes).map(thin));
            // Of two columns of a name the last one counts.
            let doubled = String::from_utf8(bytes.clone()).unwrap().replacen("text", "accuracy", 1).into_bytes();
            prop_assert_eq!(thin_csv(&doubled), csv_to_rows(&doubled).map(thin));
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            prop_assert_eq!(thin_csv(&bytes), csv_to_rows(&bytes).map(thin));
        }
    }
}
