//! Texts of definitions and records on their way into a document: no control characters, and no longer than a reader
//! reads.

use std::borrow::Cow;

use crate::characters::is_control;
use crate::definition::Profile;

/// Most characters of a line in a chart.
pub const LINE: usize = 200;
/// Most characters of a cell of a table.
pub const CELL: usize = 1000;
/// Most characters of the description of a chart.
pub const DESCRIPTION: usize = 4000;

/// The text with at most `most` characters; what is left out is marked by an ellipsis.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A character as it may stand in XML, HTML and Markdown: other white space is a space, and what is neither printed nor
/// white space, which XML forbids or which turns the direction of the text, is the replacement character.
pub fn printable(c: char) -> char {
    match c {
        '\n' => c,
        '\t' | '\r' | '\u{85}' => ' ',
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        _ if is_control(c) => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// One line of a chart: printable, cut to [`LINE`].
pub fn line(text: &str) -> String {
    cut(text, LINE).chars().map(|c| if c == '\n' { ' ' } else { printable(c) }).collect()
}

/// A profile at the start of a title: `Standard profile`.
pub fn profile(profile: Profile) -> String {
    let name = profile.name();
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{} profile", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_lose_their_control_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(line("a\u{0}b\u{1b}[2J\nc\td\u{ffff}"), "a\u{fffd}b\u{fffd}[2J c d\u{fffd}");
        assert_eq!(line("a\u{202e}b\u{2066}c\u{200f}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(line(&"x".repeat(100_000)).chars().count(), LINE + 1);
    }
}
