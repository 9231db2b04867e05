//! Tables, charts and the report: a pure function of definitions and records.
//!
//! This room knows definitions and records. It knows nothing of how runs are computed or walked.

mod chart;
mod document;
mod html;
mod markdown;
mod methods;
mod page;
mod results;
mod tables;
mod verdict;

use std::io as stdio;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::definition::{Definition, Profile};
use crate::record::{RecordError, Row, row, rows_to_csv, write_atomically};

use chart::Chart;
pub use chart::schedule_svg;
use document::{Cell, Piece};
pub use results::Results;
pub use verdict::{Checked, Verdict, judge, judge_check, log_slope};

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

/// Writes tables, charts, `REPORT.md` and `report.html` from the records in `results`. The report covers every profile
/// that has records, each in sections of its own; `profile` comes first and gives the summary.
///
/// # Errors
/// A damaged record, a folder that cannot be written.
pub fn write_all(
    experiments: &[Definition],
    results: &Path,
    figures: &Path,
    profile: Profile,
) -> Result<Summary, ReportError> {
    let mut summary = Summary::default();
    let mut sections = vec![];
    let mut all_results = vec![];
    let profiles = std::iter::once(profile).chain(Profile::ALL.into_iter().filter(|p| *p != profile));
    for current in profiles {
        let mut lines: Vec<(SummaryRow, Row, String)> = vec![];
        let mut pages = vec![];
        let read = experiments.iter().map(|d| Results::read(d, current, results)).collect::<Result<Vec<_>, _>>()?;
        if current != profile && read.iter().all(|r| r.runs.is_empty()) {
            continue;
        }
        for found in read.into_iter().filter(|r| r.asked > 0 || current == profile) {
            let (verdict, checks) = judge(&found);
            let charts = write_charts(&found, figures, &mut summary)?;
            if !found.runs.is_empty() {
                summary.written.extend(tables::write_table(&found, results)?);
            }
            pages.extend(page::page(&found, verdict, &checks, &charts));
            lines.push(line(&found, verdict, &checks));
            all_results.push(found);
        }
        let path = results.join("tables").join(format!("summary.{}.csv", current.name()));
        let rows: Vec<Row> = lines.iter().map(|(_, row, _)| row.clone()).collect();
        write_atomically(&path, &rows_to_csv(&rows).map_err(io(&path))?)?;
        summary.written.push(path);
        sections.push(summary_table(current, &lines));
        sections.extend(pages);
        if current == profile {
            summary.experiments = lines.into_iter().map(|(line, ..)| line).collect();
        }
    }
    let pieces: Vec<Piece> = opening().into_iter().chain(sections).chain(methods::methods(&all_results)).collect();
    let title = "ANODE and ANODEV2: what was measured";
    for (name, text) in [("REPORT.md", markdown::markdown(&pieces)), ("report.html", html::html(title, &pieces))] {
        let path = results.join(name);
        write_atomically(&path, text.as_bytes())?;
        summary.written.push(path);
    }
    Ok(summary)
}

/// Writes the charts of one profile.
///
/// # Errors
/// As [`write_all`].
pub fn figures(
    experiments: &[Definition],
    results: &Path,
    figures: &Path,
    profile: Profile,
) -> Result<Summary, ReportError> {
    let mut summary = Summary::default();
    for definition in experiments {
        write_charts(&Results::read(definition, profile, results)?, figures, &mut summary)?;
    }
    Ok(summary)
}

/// Charts are drawn where there is something to draw.
fn write_charts(results: &Results, folder: &Path, summary: &mut Summary) -> Result<Vec<Chart>, ReportError> {
    if results.runs.is_empty() {
        return Ok(vec![]);
    }
    let charts: Vec<Chart> =
        results.definition.figures.iter().map(|f| chart::write_chart(f, results, folder)).collect::<Result<_, _>>()?;
    summary.written.extend(charts.iter().flat_map(|c| [c.svg.clone(), c.png.clone()]));
    Ok(charts)
}

fn line(results: &Results, verdict: Verdict, checks: &[Checked]) -> (SummaryRow, Row, String) {
    let definition = results.definition;
    let hold = checks.iter().filter(|c| c.verdict == Verdict::Confirmed).count();
    let diverged = results.diverged();
    let also = if diverged > 0 { format!("; {diverged} runs diverged") } else { String::new() };
    let measured = match verdict {
        Verdict::NotRun if results.asked == 0 => format!("no runs in profile {}", results.profile.name()),
        Verdict::NotRun => "no records".into(),
        _ => format!("{hold} of {} checks hold, {} of {} runs{also}", checks.len(), results.runs.len(), results.asked),
    };
    let word = verdict.word().to_owned();
    let row = row([
        ("experiment", definition.id.clone().into()),
        ("title", definition.title.clone().into()),
        ("source", format!("{:?}", definition.claim.source).into()),
        ("verdict", word.clone().into()),
        ("measured", measured.clone().into()),
    ]);
    let summary = SummaryRow { id: definition.id.clone(), title: definition.title.clone(), verdict: word, measured };
    (summary, row, page::anchor(results))
}

fn opening() -> Vec<Piece> {
    vec![
        Piece::Heading(1, "ANODE and ANODEV2: what was measured".into(), "top".into()),
        Piece::Paragraph(
            String::new(),
            "Each claim of the two papers beside what this program measured. A verdict follows from the rule that the \
             experiment's definition fixed before the run; a number is printed as a paper's only if a source that was \
             read states it or a published figure shows it."
                .into(),
        ),
    ]
}

fn summary_table(profile: Profile, lines: &[(SummaryRow, Row, String)]) -> Piece {
    let head = ["Experiment", "Claim tested", "Verdict", "Measured"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|(line, _, anchor)| {
        vec![
            Cell::Link(line.id.clone(), anchor.clone()),
            Cell::Text(line.title.clone()),
            Cell::Verdict(line.verdict.clone()),
            Cell::Text(line.measured.clone()),
        ]
    });
    Piece::Table(format!("Summary, profile {}", profile.name()), head, rows.collect())
}
