//! Long logs of steps, thinned to what a chart can show.

use serde_json::Value;

use super::Row;

/// Most steps without an evaluation that are kept.
pub const MOST_STEPS: usize = 1000;

/// Columns of evaluations on the test images begin so.
const EVALUATED: &str = "test_";

/// Every step with an evaluation on the test images or another value that some steps lack, and at most [`MOST_STEPS`] of the
/// others, evenly spaced from the first: rules over steps lose no epoch. Thinning again changes nothing.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::row;

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
    }
}
