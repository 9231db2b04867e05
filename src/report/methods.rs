//! The last section: choices that the papers leave unspecified with their measured effects, and the sources of the
//! methods that ran.

use std::collections::BTreeSet;

use crate::ode;
use crate::record::cell;

use super::choices::{CHOICES, Choice, Measured};
use super::document::{Cell, Piece};
use super::page::anchor;
use super::results::Results;
use super::summary::labelled;
use super::verdict::judge_check;

/// The pieces of the section. If several profiles measured a choice, the largest is quoted.
pub fn methods(results: &[&Results]) -> Vec<Piece> {
    let mut sources = BTreeSet::new();
    for found in results.iter().filter(|r| !r.runs.is_empty()) {
        for row in found.rows() {
            if let Some(solver) = row.get("solver").and_then(|name| ode::solver(&cell(name))) {
                sources.insert(format!("Solver {}: {}", solver.name, solver.source));
            }
            if let Some(source) = row.get("method").and_then(|m| method_source(&cell(m))) {
                sources.insert(source.to_owned());
            }
        }
    }
    let text = "The papers leave these choices unspecified. The last column gives the measured effect of a choice if a \
                check or a table compares it with an alternative.";
    let row = |choice: &Choice| {
        vec![Cell::Text(choice.what.into()), Cell::Text(choice.why.into()), sensitivity(choice, results)]
    };
    let head = ["Choice", "Reason", "Measured effect"].map(str::to_owned).to_vec();
    let mut pieces = vec![
        Piece::Heading(2, "Methods".into(), "methods".into()),
        Piece::Paragraph(String::new(), text.into()),
        Piece::Table("Choices that the papers leave unspecified".into(), head, CHOICES.iter().map(row).collect()),
    ];
    if !sources.is_empty() {
        pieces.push(Piece::Paragraph("Sources of the methods that ran:".into(), String::new()));
        pieces.push(Piece::List(sources.into_iter().collect()));
    }
    pieces.push(Piece::Up);
    pieces
}

/// The measured effect of a choice with a link, from the largest profile that measured it.
fn sensitivity(choice: &Choice, results: &[&Results]) -> Cell {
    let of = |experiment: &'static str| {
        results.iter().copied().rev().filter(move |r| r.definition.id == experiment && !r.runs.is_empty())
    };
    let found = match choice.measured {
        Measured::Not => None,
        Measured::Rows(experiment) => of(experiment).next().map(|found| {
            let text = format!("compared in the table of {experiment} ({} profile)", found.profile.name());
            Cell::Link(text, anchor(found))
        }),
        Measured::Check(experiment, name) => of(experiment).find_map(|found| {
            let check = found.definition.expectation.checks.iter().find(|check| check.name.starts_with(name))?;
            let judged = judge_check(check, &found.of(check.source));
            let measured = labelled(&judged.brief, found.definition);
            let text = format!("{}: {measured} ({experiment}, {} profile)", check.name, found.profile.name());
            judged.found.then(|| Cell::Link(text, anchor(found)))
        }),
    };
    found.unwrap_or_else(|| Cell::Text("not measured".into()))
}

fn method_source(method: &str) -> Option<&'static str> {
    match method.split(':').next()? {
        "anode" => Some("Gradient method anode: Gholami, Keutzer, Biros, IJCAI 2019"),
        "full" => Some("Gradient method full: reverse-mode differentiation of the discrete steps, all tapes stored"),
        "uniform" => Some("Gradient method uniform: equidistant checkpoints, one replay"),
        "revolve" => Some("Gradient method revolve: Griewank & Walther, ACM TOMS 26(1), 2000"),
        "online" => Some("Gradient method online: Wang, Moin, Iaccarino, SIAM J. Sci. Comput. 31(4), 2009"),
        "leapfrog" => Some("Gradient method leapfrog: Zhuang, Dvornek, Tatikonda, Duncan, ICLR 2021 (MALI)"),
        "reversible" => Some("Gradient method reversible: McCallum & Foster 2024"),
        "reverse-time" => Some("Gradient method reverse-time: Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018"),
        "stored-adjoint" => Some("Gradient method stored-adjoint: continuous adjoint along stored forward states"),
        "interpolated-adjoint" => {
            Some("Gradient method interpolated-adjoint: continuous adjoint along an interpolant of the forward states")
        }
        "dfdx-tape" => Some("Oracle dfdx-tape: the operations on dfdx's own tape"),
        _ => None,
    }
}
