//! What lines, panels and axes are called.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::definition::{Axis, Lines, assignment, heading, run_label, value_label};
use crate::record::{Row, cell};
use crate::report::results::{Results, as_number, shown};

/// An axis for a reader.
pub struct AxisName {
    /// Label with unit.
    pub label: String,
    /// The number in the column that one unit of the label stands for.
    pub per_unit: f64,
}

/// The label that the figure, the experiment or the program has for an axis.
pub fn axis(axis: &Axis, results: &Results) -> AxisName {
    match &axis.label {
        Some(label) => AxisName { label: label.clone(), per_unit: 1.0 },
        None => {
            let heading = results.definition.heading(&axis.column);
            AxisName { label: heading.to_string(), per_unit: heading.per_unit }
        }
    }
}

/// Most lines of a chart, in all of its panels. Committed charts have up to 40.
pub const MOST_LINES: usize = 600;

/// The names of a chart's lines, in the order in which they are found.
pub struct Names<'a> {
    /// The names.
    pub all: Vec<String>,
    /// Whether there are more lines than a chart can have.
    pub more: bool,
    /// Places by name and exact numbers.
    places: BTreeMap<(String, String), usize>,
    series: Vec<String>,
    results: &'a Results<'a>,
}

impl<'a> Names<'a> {
    /// No names yet. Of the columns that name a line, those count that differ between `rows`, or all where none does.
    pub fn new(lines: &Lines, results: &'a Results<'a>, rows: &[&Row]) -> Self {
        let differs = |column: &&String| rows.iter().any(|row| row.get(*column) != rows[0].get(*column));
        let varying: Vec<String> = lines.series.iter().filter(differs).cloned().collect();
        let series = if varying.is_empty() { lines.series.clone() } else { varying };
        Self { all: vec![], more: false, places: BTreeMap::new(), series, results }
    }

    /// The place of the name of a row's line; `None` for a new line beyond [`MOST_LINES`].
    pub fn of(&mut self, row: &Row) -> Option<usize> {
        let name = named(self.results, row, &self.series);
        // Numbers that look alike when they are rounded are different lines.
        let numbers = self.series.iter().filter_map(|column| as_number(row.get(column)));
        let exact = numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
        let key = (name, exact);
        if let Some(&place) = self.places.get(&key) {
            return Some(place);
        }
        if self.all.len() == MOST_LINES {
            self.more = true;
            return None;
        }
        let alike = self.places.iter().find(|((name, _), _)| *name == key.0).map(|((_, exact), place)| (exact, *place));
        let mut name = key.0.clone();
        if let Some((other, place)) = alike {
            self.all[place] = format!("{name} ({other})");
            name = format!("{name} ({})", key.1);
        }
        self.all.push(name);
        self.places.insert(key, self.all.len() - 1);
        Some(self.all.len() - 1)
    }
}

/// The name of a line for readers, from the values of the `columns` by which lines differ.
pub fn named(results: &Results, row: &Row, columns: &[String]) -> String {
    let setting = |column: &str| row.get(column).map(cell);
    let asked = |column: &str| columns.iter().any(|c| c == column);
    let run = run_label(setting).filter(|_| asked("form") || (asked("method") && row.contains_key("form")));
    // Beside a name, neither what it stands for nor a setting that is as always needs a mention.
    let stands_for = |column: &str| ["form", "method"].contains(&column);
    let plain = |column: &str| matches!(row.get(column), None | Some(Value::Null | Value::Bool(false)));
    let rest = columns.iter().filter(|c| run.is_none() || !(stands_for(c) || plain(c)));
    let rest = rest.map(|column| of_value(results, row, column)).filter(|text| !text.is_empty());
    run.map(str::to_owned).into_iter().chain(rest).collect::<Vec<_>>().join(", ")
}

/// A value with its column, as a reader says it; empty where there is none.
pub fn of_value(results: &Results, row: &Row, column: &str) -> String {
    let value = match row.get(column) {
        // A setting that is left out is off, if it has a name for that.
        None | Some(Value::Null) => return value_label(column, "false").unwrap_or_default(),
        Some(value) => value,
    };
    let (text, short) = (cell(value), shown(Some(value)));
    let own = results.definition.heading(column).name;
    if value_label(column, &text).is_none() && own != heading(column).name {
        return format!("{own} {short}");
    }
    // 100.0 is called as 100 is.
    let text = if value_label(column, &text).is_some() { text } else { short.clone() };
    match value {
        Value::String(text) if value_label(column, text).is_none() => text.clone(),
        _ => assignment(column, &text, &short),
    }
}
