//! The shapes of what a run leaves.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::limits::limit;
use super::read::digest;
use super::{FIRST_NUMERICS, MODEL, Origin, read_at_most};
use crate::definition::{Profile, StudyKind};
use crate::digest::sha256;

/// `run.json`: which run this is, where it ran and how it ended. Written last, atomically, so that a
/// folder without it is an unfinished run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this file's format.
    pub format: u32,
    /// The run's id: a hash of everything that decides its numbers.
    pub run: String,
    /// The experiment's id.
    pub experiment: String,
    /// The profile it was planned for.
    pub profile: Profile,
    /// The kind of study.
    pub study: StudyKind,
    /// Version of the numerics, see [`super::numerics`]. Absent in `run.json`: the first version.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub numerics: u32,
    /// All settings, resolved: defaults filled in.
    pub settings: Map<String, Value>,
    /// The master seed.
    pub seed: u64,
    /// SHA-256 of the input data, by name. Empty where the run reads none.
    pub inputs: Map<String, Value>,
    /// How the run ended.
    pub status: Status,
    /// Id of the shorter or unfinished run from whose state this one continued. Its steps up to there are bit-identical
    /// to those of a run from scratch; columns that the other run did not log are empty in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued: Option<String>,
    /// Machine, device and time of the run; of its last part, if it was interrupted.
    pub environment: Environment,
    /// What computed which steps, if the run was interrupted and continued by another machine or program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
    /// SHA-256 of each other file of the folder, by file name.
    pub files: Map<String, Value>,
    /// The trained network that the run left, `model.safetensors`. Archives do not contain it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelFile>,
}

/// A file of a trained network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
    /// Size of the file in bytes.
    pub bytes: u64,
}

impl ModelFile {
    /// Reads the file at `path`. `None` if its contents differ from this file's.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let bytes = read_at_most(path, self.bytes.min(limit(MODEL))).ok().flatten()?;
        (sha256(&bytes) == self.sha256).then_some(bytes)
    }

    /// Whether the file at `path` has the contents of this file.
    pub(super) fn is(&self, path: &Path) -> bool {
        digest(path, self.bytes.min(limit(MODEL))).is_ok_and(|digest| digest == self.sha256)
    }
}

fn first() -> u32 {
    FIRST_NUMERICS
}

fn is_first(numerics: &u32) -> bool {
    *numerics == FIRST_NUMERICS
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
#[non_exhaustive]
pub enum Status {
    /// The run computed all its results.
    Finished,
    /// The training loss left the finite or grew past ten times its first value, or an adaptive solve could not keep
    /// its tolerances within its limits: a result.
    Diverged {
        /// The step at which it was seen.
        step: u64,
        /// The loss there, in words because it may be NaN.
        loss: String,
        /// The gradient norm there, likewise.
        gradient_norm: String,
        /// The solve that failed, where that is the cause and steps are adaptive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// The run could not be computed.
    Failed {
        /// The part of the run that failed.
        at: String,
        /// Why.
        why: String,
    },
}

impl Status {
    /// Whether the run could not be computed.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// Where and when a run was computed. None of it decides the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// `cpu`, or what computes on a GPU: `cuda-own`, `cuda-cudnn`, `cuda-tf32`, `cuda-fast`.
    pub device: String,
    /// The GPU with its driver, and what computes its convolutions, where that is not the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
    /// Model of the processor.
    pub processor: String,
    /// Threads of the program.
    pub threads: usize,
    /// Version of this program.
    pub version: String,
    /// Git commit the program was built from, where known.
    pub commit: Option<String>,
    /// Whether the tree had uncommitted changes.
    pub dirty: Option<bool>,
    /// Compiler.
    pub rustc: String,
    /// Operating system and architecture.
    pub system: String,
    /// When the run ended, UTC, RFC 3339.
    pub finished_at: String,
    /// Seconds of wall-clock time, over all its parts.
    pub seconds: f64,
}

impl Environment {
    /// The start of the commit, or `unknown`.
    pub fn short_commit(&self) -> String {
        self.commit.as_deref().unwrap_or("unknown").chars().take(12).collect()
    }

    /// The device, with its model.
    pub fn device_in_words(&self) -> String {
        match &self.accelerator {
            Some(words) => format!("{} ({words}) and {}", self.device, self.processor),
            None => format!("{} on {}", self.device, self.processor),
        }
    }
}

/// One row of a table: column -> number, text, boolean or null.
pub type Row = Map<String, Value>;

/// A grey image that a run leaves for the charts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Name, unique within the run.
    pub name: String,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Pixels, row by row. NaN and infinity are written as null.
    pub pixels: Vec<Option<f64>>,
}

/// Whether a column holds what differs from one run on the same machine to the next: times, and the memory of the
/// process.
pub fn is_timing(column: &str) -> bool {
    column == "seconds" || column.ends_with("_seconds") || column.starts_with("process_")
}

/// The results of a study, which the runner records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// `rows.csv`: the results; settings are added by the reader from [`Record::settings`].
    pub rows: Vec<Row>,
    /// `images.json`.
    pub images: Vec<Image>,
    /// What computed the steps, for a study that continues interrupted runs.
    pub origins: Vec<Origin>,
    /// Wall-clock time in seconds of the parts of the run that were computed before this one.
    pub earlier_seconds: f64,
}

/// A number as a cell of a [`Row`]: NaN and infinity, which JSON lacks, become the texts `NaN`, `inf` and `-inf`.
pub fn number(x: f64) -> Value {
    serde_json::Number::from_f64(x).map_or_else(|| Value::String(x.to_string()), Value::Number)
}

/// A row from its cells.
pub fn row<const N: usize>(cells: [(&str, Value); N]) -> Row {
    cells.into_iter().map(|(column, value)| (column.to_owned(), value)).collect()
}
