//! Printing: a closed pipe ends the printing, not the program; output that a full disk swallows is an error.

use std::io::{BufRead, Error, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use crate::characters::is_control;
use crate::definition::printable;
use crate::report::cut;

use super::error::CliError;
use super::json::{Document, Envelope};

/// The first failure to print that was not the reader's wish.
static FAILED: Mutex<Option<Error>> = Mutex::new(None);

/// Prints lines on standard output. Control characters, which texts of records may contain, are escaped. Failures are
/// kept for [`flush`].
pub fn print(lines: &str) {
    keep(writeln!(std::io::stdout(), "{}", printable(lines)));
}

/// Prints lines on standard error, likewise, where it is heard.
pub fn warn(lines: &str) {
    // Nobody is left to be told that nobody listens.
    let _ = writeln!(std::io::stderr(), "{}", printable(lines));
}

/// Warns of files that are damaged, whose runs were `left_out`.
pub fn skipped(left_out: &str, damaged: &[(PathBuf, String)]) {
    for (path, why) in damaged {
        warn(&format!("anode: warning: {left_out}: {}: {why}", path.display()));
    }
}

/// Clears the terminal and moves to its top.
pub fn clear_screen() {
    keep(write!(std::io::stdout(), "\u{1b}[2J\u{1b}[H"));
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

/// Makes sure that what was printed by other means than [`print`] has arrived.
///
/// # Errors
/// See [`flush`].
pub fn arrived(printed: Result<(), Error>) -> Result<(), CliError> {
    keep(printed);
    flush()
}

/// Reads a line of standard input. Returns whether it says yes.
///
/// # Errors
/// Standard input cannot be read.
pub fn is_confirmed() -> Result<bool, CliError> {
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(CliError::io("standard input"))?;
    Ok(answer.trim() == "yes")
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
        Ok(text) => print(&escaped(&text)),
        // Nothing on standard output is no success.
        Err(error) => keep(Err(Error::other(format!("{error}; leave out --json")))),
    }
}

/// Prints a document as one line of JSON on standard error.
pub fn warn_json(value: &impl Document) {
    match serde_json::to_string(&Envelope::new(value)) {
        Ok(text) => warn(&escaped(&text)),
        Err(error) => warn(&format!("anode: {error}")),
    }
}

/// JSON without the control characters that its syntax permits.
fn escaped(json: &str) -> String {
    let escape = |c: char| match is_control(c) && c != '\n' {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    json.chars().map(escape).collect()
}

/// Prints a table with aligned columns. The last one is as long as it is; cells of the others are cut.
pub fn print_table(head: &[&str], rows: &[Vec<String>]) {
    const MOST: usize = 200;
    let cell = |i: usize, text: &str| {
        let text = printable(text).replace('\n', " ");
        if i + 1 < head.len() { cut(&text, MOST).into_owned() } else { text }
    };
    let cells = |row: Vec<&str>| row.into_iter().enumerate().map(|(i, text)| cell(i, text)).collect::<Vec<_>>();
    let rows = rows.iter().map(|row| row.iter().map(String::as_str).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head.to_vec()).chain(rows).map(cells).collect();
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len().saturating_sub(1)).map(width).chain([0]).collect();
    for row in rows {
        let padded = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        print(padded.collect::<Vec<_>>().join("  ").trim_end());
    }
}
