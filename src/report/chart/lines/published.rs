//! The paper's numbers in a chart: those of a table at its right, those of a curve among its lines.

use std::collections::BTreeSet;

use crate::definition::{Lines, SourceTag};
use crate::report::results::{Results, matches};

use super::{Panel, Placed};

/// A number of the paper beside a panel.
#[derive(Clone, Debug)]
pub struct PublishedNumber {
    /// The line whose runs it is of.
    pub name: Option<usize>,
    /// Mean, and ends of the range where the paper gives them.
    pub value: f64,
    /// Least and greatest.
    pub range: [f64; 2],
    /// How we know the number.
    pub source: SourceTag,
    /// Data set or setting on which the paper measured it.
    pub on: Option<String>,
}

/// The numbers that the claim reports of what a panel shows, except those that the paper's curve in the chart has.
pub fn beside(lines: &Lines, results: &Results, mine: &[&Placed], per_unit: f64) -> Vec<PublishedNumber> {
    let reported = results.definition.claim.reported.iter().filter(|n| n.metric == lines.y.column);
    let known = reported.filter(|n| matches!(n.source, SourceTag::S | SourceTag::F));
    let drawn = |name: usize, value: f64| {
        lines.reference.iter().filter(|point| point.y == value).any(|point| {
            let own = mine.iter().find(|p| matches(p.row, &point.series));
            own.is_some_and(|own| own.name == name)
        })
    };
    let found = known.filter_map(|number| {
        let own = mine.iter().find(|p| matches(p.row, &number.filter))?;
        if drawn(own.name, number.value?) {
            return None;
        }
        let value = number.value? / per_unit;
        let range = [number.min, number.max].map(|end| end.map_or(value, |x| x / per_unit));
        Some(PublishedNumber { name: Some(own.name), value, range, source: number.source, on: number.on.clone() })
    });
    found.collect()
}

/// The digitised points of the figure that belong to rows of a panel, each with the name of its line.
pub fn digitised(lines: &Lines, mine: &[&Placed], per_unit: f64) -> Vec<(usize, Vec<(f64, f64)>)> {
    let mut found: Vec<(usize, Vec<(f64, f64)>)> = vec![];
    for point in &lines.reference {
        let Some(own) = mine.iter().find(|p| matches(p.row, &point.series)) else { continue };
        let place = (point.x, point.y / per_unit);
        match found.iter_mut().find(|(other, _)| *other == own.name) {
            Some((_, points)) => points.push(place),
            None => found.push((own.name, vec![place])),
        }
    }
    found
}

/// What a source tag says, for a note.
fn known_from(tag: SourceTag) -> &'static str {
    match tag {
        SourceTag::F => "digitised from a published figure [F]",
        _ => "stated in a source that we read [S]",
    }
}

/// Notes on whose numbers are shown.
pub fn notes(lines: &Lines, panels: &[Panel]) -> Vec<String> {
    let mut notes = vec![];
    let published = || panels.iter().flat_map(|p| &p.published);
    let tags: BTreeSet<&str> = published().map(|p| known_from(p.source)).collect();
    if !tags.is_empty() {
        let tags = tags.into_iter().collect::<Vec<_>>().join(" or ");
        let on: BTreeSet<&str> = published().filter_map(|p| p.on.as_deref()).collect();
        let on = if on.is_empty() {
            String::new()
        } else {
            format!(" on {}", on.into_iter().collect::<Vec<_>>().join(" and "))
        };
        let range = if published().any(|p| p.range[1] > p.range[0]) { ", mean and range of its runs" } else { "" };
        notes.push(format!("Right of the axes: the paper's numbers{on}{range}, {tags}."));
    }
    let tags: BTreeSet<&str> = lines.reference.iter().map(|p| known_from(p.source)).collect();
    if panels.iter().any(|p| !p.reference.is_empty()) {
        let tags = tags.into_iter().collect::<Vec<_>>().join(" or ");
        notes.push(format!("Dotted lines with discs: the paper, {tags}."));
    }
    notes
}
