//! Documents that the program prints with `--json`, checked against their schemas.

use anode::cli::json::{named, schema};
use serde_json::Value;

/// The data of a document, which must be valid against the schema of this name.
pub fn data(printed: &[u8], name: &str) -> Value {
    let text = String::from_utf8_lossy(printed);
    let document: Value = serde_json::from_slice(printed).unwrap_or_else(|error| panic!("{name}: {error} in {text}"));
    let entry = named(name).unwrap_or_else(|| panic!("no schema `{name}`"));
    let validator = jsonschema::validator_for(&schema(entry)).expect("a schema");
    let faults: Vec<String> =
        validator.iter_errors(&document).map(|fault| format!("{}: {fault}", fault.instance_path)).collect();
    assert!(faults.is_empty(), "{name}: {}\n{text}", faults.join("\n"));
    document["data"].clone()
}
