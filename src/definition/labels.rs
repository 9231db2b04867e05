//! Names for readers: what columns, settings and their values are called in charts, tables and messages. The names are
//! data, in `labels.json`; a definition may call its own columns otherwise.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Definition;

/// The table, embedded. Its tests show that it can be read; without it every column has its own name.
static LABELS: LazyLock<Labels> =
    LazyLock::new(|| serde_json::from_str(include_str!("labels.json")).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    columns: BTreeMap<String, ColumnLabel>,
    values: Vec<ValueLabels>,
    runs: Vec<RunLabel>,
    styles: BTreeMap<String, String>,
}

/// Name, symbol and unit of a column of numbers or settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnLabel {
    /// Name of the column, with its symbol if it has one.
    pub name: String,
    /// The symbol alone, for labels such as `symbol = value`.
    #[serde(default)]
    pub symbol: Option<String>,
    /// The unit in which it is shown.
    #[serde(default)]
    pub unit: Option<String>,
    /// The number in the column that one unit stands for: 1048576 for bytes shown in MiB.
    #[serde(default = "one")]
    pub per_unit: f64,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueLabels {
    columns: Vec<String>,
    names: BTreeMap<String, String>,
}

/// A name for runs with some settings together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunLabel {
    #[serde(rename = "where")]
    filter: BTreeMap<String, String>,
    name: String,
}

/// A column's name and unit for a reader.
#[derive(Clone, Debug, PartialEq)]
pub struct Heading {
    /// Name.
    pub name: String,
    /// Unit; absent for pure numbers and texts.
    pub unit: Option<String>,
    /// The number in the column that one unit stands for.
    pub per_unit: f64,
}

impl std::fmt::Display for Heading {
    /// `test accuracy (%)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.unit {
            Some(unit) => write!(f, "{} ({unit})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The label of a column, if it has one. A label `*.d` is that of every column that ends in `.d`.
pub fn column_label(column: &str) -> Option<&'static ColumnLabel> {
    LABELS.columns.get(column).or_else(|| LABELS.columns.get(&format!("*{}", &column[column.rfind('.')?..])))
}

/// A column for a reader: its label, or its own name in words.
pub fn heading(column: &str) -> Heading {
    match column_label(column) {
        Some(label) => Heading { name: label.name.clone(), unit: label.unit.clone(), per_unit: label.per_unit },
        None => Heading { name: column.replace('_', " "), unit: None, per_unit: 1.0 },
    }
}

/// The name of a column's value, if it has one. A label `revolve:*` is that of every `revolve:` with its rest.
pub fn value_label(column: &str, value: &str) -> Option<String> {
    let values = LABELS.values.iter().find(|v| v.columns.iter().any(|c| c == column))?;
    if let Some(name) = values.names.get(value) {
        return Some(name.clone());
    }
    values.names.iter().find_map(|(pattern, name)| {
        let rest = value.strip_prefix(pattern.strip_suffix('*')?)?;
        Some(name.replace('*', rest))
    })
}

/// A value with its column for a reader: its name, or `symbol = value`, or `name value`.
pub fn assignment(column: &str, value: &str, shown: &str) -> String {
    if let Some(name) = value_label(column, value) {
        return name;
    }
    match column_label(column) {
        Some(ColumnLabel { symbol: Some(symbol), .. }) => format!("{symbol} = {shown}"),
        _ => format!("{} {shown}", heading(column).name),
    }
}

/// What a person calls the run whose settings `setting` gives: a name that stands for form and method. `None` for
/// settings that have no such name.
pub fn run_label(setting: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let fits = |run: &&RunLabel| run.filter.iter().all(|(column, value)| setting(column).as_ref() == Some(value));
    LABELS.runs.iter().find(fits).map(|run| run.name.as_str())
}

/// The fixed colour and marker of a line by its name, such as `blue circle`; `None` if it has none.
pub fn style_label(name: &str) -> Option<&'static str> {
    if let Some(style) = LABELS.styles.get(name) {
        return Some(style);
    }
    let fits = |pattern: &str| {
        pattern.split_once('*').is_some_and(|(before, after)| {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        })
    };
    LABELS.styles.iter().find(|(pattern, _)| fits(pattern)).map(|(_, style)| style.as_str())
}

/// Columns and values that have names, each with its name: `(column, None, name)` or `(column, Some(value), name)`.
pub fn all_labels() -> Vec<(&'static str, Option<&'static str>, &'static str)> {
    let columns = LABELS.columns.iter().map(|(c, label)| (c.as_str(), None, label.name.as_str()));
    let values = LABELS.values.iter().flat_map(|v| {
        let each = |c: &'static String| v.names.iter().map(move |(k, n)| (c.as_str(), Some(k.as_str()), n.as_str()));
        v.columns.iter().flat_map(each)
    });
    columns.chain(values).collect()
}

impl Definition {
    /// What a column is called here: as one of the metrics says, or else as everywhere.
    pub fn heading(&self, column: &str) -> Heading {
        let metric = self.metrics.iter().find(|m| m.column == column);
        let own = heading(column);
        match metric.and_then(|m| Some((m.label.clone()?, m.unit.clone()))) {
            Some((name, Some(unit))) => Heading { name, unit: Some(unit), per_unit: 1.0 },
            Some((name, None)) => Heading { name, ..own },
            None => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::settings::MethodName;
    use crate::{net, ode};

    #[test]
    fn the_table_is_read_and_names_what_is_registered() {
        let labels = serde_json::from_str::<Labels>(include_str!("labels.json")).unwrap();
        // A solver or a network without a label is shown by its own name.
        for values in labels.values {
            for name in values.names.keys() {
                let has = |column: &str| values.columns.iter().any(|c| c == column);
                assert!(!has("solver") || ode::solver_names().contains(&name.as_str()), "solver {name}");
                assert!(!has("net") || net::network_names().contains(&name.as_str()), "network {name}");
            }
        }
        let methods = ["full", "anode", "uniform:2", "revolve:3", "online:4", "within:1KiB", "reverse-time"];
        let rest = ["stored-adjoint", "interpolated-adjoint", "leapfrog", "reversible", MethodName::TAPE];
        for method in methods.into_iter().chain(rest) {
            assert!(value_label("method", method).is_some(), "method {method}");
        }
    }

    #[test]
    fn names_are_found_by_value_by_pattern_and_by_combination() {
        assert_eq!(value_label("method", "revolve:3").as_deref(), Some("Revolve, 3 snapshots"));
        assert_eq!(value_label("method", "other"), None);
        assert_eq!(assignment("solver", "euler", "euler"), "Explicit Euler");
        assert_eq!(assignment("problem.c", "100", "100"), "c = 100");
        assert_eq!(assignment("my_own", "1", "1"), "my own 1");
        assert_eq!(heading("test_accuracy").to_string(), "test accuracy (%)");
        assert_eq!(heading("segment1.conv0.diffusion").name, "diffusion coefficient d");
        let run = |form: &str, method: &str| {
            let setting = |c: &str| match c {
                "form" => Some(form.to_owned()),
                "method" => Some(method.to_owned()),
                _ => None,
            };
            run_label(setting)
        };
        assert_eq!(run("ode", "reverse-time"), Some("Neural ODE (reverse time)"));
        assert_eq!(run("configuration-2", "anode"), Some("Configuration 2"));
        assert_eq!(run("ode", "revolve:3"), None);
    }

    #[test]
    fn every_style_is_that_of_a_name_and_two_names_of_a_kind_never_share_one() {
        let of = |column: &str| -> Vec<&str> {
            let values = LABELS.values.iter().find(|v| v.columns.iter().any(|c| c == column)).unwrap();
            values.names.values().filter_map(|name| style_label(name)).collect()
        };
        for column in ["solver", "activation", "terms", "form", "method"] {
            let styles = of(column);
            let distinct: std::collections::BTreeSet<_> = styles.iter().collect();
            assert!(distinct.len() == styles.len() || column == "activation", "{column}: {styles:?}");
        }
    }
}
