//! Errors of the program, each with its exit code.

use std::path::PathBuf;

use crate::data::FetchError;
use crate::definition::DefinitionError;
use crate::record::MergeError;
use crate::report::{Difference, ReportError};
use crate::runner::RunnerError;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Definitions are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Definitions(Vec<DefinitionError>),
    /// Some runs failed, or could not be started.
    #[error("{}", incomplete(.failed, .missing))]
    Incomplete {
        /// Runs that failed, with the reason. They are recorded.
        failed: Vec<(String, String)>,
        /// Experiments with runs that could not be started, with the reason. Nothing is recorded of them.
        missing: Vec<(String, String)>,
    },
    /// The committed schema is not the generated one.
    #[error("{0}: differs from the schema of this version; write it with `anode check --write-schema`")]
    Schema(PathBuf),
    /// A download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Data sets are missing or not what they should be.
    #[error("missing or wrong: {0}; `anode data fetch` downloads what is published")]
    Data(String),
    /// Published files are not what the archived records give.
    #[error("{} files are not what the archived records give:\n{}", .0.len(), different(.0))]
    Unverified(Vec<Difference>),
    /// The self-test found a fault.
    #[error("the self-test found a fault; results of this machine are not to be trusted")]
    Unsound,
    /// A repeated run is not what its record says.
    #[error("not reproduced: {0}")]
    Differs(String),
    /// The call is wrong.
    #[error("{0}")]
    Usage(String),
    /// Results cannot be written.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// Records cannot be merged.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Ctrl-C.
    #[error("stopped with {0} runs to go; the same call goes on from here")]
    Interrupted(usize),
}

fn incomplete(failed: &[(String, String)], missing: &[(String, String)]) -> String {
    let mut parts = vec![];
    if !failed.is_empty() {
        let count = failed.len();
        parts.push(format!(
            "{count} runs failed; they are recorded and tried again by the next call:\n{}",
            lines(failed)
        ));
    }
    if !missing.is_empty() {
        let each: Vec<String> = missing.iter().map(|(runs, why)| format!("  not run: {runs}: {why}")).collect();
        parts.push(format!("some runs could not be started, and nothing is recorded of them:\n{}", each.join("\n")));
    }
    parts.join("\n")
}

fn lines(failed: &[(String, String)]) -> String {
    failed.iter().map(|(run, why)| format!("  {run}: {why}")).collect::<Vec<_>>().join("\n")
}

fn different(found: &[Difference]) -> String {
    let line = |d: &Difference| format!("  {}: {}; {}", d.path.display(), d.what, d.cure());
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl CliError {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Fetch(FetchError::Io { .. }) => 3,
            Self::Definitions(_)
            | Self::Incomplete { .. }
            | Self::Schema(_)
            | Self::Unverified(_)
            | Self::Differs(_) => 1,
            Self::Unsound | Self::Data(_) | Self::Fetch(_) | Self::Merge(MergeError::Conflicts(_)) => 1,
            Self::Usage(_) | Self::Merge(MergeError::NoRuns(_)) => 2,
            Self::Runner(_) | Self::Merge(_) | Self::Report(_) | Self::Io { .. } => 3,
            Self::Interrupted(_) => 130,
        }
    }
}
