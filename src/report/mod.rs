//! Tables, charts and the report: a pure function of definitions and records.
//!
//! This room knows definitions and records. It knows nothing of how runs are computed or walked.

mod artefacts;
mod chart;
mod choices;
mod document;
mod html;
mod markdown;
mod methods;
mod page;
mod reported;
mod results;
mod seeds;
mod statistics;
mod summary;
mod tables;
mod verdict;
mod verify;

use std::io as stdio;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::definition::{Definition, NotRun, Profile};
use crate::record::{RecordError, write_atomically};

use artefacts::charts;
pub use chart::schedule_svg;
pub use results::{From, Results, archive};
pub use statistics::{Interval, mean_interval};
pub use verdict::{Checked, Verdict, judge, judge_check, log_slope};
pub use verify::{Difference, verify};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A record cannot be read, or a file cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The chart library refused.
    #[error("a chart could not be drawn: {0}")]
    Drawing(String),
}

fn io(path: &Path) -> impl FnOnce(stdio::Error) -> ReportError + '_ {
    move |source| RecordError::Io { path: path.to_owned(), source }.into()
}

/// What was written, and the verdict of each experiment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// A line an experiment.
    pub experiments: Vec<SummaryRow>,
    /// The files.
    pub written: Vec<PathBuf>,
}

/// The verdict of one experiment.
#[derive(Clone, Debug, Serialize)]
pub struct SummaryRow {
    /// Id of the experiment.
    pub id: String,
    /// Its title.
    pub title: String,
    /// `confirmed`, `contradicted`, `inconclusive` or `not run`.
    pub verdict: String,
    /// How many checks hold, or why nothing was run.
    pub measured: String,
}

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The experiments.
    pub experiments: &'a [Definition],
    /// Experiments of the papers that have no results here, with the reason.
    pub not_run: &'a [NotRun],
    /// Results folder.
    pub results: &'a Path,
    /// Folder of charts.
    pub figures: &'a Path,
}

/// Writes tables, archives, charts, `REPORT.md` and `report.html` from the records. The report covers every profile that has
/// records, each in sections of its own; `profile` decides what is summed up for the caller, and what is written where
/// nothing has records.
///
/// # Errors
/// A damaged record, a folder that cannot be written.
pub fn write_all(contents: Contents, profile: Profile) -> Result<Summary, ReportError> {
    let (mut summary, made) = artefacts::artefacts(contents, profile, From::Everywhere)?;
    for artefact in made {
        write_atomically(&artefact.path, &artefact.bytes)?;
        summary.written.push(artefact.path);
    }
    Ok(summary)
}

/// Writes the charts of one profile.
///
/// # Errors
/// As [`write_all`].
pub fn figures(contents: Contents, profile: Profile) -> Result<Summary, ReportError> {
    let mut summary = Summary::default();
    for definition in contents.experiments {
        let results = Results::read(definition, profile, contents.results, From::Everywhere)?;
        for chart in charts(&results, contents.figures)? {
            for (path, bytes) in [(chart.svg, chart.text.into_bytes()), (chart.png, chart.pixels)] {
                write_atomically(&path, &bytes)?;
                summary.written.push(path);
            }
        }
    }
    Ok(summary)
}
