//! The id of a run: a hash of everything that decides its numbers.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::digest::sha256;

use super::Record;
use super::numerics::numerics;

/// The id of a run of this version of the program: sixteen hexadecimal digits. Neither threads, nor profile, nor the
/// experiment's name decide numbers, so they are not part of it.
pub fn run_id(
    study: StudyKind,
    settings: &Map<String, Value>,
    seed: u64,
    inputs: &Map<String, Value>,
    device: &str,
) -> String {
    hash(numerics(study, settings), study, settings, seed, inputs, device)
}

fn hash(
    numerics: u32,
    study: StudyKind,
    settings: &Map<String, Value>,
    seed: u64,
    inputs: &Map<String, Value>,
    device: &str,
) -> String {
    let study = serde_json::to_value(study).unwrap_or_default();
    // The keys are sorted, as in canonical JSON.
    let mut text = format!(r#"{{"device":{},"inputs":"#, Value::from(device));
    write_object(inputs, &mut text);
    let _ = write!(text, r#","numerics":{numerics},"seed":{seed},"settings":"#);
    write_object(settings, &mut text);
    let _ = write!(text, r#","study":{study}}}"#);
    sha256(text.as_bytes())[..16].to_owned()
}

impl Record {
    /// The id that follows from what the record says. It differs from [`Record::run`] in a record that was changed.
    pub fn own_id(&self) -> String {
        let device = &self.environment.device;
        hash(self.numerics, self.study, &self.settings, self.seed, &self.inputs, device)
    }

    /// Whether this version of the program would compute the same numbers.
    pub fn is_current(&self) -> bool {
        self.numerics == numerics(self.study, &self.settings)
    }
}

/// JSON with sorted keys and no spaces.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

/// Appends [`canonical`] of `value`. Writing to a text cannot fail.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => write_object(map, text),
        Value::Array(list) => {
            text.push('[');
            for (place, element) in list.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_canonical(element, text);
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

fn write_object(map: &Map<String, Value>, text: &mut String) {
    let mut fields: Vec<(&String, &Value)> = map.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    text.push('{');
    for (place, (key, value)) in fields.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        match serde_json::to_string(key) {
            Ok(quoted) => text.push_str(&quoted),
            Err(_) => text.push_str("null"),
        }
        text.push(':');
        write_canonical(value, text);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(settings: &str) -> String {
        let settings: Map<String, Value> = serde_json::from_str(settings).unwrap();
        run_id(StudyKind::Training, &settings, 1, &Map::new(), "cpu")
    }

    /// The text that is hashed, built as one JSON value.
    #[test]
    fn the_id_is_the_hash_of_canonical_json() {
        let settings: Map<String, Value> =
            serde_json::from_str(r#"{"z": [1, 2.5e-4, null], "a\"b": {"y": true, "x": "\u00e4\n"}}"#).unwrap();
        let inputs: Map<String, Value> = serde_json::from_str(r#"{"test": "12", "a": "34"}"#).unwrap();
        let all = serde_json::json!({
            "numerics": 3, "study": "training", "settings": settings, "seed": 7, "inputs": inputs, "device": "cpu",
        });
        let text = canonical(&all);
        assert!(
            text.starts_with(r#"{"device":"cpu","inputs":{"a":"34","test":"12"},"numerics":3,"seed":7,"settings":{"a"#)
        );
        assert!(text.ends_with(r#""z":[1,0.00025,null]},"study":"training"}"#), "{text}");
        let expected = &sha256(text.as_bytes())[..16];
        assert_eq!(hash(3, StudyKind::Training, &settings, 7, &inputs, "cpu"), expected);
    }

    #[test]
    fn the_id_does_not_depend_on_the_order_of_keys_but_on_every_value() {
        let first = id(r#"{"a": 1, "b": {"c": 2, "d": [3, 4]}}"#);
        assert_eq!(first, id(r#"{"b": {"d": [3, 4], "c": 2}, "a": 1}"#));
        for other in [
            r#"{"a": 2, "b": {"c": 2, "d": [3, 4]}}"#,
            r#"{"a": 1, "b": {"c": 2, "d": [4, 3]}}"#,
            r#"{"a": 1, "b": {"c": 2}, "d": [3, 4]}"#,
            r#"{"a": "1", "b": {"c": 2, "d": [3, 4]}}"#,
        ] {
            assert_ne!(first, id(other), "{other}");
        }
        let settings = Map::new();
        let with = |numerics, seed, device| hash(numerics, StudyKind::Training, &settings, seed, &Map::new(), device);
        assert_ne!(with(4, 1, "cpu"), with(4, 2, "cpu"));
        assert_ne!(with(4, 1, "cpu"), with(4, 1, "cuda"));
        assert_ne!(with(4, 1, "cpu"), with(5, 1, "cpu"));
    }
}
