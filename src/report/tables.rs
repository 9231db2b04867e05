//! CSV tables: every row in full precision. Timing has separate files, so that tables are byte-identical
//! if the numbers are bit-identical.

use std::path::{Path, PathBuf};

use crate::definition::FigureKind;
use crate::record::{columns_to_csv, is_timing};

use super::artefacts::Artefact;
use super::results::Results;
use super::{ReportError, io, seeds};

/// Returns `tables/<id>.<profile>.csv`, `timing/<id>.<profile>.csv` if there are times, and
/// `tables/<id>.<profile>.seeds.csv` with means and confidence intervals if there are several seeds.
///
/// # Errors
/// None that a caller can cause.
pub fn tables(results: &Results, folder: &Path) -> Result<Vec<Artefact>, ReportError> {
    let columns = results.columns();
    let name = format!("{}.{}", results.definition.id, results.profile.name());
    let rows = results.rows();
    let only = |path: PathBuf, keep: &dyn Fn(&str) -> bool| {
        let columns = columns.iter().map(String::as_str).filter(|c| !rows.is_empty() && keep(c)).collect::<Vec<_>>();
        let bytes = columns_to_csv(&columns, rows.iter()).map_err(io(&path))?;
        Ok::<_, ReportError>(Artefact { path, bytes })
    };
    let tables = folder.join("tables");
    let mut made = vec![only(tables.join(format!("{name}.csv")), &|c| !is_timing(c))?];
    if let Some(means) = seeds::means(results) {
        let path = tables.join(format!("{name}.seeds.csv"));
        let bytes = seeds::csv(&means).map_err(io(&path))?;
        made.push(Artefact { path, bytes });
    }
    if columns.iter().any(|c| is_timing(c)) {
        let axis = |c: &str| {
            let figures = &results.definition.figures;
            figures.iter().any(|f| matches!(&f.draw, FigureKind::Lines(lines) if lines.x.column == c))
        };
        let keep = |c: &str| is_timing(c) || axis(c) || c == "seed" || results.varying.iter().any(|s| *s == c);
        made.push(only(folder.join("timing").join(format!("{name}.csv")), &keep)?);
    }
    Ok(made)
}
