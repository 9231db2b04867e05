//! Refuses lists in place of JSON objects: serde accepts the list of a struct's fields for the struct.

use serde_json::{Map, Value};

/// The path of the first list in `found` in place of which `meant`, the value that was read from it, has an object.
/// `None` if there is none. The path of the whole value is empty.
pub fn list_for_object(found: &Value, meant: &Value) -> Option<String> {
    match (found, meant) {
        (Value::Array(_), Value::Object(_)) => Some(String::new()),
        (Value::Array(found), Value::Array(meant)) => {
            let mut pairs = found.iter().zip(meant).enumerate();
            pairs.find_map(|(i, (found, meant))| Some(joined(format!("[{i}]"), &list_for_object(found, meant)?)))
        }
        (Value::Object(found), Value::Object(meant)) => list_in(found, meant),
        _ => None,
    }
}

/// As [`list_for_object`], for two objects.
pub fn list_in(found: &Map<String, Value>, meant: &Map<String, Value>) -> Option<String> {
    found.iter().find_map(|(name, found)| Some(joined(name.clone(), &list_for_object(found, meant.get(name)?)?)))
}

/// A path with a first segment before it.
fn joined(first: String, rest: &str) -> String {
    if rest.is_empty() || rest.starts_with('[') { first + rest } else { format!("{first}.{rest}") }
}

/// Why a list is refused where an object is read.
pub const NO_LIST: &str = "a list; expected an object";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_in_place_of_an_object_is_found_at_any_depth() {
        let found = |found, meant| list_for_object(&found, &meant);
        assert_eq!(found(json!({ "a": [1, 2] }), json!({ "a": { "b": 1, "c": 2 } })), Some("a".into()));
        let nested = (json!({ "a": [{}, { "b": [[3]] }] }), json!({ "a": [{}, { "b": [{ "c": 3 }] }] }));
        assert_eq!(found(nested.0, nested.1), Some("a[1].b[0]".into()));
        assert_eq!(found(json!([1]), json!({ "a": 1 })), Some(String::new()));
        assert_eq!(found(json!({ "a": [1], "b": {} }), json!({ "a": [1], "b": { "c": null } })), None);
    }
}
