//! The data of a training run: one set, or several in order of preference.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};

use super::{DataSet, Faults};

/// Name of the setting.
const DATA: &str = "data";

/// A data set, or several in order of preference, of which the first that is present is used. A run records the one it
/// used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum DataChoice {
    /// This set.
    One(DataSet),
    /// The first of these that is present.
    First(Vec<DataSet>),
}

// Not derived: an untagged enum would lose the reason why a name is refused.
impl<'de> Deserialize<'de> for DataChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            list @ Value::Array(_) => Vec::deserialize(list).map(Self::First).map_err(D::Error::custom),
            one => DataSet::deserialize(one).map(Self::One).map_err(D::Error::custom),
        }
    }
}

impl DataChoice {
    /// The sets in order of preference.
    pub fn sets(&self) -> &[DataSet] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::First(several) => several,
        }
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        faults.some(DATA, self.sets());
        for (i, set) in self.sets().iter().enumerate() {
            faults.require(!self.sets()[..i].contains(set), &format!("{DATA}[{i}]"), || {
                "named twice; name each data set once".into()
            });
        }
    }
}

/// The settings of a run with each set of a list as its data, in order of preference; the settings as they are if their
/// data is no list.
pub fn alternatives(settings: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let with = |set: &Value| {
        let mut settings = settings.clone();
        settings.insert(DATA.into(), set.clone());
        settings
    };
    match settings.get(DATA) {
        Some(Value::Array(several)) => several.iter().map(with).collect(),
        _ => vec![settings.clone()],
    }
}
