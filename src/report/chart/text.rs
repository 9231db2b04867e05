//! Texts in lines of a width.

use super::canvas::text_width;

/// A text in lines of at most `width` points, broken between words, at most `most` of them; the last ends in dots where
/// more would follow.
pub fn wrapped(text: &str, size: f64, width: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    // No chart shows more of a text than this.
    for word in text.split_whitespace().take(200) {
        let word = shortened(word, size, width);
        let joined = lines.last().map(|line| format!("{line} {word}"));
        match joined.filter(|joined| text_width(joined, size) <= width) {
            Some(joined) => {
                if let Some(line) = lines.last_mut() {
                    *line = joined;
                }
            }
            None if lines.len() == most => {
                if let Some(line) = lines.last_mut() {
                    *line = shortened(&format!("{line} …{word}"), size, width);
                }
                break;
            }
            None => lines.push(word),
        }
    }
    lines
}

/// A text that fits a width: cut, with dots, where it does not.
pub fn shortened(text: &str, size: f64, width: f64) -> String {
    if text.len() <= 400 && text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut letters: Vec<char> = text.chars().take(400).collect();
    while letters.len() > 1 && text_width(&format!("{}…", letters.iter().collect::<String>()), size) > width {
        letters.pop();
    }
    format!("{}…", letters.iter().collect::<String>().trim_end_matches(['…', ' ', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_lose_no_word_where_there_is_room() {
        let text = "relative error of the gradient with respect to W";
        let lines = wrapped(text, 12.0, 200.0, 3);
        assert!(lines.len() == 2 && lines.join(" ") == text, "{lines:?}");
        assert!(lines.iter().all(|line| text_width(line, 12.0) <= 200.0));
        let cut = wrapped(&"word ".repeat(100_000), 12.0, 200.0, 2);
        assert!(cut.len() == 2 && cut[1].ends_with('…'), "{cut:?}");
        assert!(cut.iter().chain(&wrapped(&"x".repeat(100_000), 12.0, 200.0, 2)).all(|l| text_width(l, 12.0) <= 200.0));
    }
}
