//! The JSON schema of experiment files, generated from the types, with the settings of each study spelled out.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::Definition;
use super::points::SEED_AXIS;
use super::settings::{
    CoupledGradientSettings, GradientErrorSettings, KernelEvolutionSettings, MemorySettings, NetworkCostSettings,
    ReversibilitySettings, SchedulesSettings, TrainingSettings,
};

/// The schema, draft 2020-12: `fixed` and `grid` depend on `study`.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut root: Value = generator.root_schema_for::<Definition>().into();
    let studies = [
        ("reversibility", properties::<ReversibilitySettings>(&mut generator)),
        ("gradient-error", properties::<GradientErrorSettings>(&mut generator)),
        ("memory", properties::<MemorySettings>(&mut generator)),
        ("schedules", properties::<SchedulesSettings>(&mut generator)),
        ("kernel-evolution", properties::<KernelEvolutionSettings>(&mut generator)),
        ("coupled-gradient", properties::<CoupledGradientSettings>(&mut generator)),
        ("network-cost", properties::<NetworkCostSettings>(&mut generator)),
        ("training", properties::<TrainingSettings>(&mut generator)),
    ];
    let conditions: Vec<Value> = studies.iter().map(|(study, properties)| condition(study, properties)).collect();
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

fn properties<S: JsonSchema>(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let schema = S::json_schema(generator);
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

fn condition(study: &str, properties: &Map<String, Value>) -> Value {
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
