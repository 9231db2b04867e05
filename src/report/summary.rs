//! The opening of the report: one table with every claim, its verdict and its number.

use std::collections::HashSet;

use crate::definition::{Check, Definition, NotRun, Profile, Rule, column_label};
use crate::record::cell;

use super::SummaryRow;
use super::document::{Piece, TOP};
use super::reported;
use super::results::Results;
use super::verdict::{Checked, Judgement, Required, Verdict};

/// The title of the report on the papers, or of that on other experiments.
pub fn title(published: bool) -> &'static str {
    if published { "ANODE and ANODEV2: results of the reproduction" } else { "Results of your own experiments" }
}

/// The glossary, beside the results folder.
const GLOSSARY: &str = "../docs/glossary.md";

/// The summary of one experiment under one profile.
pub struct ExperimentSummary {
    /// For the caller and for `summary.<profile>.csv`.
    pub told: SummaryRow,
    /// How we know the claim.
    pub source: String,
    pub(super) profile: Profile,
    /// What is reported, in a few words.
    pub(super) reported: String,
    /// What was measured, in a few words.
    pub(super) number: String,
    /// How strong the evidence is: length of training, data, seeds.
    pub(super) evidence: String,
    pub(super) recorded: bool,
    pub(super) unfinished: bool,
}

impl ExperimentSummary {
    /// The line of results that were judged.
    pub fn new(results: &Results, judgement: &Judgement) -> Self {
        let Judgement { verdict, required, checks } = judgement;
        let verdict = *verdict;
        let definition = results.definition;
        let hold = checks.iter().filter(|c| c.verdict == Verdict::Confirmed).count();
        let diverged = results.diverged();
        let also = if diverged > 0 { format!("; {diverged} runs diverged") } else { String::new() };
        let measured = match verdict {
            Verdict::NotRun if results.asked == 0 => format!("the {} profile defines no runs", results.profile.name()),
            Verdict::NotRun if !results.inflight.is_empty() => {
                let progress: Vec<String> = results.inflight.iter().map(|run| run.progress()).collect();
                format!("{} of {} runs are unfinished: {}", progress.len(), results.asked, progress.join(", "))
            }
            Verdict::NotRun => "no runs are recorded".into(),
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
        let unmet: Vec<&Required> = required.iter().filter(|r| !r.met).collect();
        let decided = match unmet.as_slice() {
            [] => decisive.map(|c| told(c, definition)).unwrap_or_default(),
            [first, rest @ ..] => {
                // What was compared, then why it decides nothing.
                let compared = definition.expectation.checks.iter().zip(checks);
                let compared = compared.filter(|(check, _)| compares(check)).map(|(_, checked)| checked);
                let measured = compared.filter(|c| c.found).map(|c| told(c, definition) + "; requirement: ").next();
                let more = if rest.is_empty() { String::new() } else { format!("; {} more not met", rest.len()) };
                let required = labelled(&first.measured, definition);
                format!("{}{}: {required}{more}", measured.unwrap_or_default(), first.name)
            }
        };
        let missing = results.asked - results.runs.len();
        let mut gaps =
            if missing > 0 { format!("; {missing} of {} runs missing", results.asked) } else { String::new() };
        if verdict == Verdict::Inconclusive && compares_one_seed(results) && !decided.contains("a single seed") {
            gaps += "; one seed is planned, and a single seed decides no comparison";
        }
        gaps += &also;
        Self {
            told: SummaryRow {
                id: definition.id.clone(),
                title: definition.title.clone(),
                verdict: verdict.word().to_owned(),
                measured,
            },
            source: format!("{:?}", definition.claim.source),
            profile: results.profile,
            reported: reported::brief(&definition.claim),
            evidence: reported::evidence(results),
            number: decided + &gaps,
            recorded: !results.runs.is_empty(),
            unfinished: !results.inflight.is_empty(),
        }
    }

    /// The verdict with what decided it, for the first line of a section.
    pub fn answer(&self) -> String {
        let verdict = &self.told.verdict;
        let number = if self.number.is_empty() { String::new() } else { format!(": {}", self.number) };
        format!("{verdict} ({} profile{}){number}", self.profile.name(), self.conditions())
    }

    fn conditions(&self) -> String {
        let known = self.evidence.strip_prefix(&format!("profile {}", self.profile.name()));
        match known {
            Some(runs) => runs.to_owned(),
            None => format!(", {}", self.evidence),
        }
    }
}

/// Whether a check compares means over seeds.
fn compares(check: &Check) -> bool {
    matches!(check.rule, Rule::Exceeds { .. } | Rule::GapRatio { .. })
}

/// Whether checks compare means over seeds, of which only one is planned.
fn compares_one_seed(results: &Results) -> bool {
    let planned = results.runs.iter().map(|run| &run.settings).chain(&results.missing);
    let seeds: HashSet<String> = planned.filter_map(|settings| settings.get("seed")).map(cell).collect();
    results.definition.expectation.checks.iter().any(compares) && seeds.len() == 1
}

/// What a check says and what was measured.
fn told(check: &Checked, definition: &Definition) -> String {
    let brief = labelled(&check.brief, definition);
    match check.verdict {
        Verdict::Contradicted => format!("does not hold: {}; {brief}", check.name),
        _ => format!("{}: {brief}", check.name),
    }
}

/// Words that are columns, as the definition calls them to a reader.
pub fn labelled(brief: &str, definition: &Definition) -> String {
    let word = |word: &str| {
        let name = word.trim_end_matches([',', ':']);
        // A column whose name is also a word of a sentence (`least`, `of`, `row`) is replaced only if it is a metric
        // here.
        let known =
            definition.metrics.iter().any(|m| m.column == name) || (name.contains('_') && column_label(name).is_some());
        if known { format!("{}{}", definition.heading(name).name, &word[name.len()..]) } else { word.replace('_', " ") }
    };
    brief.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Heading and first paragraph.
pub fn opening(published: bool) -> Vec<Piece> {
    let text = if published {
        "Each claim of the two papers is tested by an experiment with a decision rule. The report shows the verdict \
         next to the measurements. A number is printed as reported only if a source that we read states it (the \
         accuracies: a table in the README of the authors' code), and as digitised if a published figure shows it. \
         The number after ± is the half-width of a 95 % confidence interval (Student's t over seeds; differences \
         are paired by seed). Intervals are not adjusted for the number of comparisons."
    } else {
        "These experiments are not part of the report on the two papers. The decision rule in each definition gives \
         the verdict."
    };
    let terms = Piece::Reference("Terms are explained in".into(), "the glossary".into(), GLOSSARY.into());
    let heading = Piece::Heading(1, title(published).into(), TOP.0.into());
    let text = Piece::Paragraph(String::new(), text.into());
    [heading, text].into_iter().chain(published.then_some(terms)).collect()
}

/// Experiments with a definition and without records under any profile, each once, with the reason.
pub fn without_results<'a>(
    lines: &'a [ExperimentSummary],
    not_run: &'a [NotRun],
) -> Vec<(&'a ExperimentSummary, &'a str)> {
    let mut found: Vec<(&ExperimentSummary, &str)> = vec![];
    for line in lines {
        let ran = lines.iter().any(|l| l.recorded && l.told.id == line.told.id);
        if ran || found.iter().any(|(l, _)| l.told.id == line.told.id) {
            continue;
        }
        let begun = lines.iter().find(|l| l.unfinished && l.told.id == line.told.id);
        let entry = not_run.iter().find(|e| e.id == line.told.id && begun.is_none());
        let line = begun.unwrap_or(line);
        found.push((line, entry.map_or(&line.told.measured, |e| &e.because)));
    }
    found
}
