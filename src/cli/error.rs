//! Errors of the program, each with its exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use clap::error::{ContextKind, ContextValue};
use schemars::JsonSchema;
use serde::Serialize;

use crate::data::FetchError;
use crate::definition::DefinitionError;
use crate::files;
use crate::record::MergeError;
use crate::report::{Difference, ReportError};
use crate::runner::RunnerError;

use super::arguments::DataVerb;
use super::check::Fault;
use super::json::document;
use super::output::{arrived, warn, warn_json};

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// Results that should be bit-identical differ.
    #[error("{0}")]
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
    #[error("{path}: {source}{}", files::remedy(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Ctrl-C.
    #[error("stopped with {0} runs to go; the same call goes on from here")]
    Interrupted(usize),
    /// Ctrl-C while a run was repeated.
    #[error("stopped; nothing was compared. The same command repeats the run from step 0")]
    RepetitionInterrupted,
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
    /// A failure to read or write a file.
    pub fn io(path: &(impl AsRef<Path> + ?Sized)) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.as_ref().to_owned(), source }
    }

    /// The kind of error, in the JSON of an error.
    fn kind(&self) -> Kind {
        match self {
            Self::Definitions(_) => Kind::Definitions,
            Self::Incomplete { .. } => Kind::Incomplete,
            Self::Schema(_) => Kind::Schema,
            Self::Fetch(_) => Kind::Fetch,
            Self::Data(_) => Kind::Data,
            Self::Unverified(_) => Kind::Unverified,
            Self::Unsound => Kind::Unsound,
            Self::Differs(_) => Kind::Differs,
            Self::Usage(_) => Kind::Usage,
            Self::Runner(_) => Kind::Results,
            Self::Merge(_) => Kind::Merge,
            Self::Report(_) => Kind::Report,
            Self::Io { .. } => Kind::Io,
            Self::Interrupted(_) | Self::RepetitionInterrupted => Kind::Interrupted,
        }
    }

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
            Self::Interrupted(_) | Self::RepetitionInterrupted => 130,
        }
    }
}

/// The kinds of errors.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Definitions are wrong.
    Definitions,
    /// Some runs failed, or lack their data.
    Incomplete,
    /// The committed schema of definitions is not that of this version.
    Schema,
    /// A download failed.
    Fetch,
    /// Data sets are missing or differ from their checksums.
    Data,
    /// Published files are not what the archived records give.
    Unverified,
    /// The self-test found a fault.
    Unsound,
    /// Results that should be bit-identical differ.
    Differs,
    /// The command line is wrong, or asks for what this build lacks.
    Usage,
    /// The results folder cannot be used.
    Results,
    /// Records cannot be merged.
    Merge,
    /// A record is damaged, or the report cannot be written.
    Report,
    /// A file cannot be read or written.
    Io,
    /// Ctrl-C.
    Interrupted,
}

/// Why a command failed.
#[derive(Serialize, JsonSchema)]
pub struct Failure {
    /// What kind of error it is.
    kind: Kind,
    /// The exit code of the program.
    code: u8,
    /// Cause and remedy, as they are printed without `--json`.
    message: String,
    /// Faults of definitions, for an error of the kind `definitions`.
    faults: Vec<Fault>,
    /// Runs that failed with the reason, for an error of the kind `incomplete`.
    failed: Vec<(String, String)>,
    /// Runs whose data are missing with the reason, for an error of the kind `incomplete`.
    missing: Vec<(String, String)>,
    /// Published files that differ, for an error of the kind `unverified`.
    differences: Vec<Difference>,
}

document!(Failure, "error", 1);

impl Failure {
    /// The error as a document.
    pub fn of(error: &CliError) -> Self {
        let mut failure = Self::new(error.kind(), error.code(), error.to_string());
        match error {
            CliError::Definitions(found) => failure.faults = found.iter().map(Fault::of).collect(),
            CliError::Incomplete { failed, missing } => {
                (failure.failed, failure.missing) = (failed.clone(), missing.clone());
            }
            CliError::Unverified(found) => failure.differences = found.clone(),
            _ => {}
        }
        failure
    }

    fn new(kind: Kind, code: u8, message: String) -> Self {
        Self { kind, code, message, faults: vec![], failed: vec![], missing: vec![], differences: vec![] }
    }
}

/// Reports why a command failed, on standard error. Returns the exit code.
pub fn reported(error: &CliError, as_json: bool) -> ExitCode {
    if as_json {
        warn_json(&Failure::of(error));
    } else {
        warn(&format!("anode: {error}"));
    }
    ExitCode::from(error.code())
}

/// Reports a command line that cannot be parsed, or prints the help that it asks for. Errors are JSON if the command
/// line has the option `--json`.
pub fn refused(mut error: clap::Error) -> ExitCode {
    // A command on data sets without `data`, for which clap suggests another command of a similar name.
    if let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand)
        && DataVerb::has_subcommand(name)
    {
        let meant = ContextValue::String(format!("data {name}"));
        error.insert(ContextKind::SuggestedSubcommand, meant);
    }
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    let as_json = std::env::args_os().any(|argument| argument == "--json");
    if !error.use_stderr() {
        // Help or the version, on standard output.
        return match arrived(error.print()) {
            Ok(()) => ExitCode::from(code),
            Err(lost) => reported(&lost, as_json),
        };
    }
    if as_json {
        warn_json(&Failure::new(Kind::Usage, code, error.to_string().trim_end().to_owned()));
    } else {
        // If standard error is closed, there is no other place for the message.
        let _ = error.print();
    }
    ExitCode::from(code)
}
