//! The other end of the memory study: one gradient in a process of its own.

use crate::study;

use super::error::CliError;
use super::output::print;

/// `anode measure-memory`: a question on standard input, bytes on standard output.
///
/// # Errors
/// A question that is not understood, and a system that does not tell a process's memory.
pub fn measure_memory() -> Result<(), CliError> {
    let stdin = std::io::stdin();
    let question =
        std::io::read_to_string(stdin).map_err(|e| CliError::Io { path: "standard input".into(), source: e })?;
    print(&study::measure(&question).map_err(|e| CliError::Usage(e.to_string()))?.to_string());
    Ok(())
}
