//! Every file of a report, made in memory: what is written, and what a published report is compared with.

use std::path::{Path, PathBuf};

use crate::definition::{Figure, Profile};
use crate::record::{Loaded, Row, archive_of, archive_path, kept_path, row, rows_to_csv};

use super::chart::{Chart, Panels, draw, shows_images, shows_steps, story};
use super::document::Piece;
use super::findings::Numbers;
use super::methods::Methods;
use super::page::Shown;
use super::results::{RecordSource, Results};
use super::verdict::judge;
use super::{
    Contents, ReportError, Summary, UnshownRecords, chapters, findings, html, io, markdown, methods, models, page,
    peer, summary, tables,
};

/// A file of a report.
pub struct Artefact {
    /// Path of the file.
    pub path: PathBuf,
    /// Contents of the file.
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

/// What the experiments have under one profile.
#[derive(Default)]
struct OfProfile {
    lines: Vec<summary::Line>,
    made: Vec<Artefact>,
    kept: Vec<UnshownRecords>,
    unsure: Vec<String>,
    recorded: bool,
}

/// All files of a report on the records that are read `from` the results folder.
///
/// # Errors
/// A damaged record.
pub fn artefacts(
    contents: Contents,
    profile: Profile,
    from: RecordSource,
) -> Result<(Summary, Vec<Artefact>), ReportError> {
    let Contents { experiments, results: folder, output, figures, .. } = contents;
    let links =
        figures.strip_prefix(output).map_or_else(|_| "../figures".into(), |inside| inside.display().to_string());
    let published = models::Published::read(folder);
    let mut profiles = Profile::ALL.map(|_| OfProfile::default());
    // The results of each experiment, of the largest profile first.
    let mut bodies: Vec<Vec<Piece>> = vec![];
    let (mut numbers, mut panels, mut chosen) = (Numbers::default(), Panels::default(), Methods::default());
    for definition in experiments {
        let (mut body, mut outdone) = (vec![], false);
        // The records of one profile are in memory at a time.
        for (current, profile) in Profile::ALL.into_iter().zip(&mut profiles).rev() {
            let results = &Results::read(definition, current, contents, from)?;
            profile.kept.extend(UnshownRecords::of(results));
            profile.unsure.extend(results.unsure.iter().cloned());
            let judgement = judge(results);
            profile.lines.push(summary::Line::new(results, &judgement));
            profile.made.extend(models::models(results, folder, &published, from));
            if results.is_empty() {
                continue;
            }
            profile.recorded = true;
            // A smaller profile has neither tables nor charts: its rows are those of its records.
            if !results.runs.is_empty() {
                profile.made.extend(archives(results, folder)?);
            }
            let tables = if outdone || results.runs.is_empty() { vec![] } else { tables::tables(results, output)? };
            let charts = if outdone { vec![] } else { charts(results, figures)? };
            let shown = if outdone { Shown::Checks } else { Shown::All(&charts, &links, &tables) };
            body.extend(page::body(results, &judgement, shown).into_iter().chain(note(results)));
            profile.made.extend(tables);
            for chart in charts {
                profile.made.extend(files(chart, false)?);
            }
            numbers.add(contents.outline, results);
            // A part of the experiments would leave out panels.
            if contents.whole {
                panels.add(contents.outline, results);
            }
            chosen.add(&contents.outline.choices, results);
            outdone = true;
        }
        bodies.push(body);
    }
    let nothing = !profiles.iter().any(|profile| profile.recorded);
    let (mut made, mut told, mut lines) = (vec![], Summary::default(), vec![]);
    for (current, of) in Profile::ALL.into_iter().zip(profiles) {
        told.kept.extend(of.kept);
        told.unsure.extend(of.unsure);
        let asked = current == profile;
        if !of.recorded && !asked {
            continue;
        }
        made.extend(of.made);
        if asked {
            told.experiments = of.lines.iter().map(|line| line.told.clone()).collect();
        }
        // Whoever asks about a profile without records changes nothing in a report that has others.
        if of.recorded || nothing {
            let path = output.join("tables").join(format!("summary.{}.csv", current.name()));
            made.push(csv(path, &summary_rows(&of.lines))?);
            lines.extend(of.lines);
        }
    }
    models::once_per_run(&mut made);
    let story = if contents.whole { story(contents.outline, panels, figures)? } else { None };
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
        .chain(findings::answers(contents.outline, &numbers))
        .chain(chapters::counts(&lines, contents.outline))
        .chain(findings::findings(contents.outline, &numbers))
        .chain(story.as_ref().map(|story| page::figure(story, &links)))
        .chain(chapters::tables(&lines, contents.not_run, contents.outline))
        .chain(sections)
        .chain(if published { peer::peer(folder)? } else { vec![] })
        .chain(methods::methods(&contents.outline.choices, chosen))
        .collect();
    if let Some(story) = story {
        made.extend(files(story, false)?);
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
    let path = kept_path(Path::new(""), &results.definition.id, results.profile);
    let text = format!(
        "{count} archived records with other settings, inputs, devices or numerics versions are not shown ({}).",
        path.display()
    );
    (count > 0).then(|| Piece::Paragraph("Other records:".into(), text))
}

/// The archive of the records that a report shows, with those images alone that charts show, and the archive of those
/// that no run shows any more.
fn archives(results: &Results, folder: &Path) -> Result<Vec<Artefact>, ReportError> {
    let (id, profile) = (&results.definition.id, results.profile);
    let shown = results.runs.iter().map(|run| (&run.loaded, shows_images(results, run))).collect();
    let mut made = vec![(archive_path(folder, id, profile), shown)];
    if !results.kept.is_empty() {
        made.push((kept_path(folder, id, profile), results.kept.iter().map(|loaded| (loaded, true)).collect()));
    }
    let packed = |(path, records): (PathBuf, Vec<(&Loaded, bool)>)| {
        let bytes = archive_of(records).map_err(io(&path))?;
        Ok(Artefact { path, bytes })
    };
    made.into_iter().map(packed).collect()
}
