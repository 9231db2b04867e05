//! The opening of the report: one table with every claim, its verdict and its number.

use std::collections::BTreeSet;

use crate::definition::{Definition, NotRun, Paper, Profile};

use super::SummaryRow;
use super::document::{Cell, Piece, TOP};
use super::page;
use super::results::Results;
use super::verdict::{Checked, Verdict};

/// The report's title.
pub const TITLE: &str = "ANODE and ANODEV2: what was measured";

/// What the summary says of one experiment under one profile.
pub struct Line {
    /// For the caller and for `summary.<profile>.csv`.
    pub told: SummaryRow,
    /// How the claim is known.
    pub source: String,
    paper: Paper,
    profile: Profile,
    anchor: String,
    number: String,
    checks: String,
    recorded: bool,
}

impl Line {
    /// The line of results that were judged.
    pub fn new(results: &Results, verdict: Verdict, checks: &[Checked]) -> Self {
        let definition = results.definition;
        let hold = checks.iter().filter(|c| c.verdict == Verdict::Confirmed).count();
        let diverged = results.diverged();
        let also = if diverged > 0 { format!("; {diverged} runs diverged") } else { String::new() };
        let measured = match verdict {
            Verdict::NotRun if results.asked == 0 => format!("there are no runs in profile {}", results.profile.name()),
            Verdict::NotRun => "there are no records".into(),
            _ => {
                format!(
                    "{hold} of {} checks hold, {} of {} runs{also}",
                    checks.len(),
                    results.runs.len(),
                    results.asked
                )
            }
        };
        // The check that decided: the first that does not hold, else the first.
        let decisive = checks.iter().find(|c| c.verdict == verdict).or(checks.first());
        let missing = results.asked - results.runs.len();
        let mut gaps =
            if missing > 0 { format!("; {missing} of {} runs missing", results.asked) } else { String::new() };
        gaps += &also;
        Self {
            told: SummaryRow {
                id: definition.id.clone(),
                title: definition.title.clone(),
                verdict: verdict.word().to_owned(),
                measured,
            },
            source: format!("{:?}", definition.claim.source),
            paper: definition.paper,
            profile: results.profile,
            anchor: page::anchor(results),
            number: decisive.map(|c| labelled(&c.brief, definition)).unwrap_or_default() + &gaps,
            checks: format!("{hold} of {}", checks.len()),
            recorded: !results.runs.is_empty(),
        }
    }
}

/// Words that are columns, as the definition calls them to a reader.
pub fn labelled(brief: &str, definition: &Definition) -> String {
    let word = |word: &str| {
        let name = word.trim_end_matches([',', ':']);
        let metric = definition.metrics.iter().find(|m| m.column == name);
        metric.map_or_else(|| word.replace('_', " "), |m| format!("{}{}", m.label, &word[name.len()..]))
    };
    brief.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Heading and first paragraph.
pub fn opening() -> Vec<Piece> {
    vec![
        Piece::Heading(1, TITLE.into(), TOP.0.into()),
        Piece::Paragraph(
            String::new(),
            "Each claim of the two papers beside what this program measured. A verdict follows from the rule that the \
             experiment's definition fixed before the run; a number is printed as a paper's only if a source that was \
             read states it or a published figure shows it."
                .into(),
        ),
    ]
}

/// Where a row stands: by paper, measured before the others, by name.
type Place<'a> = (Paper, bool, &'a str);

/// Every experiment of both papers: measured ones with their number, the others with the reason.
pub fn table(lines: &[Line], not_run: &[NotRun]) -> Piece {
    let profiles: BTreeSet<Profile> = lines.iter().filter(|l| l.recorded).map(|l| l.profile).collect();
    let mut rows: Vec<(Place, Vec<Cell>)> = vec![];
    for line in lines.iter().filter(|l| l.recorded) {
        let told = &line.told;
        let profile = (profiles.len() > 1).then(|| Cell::Text(line.profile.name().into()));
        let cells = [
            Cell::Link(told.id.clone(), line.anchor.clone()),
            Cell::Text(told.title.clone()),
            Cell::Verdict(told.verdict.clone()),
            Cell::Text(line.number.clone()),
            Cell::Number(line.checks.clone()),
        ];
        rows.push(((line.paper, false, &told.id), cells.into_iter().chain(profile).collect()));
    }
    let no_profile = || (profiles.len() > 1).then(|| Cell::Text("–".into()));
    for (line, why) in without_results(lines, not_run) {
        let cells = [
            Cell::Link(line.told.id.clone(), line.told.id.clone()),
            Cell::Text(line.told.title.clone()),
            Cell::Verdict(line.told.verdict.clone()),
            Cell::Text(format!("because {why}")),
            Cell::Number("–".into()),
        ];
        rows.push(((line.paper, true, &line.told.id), cells.into_iter().chain(no_profile()).collect()));
    }
    for entry in not_run.iter().filter(|e| lines.iter().all(|l| l.told.id != e.id)) {
        let cells = [
            Cell::Text(entry.id.clone()),
            Cell::Text(entry.title.clone()),
            Cell::Verdict(Verdict::NotRun.word().into()),
            Cell::Text(format!("because {}", entry.because)),
            Cell::Number("–".into()),
        ];
        rows.push(((entry.paper, true, &entry.id), cells.into_iter().chain(no_profile()).collect()));
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<&str> = profiles.iter().map(|p| p.name()).collect();
    let caption = match names.as_slice() {
        [] => "Every experiment of both papers".to_owned(),
        [one] => format!("Every experiment of both papers, profile {one}"),
        several => format!("Every experiment of both papers, profiles {}", several.join(" and ")),
    };
    let head = ["Experiment", "Claim tested", "Verdict", "Number", "Checks"].into_iter();
    let head = head.chain((profiles.len() > 1).then_some("Profile")).map(str::to_owned);
    Piece::Table(caption, head.collect(), rows.into_iter().map(|(_, cells)| cells).collect())
}

/// Experiments with a definition and without records under any profile, each once, with the reason.
pub fn without_results<'a>(lines: &'a [Line], not_run: &'a [NotRun]) -> Vec<(&'a Line, &'a str)> {
    let mut found: Vec<(&Line, &str)> = vec![];
    for line in lines {
        let ran = lines.iter().any(|l| l.recorded && l.told.id == line.told.id);
        if ran || found.iter().any(|(l, _)| l.told.id == line.told.id) {
            continue;
        }
        let entry = not_run.iter().find(|e| e.id == line.told.id);
        found.push((line, entry.map_or(&line.told.measured, |e| &e.because)));
    }
    found
}
