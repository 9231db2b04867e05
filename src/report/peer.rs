//! The committed networks beside an independent evaluation in PyTorch, as `benches/peer/load.py` left it.

use std::path::Path;

use crate::definition::value_label;
use crate::record::{RecordError, Row, csv_to_rows, read_at_most};

use super::ReportError;
use super::document::{Cell, Piece};
use super::results::{as_number, short, shown};

/// Where the comparison is written, inside the results folder.
const FILE: &str = "peer/models.csv";

/// Its name.
pub const TABLE: &str = "models.csv";

/// Largest file that is read, in bytes.
const MOST: u64 = 1 << 20;

/// Columns of the table, with what they are called.
const COLUMNS: [(&str, &str); 8] = [
    ("experiment", "experiment"),
    ("net", "net"),
    ("method", "method"),
    ("statistics", "batch norm's statistics"),
    ("loss", "test loss"),
    ("difference", "relative difference to PyTorch's"),
    ("accuracy", "test accuracy"),
    ("images_apart", "images apart"),
];

/// The section; nothing if no comparison was made.
///
/// # Errors
/// A file that cannot be read, or lacks a column.
pub fn peer(results: &Path) -> Result<Vec<Piece>, ReportError> {
    let path = results.join(FILE);
    let Some(bytes) = read_at_most(&path, MOST)? else { return Ok(vec![]) };
    let damaged = |why: String| RecordError::Damaged { path: path.clone(), why };
    let rows = csv_to_rows(&bytes).map_err(damaged)?;
    for (column, _) in COLUMNS {
        if rows.iter().any(|row| !row.contains_key(column)) {
            return Err(damaged(format!("it has no column `{column}`; make it again with benches/peer/load.py")).into());
        }
    }
    let greatest = |column: &str| {
        let values = rows.iter().filter_map(|row| as_number(row.get(column)));
        short(values.fold(0.0, f64::max))
    };
    let text = format!(
        "PyTorch repeated {} evaluations of committed networks, with independently written networks, on the images \
         that this program decoded. The largest relative difference of test losses is {}. Accuracies differ by at most \
         {} images.",
        rows.len(),
        greatest("difference"),
        greatest("images_apart")
    );
    let line = |row: &Row| {
        let cell = |(column, _): &(&str, &str)| {
            let text = shown(row.get(*column));
            match as_number(row.get(*column)) {
                Some(_) => Cell::Number(text),
                None => Cell::Text(value_label(column, &text).unwrap_or(text)),
            }
        };
        COLUMNS.iter().map(cell).collect()
    };
    let head = COLUMNS.map(|(_, name)| name.to_owned()).to_vec();
    let caption = format!("Trained networks in PyTorch; in full precision: {FILE}");
    Ok(vec![
        Piece::Heading(2, "Trained networks evaluated in PyTorch".into(), "peer".into()),
        Piece::Paragraph(String::new(), text),
        Piece::Table(caption, head, rows.iter().map(line).collect()),
        Piece::Up,
    ])
}
