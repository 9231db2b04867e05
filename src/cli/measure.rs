//! The process that the memory study starts: computes one gradient and reports its memory.

use std::io::Read;

use crate::study;

use super::error::CliError;
use super::output::print;

/// Most bytes of a question: the settings of a run.
const MOST: u64 = 1 << 20;

/// `anode measure-memory`: a question on standard input, bytes on standard output.
///
/// # Errors
/// A question that is not understood, and a system that does not tell a process's memory.
pub fn measure_memory() -> Result<(), CliError> {
    let question = std::io::read_to_string(std::io::stdin().take(MOST)).map_err(CliError::io("standard input"))?;
    print(&study::measure(&question).map_err(|e| CliError::Usage(e.to_string()))?.to_string());
    Ok(())
}
