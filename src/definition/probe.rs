//! Finds where inside a setting a fault stands, by trying its parts alone.
//!
//! Serde forgets the place inside an enum that is tagged by `kind`, and stops at the first fault. So each part is read
//! without its neighbours: what is then still refused, other than for the neighbours' absence, is at fault itself.

use serde_json::{Map, Value};

use super::settings::Fault;
use super::wording::{self, NO_NAME};

/// Reads a value, and says why it is refused.
type Read<'a> = &'a dyn Fn(&Value) -> Option<String>;

/// Every fault inside `value`, with paths that start at it: empty, `.steps[1]`. A missing neighbour is none.
pub fn faults(value: &Value, read: Read) -> Vec<Fault> {
    let Some(why) = read(value).filter(|why| !is_absence(why)) else { return vec![] };
    let inside = match value {
        Value::Array(list) if !refuses(read, Value::Array(vec![]), "invalid type: sequence") => {
            let alone = |part: &Value| read(&Value::Array(vec![part.clone()]));
            under(list.iter().enumerate().map(|(i, part)| (format!("[{i}]"), faults(part, &alone))))
        }
        Value::Object(map) if !refuses(read, Value::Object(Map::new()), "invalid type: map") => {
            let kind = map.get("kind");
            let only = kind.map(|kind| (kind, only_kind(kind.clone())));
            if let Some((kind, why)) = only.and_then(|(kind, only)| Some((kind, read(&only)?)))
                && !is_absence(&why)
            {
                let alone = |kind: &Value| read(&only_kind(kind.clone()));
                return vec![(".kind".into(), told(kind, &why, &alone))];
            }
            under(map.iter().filter(|(key, _)| *key != "kind").map(|(key, part)| {
                let alone = |part: &Value| {
                    let kind = kind.map(|kind| ("kind".to_owned(), kind.clone()));
                    read(&Value::Object(kind.into_iter().chain([(key.clone(), part.clone())]).collect()))
                };
                (format!(".{key}"), faults(part, &alone))
            }))
        }
        _ => vec![],
    };
    if inside.is_empty() { vec![(String::new(), told(value, &why, read))] } else { inside }
}

/// Whether an empty list or object is refused as such, so that no part of one is at fault.
fn refuses(read: Read, empty: Value, because: &str) -> bool {
    read(&empty).is_some_and(|why| why.starts_with(because))
}

/// An object with a field `kind` alone.
fn only_kind(kind: Value) -> Value {
    Value::Object(Map::from_iter([("kind".to_owned(), kind)]))
}

/// A value, and why it is refused: of a value of the wrong type, which names or what else is allowed.
fn told(value: &Value, why: &str, read: Read) -> String {
    let Some(expected) = wording::expected(why) else { return format!("`{value}`: {}", wording::in_words(why, None)) };
    let names = |asked: &Value| wording::allowed_names(&read(asked)?);
    let no_name = || Value::String(NO_NAME.to_owned());
    if let Some(names) = names(&no_name()) {
        return format!("`{value}`; expected {names}");
    }
    match names(&only_kind(no_name())) {
        Some(names) => format!("`{value}`; expected {expected}: {names}"),
        None => format!("`{value}`; expected {expected}"),
    }
}

/// Whether serde refuses for want of a field.
pub fn is_absence(why: &str) -> bool {
    why.starts_with("missing field")
}

fn under(parts: impl Iterator<Item = (String, Vec<Fault>)>) -> Vec<Fault> {
    parts.flat_map(|(at, found)| found.into_iter().map(move |(rest, why)| (format!("{at}{rest}"), why))).collect()
}

/// One setting as the whole of its settings.
pub fn alone(key: &str, value: &Value) -> Value {
    Value::Object(Map::from_iter([(key.to_owned(), value.clone())]))
}
