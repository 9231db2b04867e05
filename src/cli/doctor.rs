//! `anode doctor`: whether this machine computes right.

use crate::doctor::{Diagnosis, diagnose};
use crate::record::environment;

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};

document!(Diagnosis, "doctor", 1);

/// `anode doctor`
///
/// # Errors
/// A kernel or a training step that is off by more than rounding or does not repeat its bits, or a GPU that cannot be
/// used.
pub fn doctor(common: &Common) -> Result<(), CliError> {
    let e = environment("cpu", rayon::current_num_threads(), 0.0);
    let commit = match (e.commit, e.dirty) {
        (Some(commit), Some(true)) => format!("{commit}, changed"),
        (Some(commit), _) => commit,
        (None, _) => "unknown".into(),
    };
    let diagnosis = diagnose(vec![
        ("program", format!("anode {}, commit {commit}, {}", e.version, e.rustc)),
        ("system", e.system),
        ("processor", e.processor),
        ("threads", e.threads.to_string()),
    ]);
    if common.json {
        print_json(&diagnosis);
    } else if !common.quiet {
        print(&diagnosis.to_string());
    }
    if diagnosis.is_sound() { Ok(()) } else { Err(CliError::Unsound) }
}
