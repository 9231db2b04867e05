//! The report as Markdown.

use super::document::{Cell, Piece, TOP, mark};
use super::text;

/// Renders a document.
pub fn markdown(pieces: &[Piece]) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Heading(level, text, anchor) => {
                // An explicit anchor, since renderers differ in how they make one from a heading.
                out += &format!("<a id=\"{anchor}\"></a>\n\n{} {}\n\n", "#".repeat(*level), escape(text));
            }
            Piece::Paragraph(lead, text) if lead.is_empty() => out += &format!("{}\n\n", escape(text)),
            Piece::Paragraph(lead, text) => out += &format!("**{}** {}\n\n", escape(lead), escape(text)),
            Piece::Reference(text, link, path) => out += &format!("{} [{}]({path}).\n\n", escape(text), escape(link)),
            Piece::List(items) => {
                for item in items {
                    out += &format!("- {}\n", escape(item));
                }
                out.push('\n');
            }
            Piece::Entries(entries) => {
                let link = |(text, anchor): &(String, Option<String>)| match anchor {
                    Some(anchor) => format!("[{}](#{anchor})", escape(text)),
                    None => escape(text),
                };
                for (i, entry) in entries.iter().enumerate() {
                    let links: Vec<String> = entry.links.iter().map(link).collect();
                    let (lead, text) = (escape(&entry.lead), escape(&entry.text));
                    out += &format!("{}. **{lead}.** {text} ({})\n", i + 1, links.join(", "));
                }
                out.push('\n');
            }
            Piece::Table(caption, head, rows) => {
                if !caption.is_empty() {
                    out += &format!("{}\n\n", escape(caption));
                }
                out += &format!("| {} |\n", head.iter().map(|h| escape(h)).collect::<Vec<_>>().join(" | "));
                let right =
                    |i: usize| rows.first().and_then(|r| r.get(i)).is_some_and(|c| matches!(c, Cell::Number(_)));
                let rule = (0..head.len()).map(|i| if right(i) { "---:" } else { "---" });
                out += &format!("| {} |\n", rule.collect::<Vec<_>>().join(" | "));
                for row in rows {
                    out += &format!("| {} |\n", row.iter().map(cell).collect::<Vec<_>>().join(" | "));
                }
                out.push('\n');
            }
            Piece::Fold(what, anchor, inside) => {
                let what = escape(what);
                out += &format!("<a id=\"{anchor}\"></a>\n\n<details>\n<summary>{what}</summary>\n\n");
                out += &markdown(inside);
                out += "</details>\n\n";
            }
            Piece::Up => out += &format!("[{}](#{})\n\n", TOP.1, TOP.0),
            Piece::Figure { path, description, .. } => {
                let description = text::cut(description, text::DESCRIPTION);
                out += &format!("![{}]({path})\n\n", escape(&description));
            }
        }
    }
    out
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(of) | Cell::Number(of) => escape(&text::cut(of, text::CELL)),
        Cell::Link(of, anchor) => format!("[{}](#{anchor})", escape(&text::cut(of, text::CELL))),
        Cell::Verdict(word) => format!("{} {}", mark(word), escape(word)),
    }
}

/// Escapes what Markdown or a table would read as markup, or as the name of a character (`&lt;`).
fn escape(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len());
    let mut characters = plain.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // Before a space it begins no name.
            '&' if characters.peek().is_some_and(|next| next.is_ascii_alphanumeric() || *next == '#') => {
                out += "&amp;";
            }
            '|' | '*' | '_' | '`' | '[' | ']' | '#' | '\\' => out.extend(['\\', c]),
            '<' => out += "&lt;",
            '\n' => out.push(' '),
            _ => out.push(text::printable(c)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_as_it_is_written() {
        assert_eq!(escape("&lt;b&gt; &#60;b&#x3e;"), "&amp;lt;b&amp;gt; &amp;\\#60;b&amp;\\#x3e;");
        assert_eq!(escape("Griewank & Walther <AT&T> &"), "Griewank & Walther &lt;AT&amp;T> &");
        assert_eq!(escape("a|b_c\n\u{202e}d"), "a\\|b\\_c \u{fffd}d");
    }
}
