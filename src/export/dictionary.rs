//! The meaning, type and unit of every column.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::definition::columns::{Column, written};
use crate::definition::{StudyKind, heading, schema};

use super::{Long, TableKind};

/// A column of an exported table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The kind of study.
    pub study: String,
    /// The table that has the column.
    pub table: TableKind,
    /// Name of the column.
    pub column: String,
    /// `number` or `text`.
    pub kind: &'static str,
    /// The unit; `1` for a pure number, empty for a text.
    pub unit: &'static str,
    /// Label of the column in the report.
    pub label: String,
    /// Description of the values.
    pub meaning: String,
}

/// The columns of values, gathered part by part.
#[derive(Debug, Default)]
pub struct Dictionary {
    /// Whether a column holds numbers, by study, table and name.
    columns: BTreeMap<(StudyKind, TableKind, String), bool>,
}

impl Dictionary {
    /// Adds the columns of `values`, which are results of `study`.
    pub fn add(&mut self, study: StudyKind, values: &[Long]) {
        for value in values {
            let numeric = value.value.is_some();
            *self.columns.entry((study, value.table, value.column.clone())).or_default() |= numeric;
        }
    }

    /// The terms of all columns, sorted by study, table and column.
    pub fn terms(self) -> Vec<Term> {
        let schema = schema();
        let term = |((study, table, column), numeric): ((StudyKind, TableKind, String), bool)| {
            let own = match table {
                TableKind::Setting => None,
                TableKind::Rows => written(study).rows.iter().find(|own| own.is(&column)),
                TableKind::Steps => written(study).steps.iter().find(|own| own.is(&column)),
            };
            let meaning = match own {
                Some(own) => own.about.to_owned(),
                None => about_setting(&schema, &word(study), &column),
            };
            Term {
                study: word(study),
                table,
                kind: if numeric { "number" } else { "text" },
                unit: if numeric { own.map_or("1", unit) } else { "" },
                label: heading(&column).name,
                meaning,
                column,
            }
        };
        self.columns.into_iter().map(term).collect()
    }
}

fn word(study: StudyKind) -> String {
    serde_json::to_value(study).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The unit of a column of numbers, which its description names at its end.
fn unit(column: &Column) -> &'static str {
    match column.about {
        about if about.ends_with(", s") => "s",
        about if about.ends_with(", bytes") || about.starts_with("bytes") => "bytes",
        _ => "1",
    }
}

/// The description of a setting in the schema of definitions. A part of a setting has that of the whole.
fn about_setting(schema: &Value, study: &str, column: &str) -> String {
    if column == "seed" {
        return "Master seed of the run.".into();
    }
    let name = column.split('.').next().unwrap_or(column);
    let condition = |one: &&Value| one.pointer("/if/properties/study/const").is_some_and(|found| found == study);
    let own = schema["allOf"].as_array().into_iter().flatten().find(condition);
    let setting = own.and_then(|own| own.pointer("/then/properties/fixed/properties")?.get(name));
    let described = |value: &Value| value["description"].as_str().map(str::to_owned);
    let referred = |value: &Value| {
        let name = value["$ref"].as_str()?.strip_prefix("#/$defs/")?;
        described(&schema["$defs"][name])
    };
    setting.and_then(|setting| described(setting).or_else(|| referred(setting))).unwrap_or_else(|| heading(column).name)
}
