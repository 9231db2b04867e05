//! Printing: a closed pipe ends the printing, not the program.

use std::io::Write;

use serde::Serialize;

/// Prints a line on standard output.
pub fn print(line: &str) {
    // Whoever reads may stop reading.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&text),
        Err(error) => eprintln!("anode: {error}"),
    }
}

/// Prints a table with aligned columns; the last one is as long as it is.
pub fn print_table(head: &[&str], rows: &[Vec<String>]) {
    let width = |i: usize| rows.iter().map(|r| r[i].chars().count()).chain([head[i].len()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    print(&line(head.to_vec()));
    for row in rows {
        print(&line(row.iter().map(String::as_str).collect()));
    }
}
