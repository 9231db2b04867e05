//! The opening of the report: one table with every claim, its verdict and its number.

use crate::definition::{Definition, NotRun, Profile, column_label};

use super::SummaryRow;
use super::changes::CHANGES;
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
    /// What the paper reports, in a few words.
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
                let more = if rest.is_empty() { String::new() } else { format!("; {} more not met", rest.len()) };
                format!("{}: {}{more}", first.name, labelled(&first.measured, definition))
            }
        };
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

/// Heading and first paragraph. `changed` says whether the report lists changes of rules.
pub fn opening(published: bool, changed: bool) -> Vec<Piece> {
    let text = if published {
        "Each claim of the two papers is tested by an experiment with a decision rule. The report shows the verdict \
         next to the measurements. A number is printed as the paper's only if a source that we read states it or a \
         published figure shows it."
    } else {
        "These experiments are not part of the report on the two papers. The decision rule in each definition gives \
         the verdict."
    };
    let terms = Piece::Reference("Terms are explained in".into(), "the glossary".into(), GLOSSARY.into());
    let heading = Piece::Heading(1, title(published).into(), TOP.0.into());
    let text = Piece::Paragraph(String::new(), text.into());
    let (words, anchor) = CHANGES;
    let lead = "Not every rule was written before its first run:";
    let changes = changed.then(|| Piece::Reference(lead.into(), words.to_lowercase(), format!("#{anchor}")));
    let terms = published.then_some(terms);
    [heading, text].into_iter().chain(changes).chain(terms).collect()
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
