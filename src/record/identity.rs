//! The id of a run: a hash of everything that decides its numbers.

use serde_json::{Map, Value, json};

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
    let all = json!({
        "numerics": numerics, "study": study, "settings": settings, "seed": seed, "inputs": inputs, "device": device,
    });
    sha256(canonical(&all).as_bytes())[..16].to_owned()
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
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let fields = keys.iter().map(|k| format!("{}:{}", Value::String((*k).clone()), canonical(&map[*k])));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(settings: &str) -> String {
        let settings: Map<String, Value> = serde_json::from_str(settings).unwrap();
        run_id(StudyKind::Training, &settings, 1, &Map::new(), "cpu")
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
