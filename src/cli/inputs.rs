//! What runs would read now, for a report that has to choose between records.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::data::data_folder;
use crate::definition::settings::Settings;
use crate::definition::{Definition, Loaded};
use crate::plan::canonical;
use crate::report::Inputs;
use crate::study::{Place, study};

use super::arguments::Common;

/// Digests of inputs by settings.
type Known = HashMap<String, Option<Map<String, Value>>>;

/// Reads the inputs of runs, each once.
#[derive(Debug)]
pub struct InputsHere {
    folders: HashMap<String, PathBuf>,
    data: Option<PathBuf>,
    known: Mutex<Known>,
}

impl InputsHere {
    /// The inputs of runs of some definitions.
    pub fn new(common: &Common, loaded: &[Loaded]) -> Self {
        let folder = |l: &Loaded| (l.definition.id.clone(), l.file.parent().map(ToOwned::to_owned).unwrap_or_default());
        let folders = loaded.iter().map(folder).collect();
        Self { folders, data: data_folder(common.data.as_deref()), known: Mutex::default() }
    }
}

impl Inputs for InputsHere {
    fn digests(
        &self,
        definition: &Definition,
        settings: &Map<String, Value>,
        data: bool,
    ) -> Option<Map<String, Value>> {
        let study = study(definition.study).ok()?;
        let settings = Settings::parse(definition.study, settings).ok()?;
        let definition = self.folders.get(&definition.id)?;
        let read = || {
            let place = Place { definition: definition.clone(), data: self.data.clone().filter(|_| data) };
            study.inputs(&place, &settings).ok()
        };
        let key = format!("{:?} {data} {definition:?} {}", study.kind(), canonical(&study.input_settings(&settings)));
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&key) {
            return found.clone();
        }
        // Without the lock, which other threads may wait for.
        let found = read();
        known().entry(key).or_insert(found).clone()
    }
}
