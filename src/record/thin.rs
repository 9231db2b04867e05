//! Long logs of steps, thinned to what a chart can show.

use serde_json::Value;

use super::read::header;
use super::{Row, csv_to_rows};

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

/// The rows that [`thin`] keeps of a table in CSV, without making the others: a log of a long training takes hundreds
/// of megabytes as rows.
///
/// # Errors
/// As [`csv_to_rows`].
pub fn thin_csv(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let shape = Shape::of(bytes)?;
    if shape.rows <= MOST_STEPS {
        return csv_to_rows(bytes);
    }
    let special =
        |record: &csv::StringRecord| shape.sparse.iter().any(|&i| record.get(i).is_some_and(|c| !c.is_empty()));
    let mut ordinary = 0;
    each(bytes, |record| ordinary += usize::from(!special(record)))?;
    let every = ordinary.div_ceil(MOST_STEPS).max(1);
    let mut kept = csv::Writer::from_writer(vec![]);
    let told = |e: csv::Error| e.to_string();
    kept.write_record(&shape.header).map_err(told)?;
    let (mut seen, mut written) = (0, Ok(()));
    each(bytes, |record| {
        let special = special(record);
        seen += usize::from(!special);
        if (special || (seen - 1usize).is_multiple_of(every)) && written.is_ok() {
            written = kept.write_record(record);
        }
    })?;
    written.map_err(told)?;
    csv_to_rows(&kept.into_inner().map_err(|e| e.to_string())?)
}

/// What is known of a table after one pass.
struct Shape {
    header: csv::StringRecord,
    rows: usize,
    /// Columns that are empty in some row. Of two columns of a name the last one counts, as in a row.
    sparse: Vec<usize>,
}

impl Shape {
    fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(bytes);
        let header = header(&mut reader)?;
        let (mut rows, mut empty) = (0, vec![false; header.len()]);
        each(bytes, |record| {
            rows += 1;
            record.iter().zip(&mut empty).for_each(|(cell, empty)| *empty |= cell.is_empty());
        })?;
        let last = |i: &usize| header.iter().skip(i + 1).all(|name| Some(name) != header.get(*i));
        let sparse = (0..header.len()).filter(|&i| empty[i]).filter(last).collect();
        Ok(Self { header, rows, sparse })
    }
}

/// Gives `visit` every row of a table in CSV, one at a time.
fn each(bytes: &[u8], mut visit: impl FnMut(&csv::StringRecord)) -> Result<(), String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| e.to_string())? {
        visit(&record);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{row, rows_to_csv};

    fn log(steps: usize, evaluated_every: usize) -> Vec<Row> {
        let accuracy = |i: usize| if i % evaluated_every == evaluated_every - 1 { 0.5.into() } else { Value::Null };
        (0..steps).map(|i| row([("step", i.into()), ("loss", 1.0.into()), ("test_accuracy", accuracy(i))])).collect()
    }

    #[test]
    fn epochs_of_one_step_keep_every_evaluation() {
        assert_eq!(thin(log(3000, 1)).len(), 3000);
    }

    proptest! {
        #[test]
        fn thinning_keeps_evaluations_and_the_first_step_and_is_done_once(steps in 1usize..9000, every in 1usize..3000) {
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
