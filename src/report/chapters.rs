//! The summary: how many claims hold, and a table for each chapter of the outline.

use std::collections::HashSet;

use crate::definition::{Chapter, NotRun, Outline, Profile};

use super::document::{Cell, Piece};
use super::summary::{ExperimentSummary, without_results};
use super::verdict::Verdict;

/// The line of each experiment under the largest profile that has records, in the order of the lines.
pub(super) fn largest(lines: &[ExperimentSummary]) -> Vec<&ExperimentSummary> {
    let mut found: Vec<&ExperimentSummary> = vec![];
    for line in lines.iter().filter(|l| l.recorded) {
        match found.iter_mut().find(|f| f.told.id == line.told.id) {
            Some(other) if other.profile < line.profile => *other = line,
            Some(_) => {}
            None => found.push(line),
        }
    }
    found
}

/// How many claims of each chapter are confirmed, contradicted, inconclusive and not run, how many have only records of
/// the quick profile, and how many are known from memory. Experiments that share their runs with another count once.
pub fn counts(lines: &[ExperimentSummary], outline: &Outline) -> Vec<Piece> {
    let best = largest(lines);
    let all: HashSet<&str> = lines.iter().map(|line| line.told.id.as_str()).collect();
    let row = |chapter: &Chapter| {
        let counted = |id: &&str| all.contains(id) && !outline.same_runs.contains_key(*id);
        let ids: Vec<&str> = chapter.experiments.iter().map(String::as_str).filter(counted).collect();
        let own: Vec<&ExperimentSummary> =
            best.iter().copied().filter(|line| ids.contains(&line.told.id.as_str())).collect();
        let number = |count: usize| Cell::Number(count.to_string());
        let of = |keep: &dyn Fn(&ExperimentSummary) -> bool| number(own.iter().filter(|line| keep(line)).count());
        let verdict = |verdict: Verdict| of(&|line| line.told.verdict == verdict.word());
        let cells = vec![
            Cell::Text(chapter.title.clone()),
            number(ids.len()),
            verdict(Verdict::Confirmed),
            verdict(Verdict::Contradicted),
            verdict(Verdict::Inconclusive),
            number(ids.len() - own.len()),
            of(&|line| line.profile == Profile::Quick && line.told.verdict == Verdict::Inconclusive.word()),
            of(&|line| line.source == "M"),
            of(&|line| line.source == "M" && line.told.verdict == Verdict::Confirmed.word()),
        ];
        (!ids.is_empty()).then_some(cells)
    };
    let rows: Vec<Vec<Cell>> = outline.chapters.iter().filter_map(row).collect();
    let head = [
        "Claims of",
        "experiments",
        "confirmed",
        "contradicted",
        "inconclusive",
        "not run",
        "inconclusive because only the quick profile ran",
        "known from memory only",
        "confirmed, of claims known from memory only",
    ];
    if rows.is_empty() {
        return vec![];
    }
    let twice = outline.same_runs.iter().filter(|(id, _)| all.contains(id.as_str()));
    let twice: Vec<String> =
        twice.map(|(id, other)| format!("{id} has the runs of {other} and is not counted")).collect();
    let mut pieces = vec![Piece::Table("Verdicts".into(), head.map(str::to_owned).to_vec(), rows)];
    if !twice.is_empty() {
        let text = format!("{}. Claims without an experiment are not counted either.", twice.join("; "));
        pieces.push(Piece::Paragraph(String::new(), text));
    }
    pieces
}

/// A table for each chapter, then one for experiments that no chapter lists.
pub fn tables(lines: &[ExperimentSummary], not_run: &[NotRun], outline: &Outline) -> Vec<Piece> {
    let measured = largest(lines);
    let without = without_results(lines, not_run);
    let row = |id: &str| -> Option<Vec<Cell>> {
        if let Some(line) = measured.iter().find(|l| l.told.id == id) {
            // Why a larger profile that other experiments have was not run.
            let larger = measured.iter().map(|l| l.profile).max().filter(|p| *p != line.profile);
            let why = larger.zip(not_run.iter().find(|e| e.id == id));
            let why = why.map(|(p, e)| format!("; {} profile not run: {}", p.name(), e.because)).unwrap_or_default();
            return Some(cells(line, format!("{}{why}", line.number)));
        }
        if let Some((line, why)) = without.iter().find(|(l, _)| l.told.id == id) {
            return Some(cells(line, format!("not run: {why}")));
        }
        let entry = not_run.iter().find(|e| e.id == id)?;
        Some(vec![
            Cell::Text(entry.title.clone()),
            Cell::Text("–".into()),
            Cell::Text(format!("not run: {}", entry.because)),
            Cell::Text("–".into()),
            Cell::Verdict(Verdict::NotRun.word().into()),
        ])
    };
    let listed: HashSet<&str> = outline.chapters.iter().flat_map(|c| &c.experiments).map(String::as_str).collect();
    let mut rest: Vec<&str> = vec![];
    let others = lines.iter().map(|l| l.told.id.as_str()).chain(not_run.iter().map(|e| e.id.as_str()));
    for id in others.filter(|id| !listed.contains(id)) {
        if !rest.contains(&id) {
            rest.push(id);
        }
    }
    let title = if listed.is_empty() { "Every experiment" } else { "Further experiments" };
    let chapters =
        outline.chapters.iter().map(|c| (c.title.as_str(), c.experiments.iter().map(String::as_str).collect()));
    let mut pieces = vec![];
    for (title, ids) in chapters.chain([(title, rest)]) {
        let ids: Vec<&str> = ids;
        let rows: Vec<Vec<Cell>> = ids.into_iter().filter_map(row).collect();
        if rows.is_empty() {
            continue;
        }
        let head = ["Claim tested", "Reported", "Measured here", "Evidence", "Verdict"];
        pieces.push(Piece::Table(title.to_owned(), head.map(str::to_owned).to_vec(), rows));
    }
    pieces
}

fn cells(line: &ExperimentSummary, measured: String) -> Vec<Cell> {
    vec![
        Cell::Link(line.told.title.clone(), line.told.id.clone()),
        Cell::Text(line.reported.clone()),
        Cell::Text(measured),
        Cell::Text(line.evidence.clone()),
        Cell::Verdict(if line.recorded { line.told.verdict.clone() } else { Verdict::NotRun.word().into() }),
    ]
}
