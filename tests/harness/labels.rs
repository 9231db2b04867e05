//! What is published calls things as a reader does: no raw names of columns or settings in charts and tables.

use std::path::Path;

use anode::definition::all_labels;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Raw names of columns that no reader would take for words.
fn columns() -> Vec<&'static str> {
    let all = all_labels().into_iter().filter(|(_, value, _)| value.is_none()).map(|(column, ..)| column);
    all.filter(|column| column.contains(['_', '.']) && !column.contains('*')).collect()
}

/// The rows of the tables of a Markdown text, cell by cell, without escapes.
fn tables(text: &str) -> Vec<Vec<String>> {
    let plain = |cell: &str| cell.trim().replace('\\', "");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(plain).collect()).collect()
}

#[test]
fn no_table_of_the_report_has_a_raw_name() {
    let text = std::fs::read_to_string(root().join("results/REPORT.md")).expect("a report");
    let rows = tables(&text);
    assert!(rows.len() > 300, "{} rows", rows.len());
    let columns = columns();
    let word = |w: &str| w.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    for cell in rows.iter().flatten() {
        let found = cell.split_whitespace().map(word).find(|w| columns.contains(&w.as_str()));
        assert!(found.is_none(), "`{}` in `{cell}`", found.unwrap_or_default());
    }
    let values: Vec<&str> = all_labels().into_iter().filter_map(|(_, value, _)| value).collect();
    let raw = ["reverse-time", "resnet4", "euler", "rk4", "f64", "cifar10-jpeg", "configuration-1", "leaky-relu"];
    assert!(raw.iter().all(|name| values.contains(name)), "every one of these has a name");
    for cell in rows.iter().flatten() {
        assert!(!raw.contains(&cell.as_str()), "a cell is `{cell}`");
        let named = |name: &&str| cell.split([' ', ':', ',', ';']).any(|word| word == *name);
        let found = ["resnet4", "resnet10", "resnet18", "alexnet", "sqnxt"].iter().find(|name| named(name));
        assert!(found.is_none(), "a network has no label in `{cell}`");
    }
}

#[test]
fn what_is_published_is_small_enough_to_be_looked_at() {
    let size = |folder: &Path| -> (usize, u64) {
        let mut folders = vec![folder.to_owned()];
        let (mut count, mut bytes) = (0, 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
                let about = entry.metadata().expect("metadata");
                // What git ignores is not published; unfinished runs are there for a time.
                let name = entry.file_name().to_string_lossy().into_owned();
                if about.is_dir() && !["runs", "shards", "inflight"].contains(&name.as_str()) {
                    folders.push(entry.path());
                } else if about.is_file() {
                    (count, bytes) = (count + 1, bytes + about.len());
                }
            }
        }
        (count, bytes)
    };
    let ((charts, figures), (_, results)) = (size(&root().join("figures")), size(&root().join("results")));
    assert!(charts <= 150, "{charts} files in figures/");
    assert!(figures + results <= 20_000_000, "{} bytes in results/ and figures/", figures + results);
}

#[test]
fn every_chart_is_there_as_svg() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("figures")).expect("figures").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name.ends_with(".svg"), "{name}");
        let svg = std::fs::read_to_string(&path).expect("an SVG");
        assert!(svg.contains("stroke-linejoin=\"round\""), "{}", path.display());
        seen += 1;
    }
    assert!(root().join("figures/story.svg").exists());
    assert!(seen > 30, "{seen} charts");
}
