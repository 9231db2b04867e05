//! The last section: choices that the papers leave unspecified with their measured effects, and the sources of the
//! methods that ran.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use crate::definition::Choice;
use crate::definition::settings::MethodName;
use crate::gradient::{Adjoint, Method};
use crate::ode;
use crate::record::cell;

use super::document::{Cell, Piece};
use super::page::anchor;
use super::results::Results;
use super::summary::labelled;
use super::verdict::judge_check;

/// What the section says, taken from the results of one experiment and profile after another.
#[derive(Default)]
pub struct Methods {
    sources: BTreeSet<String>,
    /// The measured effects, by the place of the choice in the outline.
    effects: HashMap<usize, Cell>,
}

impl Methods {
    /// Adds what results say. Of several profiles of an experiment, the largest comes first and is quoted.
    pub fn add(&mut self, choices: &[Choice], results: &Results) {
        for run in &results.runs {
            for row in &run.loaded.rows {
                let get = |column: &str| row.get(column).or_else(|| run.settings.get(column));
                if let Some(solver) = get("solver").and_then(|name| ode::solver(&cell(name)).ok()) {
                    self.sources.insert(format!("Solver {}: {}", solver.name, solver.source));
                }
                if let Some(source) = get("method").and_then(|m| method_source(&cell(m))) {
                    self.sources.insert(source);
                }
            }
        }
        for (place, choice) in choices.iter().enumerate() {
            if let Entry::Vacant(place) = self.effects.entry(place) {
                effect(choice, results).map(|effect| place.insert(effect));
            }
        }
    }
}

/// The pieces of the section.
pub fn methods(choices: &[Choice], found: Methods) -> Vec<Piece> {
    let Methods { sources, mut effects } = found;
    let text = "The sources that we read leave these choices unspecified. The last column gives the measured effect \
                of a choice if a check or a table compares it with an alternative.";
    let row = |(place, choice): (usize, &Choice)| {
        let effect = effects.remove(&place).unwrap_or_else(|| Cell::Text("not measured".into()));
        vec![Cell::Text(choice.what.clone()), Cell::Text(choice.why.clone()), effect]
    };
    let rows: Vec<_> = choices.iter().enumerate().map(row).collect();
    let head = ["Choice", "Reason", "Measured effect"].map(str::to_owned).to_vec();
    let mut pieces = vec![Piece::Heading(2, "Methods".into(), "methods".into())];
    if !rows.is_empty() {
        pieces.push(Piece::Paragraph(String::new(), text.into()));
        pieces.push(Piece::Table("Choices that our sources leave unspecified".into(), head, rows));
    }
    if !sources.is_empty() {
        pieces.push(Piece::Paragraph("Sources of the methods that ran:".into(), String::new()));
        pieces.push(Piece::List(sources.into_iter().collect()));
    }
    pieces.push(Piece::Up);
    pieces
}

/// The measured effect of a choice with a link, if these results measured it.
fn effect(choice: &Choice, results: &Results) -> Option<Cell> {
    let measured = choice.measured.as_ref()?;
    let experiment = &measured.experiment;
    if results.definition.id != *experiment || results.runs.is_empty() {
        return None;
    }
    let profile = results.profile.name();
    let Some(name) = &measured.check else {
        let text = format!("compared in the table of {experiment} ({profile} profile)");
        return Some(Cell::Link(text, anchor(results)));
    };
    let check = results.definition.expectation.checks.iter().find(|check| check.name.starts_with(name))?;
    let judged = judge_check(check, &results.of(check.source));
    let measured = labelled(&judged.brief, results.definition);
    let text = format!("check \"{}\": {measured} ({experiment}, {profile} profile)", check.name);
    judged.found.then(|| Cell::Link(text, anchor(results)))
}

fn method_source(name: &str) -> Option<String> {
    if name == MethodName::TAPE {
        return Some(format!("Oracle {name}: the operations on dfdx's own tape"));
    }
    let descriptor = name.parse::<Method>().ok()?.descriptor();
    Some(format!("Gradient method {}: {}", descriptor.name, descriptor.source))
}
