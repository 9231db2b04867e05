//! The section of one experiment: claim, test, what was measured under each profile, what could overturn it.

use std::collections::HashSet;

use crate::definition::{Definition, Metric, Paper, SourceTag};
use crate::record::{Origin, Row, Status};

use super::artefacts::Artefact;
use super::changes;
use super::chart::Chart;
use super::document::{Cell, Piece};
use super::excerpt::excerpt;
use super::named;
use super::reported::reported;
use super::results::{Results, as_number};
use super::seeds::{self, Mean, Over};
use super::summary::labelled;
use super::verdict::{Checked, Judgement, Required};
use super::{tables, text};

/// Rows of a table in the report; the rest is in the CSV file.
const MOST_ROWS: usize = 24;

/// The meaning of a source tag.
pub fn meaning(tag: SourceTag) -> &'static str {
    match tag {
        SourceTag::S => "stated in a source that we read",
        SourceTag::F => "digitised from a published figure",
        SourceTag::M => "from memory; not confirmed in any text that we could read",
        SourceTag::D => "derived mathematically",
        SourceTag::C => "computed independently of this program",
        SourceTag::I => "inferred",
        SourceTag::U => "unknown",
    }
}

/// Name of a paper with its number.
pub fn paper(paper: Paper) -> &'static str {
    match paper {
        Paper::Anode => "ANODE (arXiv 1902.10298)",
        Paper::Anodev2 => "ANODEV2 (arXiv 1906.04596)",
    }
}

/// The anchor of an experiment under a profile.
pub fn anchor(results: &Results) -> String {
    format!("{}-{}", results.definition.id, results.profile.name())
}

/// The section of an experiment: the answer, the claim, the decision rule, the method, the results under each profile
/// (`bodies`) or why there are none, and the limitations.
pub fn section(
    definition: &Definition,
    answer: Option<String>,
    bodies: Vec<Piece>,
    not_run: Option<&str>,
) -> Vec<Piece> {
    let how = paper(definition.paper);
    let title = format!("{} ({})", definition.title, definition.id);
    let mut pieces = vec![Piece::Heading(2, title, definition.id.clone())];
    pieces.extend(answer.map(|answer| lead("Result", answer)));
    pieces.extend([
        lead("Claim", format!("{} [{how}: {}]", definition.claim.text, meaning(definition.claim.source))),
        lead("Decision rule", definition.expectation.text.clone()),
    ]);
    pieces.extend(changes::of(definition));
    pieces.push(lead("Method", definition.analysis.clone()));
    pieces.extend(bodies);
    pieces.extend(not_run.map(|why| lead("Verdict", format!("not run: {why}"))));
    pieces.extend(definition.overturn.clone().map(|text| lead("Limitations", text)));
    pieces.push(Piece::Up);
    pieces
}

fn lead(name: &str, text: String) -> Piece {
    Piece::Paragraph(format!("{name}:"), text)
}

/// The part of a profile's results that the report shows.
pub enum Shown<'a> {
    /// Everything, with these charts, the path of their folder for links, and the files of the tables.
    All(&'a [Chart], &'a str, &'a [Artefact]),
    /// Only the checks, because a larger profile shows the rest.
    Checks,
}

/// The results of an experiment under a profile.
pub fn body(results: &Results, judgement: &Judgement, shown: Shown) -> Vec<Piece> {
    let Judgement { verdict, required, checks } = judgement;
    let profile = results.profile.name();
    let mut runs = format!("{} of {} runs complete", results.runs.len(), results.asked);
    if !results.inflight.is_empty() {
        runs += &format!(", {} unfinished", results.inflight.len());
    }
    let title = format!("{}: {} ({runs})", text::profile(results.profile), verdict.word());
    let mut pieces = vec![];
    let folded = matches!(shown, Shown::Checks);
    if !checks.is_empty() {
        let row = |c: &Checked| {
            let measured = labelled(&c.measured, results.definition);
            vec![Cell::Verdict(c.verdict.word().into()), Cell::Text(c.name.clone()), Cell::Text(measured)]
        };
        let head = ["Result", "Check", "Measured"].map(str::to_owned).to_vec();
        let need = |r: &Required| {
            let result = if r.met { "requirement met" } else { "requirement not met" };
            vec![
                Cell::Text(result.into()),
                Cell::Text(r.name.clone()),
                Cell::Text(labelled(&r.measured, results.definition)),
            ]
        };
        let rows = required.iter().map(need).chain(checks.iter().map(row)).collect();
        pieces.push(Piece::Table("Checks".into(), head, rows));
    }
    if !results.inflight.is_empty() {
        let text =
            "verdicts ignore them; charts of training steps show their steps so far if no other seed is recorded";
        pieces.push(lead("Unfinished runs", text.into()));
        pieces.push(Piece::List(results.unfinished()));
    }
    match shown {
        Shown::All(charts, folder, files) => {
            pieces.push(reported(results));
            pieces.extend(charts.iter().map(|chart| figure(chart, folder)));
            if !results.runs.is_empty() {
                pieces.push(table(results));
                pieces.extend(full_precision(files));
            }
        }
        Shown::Checks => {
            let id = &results.definition.id;
            pieces.push(lead("Data", format!("records/{id}.{profile}.tar.xz")));
        }
    }
    pieces.extend(provenance(results));
    // A larger profile shows the same with more data.
    if folded {
        return vec![Piece::Fold(title, anchor(results), pieces)];
    }
    pieces.insert(0, Piece::Heading(3, title, anchor(results)));
    pieces
}

/// A chart as a piece of the report, with the path of its folder for links.
pub fn figure(chart: &Chart, folder: &str) -> Piece {
    let name = chart.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let (svg, description) = (chart.text.clone(), chart.description.clone());
    Piece::Figure { svg, pieces: chart.pieces.clone(), path: format!("{folder}/{name}"), description }
}

fn table(results: &Results) -> Piece {
    let definition = results.definition;
    let rows = results.rows();
    // A setting that a metric shows already, or that has a value in no row, is not repeated.
    let settings: Vec<&String> = results
        .varying
        .iter()
        .filter(|c| definition.metrics.iter().all(|m| m.column != **c) && rows.iter().any(|r| r.contains_key(*c)))
        .collect();
    let title = |m: &Metric| definition.heading(&m.column).to_string();
    let metrics = definition.metrics.iter().map(title);
    if let Some(means) = seeds::means(results) {
        return means_table(results, &means, &settings, metrics);
    }
    let several_seeds = results.runs.iter().any(|r| r.loaded.record.seed != results.runs[0].loaded.record.seed);
    let mut head: Vec<String> = settings.iter().map(|s| definition.heading(s).to_string()).collect();
    if several_seeds {
        head.push("seed".into());
    }
    head.extend(metrics);
    let line = |row: &Row| {
        let number = |column: &str| {
            let text = named::value(definition, column, row.get(column));
            if as_number(row.get(column)).is_some() { Cell::Number(text) } else { Cell::Text(text) }
        };
        let seed = several_seeds.then(|| number("seed"));
        settings
            .iter()
            .map(|s| number(s))
            .chain(seed)
            .chain(definition.metrics.iter().map(|m| number(&m.column)))
            .collect()
    };
    let of = counted(rows.len(), "rows");
    let places = excerpt(rows, &definition.expectation.checks, MOST_ROWS);
    Piece::Table(of, head, places.into_iter().map(|place| line(&rows[place])).collect())
}

/// Links to the files with every row and, if there are several seeds, all statistics.
fn full_precision(files: &[Artefact]) -> impl Iterator<Item = Piece> {
    tables::files(files).into_iter().map(|path| {
        let what =
            if path.contains(".seeds.csv") { "All statistics over seeds:" } else { "Every row in full precision:" };
        Piece::Reference(what.into(), path.clone(), path)
    })
}

fn counted(rows: usize, what: &str) -> String {
    match rows {
        1 => format!("The only {}", what.replacen("rows", "row", 1)),
        2..=MOST_ROWS => format!("All {rows} {what}"),
        _ => {
            format!("{MOST_ROWS} of {rows} {what} (first those that the checks judge, then others at equal distances)")
        }
    }
}

/// The table where points of the grid have several seeds.
fn means_table(
    results: &Results,
    means: &[Mean],
    settings: &[&String],
    metrics: impl Iterator<Item = String>,
) -> Piece {
    let shown: Vec<&str> = settings
        .iter()
        .map(|s| s.as_str())
        .chain(results.definition.metrics.iter().map(|m| m.column.as_str()))
        .collect();
    let line = |mean: &Mean| {
        let one = |column: &&str| match mean.cells.iter().find(|(c, _)| c == column) {
            Some((_, over)) => {
                let over = &named::over(results.definition, column, over);
                let text = seeds::text(over, seeds::is_logarithmic(results, column));
                let number = match over {
                    Over::Same(value) => as_number(Some(value)).is_some(),
                    Over::Numbers(_) => true,
                    Over::Texts(_) => false,
                };
                if number { Cell::Number(text) } else { Cell::Text(text) }
            }
            None => Cell::Text("–".into()),
        };
        shown.iter().map(one).collect()
    };
    let (least, most) = means.iter().fold((usize::MAX, 0), |(a, b), m| (a.min(m.seeds), b.max(m.seeds)));
    let over = if least == most { format!("{most}") } else { format!("{least} to {most}") };
    let percent = 100.0 * seeds::CONFIDENCE;
    let caption = format!(
        "{}: mean ± {percent} % confidence half-width over {over} seeds (Student's t). Quantities plotted on a log \
         axis: median [min, max]",
        counted(means.len(), "rows")
    );
    let head = settings.iter().map(|s| results.definition.heading(s).to_string()).chain(metrics).collect();
    let rows: Vec<Row> = means.iter().map(Mean::row).collect();
    let places = excerpt(&rows, &results.definition.expectation.checks, MOST_ROWS);
    Piece::Table(caption, head, places.into_iter().map(|place| line(&means[place])).collect())
}

/// The parts of an interrupted run that another machine or program than the last one computed.
fn parts_elsewhere(origins: &[Origin]) -> impl Iterator<Item = String> {
    let part =
        |pair: &[Origin]| format!("steps {} to {} by {}", pair[0].from_step, pair[1].from_step - 1, pair[0].in_words());
    origins.windows(2).map(part)
}

/// Where the numbers come from: device, versions, commit; what diverged or failed.
fn provenance(results: &Results) -> Vec<Piece> {
    let (mut places, mut seen): (Vec<String>, HashSet<String>) = (vec![], HashSet::new());
    for run in &results.runs {
        let e = &run.loaded.record.environment;
        let changed = if e.dirty == Some(true) { " with uncommitted changes" } else { "" };
        let place = format!(
            "{}, {} thread{}, {}; anode {} at commit {}{changed}, {}",
            e.device_in_words(),
            e.threads,
            if e.threads == 1 { "" } else { "s" },
            e.system,
            e.version,
            e.short_commit(),
            e.rustc
        );
        let parts = parts_elsewhere(&run.loaded.record.origins).map(|part| format!("{}: {part}", results.name(run)));
        for place in std::iter::once(place).chain(parts) {
            if seen.insert(place.clone()) {
                places.push(place);
            }
        }
    }
    let mut pieces = vec![];
    if !places.is_empty() {
        let text = Piece::Paragraph(String::new(), places.join("; "));
        pieces.push(Piece::Fold("Computed on".into(), format!("{}-computed", anchor(results)), vec![text]));
    }
    let diverged: Vec<String> = results
        .runs
        .iter()
        .filter_map(|run| match &run.loaded.record.status {
            Status::Diverged { step, loss, gradient_norm, cause } => {
                let cause = cause.as_ref().map(|cause| format!("; {cause}")).unwrap_or_default();
                Some(format!("{}: step {step}, loss {loss}, gradient norm {gradient_norm}{cause}", results.name(run)))
            }
            _ => None,
        })
        .collect();
    for (title, lines) in [("Diverged runs (a result, not a failure):", diverged), ("Failed runs:", results.failures())]
    {
        if !lines.is_empty() {
            pieces.push(Piece::Paragraph(title.into(), String::new()));
            pieces.push(Piece::List(lines));
        }
    }
    pieces
}
