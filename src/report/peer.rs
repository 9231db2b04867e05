//! The committed networks beside an independent evaluation in PyTorch, as `benches/peer/load.py` left it.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::definition::value_label;
use crate::record::{RecordError, Row, csv_to_rows, read_at_most};

use super::ReportError;
use super::document::{Cell, Piece};
use super::results::{as_number, short, shown};

/// Where the comparison is written, inside the results folder.
const FILE: &str = "peer/models.csv";

/// File name of the comparison.
pub const TABLE: &str = "models.csv";

/// Largest file that is read, in bytes.
const MOST: u64 = 1 << 20;

/// Columns that the section reads.
const COLUMNS: [&str; 5] = ["experiment", "run", "statistics", "difference", "images_apart"];

/// The section; nothing if no comparison was made. `networks` are the experiment and the run of each committed network.
///
/// # Errors
/// A file that cannot be read, or lacks a column.
pub fn peer<'a>(results: &Path, networks: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Vec<Piece>, ReportError> {
    let path = results.join(FILE);
    let Some(bytes) = read_at_most(&path, MOST)? else { return Ok(vec![]) };
    let damaged = |why: String| RecordError::Damaged { path: path.clone(), why };
    let rows = csv_to_rows(&bytes).map_err(damaged)?;
    for column in COLUMNS {
        if rows.iter().any(|row| !row.contains_key(column)) {
            return Err(damaged(format!("it has no column `{column}`; make it again with benches/peer/load.py")).into());
        }
    }
    let greatest = |rows: &[&Row], column: &str| {
        let values = rows.iter().filter_map(|row| as_number(row.get(column)));
        short(values.fold(0.0, f64::max))
    };
    let all: Vec<&Row> = rows.iter().collect();
    let compared: HashSet<String> = rows.iter().map(|row| shown(row.get("run"))).collect();
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for (experiment, _) in networks.filter(|(_, run)| !compared.contains(*run)) {
        *others.entry(experiment).or_default() += 1;
    }
    let others: Vec<String> = others
        .into_iter()
        .map(|(experiment, n)| format!("{experiment} ({n} network{})", if n == 1 { "" } else { "s" }))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!(" Not compared: {}.", others.join(", ")) };
    let text = format!(
        "PyTorch repeated {} evaluations of committed networks, with independently written networks, on the images \
         that this program decoded. The largest relative difference of test losses is {}. The number of correctly \
         classified images differs by at most {}.{others}",
        rows.len(),
        greatest(&all, "difference"),
        greatest(&all, "images_apart")
    );
    let mut groups: BTreeMap<(String, String), Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        groups.entry((shown(row.get("experiment")), shown(row.get("statistics")))).or_default().push(row);
    }
    let line = |((experiment, statistics), rows): ((String, String), Vec<&Row>)| {
        vec![
            Cell::Text(experiment),
            Cell::Text(value_label("statistics", &statistics).unwrap_or(statistics)),
            Cell::Number(rows.len().to_string()),
            Cell::Number(greatest(&rows, "difference")),
            Cell::Number(greatest(&rows, "images_apart")),
        ]
    };
    let head = [
        "experiment",
        "batch norm's statistics",
        "networks",
        "largest relative difference of test losses",
        "most images apart",
    ];
    let caption = format!("Trained networks in PyTorch; every evaluation: {FILE}");
    Ok(vec![
        Piece::Heading(2, "Trained networks evaluated in PyTorch".into(), "peer".into()),
        Piece::Paragraph(String::new(), text),
        Piece::Table(caption, head.map(str::to_owned).to_vec(), groups.into_iter().map(line).collect()),
        Piece::Up,
    ])
}
