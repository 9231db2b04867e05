//! CSV tables: every row in full precision. Timing has separate files, so that tables are byte-identical
//! if the numbers are bit-identical.

use std::path::Path;

use crate::definition::FigureKind;
use crate::record::{Row, is_timing};

use super::artefacts::{Artefact, csv};
use super::results::Results;
use super::{ReportError, seeds};

/// Returns `tables/<id>.<profile>.csv`, `timing/<id>.<profile>.csv` if there are times, and
/// `tables/<id>.<profile>.seeds.csv` with means and confidence intervals if there are several seeds.
///
/// # Errors
/// None that a caller can cause.
pub fn tables(results: &Results, folder: &Path) -> Result<Vec<Artefact>, ReportError> {
    let columns = results.columns();
    let name = format!("{}.{}", results.definition.id, results.profile.name());
    let rows = results.rows();
    let only = |keep: &dyn Fn(&str) -> bool| -> Vec<Row> {
        let pick = |row: &Row| {
            let cells = columns.iter().filter(|c| keep(c));
            cells.map(|c| (c.clone(), row.get(c).cloned().unwrap_or_default())).collect()
        };
        rows.iter().map(pick).collect()
    };
    let tables = folder.join("tables");
    let mut made = vec![csv(tables.join(format!("{name}.csv")), &only(&|c| !is_timing(c)))?];
    if let Some(means) = seeds::means(results) {
        made.push(csv(tables.join(format!("{name}.seeds.csv")), &seeds::csv_rows(&means))?);
    }
    if columns.iter().any(|c| is_timing(c)) {
        let axis = |c: &str| {
            let figures = &results.definition.figures;
            figures.iter().any(|f| matches!(&f.draw, FigureKind::Lines(lines) if lines.x.column == c))
        };
        let keep = |c: &str| is_timing(c) || axis(c) || c == "seed" || results.varying.iter().any(|s| *s == c);
        made.push(csv(folder.join("timing").join(format!("{name}.csv")), &only(&keep))?);
    }
    Ok(made)
}
