//! Parts of the report as plain text, for a terminal.

use super::document::{Cell, Piece, mark};
use super::text;

/// Renders a document in lines of at most `width` characters, apart from tables, whose last column alone is wrapped.
pub fn plain(pieces: &[Piece], width: usize) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Heading(_, title, _) => out += &format!("{}\n\n", printable(title)),
            Piece::Paragraph(lead, text) => {
                let words = if lead.is_empty() { text.clone() } else { format!("{lead} {text}") };
                out += &format!("{}\n\n", wrapped(&printable(&words), width, 0));
            }
            Piece::Reference(text, link, path) => {
                let words = if link == path { format!("{text} {path}.") } else { format!("{text} {link} ({path}).") };
                out += &format!("{}\n\n", wrapped(&printable(&words), width, 0));
            }
            Piece::Fold(what, _, inside) => match &inside[..] {
                [Piece::Paragraph(_, text)] => {
                    out += &format!("{}\n\n", wrapped(&printable(&format!("{what}: {text}")), width, 0));
                }
                _ => {
                    let what = wrapped(&printable(what), width, 0);
                    out += &format!("{what}\n\n{}\n\n", plain(inside, width));
                }
            },
            Piece::List(items) => {
                items.iter().for_each(|item| out += &format!("- {}\n", wrapped(&printable(item), width, 2)));
                out.push('\n');
            }
            Piece::Entries(entries) => {
                for (i, entry) in entries.iter().enumerate() {
                    let words = printable(&format!("{}. {}. {}", i + 1, entry.lead, entry.text));
                    out += &format!("{}\n", wrapped(&words, width, 3));
                }
                out.push('\n');
            }
            Piece::Table(caption, head, rows) => {
                if !caption.is_empty() {
                    out += &format!("{}\n", wrapped(&printable(caption), width, 0));
                }
                out += &table(head, rows, width);
                out.push('\n');
            }
            Piece::Figure { path, .. } => out += &format!("{path}\n\n"),
            Piece::Up => {}
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn table(head: &[String], rows: &[Vec<Cell>], width: usize) -> String {
    let texts: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let head: Vec<String> = head.iter().map(|name| printable(&text::cut(name, text::CELL))).collect();
    let right = |i: usize| rows.first().and_then(|row| row.get(i)).is_some_and(|c| matches!(c, Cell::Number(_)));
    let size = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..head.len())
        .map(|i| texts.iter().filter_map(|row| row.get(i)).chain([&head[i]]).map(size).max().unwrap_or(0))
        .collect();
    let indent: usize = widths.iter().rev().skip(1).map(|w| w + 2).sum();
    let line = |cells: &[String]| {
        let mut line = String::new();
        for (i, (text, &own)) in cells.iter().zip(&widths).enumerate() {
            line += &match (right(i), i + 1 == cells.len()) {
                (true, _) => format!("{text:>own$}  "),
                (false, false) => format!("{text:own$}  "),
                (false, true) => wrapped(text, width.saturating_sub(indent).max(40), 0)
                    .replace('\n', &format!("\n{}", " ".repeat(indent))),
            };
        }
        line.trim_end().to_owned() + "\n"
    };
    std::iter::once(line(&head)).chain(texts.iter().map(|row| line(row))).collect()
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(of) | Cell::Number(of) | Cell::Link(of, _) => printable(&text::cut(of, text::CELL)),
        Cell::Verdict(word) => format!("{} {word}", mark(word)),
    }
}

/// Without control characters, which a terminal would interpret.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { ' ' } else { text::printable(c) }).collect()
}

/// Breaks a text between words; lines after the first are indented.
pub fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out += &format!("\n{}", " ".repeat(indent));
            column = indent;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_fits_the_terminal_and_has_no_control_characters() {
        let pieces = [
            Piece::Heading(1, "A title\u{1b}[2J".into(), "a".into()),
            Piece::Paragraph("Lead:".into(), "one two three four".into()),
            Piece::Table(
                "Rows".into(),
                vec!["name".into(), "number".into(), "text".into()],
                vec![vec![
                    Cell::Verdict("confirmed".into()),
                    Cell::Number("1.5".into()),
                    Cell::Text("word ".repeat(12)),
                ]],
            ),
        ];
        let text = plain(&pieces, 16);
        assert!(text.starts_with("A title\u{fffd}[2J\n\nLead: one two\nthree four\n\nRows\n"), "{text}");
        assert!(text.contains("\nname         number  text\n✓ confirmed     1.5  word word"), "{text}");
        assert!(text.lines().last().unwrap().starts_with("                     word"), "{text}");
    }
}
