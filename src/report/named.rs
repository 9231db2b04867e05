//! Cells of tables as a reader sees them: values by their names, numbers in the unit of their column.

use serde_json::Value;

use crate::definition::{Definition, value_label};
use crate::record::{cell, number};

use super::results::{as_number, shown};
use super::seeds::Over;

/// A value of a column for a reader.
pub fn value(definition: &Definition, column: &str, value: Option<&Value>) -> String {
    let found = value.filter(|v| !v.is_null());
    if let Some(name) = found.and_then(|v| value_label(column, &cell(v))) {
        return name;
    }
    shown(found.map(|v| scaled(definition, column, v)).as_ref())
}

/// The values of a column over the seeds, in the unit of the column.
pub fn over(definition: &Definition, column: &str, over: &Over) -> Over {
    let per_unit = definition.heading(column).per_unit;
    match over {
        Over::Same(value) => match value_label(column, &cell(value)) {
            Some(name) => Over::Same(name.into()),
            None => Over::Same(scaled(definition, column, value)),
        },
        Over::Numbers(numbers) => Over::Numbers(numbers.iter().map(|x| x / per_unit).collect()),
        Over::Texts(texts) => {
            Over::Texts(texts.iter().map(|t| value_label(column, t).unwrap_or_else(|| t.clone())).collect())
        }
    }
}

fn scaled(definition: &Definition, column: &str, value: &Value) -> Value {
    let per_unit = definition.heading(column).per_unit;
    match as_number(Some(value)) {
        Some(x) if per_unit != 1.0 => number(x / per_unit),
        _ => value.clone(),
    }
}
