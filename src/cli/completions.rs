//! `anode completions`: the script that a shell loads to complete command lines.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::arguments::Cli;
use super::error::CliError;
use super::output::print;

/// Prints the script for `shell`.
///
/// # Errors
/// None that a caller can cause.
pub fn completions(shell: Shell) -> Result<(), CliError> {
    let mut text = vec![];
    generate(shell, &mut Cli::command(), "anode", &mut text);
    print(String::from_utf8_lossy(&text).trim_end());
    Ok(())
}
