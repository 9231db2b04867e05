//! The last section: choices made where the papers are silent, and the sources of the methods that ran.

use std::collections::BTreeSet;

use crate::ode;
use crate::record::cell;

use super::document::Piece;
use super::results::Results;

/// Choices that a reader should know, each where it matters.
const CHOICES: &[&str] = &[
    "Full texts of the papers could not be read; claims carry the tag of how they are known, and remembered numbers are never printed as the paper's.",
    "Reverse-time gradients run on the forward step grid, z and its adjoint backwards together; batch norm uses the statistics of the reverse pass's own batch and leaves the running ones alone.",
    "Running statistics are updated once for each forward evaluation and not again in a replay; the authors' released code updates them in both.",
    "Evolving weights: the PDE lives on the height and width of a kernel with spacing 1, sigma is centred (sigma(x) - sigma(0)), and in configuration 2 theta is held through a step of z; docs/evolution.md gives the reasons.",
    "A run counts as diverged when its loss or gradient is not finite, or its loss exceeds ten times the first one.",
    "Error of a gradient g against a truth h is |g - h| / |h| in the Euclidean norm; order is the slope of its logarithm against that of the step size, by least squares.",
];

/// The pieces of the section.
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
    let mut pieces = vec![
        Piece::Heading(2, "Methods".into(), "methods".into()),
        Piece::Paragraph("Choices:".into(), String::new()),
        Piece::List(CHOICES.iter().map(|c| (*c).to_owned()).collect()),
    ];
    if !sources.is_empty() {
        pieces.push(Piece::Paragraph("Sources of what ran:".into(), String::new()));
        pieces.push(Piece::List(sources.into_iter().collect()));
    }
    pieces
}

fn method_source(method: &str) -> Option<&'static str> {
    match method.split(':').next()? {
        "anode" => Some("Gradient method anode: Gholami, Keutzer, Biros, IJCAI 2019"),
        "full" => Some("Gradient method full: reverse-mode differentiation of the discrete steps, all tapes stored"),
        "uniform" => Some("Gradient method uniform: equidistant checkpoints, one replay"),
        "revolve" => Some("Gradient method revolve: Griewank & Walther, ACM TOMS 26(1), 2000"),
        "reverse-time" => Some("Gradient method reverse-time: Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018"),
        "stored-adjoint" => Some("Gradient method stored-adjoint: continuous adjoint along stored forward states"),
        "dfdx-tape" => Some("Oracle dfdx-tape: the operations on dfdx's own tape"),
        _ => None,
    }
}
