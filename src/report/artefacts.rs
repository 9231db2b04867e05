//! Every file of a report, made in memory: what is written, and what a published report is compared with.

use std::path::{Path, PathBuf};

use crate::definition::{Figure, Profile};
use crate::record::{Loaded, Row, row, rows_to_csv, to_archive};

use super::chart::{Chart, draw, shows_images, shows_steps, story};
use super::document::Piece;
use super::found::kept;
use super::page::Shown;
use super::results::{From, Results, archive};
use super::verdict::judge;
use super::{
    Contents, Kept, ReportError, Summary, chapters, findings, html, io, markdown, methods, models, page, peer, summary,
    tables,
};

/// A file of a report.
pub struct Artefact {
    /// Where it belongs.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A CSV file.
pub fn csv(path: PathBuf, rows: &[Row]) -> Result<Artefact, ReportError> {
    let bytes = rows_to_csv(rows).map_err(io(&path))?;
    Ok(Artefact { path, bytes })
}

/// The charts of results, where there is something to draw.
pub fn charts(results: &Results, folder: &Path) -> Result<Vec<Chart>, ReportError> {
    if results.is_empty() {
        return Ok(vec![]);
    }
    // Unfinished runs have steps alone.
    let drawn = |figure: &&Figure| !results.runs.is_empty() || shows_steps(figure);
    let figures = results.definition.figures.iter().filter(drawn);
    figures.filter_map(|f| draw(f, results, folder).transpose()).collect()
}

/// The files of a chart: SVG, and PNG where asked.
///
/// # Errors
/// The renderer's own.
pub fn files(chart: Chart, pixels: bool) -> Result<Vec<Artefact>, ReportError> {
    let png =
        if pixels { Some(Artefact { path: chart.path.with_extension("png"), bytes: chart.png()? }) } else { None };
    let svg = Artefact { path: chart.path, bytes: chart.text.into_bytes() };
    Ok(std::iter::once(svg).chain(png).collect())
}

/// All files of a report on the records that are read `from` the results folder.
///
/// # Errors
/// A damaged record.
pub fn artefacts(contents: Contents, profile: Profile, from: From) -> Result<(Summary, Vec<Artefact>), ReportError> {
    let Contents { experiments, results: folder, output, figures, .. } = contents;
    let mut made = vec![];
    let mut told = Summary::default();
    let mut read = vec![];
    for current in Profile::ALL {
        let found =
            experiments.iter().map(|d| Results::read(d, current, contents, from)).collect::<Result<Vec<_>, _>>()?;
        told.kept.extend(found.iter().filter_map(Kept::of));
        told.unsure.extend(found.iter().flat_map(|results| results.unsure.iter().cloned()));
        read.push((current, found));
    }
    let recorded = |found: &[Results]| found.iter().any(|r| !r.is_empty());
    let nothing = !read.iter().any(|(_, found)| recorded(found));
    let links =
        figures.strip_prefix(output).map_or_else(|_| "../figures".into(), |inside| inside.display().to_string());
    let mut lines = vec![];
    // The results of each experiment, of the largest profile first.
    let mut bodies: Vec<Vec<Piece>> = experiments.iter().map(|_| vec![]).collect();
    for (current, found) in &read {
        let asked = *current == profile;
        if !recorded(found) && !asked {
            continue;
        }
        let mut own = vec![];
        for (number, (results, bodies)) in found.iter().zip(&mut bodies).enumerate() {
            let judgement = judge(results);
            own.push(summary::Line::new(results, &judgement));
            made.extend(models::models(results, folder, from));
            if results.is_empty() {
                continue;
            }
            // A smaller profile has neither tables nor charts: its rows are those of its records.
            let outdone = read.iter().any(|(p, found)| p > current && !found[number].is_empty());
            if !results.runs.is_empty() {
                made.extend(archives(results, folder)?);
                made.extend(if outdone { vec![] } else { tables::tables(results, output)? });
            }
            let charts = if outdone { vec![] } else { charts(results, figures)? };
            let shown = if outdone { Shown::Checks } else { Shown::All(&charts, &links) };
            bodies.splice(0..0, page::body(results, &judgement, shown).into_iter().chain(note(results)));
            for chart in charts {
                made.extend(files(chart, false)?);
            }
        }
        if asked {
            told.experiments = own.iter().map(|line| line.told.clone()).collect();
        }
        // Whoever asks about a profile without records changes nothing in a report that has others.
        if recorded(found) || nothing {
            made.push(csv(output.join("tables").join(format!("summary.{}.csv", current.name())), &summary_rows(&own))?);
            lines.extend(own);
        }
    }
    let ran: Vec<&Results> = read.iter().flat_map(|(_, found)| found).collect();
    // A part of the experiments would leave out panels.
    let story = if contents.whole { story(contents.outline, &ran, figures)? } else { None };
    let answered = chapters::largest(&lines);
    let without = summary::without_results(&lines, contents.not_run);
    let sections = experiments.iter().zip(bodies).flat_map(|(definition, body)| {
        let why = without.iter().find(|(line, _)| line.told.id == definition.id).map(|(_, why)| *why);
        let line = answered.iter().find(|line| line.told.id == definition.id);
        page::section(definition, line.map(|line| line.answer()), body, why)
    });
    let published = output == folder;
    let pieces: Vec<Piece> = summary::opening(published)
        .into_iter()
        .chain(chapters::counts(&lines, contents.outline))
        .chain(findings::answers(contents.outline, &ran))
        .chain(findings::findings(contents.outline, &ran))
        .chain(story.as_ref().map(|story| page::figure(story, &links)))
        .chain(chapters::tables(&lines, contents.not_run, contents.outline))
        .chain(sections)
        .chain(if published { peer::peer(folder)? } else { vec![] })
        .chain(methods::methods(&ran))
        .collect();
    if let Some(story) = story {
        made.extend(files(story, true)?);
    }
    let title = summary::title(published);
    for (name, text) in [("REPORT.md", markdown::markdown(&pieces)), ("report.html", html::html(title, &pieces))] {
        made.push(Artefact { path: output.join(name), bytes: text.into_bytes() });
    }
    Ok((told, made))
}

fn summary_rows(lines: &[summary::Line]) -> Vec<Row> {
    let line = |line: &summary::Line| {
        row([
            ("experiment", line.told.id.clone().into()),
            ("title", line.told.title.clone().into()),
            ("source", line.source.clone().into()),
            ("verdict", line.told.verdict.clone().into()),
            ("measured", line.told.measured.clone().into()),
        ])
    };
    lines.iter().map(line).collect()
}

/// What the report says of archived records that no run shows.
fn note(results: &Results) -> Option<Piece> {
    let count = results.kept.len();
    let path = kept(Path::new(""), &results.definition.id, results.profile);
    let text = format!(
        "{count} archived records with other settings, inputs, devices or numerics versions are not shown ({}).",
        path.display()
    );
    (count > 0).then(|| Piece::Paragraph("Other records:".into(), text))
}

/// The archive of the records that a report shows, with those images alone that charts show, and the archive of those
/// that no run shows any more.
fn archives(results: &Results, folder: &Path) -> Result<Vec<Artefact>, ReportError> {
    let lean = |run: &super::results::RunResult| {
        let mut loaded: Loaded = run.loaded.clone();
        if !shows_images(results, run) {
            loaded.images.clear();
        }
        loaded
    };
    let (id, profile) = (&results.definition.id, results.profile);
    let shown: Vec<Loaded> = results.runs.iter().map(lean).collect();
    let mut made = vec![(archive(folder, id, profile), shown.as_slice())];
    if !results.kept.is_empty() {
        made.push((kept(folder, id, profile), results.kept.as_slice()));
    }
    let packed = |(path, records): (PathBuf, &[Loaded])| {
        let bytes = to_archive(records).map_err(io(&path))?;
        Ok(Artefact { path, bytes })
    };
    made.into_iter().map(packed).collect()
}
