//! The paper's numbers beside ours, each with what it was measured on. Only what was read is printed as the paper's.

use std::collections::{HashMap, HashSet};

use crate::definition::{Claim, Heading, Profile, Reported, Source, SourceTag, StudyKind, value_label};
use crate::record::{Row, cell};

use super::document::{Cell, Piece};
use super::results::{Results, as_number, matches, short};
use super::statistics::mean;

const NONE: &str = "not available";

/// The table, or a sentence where the paper's numbers are not known.
pub fn reported(results: &Results) -> Piece {
    let numbers = &results.definition.claim.reported;
    if !numbers.iter().any(known) {
        let text = "not available for this experiment".to_owned();
        return Piece::Paragraph("The paper's numbers:".into(), text);
    }
    let spread = numbers.iter().any(|n| n.min.is_some() || n.max.is_some());
    let line = |number: &Reported| {
        let rows = results.of(number.table);
        let all: Vec<&Row> = rows.iter().filter(|r| matches(r, &number.filter)).collect();
        let of_metric = |row: &Row| as_number(row.get(&number.metric));
        let own: Vec<&Row> = all.iter().copied().filter(|row| of_metric(row).is_some()).collect();
        let values: Vec<f64> = own.iter().filter_map(|row| of_metric(row)).collect();
        let empty = all.len() - own.len();
        // A log has evaluations in some of its rows only.
        let empty = match number.table {
            Source::Rows if empty > 0 => format!("; empty in {empty} of {} rows", all.len()),
            _ => String::new(),
        };
        let paper = if known(number) { [number.min, number.value, number.max] } else { [None; 3] };
        let mut cells = vec![Cell::Text(number.label.clone()), Cell::Text(source(number))];
        let heading = results.definition.heading(&number.metric);
        cells.extend(three(paper, spread, &heading));
        cells.push(Cell::Text(if values.is_empty() {
            NONE.into()
        } else {
            conditions(&own, &results.varying, None) + &empty
        }));
        cells.extend(three(of(&values), spread, &heading));
        cells
    };
    let three = |whose: &str| match spread {
        true => ["min", "mean", "max"].map(|what| format!("{whose}: {what}")).to_vec(),
        false => vec![format!("{whose}: number")],
    };
    let mut head = vec!["Row".to_owned(), "Paper: on".into()];
    head.extend(three("paper"));
    head.push("here: on".into());
    head.extend(three("here"));
    let caption = "The paper's numbers and ours. Data and training length differ; the columns named \"on\" state them";
    Piece::Table(caption.into(), head, numbers.iter().map(line).collect())
}

fn known(number: &Reported) -> bool {
    number.value.is_some() && matches!(number.source, SourceTag::S | SourceTag::F)
}

/// What is reported, for a cell of a summary: up to four numbers, or how many there are.
pub fn brief(claim: &Claim) -> String {
    let numbers: Vec<&Reported> = claim.reported.iter().filter(|n| known(n)).collect();
    let one = |number: &&Reported| {
        let value = number.value.unwrap_or(f64::NAN);
        let shown = if number.metric == "test_accuracy" { format!("{} %", short(100.0 * value)) } else { short(value) };
        format!("{}: {shown}", number.label)
    };
    match numbers.len() {
        0 => "no number available".into(),
        1..=4 => {
            let digitised = numbers.iter().any(|n| n.source == SourceTag::F);
            let tag = if digitised { " (digitised)" } else { "" };
            format!("{}{tag}", numbers.iter().map(one).collect::<Vec<_>>().join("; "))
        }
        n => format!("{n} numbers; see the section"),
    }
}

/// How strong the evidence is: for training runs the epochs of how many, data and seeds; else the number of runs.
pub fn evidence(results: &Results) -> String {
    let rows = results.rows();
    if rows.is_empty() {
        return "–".into();
    }
    if results.definition.study == StudyKind::Training {
        let full = results.definition.resolve(Profile::Paper);
        let full = full.and_then(|paper| paper.points().next()?.settings.get("epochs")?.as_u64());
        return conditions(&rows.iter().collect::<Vec<_>>(), &results.varying, full);
    }
    let runs = if results.runs.len() == 1 { "1 run".into() } else { format!("{} runs", results.runs.len()) };
    format!("profile {}, {runs}", results.profile.name())
}

fn source(number: &Reported) -> String {
    let how = match number.source {
        SourceTag::S => "reported",
        SourceTag::F => "digitised from the figure",
        _ => NONE,
    };
    if !known(number) {
        return NONE.into();
    }
    number.on.as_ref().map_or_else(|| how.to_owned(), |on| format!("{on}, {how}"))
}

/// The least, the mean and the greatest of some numbers.
fn of(values: &[f64]) -> [Option<f64>; 3] {
    if values.is_empty() {
        return [None; 3];
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [Some(least), Some(mean(values)), Some(greatest)]
}

fn three([least, mean, greatest]: [Option<f64>; 3], spread: bool, heading: &Heading) -> Vec<Cell> {
    let unit = heading.unit.as_ref().map_or_else(String::new, |unit| format!(" {unit}"));
    let text = |x: f64| short(x / heading.per_unit) + &unit;
    let cell = |x: Option<f64>| Cell::Number(x.map_or_else(|| "–".into(), text));
    if spread { Vec::from([least, mean, greatest].map(cell)) } else { vec![cell(mean)] }
}

/// What rows were measured on: data, passes over it (of so many in full, if known), seeds.
fn conditions(rows: &[&Row], varying: &[String], full: Option<u64>) -> String {
    let each = |column: &str| {
        let mut seen = HashSet::new();
        let texts = rows.iter().filter_map(|r| r.get(column)).map(cell);
        let texts = texts.map(|text| value_label(column, &text).unwrap_or(text));
        texts.filter(|text| seen.insert(text.clone())).collect::<Vec<String>>()
    };
    let (data, epochs, epoch) = (each("data"), each("epochs"), each("epoch"));
    let mut parts = vec![];
    if !data.is_empty() {
        parts.push(data.join(" and "));
    }
    if !epochs.is_empty() {
        let epochs = epochs.join(" and ");
        parts.push(match full {
            // Rows of a log count epochs from 0.
            _ if !epoch.is_empty() => {
                let ends = epoch.iter().map(|e| e.parse::<u64>().map_or_else(|_| e.clone(), |e| (e + 1).to_string()));
                format!("epoch {} of {epochs}", ends.collect::<Vec<_>>().join(" and "))
            }
            Some(full) => format!("{epochs} of {full} epochs"),
            None if epochs == "1" => "1 epoch".into(),
            None => format!("{epochs} epochs"),
        });
    }
    // Settings may have different numbers of seeds.
    let mut seeds: HashMap<Vec<String>, HashSet<String>> = HashMap::new();
    for row in rows {
        let settings = varying.iter().map(|column| row.get(column).map(cell).unwrap_or_default()).collect();
        seeds.entry(settings).or_default().insert(row.get("seed").map(cell).unwrap_or_default());
    }
    let counts = || seeds.values().map(HashSet::len);
    parts.push(match (counts().min().unwrap_or(0), counts().max().unwrap_or(0)) {
        (1, 1) => "1 seed".into(),
        (least, most) if least == most => format!("{most} seeds"),
        (least, most) => format!("{least} to {most} seeds"),
    });
    parts.join(", ")
}
