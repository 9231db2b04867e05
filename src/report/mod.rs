//! Tables, charts and the report: a pure function of definitions and records.
//!
//! Depends on definitions and records only, not on how runs are computed.

mod alternatives;
mod artefacts;
mod changes;
mod chapters;
mod chart;
mod compare;
mod count;
mod document;
mod excerpt;
mod findings;
mod found;
mod html;
mod inflight;
mod markdown;
mod methods;
mod models;
mod named;
mod page;
mod peer;
mod plain;
mod reported;
mod results;
mod same_networks;
mod seeds;
mod show;
mod statistics;
mod stray;
mod summary;
mod tables;
mod text;
mod verdict;
mod verify;

use std::collections::HashSet;
use std::io as stdio;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::definition::{Definition, NotRun, Outline, Profile};
use crate::record::{RecordError, archive_files, archive_path, kept_path, write_atomically};

use artefacts::{charts, files};
pub use chart::{ReversedBlock, reversal_svg, schedule_svg};
pub use compare::{Broken, Comparison, Differing, Line, Side, compare};
pub use count::{RunCount, count_runs};
pub use found::Inputs;
pub use plain::wrapped;
pub use results::{RecordSource, Results, RunResult, short};
pub use show::{Experiment, Known, KnownCheck, experiments};
pub use statistics::{Interval, mean_interval};
use stray::Stray;
pub use text::cut;
pub use verdict::{Checked, Judgement, Required, Verdict, judge, judge_check, log_slope};
pub use verify::{Difference, verify};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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

/// The files of a report, and the verdict on each experiment.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Summary {
    /// One row per experiment.
    pub experiments: Vec<SummaryRow>,
    /// The files.
    #[serde(serialize_with = "crate::paths::as_text")]
    pub written: Vec<PathBuf>,
    /// Files of earlier reports that were removed, because no record makes them any more.
    #[serde(serialize_with = "crate::paths::as_text")]
    pub removed: Vec<PathBuf>,
    /// Records that no run shows. They stay where they are until `anode clean` removes them.
    pub kept: Vec<UnshownRecords>,
    /// Runs with several records between which nothing but a convention chose, with the one that is shown.
    pub unsure: Vec<String>,
    /// Unfinished runs that were handed on and cannot be shown: the damaged file and what is wrong with it.
    #[serde(serialize_with = "crate::paths::as_text")]
    pub damaged: Vec<(PathBuf, String)>,
}

/// Records of one experiment and profile that no run of its definition shows.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UnshownRecords {
    /// Id of the experiment.
    pub experiment: String,
    /// The profile.
    pub profile: Profile,
    /// Number of these records.
    pub records: usize,
}

impl Summary {
    /// The summary of this report and of another one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.experiments.extend(other.experiments);
        self.written.extend(other.written);
        self.removed.extend(other.removed);
        self.kept.extend(other.kept);
        self.unsure.extend(other.unsure);
        self.add_damaged(other.damaged);
        self
    }

    /// Adds damaged files, each once: every profile reads the same unfinished runs.
    fn add_damaged(&mut self, damaged: Vec<(PathBuf, String)>) {
        for one in damaged {
            if !self.damaged.contains(&one) {
                self.damaged.push(one);
            }
        }
    }
}

impl UnshownRecords {
    fn of(results: &Results) -> Option<Self> {
        let (experiment, profile, records) = (results.definition.id.clone(), results.profile, results.unshown.len());
        (records > 0).then_some(Self { experiment, profile, records })
    }
}

/// The verdict of one experiment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SummaryRow {
    /// Id of the experiment.
    pub id: String,
    /// Title of the experiment.
    pub title: String,
    /// `confirmed`, `contradicted`, `inconclusive` or `not run`.
    pub verdict: String,
    /// How many checks hold, or why nothing was run.
    pub measured: String,
}

/// The inputs and output folders of a report.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The experiments.
    pub experiments: &'a [Definition],
    /// Experiments of the papers that have no results here, with the reason.
    pub not_run: &'a [NotRun],
    /// Findings, and the order of the experiments.
    pub outline: &'a Outline,
    /// Results folder: runs, archives of records, trained networks.
    pub results: &'a Path,
    /// Folder of the report and its tables: the results folder, or another one for experiments that are not published.
    pub output: &'a Path,
    /// Folder of charts.
    pub figures: &'a Path,
    /// Ids of the experiments that are not part of this report: their files are left alone.
    pub others: &'a [String],
    /// Whether every experiment that belongs to the report is part of it.
    pub whole: bool,
    /// The inputs that runs would read now.
    pub inputs: &'a dyn Inputs,
    /// The device whose record is shown where there are several.
    pub device: Option<&'a str>,
}

/// Writes tables, archives, charts, `REPORT.md` and `report.html` from the records, and removes tables and charts that
/// no record produces any more. The report has sections for every profile with records. `profile` selects the summary
/// that is returned, and the sections if no profile has records.
///
/// # Errors
/// A damaged record, a folder that cannot be written.
pub fn write_all(contents: Contents, profile: Profile) -> Result<Summary, ReportError> {
    let (mut summary, made) = artefacts::artefacts(contents, profile, RecordSource::Everywhere)?;
    for artefact in made {
        write_atomically(&artefact.path, &artefact.bytes)?;
        // An archive may be written twice.
        if !summary.written.contains(&artefact.path) {
            summary.written.push(artefact.path);
        }
    }
    let made = summary.written.iter().cloned().collect();
    for (path, stray) in stray::strays(contents, &made)? {
        if stray == Stray::Outdated {
            std::fs::remove_file(&path).map_err(io(&path))?;
            summary.removed.push(path);
        }
    }
    Ok(summary)
}

/// What `anode clean --kept` removes: run folders and archives of a profile whose records no run shows.
///
/// # Errors
/// A damaged record.
pub fn unshown(contents: Contents, profile: Profile) -> Result<Vec<PathBuf>, ReportError> {
    let mut found = vec![];
    for definition in contents.experiments {
        let results = Results::read(definition, profile, contents, RecordSource::Everywhere)?;
        let base = contents.results.join("runs").join(profile.name()).join(&definition.id);
        found.extend(results.unshown.iter().map(|run| base.join(run)).filter(|folder| folder.is_dir()));
        // The report moves what no run shows to the second archive, unless no run shows anything.
        if results.runs.is_empty() {
            found.extend(archive_files(&archive_path(contents.results, &definition.id, profile)));
        }
        found.extend(archive_files(&kept_path(contents.results, &definition.id, profile)));
    }
    Ok(found)
}

/// A run that a report shows.
#[derive(Clone, Debug)]
pub struct ShownRun {
    /// Id of the run.
    pub run: String,
    /// Settings of the run.
    pub settings: Map<String, Value>,
    /// Master seed of the run.
    pub seed: u64,
}

/// The runs that charts of `profile` would show, or of any profile.
///
/// # Errors
/// A damaged record.
pub fn shown_runs(contents: Contents, profile: Option<Profile>) -> Result<Vec<ShownRun>, ReportError> {
    let mut found = vec![];
    for definition in contents.experiments {
        for profile in Profile::ALL.into_iter().filter(|one| profile.is_none_or(|asked| asked == *one)) {
            let results = Results::read(definition, profile, contents, RecordSource::Everywhere)?;
            found.extend(results.runs.into_iter().map(|run| run.loaded.record).map(|record| ShownRun {
                run: record.run,
                settings: record.settings,
                seed: record.seed,
            }));
        }
    }
    Ok(found)
}

/// Writes the charts of one profile; of the largest that has records, experiment by experiment, where none is given.
/// With `pixels` as PNG files too. If `runs` are given, the charts show these runs alone, and the figure of several
/// experiments is left out.
///
/// # Errors
/// See [`write_all`].
pub fn figures(
    contents: Contents,
    profile: Option<Profile>,
    runs: Option<&HashSet<String>>,
    pixels: bool,
) -> Result<Summary, ReportError> {
    let mut summary = Summary::default();
    let mut write = |chart: chart::Chart| -> Result<(), ReportError> {
        for artefact in files(chart, pixels)? {
            write_atomically(&artefact.path, &artefact.bytes)?;
            summary.written.push(artefact.path);
        }
        Ok(())
    };
    let (mut panels, mut damaged) = (chart::Panels::default(), vec![]);
    for definition in contents.experiments {
        let profiles = profile.map_or(Profile::ALL.to_vec(), |one| vec![one]);
        let mut drawn = false;
        for profile in profiles.into_iter().rev() {
            let mut results = Results::read(definition, profile, contents, RecordSource::Everywhere)?;
            damaged.append(&mut results.damaged);
            if let Some(runs) = runs {
                results.keep(runs);
            }
            if results.is_empty() {
                continue;
            }
            if !drawn {
                charts(&results, contents.figures)?.into_iter().try_for_each(&mut write)?;
            }
            drawn = true;
            panels.add(contents.outline, &results);
        }
    }
    if profile.is_none() && runs.is_none() && contents.whole {
        chart::story(contents.outline, panels, contents.figures)?.into_iter().try_for_each(&mut write)?;
    }
    summary.add_damaged(damaged);
    Ok(summary)
}
