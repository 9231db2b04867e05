//! CSV tables: every row in full precision. Timing goes to files of its own, so that tables are the same bytes wherever
//! the numbers are the same bits.

use std::path::{Path, PathBuf};

use crate::definition::FigureKind;
use crate::record::{Row, is_timing, rows_to_csv, write_atomically};

use super::results::Results;
use super::{ReportError, io};

/// Writes `tables/<id>.<profile>.csv`, and `timing/<id>.<profile>.csv` where there are times.
///
/// # Errors
/// The folder cannot be written.
pub fn write_table(results: &Results, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let columns = results.columns();
    let name = format!("{}.{}.csv", results.definition.id, results.profile.name());
    let mut written = vec![];
    let only = |keep: &dyn Fn(&str) -> bool| -> Vec<Row> {
        let pick = |row: &Row| {
            let cells = columns.iter().filter(|c| keep(c));
            cells.map(|c| (c.clone(), row.get(c).cloned().unwrap_or_default())).collect()
        };
        results.rows().iter().map(pick).collect()
    };
    let mut write = |path: PathBuf, rows: &[Row]| -> Result<(), ReportError> {
        write_atomically(&path, &rows_to_csv(rows).map_err(io(&path))?)?;
        written.push(path);
        Ok(())
    };
    write(folder.join("tables").join(&name), &only(&|c| !is_timing(c)))?;
    if columns.iter().any(|c| is_timing(c)) {
        let settings: Vec<&String> = results.varying.iter().collect();
        let axis = |c: &str| {
            results
                .definition
                .figures
                .iter()
                .any(|f| matches!(&f.draw, FigureKind::Lines(lines) if lines.x.column == c))
        };
        let keep = |c: &str| is_timing(c) || axis(c) || c == "seed" || settings.iter().any(|s| *s == c);
        write(folder.join("timing").join(&name), &only(&keep))?;
    }
    Ok(written)
}
