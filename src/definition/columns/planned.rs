//! The settings of all planned runs of a definition, as columns with the values they take.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The settings of the runs of all profiles of a definition, with their values.
#[derive(Debug, Default)]
pub struct Planned {
    columns: BTreeMap<String, PlannedColumn>,
    /// Elements of settings that are lists, by the setting's name.
    lists: BTreeMap<String, BTreeSet<String>>,
    points: usize,
}

#[derive(Debug, Default)]
struct PlannedColumn {
    /// The values, as [`key`] writes them.
    values: BTreeSet<String>,
    points: usize,
}

impl Planned {
    /// Adds a point of a grid with its seeds.
    pub fn add(&mut self, settings: &Map<String, Value>, seeds: &[u64]) {
        self.points += 1;
        for (name, value) in flat(settings, 0).into_iter().filter(|(name, _)| name != "seed") {
            let column = self.columns.entry(name).or_default();
            column.points += 1;
            column.values.insert(key(&value));
        }
        let column = self.columns.entry("seed".into()).or_default();
        column.points += 1;
        column.values.extend(seeds.iter().map(|&seed| key(&seed.into())));
        for (name, value) in settings {
            if let Value::Array(list) = value {
                let elements = self.lists.entry(name.clone()).or_default();
                elements.extend(list.iter().map(key));
            }
        }
    }

    /// Whether there is no point at all.
    pub fn is_empty(&self) -> bool {
        self.points == 0
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The values of a column, as `key` writes them; `None` if no run has the column.
    pub fn values(&self, column: &str) -> Option<&BTreeSet<String>> {
        self.columns.get(column).map(|column| &column.values)
    }

    /// The values that a setting lists.
    pub fn listed(&self, setting: &str) -> Option<&BTreeSet<String>> {
        self.lists.get(setting)
    }

    /// Whether a run has no value in a column.
    pub fn some_lack(&self, column: &str) -> bool {
        self.columns.get(column).is_none_or(|column| column.points < self.points)
    }
}

/// A value as a text that is equal for equal values: numbers agree by value, and texts are quoted.
pub fn key(value: &Value) -> String {
    match value {
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), |x| x.to_string()),
        other => other.to_string(),
    }
}

/// Settings and seed as columns with dotted names: `problem.c`. Lists are left out, since a study gives their values in
/// its rows.
pub fn flat(settings: &Map<String, Value>, seed: u64) -> Map<String, Value> {
    fn walk(prefix: &str, value: &Value, row: &mut Map<String, Value>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    walk(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, value, row);
                }
            }
            Value::Array(_) | Value::Null => {}
            other => {
                row.insert(prefix.to_owned(), other.clone());
            }
        }
    }
    let mut row = Map::new();
    walk("", &Value::Object(settings.clone()), &mut row);
    row.insert("seed".into(), seed.into());
    row
}
