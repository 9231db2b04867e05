//! Every file of a report, made in memory: what is written, and what a published report is compared with.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::definition::{Figure, Profile};
use crate::record::{LoadedRecord, Row, archive_for, archive_path, kept_path, row, rows_to_csv};

use super::chart::{Chart, Panels, draw, shows_images, shows_steps, story};
use super::document::Piece;
use super::findings::Numbers;
use super::inflight::Damaged;
use super::methods::Methods;
use super::page::Shown;
use super::results::{RecordSource, Results};
use super::verdict::judge;
use super::{
    Contents, ReportError, Summary, UnshownRecords, changes, chapters, findings, html, io, markdown, methods, models,
    page, peer, same_networks, summary, tables,
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
    lines: Vec<summary::ExperimentSummary>,
    made: Vec<Artefact>,
    kept: Vec<UnshownRecords>,
    unsure: Vec<String>,
    damaged: Damaged,
    recorded: bool,
}

/// All files of a report on the records that are read `from` the results folder. Of a part of the experiments, only
/// their own: without pages and summaries.
///
/// # Errors
/// A damaged record.
pub fn artefacts(
    contents: Contents,
    profile: Profile,
    from: RecordSource,
) -> Result<(Summary, Vec<Artefact>), ReportError> {
    let Contents { experiments, results: folder, output, figures, .. } = contents;
    let links = relative(output, figures);
    let published = models::PublishedNetworks::read(folder);
    let mut profiles = Profile::ALL.map(|_| OfProfile::default());
    // The results of each experiment, of the largest profile first.
    let mut bodies: Vec<Vec<Piece>> = vec![];
    let mut networks: Vec<(String, BTreeSet<String>)> = vec![];
    let (mut numbers, mut panels, mut chosen) = (Numbers::default(), Panels::default(), Methods::default());
    for definition in experiments {
        let (mut body, mut outdone) = (vec![], false);
        let mut own = BTreeSet::new();
        // The records of one profile are in memory at a time.
        for (current, profile) in Profile::ALL.into_iter().zip(&mut profiles).rev() {
            let results = &Results::read(definition, current, contents, from)?;
            profile.kept.extend(UnshownRecords::of(results));
            profile.unsure.extend(results.unsure.iter().cloned());
            profile.damaged.extend(results.damaged.iter().cloned());
            let judgement = judge(results);
            profile.lines.push(summary::ExperimentSummary::new(results, &judgement));
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
            panels.add(contents.outline, results);
            chosen.add(&contents.outline.choices, results);
            if own.is_empty() {
                own = same_networks::networks(results);
            }
            outdone = true;
        }
        bodies.push(body);
        networks.push((definition.id.clone(), own));
    }
    for (body, common) in bodies.iter_mut().zip(same_networks::in_common(&networks)) {
        body.extend(common);
    }
    let nothing = !profiles.iter().any(|profile| profile.recorded);
    let (mut made, mut told, mut lines) = (vec![], Summary::default(), vec![]);
    for (current, of) in Profile::ALL.into_iter().zip(profiles) {
        told.kept.extend(of.kept);
        told.unsure.extend(of.unsure);
        told.add_damaged(of.damaged);
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
            if contents.whole {
                let path = output.join("tables").join(format!("summary.{}.csv", current.name()));
                made.push(csv(path, &summary_rows(&of.lines))?);
            }
            lines.extend(of.lines);
        }
    }
    models::once_per_run(&mut made);
    if !contents.whole {
        return Ok((told, made));
    }
    let story = story(contents.outline, panels, figures)?;
    let answered = chapters::largest(&lines);
    let without = summary::without_results(&lines, contents.not_run);
    let sections = experiments.iter().zip(bodies).flat_map(|(definition, body)| {
        let why = without.iter().find(|(line, _)| line.told.id == definition.id).map(|(_, why)| *why);
        let line = answered.iter().find(|line| line.told.id == definition.id);
        page::section(definition, line.map(|line| line.answer()), body, why)
    });
    let published = output == folder;
    let changes = changes::table(experiments, &answered);
    let pieces: Vec<Piece> = summary::opening(published)
        .into_iter()
        .chain(findings::answers(contents.outline, &numbers))
        .chain(chapters::counts(&lines, contents.outline))
        .chain(changes::note(experiments, &answered))
        .chain(findings::findings(contents.outline, &numbers, experiments))
        .chain(story.as_ref().map(|story| page::figure(story, &links)))
        .chain(chapters::tables(&lines, contents.not_run, contents.outline))
        .chain(sections)
        .chain(changes)
        .chain(if published { peer::peer(folder, models::networks(&made))? } else { vec![] })
        .chain(methods::methods(&contents.outline.choices, chosen))
        .collect();
    if let Some(story) = story {
        made.extend(files(story, false)?);
    }
    let origins = findings::origins(contents.outline, &numbers);
    if !origins.is_empty() {
        made.push(csv(output.join("tables").join(findings::TABLE), &origins)?);
    }
    let title = summary::title(published);
    for (name, text) in [("REPORT.md", markdown::markdown(&pieces)), ("report.html", html::html(title, &pieces))] {
        made.push(Artefact { path: output.join(name), bytes: text.into_bytes() });
    }
    Ok((told, made))
}

/// The path of the folder `to` as a link in a file in the folder `from`.
fn relative(from: &Path, to: &Path) -> String {
    let [from, to] = [from, to].map(|path| {
        let mut parts: Vec<OsString> = vec![];
        for part in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
            match part {
                Component::ParentDir => drop(parts.pop()),
                part => parts.push(part.as_os_str().to_owned()),
            }
        }
        parts
    });
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| "..".to_owned());
    let link: Vec<String> = up.chain(to[common..].iter().map(|part| encoded(part))).collect();
    if link.is_empty() { ".".into() } else { link.join("/") }
}

/// A part of a path with percent-encoding, since spaces and brackets end a link in Markdown.
fn encoded(part: &OsStr) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let byte = |byte: &u8| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    part.as_encoded_bytes().iter().map(byte).collect()
}

fn summary_rows(lines: &[summary::ExperimentSummary]) -> Vec<Row> {
    let line = |line: &summary::ExperimentSummary| {
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
/// that no run shows any more. Written in this order, no record is missing from both at any time; the second archive
/// may come twice.
fn archives(results: &Results, folder: &Path) -> Result<Vec<Artefact>, ReportError> {
    let (id, profile) = (&results.definition.id, results.profile);
    let shown = results.runs.iter().map(|run| (&run.loaded, shows_images(results, run))).collect();
    let steps = archive_steps(shown, &results.kept, &results.returned);
    let packed = |(archive, records): (Archive, Vec<(&LoadedRecord, bool)>)| {
        let path = match archive {
            Archive::Main => archive_path(folder, id, profile),
            Archive::Kept => kept_path(folder, id, profile),
        };
        let bytes = archive_for(&path, records).map_err(io(&path))?;
        Ok(Artefact { path, bytes })
    };
    steps.into_iter().map(packed).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Archive {
    Main,
    Kept,
}

/// Contents of the archives in the order in which they are written. First the second archive with its new records
/// and with those that return to the main one (`returned`), then the main archive, then the second one without those
/// that returned. A second archive that becomes empty is removed last, as an outdated file.
fn archive_steps<'a>(
    shown: Vec<(&'a LoadedRecord, bool)>,
    kept: &'a [LoadedRecord],
    returned: &HashSet<String>,
) -> Vec<(Archive, Vec<(&'a LoadedRecord, bool)>)> {
    if kept.is_empty() {
        return vec![(Archive::Main, shown)];
    }
    let kept: Vec<_> = kept.iter().map(|loaded| (loaded, true)).collect();
    let mut seen = HashSet::new();
    let returning = shown.iter().filter(|(loaded, _)| returned.contains(&loaded.record.run));
    let returning: Vec<_> = returning.filter(|(loaded, _)| seen.insert(&loaded.record.run)).copied().collect();
    if returning.is_empty() {
        return vec![(Archive::Kept, kept), (Archive::Main, shown)];
    }
    let all = kept.iter().copied().chain(returning).collect();
    vec![(Archive::Kept, all), (Archive::Main, shown), (Archive::Kept, kept)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(run: &str) -> LoadedRecord {
        let record = serde_json::json!({
            "format": 1, "run": run, "experiment": "plain", "profile": "quick", "study": "reversibility",
            "settings": {}, "seed": 0, "inputs": {}, "status": { "kind": "finished" }, "files": {},
            "environment": {
                "device": "cpu", "processor": "", "threads": 1, "version": "", "commit": null, "dirty": null,
                "rustc": "", "system": "", "finished_at": "", "seconds": 0.0
            }
        });
        let record = serde_json::from_value(record).expect("a record");
        LoadedRecord { record, rows: vec![], steps: vec![], images: vec![] }
    }

    #[test]
    fn links_lead_from_the_report_to_its_charts() {
        for (from, to, link) in [
            ("results", "figures", "../figures"),
            ("r2", "r2/figures", "figures"),
            ("r2", "f2", "../f2"),
            ("r2/own", "my figures/(a)", "../../my%20figures/%28a%29"),
            ("r2", "./r2/../r2", "."),
            ("/a/b", "/a/c/d", "../c/d"),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)), link);
        }
    }

    #[test]
    fn a_report_that_stops_between_two_archives_loses_no_record() {
        let records = ["a", "b", "c"].map(record);
        let names = ["a", "b", "c"].map(str::to_owned);
        // Which records were in the second archive before, and which are in it afterwards.
        for (before, after) in (0..8).flat_map(|before| (0..8).map(move |after| (before, after))) {
            let of = |bits: i32| (0..3).filter(move |i| bits & (1 << i) != 0);
            let kept: Vec<LoadedRecord> = of(after).map(|i| records[i].clone()).collect();
            let shown: Vec<_> = of(7 ^ after).map(|i| (&records[i], true)).collect();
            let returned = of(before & !after).map(|i| names[i].clone()).collect();
            let mut archives = [of(7 ^ before), of(before)].map(|found| found.map(|i| names[i].clone()).collect());
            for (archive, records) in archive_steps(shown.clone(), &kept, &returned) {
                let ids: HashSet<String> = records.iter().map(|(loaded, _)| loaded.record.run.clone()).collect();
                archives[usize::from(archive == Archive::Kept)] = ids;
                assert_eq!(archives[0].union(&archives[1]).count(), 3, "{before} {after}");
            }
            assert_eq!(archives[0].len(), shown.len());
            assert!(kept.is_empty() || archives[1].len() == kept.len(), "{before} {after}");
        }
    }
}
