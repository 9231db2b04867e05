//! What is known of one experiment: its section of the report as text, and the same as values.

use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Profile;
use crate::record::Row;

use super::document::Piece;
use super::page::{self, Shown};
use super::results::{RecordSource, Results};
use super::verdict::judge;
use super::{Contents, ReportError, plain, summary, tables};

/// An experiment with its results.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Experiment {
    /// Id of the experiment.
    pub id: String,
    /// Results under each profile that has records, the largest profile first.
    pub profiles: Vec<Known>,
    /// The experiment's section of the report.
    #[serde(skip)]
    pub text: String,
}

/// The results of an experiment under a profile.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Known {
    /// The profile.
    pub profile: Profile,
    /// Runs that the definition describes.
    pub runs: usize,
    /// Runs that have a record.
    pub recorded: usize,
    /// `confirmed`, `contradicted`, `inconclusive` or `not run`.
    pub verdict: &'static str,
    /// Number of checks that hold, in words.
    pub measured: String,
    /// The checks.
    pub checks: Vec<KnownCheck>,
    /// The rows of all runs: settings, seed, then the columns of the study.
    pub rows: Vec<Row>,
}

/// A check with what was measured.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KnownCheck {
    /// The statement of the check.
    pub name: String,
    /// Whether it holds.
    pub verdict: &'static str,
    /// The numbers it was judged by.
    pub measured: String,
}

/// Reads the records of the experiments of `contents` and judges them; texts have lines of `width` characters. Without
/// `rows`, [`Known::rows`] is empty.
///
/// # Errors
/// A damaged record.
pub fn experiments(contents: Contents, width: usize, rows: bool) -> Result<Vec<Experiment>, ReportError> {
    let mut found = vec![];
    for definition in contents.experiments {
        let (mut profiles, mut pieces): (Vec<Known>, Vec<Piece>) = (vec![], vec![]);
        let mut answer = None;
        for profile in Profile::ALL.into_iter().rev() {
            let results = Results::read(definition, profile, contents, RecordSource::Everywhere)?;
            if results.is_empty() {
                continue;
            }
            let judgement = judge(&results);
            let tables = if profiles.is_empty() { tables::tables(&results, contents.output)? } else { vec![] };
            let shown = if profiles.is_empty() { Shown::All(&[], "", &tables) } else { Shown::Checks };
            pieces.extend(page::body(&results, &judgement, shown));
            let line = summary::ExperimentSummary::new(&results, &judgement);
            answer = answer.or_else(|| line.recorded.then(|| line.answer()));
            let check = |c: &super::Checked| {
                let measured = summary::labelled(&c.measured, definition);
                KnownCheck { name: c.name.clone(), verdict: c.verdict.word(), measured }
            };
            profiles.push(Known {
                profile,
                runs: results.asked,
                recorded: results.runs.len(),
                verdict: judgement.verdict.word(),
                measured: line.told.measured,
                checks: judgement.checks.iter().map(check).collect(),
                rows: if rows { results.into_rows() } else { vec![] },
            });
        }
        let reason = contents.not_run.iter().find(|e| e.id == definition.id).map(|e| e.because.as_str());
        let reason = profiles.is_empty().then_some(reason.unwrap_or("no runs are recorded"));
        let text = plain::plain(&page::section(definition, answer, pieces, reason), width);
        found.push(Experiment { id: definition.id.clone(), profiles, text });
    }
    Ok(found)
}
