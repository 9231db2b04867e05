//! Printing: a closed pipe ends the printing, not the program; output that a full disk swallows is an error.

use std::io::{Error, ErrorKind, IsTerminal, Write};
use std::sync::Mutex;

use super::error::CliError;
use super::json::{Document, Envelope};

/// The first failure to print that was not the reader's wish.
static FAILED: Mutex<Option<Error>> = Mutex::new(None);

/// Prints a line on standard output. Failures are kept for [`flush`].
pub fn print(line: &str) {
    keep(writeln!(std::io::stdout(), "{line}"));
}

/// Prints a line on standard error, where it is heard.
pub fn warn(line: &str) {
    // Nobody is left to be told that nobody listens.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn keep(printed: Result<(), Error>) {
    // Whoever reads may stop reading: `anode plan | head`.
    if let Err(error) = printed
        && error.kind() != ErrorKind::BrokenPipe
        && let Ok(mut failed) = FAILED.lock()
    {
        failed.get_or_insert(error);
    }
}

/// Makes sure that all that was printed has arrived.
///
/// # Errors
/// Standard output could not be written, other than because its reader went away.
pub fn flush() -> Result<(), CliError> {
    keep(std::io::stdout().flush());
    let failed = FAILED.lock().ok().and_then(|mut failed| failed.take());
    failed.map_or(Ok(()), |source| Err(CliError::Io { path: "standard output".into(), source }))
}

/// Characters in a line of text for a reader: those of the terminal, 100 at most.
pub fn width() -> usize {
    const MOST: usize = 100;
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
    let terminal = || std::io::stdout().is_terminal().then(terminal_columns).flatten();
    columns.or_else(terminal).unwrap_or(MOST).clamp(40, MOST)
}

#[cfg(unix)]
fn terminal_columns() -> Option<usize> {
    // SAFETY: all fields of `winsize` may be zero, and the call writes no more than it.
    let (known, size) = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) == 0, size)
    };
    (known && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn terminal_columns() -> Option<usize> {
    None
}

/// Prints a document as JSON, with its name and version.
pub fn print_json(value: &impl Document) {
    match serde_json::to_string_pretty(&Envelope::new(value)) {
        Ok(text) => print(&text),
        Err(error) => warn(&format!("anode: {error}")),
    }
}

/// Prints a document as one line of JSON on standard error.
pub fn warn_json(value: &impl Document) {
    match serde_json::to_string(&Envelope::new(value)) {
        Ok(text) => warn(&text),
        Err(error) => warn(&format!("anode: {error}")),
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
