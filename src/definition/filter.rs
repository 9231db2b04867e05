//! Filters: which rows of a table are meant.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Column -> the values that select a row.
pub type Filter = BTreeMap<String, Wanted>;

/// The values of a column that select a row. Lists come first: serde would read a list of two numbers as a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Wanted {
    /// Any of these values.
    Any(Vec<Value>),
    /// Any number in a closed range.
    Range(Range),
    /// This value; null for an empty cell.
    One(#[schemars(schema_with = "scalar")] Value),
}

/// A closed range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Smallest number.
    pub from: f64,
    /// Largest number.
    pub to: f64,
}

fn scalar(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number", "boolean", "null"] })
}
