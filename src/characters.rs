//! Characters of texts from elsewhere that a terminal or a browser would obey instead of showing them.

/// Whether a character controls a terminal, or the direction of the text after it: an override of the direction that is
/// left open would reverse words of this program.
pub fn is_control(c: char) -> bool {
    let directs = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    directs || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_embeddings_overrides_and_isolates_are_control_characters() {
        for c in "\u{1b}\n\u{85}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}".chars() {
            assert!(is_control(c), "{c:?}");
        }
        // Letters that are written from the right, joiners and spaces.
        for c in "a ä…\u{5d0}\u{627}\u{200b}\u{200d}\u{2029}\u{2065}\u{206a}".chars() {
            assert!(!is_control(c), "{c:?}");
        }
    }
}
