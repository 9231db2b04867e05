//! Rows of runs, one value per row.

use serde_json::Value;

use crate::definition::Profile;
use crate::record::Row;
use crate::report::RunResult;

/// The table that a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableKind {
    /// A setting of the run, or its seed. It has one row per run.
    Setting,
    /// A row of results.
    Rows,
    /// A training step.
    Steps,
}

impl TableKind {
    /// The word in the column `table`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Setting => "settings",
            Self::Rows => "rows",
            Self::Steps => "steps",
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Long {
    /// Id of the experiment.
    pub experiment: String,
    /// The profile.
    pub profile: &'static str,
    /// Id of the run.
    pub run: String,
    /// Seed of the run.
    pub seed: u64,
    /// The table that the value comes from.
    pub table: TableKind,
    /// Number of the row in its table, from 0. Always 0 for settings.
    pub row: u64,
    /// Name of the column.
    pub column: String,
    /// The value, if it is a number. Includes the non-finite numbers.
    pub value: Option<f64>,
    /// The value, if it is a text, or `true` or `false`.
    pub text: Option<String>,
}

/// The values of one run: its settings, its rows and, if `steps` is set, its training steps. Empty cells are left out.
pub fn long(experiment: &str, profile: Profile, run: &RunResult, steps: bool) -> Vec<Long> {
    let record = &run.loaded.record;
    let entry = |table, row: usize, column: &str, value: &Value| {
        let (value, text) = split(value)?;
        Some(Long {
            experiment: experiment.to_owned(),
            profile: profile.name(),
            run: record.run.clone(),
            seed: record.seed,
            table,
            row: row as u64,
            column: column.to_owned(),
            value,
            text,
        })
    };
    let logged = if steps { run.loaded.steps.as_slice() } else { &[] };
    let tables: [(TableKind, &[Row]); 3] = [
        (TableKind::Setting, std::slice::from_ref(&run.settings)),
        (TableKind::Rows, &run.loaded.rows),
        (TableKind::Steps, logged),
    ];
    let mut found = vec![];
    for (table, rows) in tables {
        for (number, row) in rows.iter().enumerate() {
            found.extend(row.iter().filter_map(|(column, value)| entry(table, number, column, value)));
        }
    }
    found
}

/// A cell as a number or a text; `None` if it is empty.
fn split(value: &Value) -> Option<(Option<f64>, Option<String>)> {
    match value {
        Value::Number(number) => Some((number.as_f64(), None)),
        // JSON has no such numbers.
        Value::String(text) if ["NaN", "inf", "-inf"].contains(&text.as_str()) => Some((text.parse().ok(), None)),
        Value::String(text) => Some((None, Some(text.clone()))),
        Value::Bool(flag) => Some((None, Some(flag.to_string()))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_a_number_a_text_or_empty() {
        assert_eq!(split(&json!(3)), Some((Some(3.0), None)));
        assert_eq!(split(&json!("-inf")), Some((Some(f64::NEG_INFINITY), None)));
        assert!(split(&json!("NaN")).is_some_and(|(value, text)| value.is_some_and(f64::is_nan) && text.is_none()));
        assert_eq!(split(&json!("rk4")), Some((None, Some("rk4".into()))));
        assert_eq!(split(&json!(true)), Some((None, Some("true".into()))));
        assert_eq!(split(&Value::Null), None);
    }
}
