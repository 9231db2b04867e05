//! The report as a document: written once, rendered as Markdown and as HTML.

use super::chart::Pieces;

/// A piece of the report. Texts are plain; the renderers escape them.
pub enum Piece {
    /// A heading of a level from 1, with an anchor.
    Heading(usize, String, String),
    /// A paragraph; its first part, if any, is set in bold.
    Paragraph(String, String),
    /// A text that ends in a link to a file: text, words of the link, path relative to the report.
    Reference(String, String, String),
    /// A list of short texts.
    List(Vec<String>),
    /// A numbered list of longer texts.
    Entries(Vec<Entry>),
    /// A table: caption, header, rows of cells.
    Table(String, Vec<String>, Vec<Vec<Cell>>),
    /// A chart: SVG text, path of its file relative to the report, description.
    Figure {
        /// SVG.
        svg: String,
        /// The same in pieces that a page sets itself, where it has some.
        pieces: Option<Pieces>,
        /// Relative path of the file.
        path: String,
        /// Description for readers who do not see it.
        description: String,
    },
    /// Pieces that a page shows on demand: what is in them, an anchor, the pieces.
    Fold(String, String, Vec<Piece>),
    /// The way back to the summary.
    Up,
}

/// A text in a numbered list.
pub struct Entry {
    /// Topic of the entry, set in bold.
    pub lead: String,
    /// The text.
    pub text: String,
    /// Links at its end: text, anchor. A text without an anchor is no link.
    pub links: Vec<(String, Option<String>)>,
}

/// Anchor of the top of the report, and the words that lead there.
pub const TOP: (&str, &str) = ("top", "Back to the summary");

/// A cell of a table.
pub enum Cell {
    /// Text.
    Text(String),
    /// Text that links to an anchor of the report.
    Link(String, String),
    /// A number: set to the right.
    Number(String),
    /// A verdict: its word decides its colour.
    Verdict(String),
}

/// The mark before a verdict's word, so that colour is never the only sign.
pub fn mark(verdict: &str) -> &'static str {
    match verdict {
        "confirmed" => "✓",
        "contradicted" => "✗",
        "inconclusive" => "?",
        _ => "–",
    }
}
