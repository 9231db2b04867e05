//! Rows that differ in nothing but the seed, taken together.

use std::collections::HashMap;
use std::io;

use serde_json::Value;

use crate::definition::{FigureKind, Scale};
use crate::record::{Row, canonical, cell, columns_to_csv, is_timing, number};

use super::results::{Results, as_number, short, shown};
use super::statistics::{mean_interval, median};

/// The level of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// The values of one column over the seeds.
#[derive(Clone, Debug, PartialEq)]
pub enum Over {
    /// The same in every seed.
    Same(Value),
    /// Numbers, in the order of the seeds.
    Numbers(Vec<f64>),
    /// Texts that differ.
    Texts(Vec<String>),
}

/// Rows of all seeds as one.
pub struct Mean {
    /// Number of seeds.
    pub seeds: usize,
    /// Columns with what the seeds make of them; the seed itself is left out.
    pub cells: Vec<(String, Over)>,
}

impl Mean {
    /// The columns in which the seeds agree, such as the settings.
    pub fn row(&self) -> Row {
        let same = |(column, over): &(String, Over)| match over {
            Over::Same(value) => Some((column.clone(), value.clone())),
            Over::Numbers(_) | Over::Texts(_) => None,
        };
        self.cells.iter().filter_map(same).collect()
    }
}

/// The rows of each point of the grid over its seeds: the first row of each seed together, then the second, and so on.
/// `None` where no point has several seeds, or where the seeds of a point have different numbers of rows, so that none
/// belong together.
pub fn means(results: &Results) -> Option<Vec<Mean>> {
    let columns: Vec<String> = results.columns().into_iter().filter(|c| c != "seed").collect();
    let (mut points, mut known): (Vec<Vec<usize>>, HashMap<String, usize>) = (vec![], HashMap::new());
    for (i, run) in results.runs.iter().enumerate() {
        let settings = canonical(&Value::Object(run.loaded.record.settings.clone()));
        let point = *known.entry(settings).or_insert(points.len());
        if point == points.len() {
            points.push(vec![]);
        }
        points[point].push(i);
    }
    if points.iter().all(|p| p.len() < 2) {
        return None;
    }
    let mut found = vec![];
    for point in points {
        let runs: Vec<_> = point.iter().map(|&i| &results.runs[i]).collect();
        let rows = runs[0].loaded.rows.len();
        if runs.iter().any(|run| run.loaded.rows.len() != rows) {
            return None;
        }
        for i in 0..rows {
            let value = |column: &String| -> Vec<Value> {
                let of = |run: &&super::results::RunResult| {
                    run.loaded.rows[i].get(column).or_else(|| run.settings.get(column)).cloned().unwrap_or_default()
                };
                runs.iter().map(of).collect()
            };
            let cells = columns.iter().map(|c| (c.clone(), over(value(c)))).collect();
            found.push(Mean { seeds: runs.len(), cells });
        }
    }
    Some(found)
}

fn over(values: Vec<Value>) -> Over {
    if values.iter().all(|v| *v == values[0]) {
        return Over::Same(values[0].clone());
    }
    match values.iter().map(|v| as_number(Some(v))).collect::<Option<Vec<f64>>>() {
        Some(numbers) => Over::Numbers(numbers),
        None => Over::Texts(values.iter().map(|v| if v.is_null() { "–".into() } else { cell(v) }).collect()),
    }
}

/// The median, the least and the greatest of some numbers.
fn middle(numbers: &[f64]) -> (f64, f64, f64) {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    (median(&sorted), sorted[0], sorted[sorted.len() - 1])
}

/// A number to five digits, as far as any statistic over seeds is worth.
fn rounded(x: f64) -> f64 {
    format!("{x:.4e}").parse().unwrap_or(x)
}

/// Rows for a CSV file. A column that differs between seeds anywhere becomes `<column>_mean`, `_ci95` (half the width
/// of the interval), `_median`, `_min` and `_max`, to five digits; texts that differ leave an empty cell. Times are
/// left out.
pub fn csv(means: &[Mean]) -> io::Result<Vec<u8>> {
    let columns: Vec<String> = csv_rows(means).next().map_or(vec![], |row| row.keys().cloned().collect());
    columns_to_csv(&columns.iter().map(String::as_str).collect::<Vec<_>>(), csv_rows(means))
}

/// The rows of [`csv()`]. All have the same columns.
fn csv_rows(means: &[Mean]) -> impl Iterator<Item = Row> {
    let columns = means.first().map_or(0, |mean| mean.cells.len());
    let differs = |i: usize| means.iter().any(|m| matches!(m.cells[i].1, Over::Numbers(_)));
    let differs: Vec<bool> = (0..columns).map(differs).collect();
    let line = move |mean: &Mean| {
        let mut row = Row::new();
        for (i, (column, over)) in mean.cells.iter().enumerate().filter(|(_, (c, _))| !is_timing(c)) {
            let numbers = match over {
                Over::Same(value) if !differs[i] => {
                    row.insert(column.clone(), value.clone());
                    continue;
                }
                Over::Same(value) => as_number(Some(value)).map(|x| vec![x; mean.seeds]),
                Over::Numbers(numbers) => Some(numbers.clone()),
                Over::Texts(_) => None,
            };
            if !differs[i] {
                row.insert(column.clone(), Value::Null);
                continue;
            }
            let of = |x: Option<f64>| x.map_or(Value::Null, |x| number(rounded(x)));
            let interval = numbers.as_ref().and_then(|n| mean_interval(n, CONFIDENCE));
            let middle = numbers.as_ref().map(|n| middle(n));
            // One seed is its own mean, without an interval.
            let only = numbers.as_ref().filter(|n| n.len() == 1).map(|n| n[0]);
            row.insert(format!("{column}_mean"), of(interval.map(|i| i.mean).or(only)));
            row.insert(format!("{column}_ci95"), of(interval.map(|i| i.half)));
            row.insert(format!("{column}_median"), of(middle.map(|m| m.0)));
            row.insert(format!("{column}_min"), of(middle.map(|m| m.1)));
            row.insert(format!("{column}_max"), of(middle.map(|m| m.2)));
        }
        row.insert("seeds".into(), mean.seeds.into());
        row
    };
    means.iter().map(line)
}

/// Whether a chart of the experiment has the column on a logarithmic axis: a mean would then be its largest value.
pub fn is_logarithmic(results: &Results, column: &str) -> bool {
    let log =
        |kind: &FigureKind| matches!(kind, FigureKind::Lines(l) if l.y.scale == Scale::Log && l.y.column == column);
    results.definition.figures.iter().any(|f| log(&f.draw))
}

/// A cell for a reader: `mean ± half`, or `median [min, max]`.
pub fn text(over: &Over, logarithmic: bool) -> String {
    match over {
        Over::Same(value) => shown(Some(value)),
        Over::Texts(texts) => {
            let mut each: Vec<String> = texts.iter().map(|text| shown(Some(&text.as_str().into()))).collect();
            each.sort_unstable();
            each.dedup();
            if each.len() <= 3 { each.join(" or ") } else { format!("{} different", each.len()) }
        }
        Over::Numbers(numbers) if logarithmic => {
            let (middle, least, greatest) = middle(numbers);
            format!("{} [{}, {}]", short(middle), short(least), short(greatest))
        }
        Over::Numbers(numbers) => {
            mean_interval(numbers, CONFIDENCE).map_or_else(|| "–".into(), |interval| interval.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seeds_become_means_medians_and_words() {
        let column = |values: Value| over(values.as_array().unwrap().clone());
        assert_eq!(text(&column(json!([2, 2, 2])), false), "2");
        assert_eq!(text(&column(json!(["back", "forth", "back"])), false), "back or forth");
        assert_eq!(text(&column(json!([0.5, null])), false), "0.5 or –", "an empty cell is no number and no blank");
        // Mean 2 and s = 1; t(0.975, 2) = 4.30265, so half = 4.30265 / sqrt 3 = 2.484.
        assert_eq!(text(&column(json!([1, 2, 3])), false), "2.0 ± 2.5");
        assert_eq!(text(&column(json!([1e-9, 1e-3, 1e3, "inf"])), true), "500 [1e-9, inf]");
    }

    #[test]
    fn a_column_has_the_same_cells_in_every_row() {
        let mean = |x: Over| Mean { seeds: 2, cells: vec![("x".into(), x)] };
        let csv_rows = |means: &[Mean]| csv_rows(means).collect::<Vec<_>>();
        let rows = csv_rows(&[mean(Over::Same(json!(3.0))), mean(Over::Numbers(vec![1.0, 2.0]))]);
        assert_eq!(rows[0].keys().collect::<Vec<_>>(), rows[1].keys().collect::<Vec<_>>());
        assert_eq!((&rows[0]["x_mean"], &rows[0]["x_ci95"]), (&json!(3.0), &json!(0.0)));
        assert_eq!((&rows[1]["x_median"], &rows[1]["x_max"], &rows[1]["seeds"]), (&json!(1.5), &json!(2.0), &json!(2)));
        let single = Mean { seeds: 1, cells: vec![("x".into(), Over::Same(json!(0.5)))] };
        let rows = csv_rows(&[mean(Over::Numbers(vec![1.0, 2.0])), single]);
        assert_eq!((&rows[1]["x_mean"], &rows[1]["x_ci95"]), (&json!(0.5), &Value::Null));
        let third = csv_rows(&[mean(Over::Numbers(vec![0.0, 2e-9 / 3.0, f64::INFINITY]))]);
        assert_eq!((&third[0]["x_median"], &third[0]["x_max"]), (&json!(6.6667e-10), &json!("inf")));
    }
}
