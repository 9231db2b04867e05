//! The reference page of the definition format: the JSON schema as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

/// Longest line of the page, in characters.
const WIDTH: usize = 120;

const HEAD: &str = "# The definition format

An experiment is one JSON file, `experiments/<paper>/<id>.json`. `anode check` reports errors with their positions.
Editors complete and check a file that names `../schema.json` as its `$schema`. `just book-reference` generates this
page from that schema.
";

/// The page for a schema as [`super::schema`] returns it.
pub fn reference(schema: &Value) -> String {
    let mut page = String::from(HEAD);
    section(&mut page, "Fields of a definition", schema, 2);
    page += "\n## Settings of each study\n\n";
    page += "The fields of `fixed` and of each grid in `grid` depend on `study`. In a grid, every field is a list\n\
             of values. A grid may also have the axis `seed`.\n";
    for condition in list(schema, "allOf") {
        let study = condition.pointer("/if/properties/study/const").and_then(Value::as_str).unwrap_or_default();
        let settings = condition.pointer("/then/properties/fixed").unwrap_or(&Value::Null);
        section(&mut page, &format!("Study `{study}`"), settings, 3);
    }
    page += "\n## Types\n";
    let types: BTreeMap<&String, &Value> =
        schema.get("$defs").and_then(Value::as_object).into_iter().flatten().collect();
    for (name, definition) in types {
        section(&mut page, name, definition, 3);
    }
    page
}

/// A heading, the description, and the fields or alternatives of a schema.
fn section(page: &mut String, title: &str, schema: &Value, level: usize) {
    let _ = writeln!(page, "\n{} {title}\n", "#".repeat(level));
    if let Some(text) = description(schema) {
        let _ = writeln!(page, "{}\n", wrapped(&text, ""));
    }
    fields(page, schema, "");
    for name in ["oneOf", "anyOf"] {
        for alternative in list(schema, name) {
            one_of(page, alternative);
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", plain(value))).collect();
        let _ = writeln!(page, "{}", wrapped(&format!("One of {}.", values.join(", ")), ""));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        let _ = writeln!(page, "A text that matches this expression:\n\n```text\n{}\n```", pattern.replace('|', "\n|"));
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
}

/// An alternative of a type: a constant, or an object or a reference with its description.
fn one_of(page: &mut String, schema: &Value) {
    let text = description(schema).unwrap_or_default();
    let constants = schema.get("const").into_iter().chain(list(schema, "enum"));
    let names: Vec<String> = constants.map(|value| format!("`{}`", plain(value))).collect();
    // A variant with fields is an object with one property, or one with a tag.
    let properties = schema.get("properties").and_then(Value::as_object);
    let tag = properties.and_then(|all| all.iter().find_map(|(name, value)| Some((name, value.get("const")?))));
    let name = match (names.is_empty(), tag, properties) {
        (false, ..) => names.join(", "),
        (_, Some((field, value)), _) => format!("`\"{field}\": \"{}\"`", plain(value)),
        (_, None, Some(all)) if all.len() == 1 => format!("`{}`", all.keys().next().map_or("", String::as_str)),
        _ => kind(schema),
    };
    let line = if text.is_empty() { format!("- {name}") } else { format!("- {name}: {text}") };
    let _ = writeln!(page, "{}", wrapped(&line, "  "));
    match properties {
        Some(all) if tag.is_none() && all.len() == 1 => {
            all.values().for_each(|inside| fields(page, inside, "  "));
        }
        Some(_) => fields(page, schema, "  "),
        None => {}
    }
}

/// The fields of an object: name, kind, whether they are required, description.
fn fields(page: &mut String, schema: &Value, indent: &str) {
    let required: Vec<&str> = list(schema, "required").filter_map(Value::as_str).collect();
    let empty = Map::new();
    for (name, field) in schema.get("properties").and_then(Value::as_object).unwrap_or(&empty) {
        if field.get("const").is_some() {
            continue;
        }
        // The settings of a study are in `fixed` or in `grid`, so the schema requires them in neither.
        let need = match schema.get("required") {
            None => "",
            Some(_) if required.contains(&name.as_str()) => ", required",
            Some(_) => ", optional",
        };
        let text = description(field).map(|text| format!(": {text}")).unwrap_or_default();
        let line = format!("{indent}- `{name}` ({}{need}){text}", kind(field));
        let _ = writeln!(page, "{}", wrapped(&line, &format!("{indent}  ")));
    }
}

/// The kind of a value in words, with links to the types of the page.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    let all: Vec<String> = list(schema, "anyOf").chain(list(schema, "oneOf")).map(kind).collect();
    if !all.is_empty() {
        return all.into_iter().filter(|kind| kind != "null").collect::<Vec<_>>().join(" or ");
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "array" => {
            let of = schema.get("items").map(kind).filter(|of| of != "any value");
            of.map_or_else(|| "list".into(), |of| format!("list of {of}"))
        }
        Some(Value::String(name)) if name == "object" => match schema.get("additionalProperties") {
            Some(values) if values.is_object() => format!("object of {}", kind(values)),
            _ => "object".into(),
        },
        Some(Value::String(name)) => word(name),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null").map(word);
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => schema.get("const").map_or_else(|| "any value".into(), |value| format!("`{}`", plain(value))),
    }
}

fn word(name: &str) -> String {
    match name {
        "string" => "text".into(),
        "boolean" => "true or false".into(),
        other => other.into(),
    }
}

fn description(schema: &Value) -> Option<String> {
    let text = schema.get("description").and_then(Value::as_str)?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn list<'a>(schema: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Breaks a text between words outside code spans, into lines of at most [`WIDTH`] characters. Lines after the first
/// start with `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    let (mut out, mut column, mut code) = (String::new(), 0, false);
    let start = text.len() - text.trim_start().len();
    out += &text[..start];
    column += start;
    for (i, word) in text.trim_start().split(' ').enumerate() {
        let length = word.chars().count();
        if i > 0 && !code && column + 1 + length > WIDTH {
            out = format!("{out}\n{indent}");
            column = indent.len();
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
        code ^= word.matches('`').count() % 2 == 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_alternatives_and_types_are_listed() {
        let schema = json!({
            "description": "A thing.", "required": ["id"],
            "properties": { "id": { "type": "string", "description": "Its\nname." }, "of": { "$ref": "#/$defs/Kind" } },
            "$defs": { "Kind": { "oneOf": [
                { "const": "round", "description": "A disc." },
                { "properties": { "box": { "properties": { "side": { "type": "number" } }, "required": ["side"] } } },
            ] } },
            "allOf": [{ "if": { "properties": { "study": { "const": "s" } } },
                "then": { "properties": { "fixed": { "properties": { "n": { "type": ["integer", "null"] } } } } } }],
        });
        let page = reference(&schema);
        for line in [
            "- `id` (text, required): Its name.",
            "- `of` ([Kind](#kind), optional)",
            "### Study `s`\n\n- `n` (integer)",
            "### Kind\n\n- `round`: A disc.\n- `box`\n  - `side` (number, required)",
        ] {
            assert!(page.contains(line), "`{line}` is not in\n{page}");
        }
    }

    #[test]
    fn lines_break_outside_code() {
        let text = format!("- {} `one two` end", "word ".repeat(23).trim_end());
        assert_eq!(wrapped(&text, "  "), format!("- {}\n  `one two` end", "word ".repeat(23).trim_end()));
    }
}
