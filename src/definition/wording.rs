//! What a parser refuses, in words for the author of a JSON file: what a field may contain instead of a type of the
//! program.

/// A text that no list of names contains.
pub const NO_NAME: &str = "?";

/// A parser's message with what was found and what is expected in words; `names` are the names that are allowed, if
/// they are known. Messages of other kinds stay as they are.
pub fn in_words(message: &str, names: Option<&str>) -> String {
    let (text, place) = split_place(message);
    let Some((found, kind)) = refused(text) else { return message.replacen("unknown variant `", "unknown value `", 1) };
    let (expected, comma) = (names.unwrap_or(&kind), if place.is_empty() { "" } else { "," });
    format!("{found}; expected {expected}{comma}{place}")
}

/// What is expected in place of a value of the wrong type, if that is what a parser's message reports.
pub fn expected(message: &str) -> Option<String> {
    refused(split_place(message).0).map(|(_, expected)| expected)
}

/// The names that a parser's message allows in place of [`NO_NAME`].
pub fn allowed_names(message: &str) -> Option<String> {
    let (text, _) = split_place(message);
    text.strip_prefix(&format!("unknown variant `{NO_NAME}`, expected ")).map(str::to_owned)
}

/// A message, and where in the text the fault is: ` at line 1 column 2`, or nothing.
fn split_place(message: &str) -> (&str, &str) {
    let place = message.rfind(" at line ").filter(|place| {
        let rest = &message[place + " at line ".len()..];
        rest.bytes().all(|b| b.is_ascii_digit() || b" column".contains(&b))
    });
    message.split_at(place.unwrap_or(message.len()))
}

/// What was found and what is expected, of a message about a value of the wrong type.
fn refused(text: &str) -> Option<(String, String)> {
    if let Some(rest) = text.strip_prefix("invalid length ") {
        let (length, wanted) = rest.split_once(", expected ")?;
        return Some((format!("a list of length {length}"), kind(wanted)?));
    }
    let rest = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "))?;
    let (found, wanted) = rest.rsplit_once(", expected ")?;
    let found = match (found, found.find(['`', '"'])) {
        ("sequence", _) => "a list".to_owned(),
        ("map", _) => "an object".to_owned(),
        ("unit variant", _) => "a name alone".to_owned(),
        // The value is in backquotes, or is a text in quotation marks.
        (_, Some(start)) if found[start..].starts_with('`') => found[start..].to_owned(),
        (_, Some(start)) => format!("`{}`", &found[start..]),
        (_, None) => format!("`{found}`"),
    };
    Some((found, kind(wanted)?))
}

/// A type of the program as what a file may contain.
fn kind(wanted: &str) -> Option<String> {
    if let Some(length) = wanted.strip_prefix("an array of length ") {
        return Some(format!("a list of {length} values"));
    }
    let words = match wanted {
        "u8" => "a whole number from 0 to 255",
        "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" => "a whole number from -128 to 127",
        "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text",
        "path string" => "a path, as a text",
        "a sequence" => "a list",
        "a map" => "an object",
        "string or map" => "a name, or an object with one field",
        "map with a single key" => "an object with one field",
        "variant identifier" => "a name",
        "unit" => "the name alone, as a text, or null",
        "newtype variant" => "an object with one field of this name",
        _ if wanted.starts_with("internally tagged enum ") => "an object with a field `kind`",
        _ if wanted.starts_with("struct ") => "an object",
        _ => return None,
    };
    Some(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_program_become_words() {
        for (message, words) in [
            ("invalid type: integer `5`, expected a sequence", "`5`; expected a list"),
            ("invalid value: integer `-1`, expected usize", "`-1`; expected a whole number from 0"),
            (
                "invalid type: floating point `1.5`, expected u64 at line 1 column 329",
                "`1.5`; expected a whole number from 0, at line 1 column 329",
            ),
            ("invalid type: string \"a, expected b\", expected f64", "`\"a, expected b\"`; expected a number"),
            ("invalid type: string \" at line 3\", expected a boolean", "`\" at line 3\"`; expected true or false"),
            ("invalid type: null, expected struct Claim", "`null`; expected an object"),
            ("invalid length 1, expected an array of length 2", "a list of length 1; expected a list of 2 values"),
            ("invalid length 0, expected struct Definition with 15 elements", "a list of length 0; expected an object"),
            (
                "invalid type: map, expected internally tagged enum P",
                "an object; expected an object with a field `kind`",
            ),
            ("invalid type: unit variant, expected struct variant", "a name alone; expected an object"),
            ("invalid type: integer `1`, expected unit", "`1`; expected the name alone, as a text, or null"),
            (
                "invalid type: unit variant, expected newtype variant",
                "a name alone; expected an object with one field of this name",
            ),
            ("unknown variant `x`, expected `a` or `b`", "unknown value `x`, expected `a` or `b`"),
            ("missing field `id` at line 1 column 2", "missing field `id` at line 1 column 2"),
            ("invalid type: integer `5`, expected a colour", "invalid type: integer `5`, expected a colour"),
        ] {
            assert_eq!(in_words(message, None), words);
        }
        let number = "invalid type: integer `5`, expected string or map at line 1 column 2";
        assert_eq!(in_words(number, Some("`a` or `b`")), "`5`; expected `a` or `b`, at line 1 column 2");
        assert_eq!(expected(number).as_deref(), Some("a name, or an object with one field"));
        assert_eq!(allowed_names("unknown variant `?`, expected `a` or `b`").as_deref(), Some("`a` or `b`"));
    }
}
