//! What a definition must know of a study: its settings, their checks, and the columns that it writes.

use std::any::Any;
use std::ops::Deref;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Fault, StudyKind};
use crate::definition::columns::Written;
use crate::definition::{probe, wording};
use crate::nearest::with_suggestion;
use crate::objects::{NO_LIST, list_in};

/// The settings of a study.
pub trait StudySettings: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The columns and images of its runs.
    const WRITES: Written;

    /// Checks what types cannot say: every fault with the setting it is of.
    fn check(&self) -> Vec<Fault>;
}

/// The settings of one run, parsed once: a value of the type of its study ([`Self::typed`]), and the same settings as
/// JSON with every default filled in, which the run's id hashes. Dereferences to the JSON.
#[derive(Clone, Debug)]
pub struct Settings {
    json: Map<String, Value>,
    typed: Arc<dyn Any + Send + Sync>,
}

impl Settings {
    /// Parses the settings of a run of `study`, fills in the defaults, and checks them.
    ///
    /// # Errors
    /// Each setting at fault, by its path inside the settings, and why.
    pub fn parse(study: StudyKind, settings: &Map<String, Value>) -> Result<Self, Vec<Fault>> {
        (study.settings().read)(settings)
    }

    /// Creates settings from these values, which are not checked.
    ///
    /// # Errors
    /// Values that JSON cannot represent.
    pub fn new<S: StudySettings>(typed: S) -> Result<Self, Vec<Fault>> {
        match serde_json::to_value(&typed) {
            Ok(Value::Object(json)) => Ok(Self { json, typed: Arc::new(typed) }),
            Ok(_) | Err(_) => Err(vec![(".".into(), "settings that are not an object".into())]),
        }
    }

    /// Settings without a type, for an implementation of [`Study`](crate::study::Study) that reads the JSON. Nothing is
    /// checked, and the memory that such a run needs cannot be estimated.
    pub fn untyped(json: Map<String, Value>) -> Self {
        Self { json, typed: Arc::new(()) }
    }

    /// Returns the values, or `None` if `S` is not the type of the run's study.
    pub fn typed<S: StudySettings>(&self) -> Option<&S> {
        self.typed.downcast_ref()
    }

    /// Returns the JSON, as it is written to records.
    pub fn json(&self) -> &Map<String, Value> {
        &self.json
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Deref for Settings {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Map<String, Value> {
        &self.json
    }
}

/// Settings, or all that is wrong with them.
type Read = Result<Settings, Vec<Fault>>;

/// A settings type as functions, one for each use of it.
pub(in crate::definition) struct Type {
    /// Parses, fills in every default, and checks.
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
        vec![(e.path().to_string(), with_suggestion(&wording::in_words(&why, None)) + cure)]
    })?;
    let faults = typed.check();
    if !faults.is_empty() {
        return Err(faults);
    }
    let read = Settings::new(typed)?;
    match list_in(settings, &read.json) {
        Some(at) => Err(vec![(at, NO_LIST.to_owned())]),
        None => Ok(read),
    }
}
