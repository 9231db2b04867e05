//! The documentation site: complete, closed in itself, and its reference page generated from the schema.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(docs().join(name)).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}

/// The targets of the links of a page, without those of code blocks.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// The anchor that mdBook and GitHub give to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn pages() -> BTreeSet<String> {
    let names =
        std::fs::read_dir(docs()).expect("docs").flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect()
}

#[test]
fn the_reference_page_is_what_the_schema_gives() {
    let expected = anode::definition::reference(&anode::definition::schema());
    assert!(read("definition.md") == expected, "docs/definition.md is outdated: just book-reference");
}

#[test]
fn every_page_is_in_the_summary_once() {
    let listed = links(&read("SUMMARY.md"));
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), pages());
    assert_eq!(listed.len(), pages().len(), "a page is listed twice");
}

#[test]
fn links_stay_inside_the_site_and_reach_a_heading() {
    let mut seen = 0;
    for page in pages() {
        for link in links(&read(&page)) {
            if link.contains("://") {
                continue;
            }
            if link.ends_with(".svg") {
                assert!(docs().join(&link).is_file(), "{page}: {link} is no picture of the site");
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.as_str() } else { file };
            assert!(pages().contains(target), "{page}: {link} is no page of the site");
            let text = read(target);
            let mut headings =
                text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
            assert!(heading.is_empty() || headings.any(|h| anchor(h) == heading), "{page}: {link} has no heading");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} links");
}

#[test]
fn formulas_are_closed_and_passed_to_the_page() {
    let mut seen = 0;
    for page in pages() {
        let text = read(&page);
        seen += text.matches("```math").count() + text.matches("$`").count();
        let closed = |rest: &str| rest.split_once("`$").is_some_and(|(formula, _)| !formula.contains("\n\n"));
        assert!(text.split("$`").skip(1).all(closed), "{page}: a formula is not closed");
    }
    assert!(seen > 80, "{seen} formulas");
    let book = read("book.toml");
    assert!(book.contains("mathjax-support = true") && book.contains("additional-js = [\"math.js\"]"));
    assert!(docs().join("math.js").is_file());
}

#[test]
fn lines_of_the_documents_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let outside = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name));
    let mut long = vec![];
    for path in pages().into_iter().map(|page| docs().join(page)).chain(outside) {
        let text = std::fs::read_to_string(&path).expect("a document");
        // A row of a table cannot be broken.
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('|') && line.chars().count() > 120);
        long.extend(lines.map(|line| format!("{}: {line}", path.display())));
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
