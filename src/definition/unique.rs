//! Refuses JSON objects that name a key twice: a reader would silently keep the last value and lose the others. Finds
//! values that a list repeats.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The place of the first repetition of each value that a list repeats. Numbers agree by value, and objects whatever
/// the order of their fields.
pub fn repetitions(values: &[Value]) -> Vec<usize> {
    let (mut seen, mut repeated) = (HashSet::new(), HashSet::new());
    let is_first = |(_, value): &(usize, &Value)| {
        let text = unordered(value);
        !seen.insert(text.clone()) && repeated.insert(text)
    };
    values.iter().enumerate().filter(is_first).map(|(place, _)| place).collect()
}

/// A value as a text that is equal for equal values.
fn unordered(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(unordered).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let field = |(name, value): (&String, &Value)| format!("{name:?}:{}", unordered(value));
            let mut fields: Vec<String> = map.iter().map(field).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        // A whole number may be larger than those that a float represents exactly.
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// Any JSON in which every object names each key once.
pub struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Unique>()?;
            if let Some(twice) = seen.replace(key) {
                return Err(A::Error::custom(format!("`{twice}` is named twice; name each key once")));
            }
        }
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
        while list.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repetition_is_found_once_for_each_value() {
        let found = |values: Value| repetitions(values.as_array().expect("a list"));
        assert_eq!(found(json!([4, 4, 4, 8, 4, 8])), [1, 5]);
        assert_eq!(found(json!([1, 1.0, "1", [1], [1.0]])), [1, 4]);
        let (one, other) = (json!({ "kind": "fixed", "steps": [4] }), json!({ "steps": [4], "kind": "fixed" }));
        assert_eq!(found(json!([one, other, { "kind": "fixed", "steps": [4, 8] }])), [1]);
        assert!(found(json!([9_007_199_254_740_992_u64, 9_007_199_254_740_993_u64])).is_empty());
        assert!(found(json!([])).is_empty());
    }
}
