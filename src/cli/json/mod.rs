//! The JSON that commands print with `--json`: each document has a name, a version and a schema that is generated from
//! its Rust type.

mod registry;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Value, json};

pub use registry::{DOCUMENTS, Entry, named};

/// A type that a command prints with `--json`.
pub trait Document: Serialize + JsonSchema {
    /// The name of its schema.
    const NAME: &'static str;
    /// Raised if a field is removed, renamed or changes its meaning. New fields do not raise it.
    const VERSION: u32;
}

/// Implements [`Document`] for a type: `document!(Listed, "list", 1)`.
macro_rules! document {
    ($type:ty, $name:literal, $version:literal) => {
        impl $crate::cli::json::Document for $type {
            const NAME: &'static str = $name;
            const VERSION: u32 = $version;
        }
    };
}
pub(super) use document;

/// A document with its name and version, as it is printed.
#[derive(Serialize)]
pub struct Envelope<'a, T> {
    schema: &'static str,
    version: u32,
    data: &'a T,
}

impl<'a, T: Document> Envelope<'a, T> {
    /// Wraps `data`.
    pub fn new(data: &'a T) -> Self {
        Self { schema: T::NAME, version: T::VERSION, data }
    }
}

/// The JSON schema (draft 2020-12) of a document, including its envelope.
pub fn schema(entry: &Entry) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator: SchemaGenerator = settings.into_generator();
    let data = (entry.data)(&mut generator);
    let commands: Vec<String> = entry.commands.iter().map(|command| format!("`anode {command}`")).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": entry.name,
        "description": if commands.is_empty() { entry.about.to_owned() } else {
            format!("{} Printed by {} with --json.", entry.about, commands.join(" and "))
        },
        "type": "object",
        "required": ["schema", "version", "data"],
        "additionalProperties": false,
        "properties": {
            "schema": { "const": entry.name },
            "version": { "const": entry.version },
            "data": data,
        },
        "$defs": generator.take_definitions(true),
    })
}
