//! CSV tables: every row in full precision. Timing has separate files, so that tables are byte-identical
//! if the numbers are bit-identical. Large tables are compressed with gzip, which pandas and R read directly.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

use crate::definition::FigureKind;
use crate::record::{columns_to_csv, is_timing};

use super::artefacts::Artefact;
use super::results::Results;
use super::{ReportError, io, seeds};

/// Size in bytes above which a table is compressed.
const LARGE: usize = 64 << 10;

/// Returns `tables/<id>.<profile>.csv`, `tables/<id>.<profile>.seeds.csv` with means and confidence intervals if there
/// are several seeds, and `timing/<id>.<profile>.csv` if there are times. The name of a table of more than 64 KiB ends
/// in `.csv.gz`.
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
        compressed(Artefact { path, bytes })
    };
    let tables = folder.join("tables");
    let mut made = vec![only(tables.join(format!("{name}.csv")), &|c| !is_timing(c))?];
    if let Some(means) = seeds::means(results) {
        let path = tables.join(format!("{name}.seeds.csv"));
        let bytes = seeds::csv(&means).map_err(io(&path))?;
        made.push(compressed(Artefact { path, bytes })?);
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

/// A table as it is, or compressed if it is large. The same table gives the same bytes.
fn compressed(table: Artefact) -> Result<Artefact, ReportError> {
    if table.bytes.len() <= LARGE {
        return Ok(table);
    }
    let path = table.path.with_added_extension("gz");
    let mut gzip = GzBuilder::new().mtime(0).write(vec![], Compression::best());
    let bytes = gzip.write_all(&table.bytes).and_then(|()| gzip.finish()).map_err(io(&path))?;
    Ok(Artefact { path, bytes })
}

/// The files in which a reader finds all rows, and the statistics over seeds, among those of [`tables`].
pub fn files(tables: &[Artefact]) -> Vec<String> {
    let named = tables.iter().filter_map(|table| Some((table.path.parent()?.file_name()?, table.path.file_name()?)));
    let of = named.filter(|(folder, _)| *folder == "tables");
    of.map(|(_, name)| format!("tables/{}", name.to_string_lossy())).collect()
}
