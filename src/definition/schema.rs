//! The JSON schema of experiment files, generated from the types, with the settings of each study spelled out.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::points::SEED_AXIS;
use super::{Definition, StudyKind};

/// The schema, draft 2020-12: `fixed` and `grid` depend on `study`.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut root: Value = generator.root_schema_for::<Definition>().into();
    let studies: Vec<_> = StudyKind::ALL.iter().map(|study| (study, properties(*study, &mut generator))).collect();
    let conditions: Vec<Value> = studies.iter().map(|(study, properties)| condition(**study, properties)).collect();
    // Types that only the settings use are collected by the generator after the root was made.
    let more = generator.take_definitions(true);
    if let Some(definitions) = root.get_mut("$defs").and_then(Value::as_object_mut) {
        for (name, definition) in more {
            definitions.entry(name).or_insert(definition);
        }
    }
    root["allOf"] = Value::Array(conditions);
    root
}

/// The names of the settings of a study.
pub(super) fn setting_names(study: StudyKind) -> Vec<String> {
    properties(study, &mut SchemaSettings::draft2020_12().into_generator()).keys().cloned().collect()
}

fn properties(study: StudyKind, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let schema = (study.settings().schema)(generator);
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

fn condition(study: StudyKind, properties: &Map<String, Value>) -> Value {
    let fixed = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let seed = json!({ "description": "Master seed of these runs alone.", "type": "integer", "minimum": 0 });
    let axes: Map<String, Value> = properties
        .iter()
        .map(|(name, values)| (name.as_str(), values))
        .chain([(SEED_AXIS, &seed)])
        .map(|(name, values)| (name.to_owned(), json!({ "type": "array", "minItems": 1, "items": values })))
        .collect();
    let grid = json!({
        "type": "array",
        "minItems": 1,
        "items": { "type": "object", "additionalProperties": false, "properties": axes }
    });
    let over = json!({ "properties": { "fixed": fixed, "grid": { "anyOf": [grid, { "type": "null" }] } } });
    json!({
        "if": { "properties": { "study": { "const": study } } },
        "then": { "properties": {
            "fixed": fixed,
            "grid": grid,
            "profiles": { "additionalProperties": over }
        } }
    })
}
