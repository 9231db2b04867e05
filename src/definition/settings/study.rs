//! What a definition must know of a study: its settings, their checks, and the columns that it writes.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Fault;
use crate::definition::columns::Written;
use crate::definition::probe;
use crate::nearest::with_suggestion;

/// The settings of a study.
pub trait StudySettings: Serialize + DeserializeOwned + JsonSchema {
    /// The columns and images of its runs.
    const WRITES: Written;

    /// Checks what types cannot say: every fault with the setting it is of.
    fn check(&self) -> Vec<Fault>;
}

/// Settings with every default filled in, or all that is wrong with them.
type Read = Result<Map<String, Value>, Vec<Fault>>;

/// A settings type as functions, one for each use of it.
pub(in crate::definition) struct Type {
    /// Fills in every default, and checks.
    pub read: fn(&Map<String, Value>) -> Read,
    /// Why the type refuses a value.
    pub refusal: fn(&Value) -> Option<String>,
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    pub writes: Written,
}

impl Type {
    pub(super) fn of<S: StudySettings>() -> Self {
        Self {
            read: read::<S>,
            refusal: |value| S::deserialize(value).err().map(|error| error.to_string()),
            schema: S::json_schema,
            writes: S::WRITES,
        }
    }
}

fn read<S: StudySettings>(settings: &Map<String, Value>) -> Read {
    let typed: S = serde_path_to_error::deserialize(Value::Object(settings.clone())).map_err(|e| {
        let why = e.inner().to_string();
        let absent = probe::is_absence(&why) && e.path().iter().next().is_none();
        let cure = if absent { "; name it in `fixed` or as an axis of the grid" } else { "" };
        vec![(e.path().to_string(), with_suggestion(&why) + cure)]
    })?;
    let faults = typed.check();
    if !faults.is_empty() {
        return Err(faults);
    }
    match serde_json::to_value(&typed) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) | Err(_) => Err(vec![(".".into(), "settings that are not an object".into())]),
    }
}
