//! The report as one self-contained page: no request leaves it, it reads on a phone, prints, and follows the reader's
//! light or dark scheme.

use super::chart::{dark_rules, plain};
use super::document::{Cell, Entry, Piece, TOP, mark};
use super::text;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #202124; --soft: #5a5f66; --paper: #fff; --line: #d7dadf;
  --head: #f2f4f7; --link: #0b57a4; --good: #0a6b3d; --bad: #a8260b; --open: #7a5200; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6e7ea; --soft: #adb2ba; --paper: #15171a;
  --line: #3a3e45; --head: #1f2226; --link: #8ab8f5; --good: #6fd3a0; --bad: #ff9c85; --open: #f0c368; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 4rem; max-width: 76rem; font: 16px/1.55 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
p, ul, ol, figure { max-width: 62rem; }
.findings li { margin: 0.5rem 0; } .see { color: var(--soft); font-size: 0.875rem; }
h1 { font-size: 1.7rem; line-height: 1.25; }
h2 { font-size: 1.3rem; margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin-top: 1.6rem; }
a { color: var(--link); }
details { margin: 0.8rem 0; } summary { cursor: pointer; color: var(--soft); }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.875rem; line-height: 1.4; }
caption { text-align: left; color: var(--soft); padding-bottom: 0.3rem; }
caption span { display: block; max-width: min(62rem, calc(100vw - 3rem)); position: sticky; left: 0; }
th, td { border-bottom: 1px solid var(--line); padding: 0.24rem 0.7rem; text-align: left; vertical-align: top; }
table.wide td, table.wide th { white-space: nowrap; }
th { background: var(--head); } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { white-space: nowrap; font-weight: 600; }
.confirmed { color: var(--good); } .contradicted { color: var(--bad); }
.inconclusive { color: var(--open); } .not-run { color: var(--soft); }
figure { margin: 1.2rem 0; border: 1px solid var(--line); border-radius: 6px; padding: 0.6rem; overflow-x: auto; }
figure svg { display: block; max-width: 100%; height: auto; } figure .whole svg { min-width: 26rem; }
figure p { font-size: 0.8rem; color: var(--soft); margin: 0.2rem 0; }
.panels { display: flex; flex-wrap: wrap; align-items: flex-start; } .panels svg { flex: 0 1 auto; }
@media (max-width: 40rem) {
  table.stack, .stack caption, .stack tbody, .stack tr, .stack td { display: block; width: 100%; }
  .stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .stack tr { border-bottom: 1px solid var(--line); padding: 0.5rem 0; }
  .stack td, .stack td.n { border: 0; padding: 0.05rem 0; text-align: left; white-space: normal; }
  .stack td::before { content: attr(data-head) \": \"; color: var(--soft); font-weight: 400; }
}
@page { size: A4; margin: 10mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 7.4pt; line-height: 1.2; }
  p, ul, ol, figure { max-width: none; margin: 0.3em 0; }
  main { columns: 2; column-gap: 6mm; }
  main > :has(~ .findings), .findings, .findings + p, .scroll:has(th:nth-child(5)) { column-span: all; }
  .up, details, figure.quick { display: none; }
  h1 { font-size: 15pt; margin: 0; } h2 { margin: 0.8em 0 0.2em; padding-top: 0.2em; font-size: 11pt; }
  h3 { margin: 0.4em 0 0.2em; font-size: 9pt; }
  .findings li { margin: 0.15em 0; } .see { font-size: 7pt; }
  h2, h3, caption, figcaption, thead { break-after: avoid; } figure, tr { break-inside: avoid; }
  tbody tr:first-child, tbody tr:last-child { break-before: avoid; }
  .scroll, figure { overflow: visible; margin: 0.25em 0; }
  figure { border: 0; padding: 0 2mm 0 0; display: block; width: 100%; } figure p { font-size: 6.2pt; margin: 0; }
  figure p:nth-of-type(n+3) { display: none; }
  figure:has(.panels svg:nth-of-type(2)) { width: 100%; } figcaption { font-size: 7.5pt; line-height: 1.2; }
  .panels svg { max-width: 100%; max-height: 36mm; width: auto; } .panels svg:not(:only-of-type) { max-width: 49%; }
  .legend svg { max-height: 12mm; max-width: 100%; width: auto; }
  main > figure:first-of-type { column-span: all; }
  main > figure:first-of-type .panels svg { width: 49%; max-height: 54mm; }
  figure .whole svg { min-width: 0; max-height: 55mm; width: auto; }
  table { width: 100%; font-size: 6.4pt; line-height: 1.18; } caption span { max-width: none; position: static; }
  th, td { padding: 0.05rem 0.25rem; }
  th { white-space: nowrap; }
  /* Rows of many columns are in files; on paper their headings would not fit on a line. */
  .scroll:has(table.wide) { display: none; }
}
";

/// Renders a document under a title.
pub fn html(title: &str, pieces: &[Piece]) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}{}</style>\n</head>\n<body>\n<main>\n",
        escape(title),
        dark_rules("figure ")
    );
    for piece in pieces {
        out += &render(piece);
    }
    out += "</main>\n</body>\n</html>\n";
    out
}

fn render(piece: &Piece) -> String {
    match piece {
        Piece::Heading(level, text, anchor) => {
            format!("<h{level} id=\"{}\">{}</h{level}>\n", escape(anchor), escape(text))
        }
        Piece::Paragraph(lead, text) if lead.is_empty() => format!("<p>{}</p>\n", escape(text)),
        Piece::Paragraph(lead, text) => format!("<p><strong>{}</strong> {}</p>\n", escape(lead), escape(text)),
        Piece::Reference(text, link, path) => {
            format!("<p>{} <a href=\"{}\">{}</a>.</p>\n", escape(text), escape(path), escape(link))
        }
        Piece::List(items) => {
            let items: String = items.iter().map(|i| format!("<li>{}</li>\n", escape(i))).collect();
            format!("<ul>\n{items}</ul>\n")
        }
        Piece::Entries(entries) => {
            let items: String = entries.iter().map(entry).collect();
            format!("<ol class=\"findings\">\n{items}</ol>\n")
        }
        Piece::Table(caption, head, rows) => table(caption, head, rows),
        Piece::Fold(what, anchor, inside) => {
            let inside: String = inside.iter().map(render).collect();
            let (what, anchor) = (escape(what), escape(anchor));
            format!("<details id=\"{anchor}\"><summary>{what}</summary>\n{inside}</details>\n")
        }
        Piece::Up => format!("<p class=\"up\"><a href=\"#{}\">{}</a></p>\n", TOP.0, TOP.1),
        Piece::Figure { svg, pieces, description, path } => {
            let label = escape(&text::cut(description, text::DESCRIPTION));
            let drawn = |svgs: &str, class: &str| {
                format!("<div class=\"{class}\" role=\"img\" aria-label=\"{label}\">{svgs}</div>")
            };
            // Charts of the quick profile decide nothing, and are left out on paper.
            let quick = if path.ends_with(".quick.svg") { " class=\"quick\"" } else { "" };
            match pieces {
                // A chart has a size; with a view box it shrinks on a phone.
                None => format!("<figure tabindex=\"0\"{quick}>{}</figure>\n", drawn(&responsive(svg), "whole")),
                // Panels are side by side if the page is wide enough, else stacked.
                Some(pieces) => {
                    let title = format!("<strong>{}</strong> {}", escape(&pieces.title), escape(&pieces.subtitle));
                    let notes: String = pieces.notes.iter().map(|n| format!("<p>{}</p>", escape(n))).collect();
                    let panels: String = pieces.panels.iter().map(|svg| responsive(svg)).collect();
                    let legend = pieces.legend.as_ref().map(|svg| responsive(svg)).unwrap_or_default();
                    let legend = format!("<div class=\"legend\" aria-hidden=\"true\">{legend}</div>");
                    let panels = drawn(&panels, "panels");
                    let caption = format!("<figcaption>{title}</figcaption>");
                    format!("<figure tabindex=\"0\"{quick}>{caption}{panels}{legend}{notes}</figure>\n")
                }
            }
        }
    }
}

fn entry(entry: &Entry) -> String {
    let link = |(text, anchor): &(String, Option<String>)| match anchor {
        Some(anchor) => format!("<a href=\"#{}\">{}</a>", escape(anchor), escape(text)),
        None => escape(text),
    };
    let links: Vec<String> = entry.links.iter().map(link).collect();
    let (lead, text) = (escape(&entry.lead), escape(&entry.text));
    format!("<li><strong>{lead}.</strong> {text} <span class=\"see\">({})</span></li>\n", links.join(", "))
}

/// Most columns of a table whose rows a phone shows one below the other, instead of scrolling.
const MOST_STACKED: usize = 6;

/// A table. Stacked tables have explicit roles, because elements displayed as blocks lose theirs.
fn table(caption: &str, head: &[String], rows: &[Vec<Cell>]) -> String {
    let stacked = head.len() <= MOST_STACKED;
    let role = |name: &str| if stacked { format!(" role=\"{name}\"") } else { String::new() };
    let right = |i: usize| rows.first().and_then(|r| r.get(i)).is_some_and(|c| matches!(c, Cell::Number(_)));
    let title = |(i, text): (usize, &String)| {
        let class = if right(i) { " class=\"n\"" } else { "" };
        format!("<th scope=\"col\"{}{class}>{}</th>", role("columnheader"), escape(text))
    };
    let titles: String = head.iter().enumerate().map(title).collect();
    let row = |row: &Vec<Cell>| {
        let cells: String = row.iter().zip(head).map(|(c, head)| cell(c, stacked.then_some(head.as_str()))).collect();
        format!("<tr{}>{cells}</tr>\n", role("row"))
    };
    let body: String = rows.iter().map(row).collect();
    let caption_tag =
        if caption.is_empty() { String::new() } else { format!("<caption><span>{}</span></caption>", escape(caption)) };
    // Few columns of prose wrap; many columns of numbers scroll.
    let class = match head.len() {
        _ if stacked => "stack",
        ..=13 => "wide",
        // On paper their heads must break inside words.
        _ => "wide many",
    };
    let label = if caption.is_empty() { "table".into() } else { escape(caption) };
    let (table, group, line) = (role("table"), role("rowgroup"), role("row"));
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{label}\">\
         <table{table} class=\"{class}\">{caption_tag}\
         <thead{group}><tr{line}>{titles}</tr></thead>\n<tbody{group}>\n{body}</tbody></table></div>\n"
    )
}

/// A cell; with `head`, which a phone prints before it.
fn cell(cell: &Cell, head: Option<&str>) -> String {
    let stacked = head.map(|h| format!(" role=\"cell\" data-head=\"{}\"", escape(h))).unwrap_or_default();
    let (class, content) = match cell {
        Cell::Text(text) => (String::new(), shown(text)),
        Cell::Number(text) => (" class=\"n\"".into(), shown(text)),
        Cell::Link(text, anchor) => (String::new(), format!("<a href=\"#{}\">{}</a>", escape(anchor), shown(text))),
        Cell::Verdict(word) => (
            format!(" class=\"verdict {}\"", escape(&word.replace(' ', "-"))),
            format!("{} {}", mark(word), escape(word)),
        ),
    };
    format!("<td{class}{stacked}>{content}</td>")
}

/// The text of a cell, escaped, as long as a reader reads.
fn shown(of: &str) -> String {
    escape(&text::cut(of, text::CELL))
}

/// Returns the drawing without the namespace, which HTML does not need, and with the font stated once.
fn responsive(svg: &str) -> String {
    let Some(start) = svg.find("<svg") else { return String::new() };
    let svg = plain(svg);
    let text = svg[start..]
        .replacen("<svg ", "<svg aria-hidden=\"true\" ", 1)
        .replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
    let font = text.find("font-family=\"").map(|at| {
        let end = at + 13 + text[at + 13..].find('"').map_or(0, |n| n + 1);
        text[at..end].to_owned()
    });
    match font {
        Some(font) => text.replace(&format!("{font} "), "").replacen("<svg", &format!("<svg {font}"), 1),
        None => text,
    }
}

/// Escapes text for HTML, in which no control characters may stand.
pub fn escape(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            _ => out.push(text::printable(c)),
        }
    }
    out
}
