//! Files in the folders of a report that the report does not make.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::definition::Profile;
use crate::record::{ARCHIVE_ENDS, CHECKPOINTS, HANDED_OVER, INFLIGHT, UNFINISHED, archive_path, is_run_id};

use super::chart::STORY;
use super::findings;
use super::models::{self, MODELS};
use super::peer;
use super::{Contents, ReportError, io};

/// The kind of a file that the report does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// A table or a chart of an earlier report, or an archive whose records are in another one now. `anode report`
    /// removes it.
    Outdated,
    /// Records of an experiment without a definition. `anode clean` removes them.
    Records,
    /// A file of unknown origin.
    Unknown,
}

/// The files in `tables`, `timing`, `records`, `models` and the folder of charts that are not among `made`, in order,
/// and what is in `peer` and `inflight` that no call reads. Left out are hidden files, files of experiments that are
/// not part of this report, and archives of which no run shows a record.
///
/// # Errors
/// A folder that cannot be read.
pub fn strays(contents: Contents, made: &BTreeSet<PathBuf>) -> Result<Vec<(PathBuf, Stray)>, ReportError> {
    let mut found = vec![];
    let tables = ["tables", "timing"].map(|name| (name, contents.output.join(name)));
    let records = ["records", MODELS].map(|name| (name, contents.results.join(name)));
    let charts = [("charts", contents.figures.to_owned())];
    for (kind, folder) in tables.into_iter().chain(records).chain(charts) {
        for (path, name) in files(&folder)? {
            if !made.contains(&path) {
                let stray = judge(contents, kind, &folder, &name, made);
                // A report writes no folders here.
                let stray = stray.map(|stray| if path.is_dir() { Stray::Unknown } else { stray });
                found.extend(stray.map(|stray| (path, stray)));
            }
        }
    }
    for (path, name) in files(&contents.results.join("peer"))? {
        if name != peer::TABLE {
            found.push((path, Stray::Unknown));
        }
    }
    for (path, name) in files(&contents.results.join(INFLIGHT))? {
        inflight(contents, path, &name, &mut found)?;
    }
    Ok(found)
}

/// What is in `inflight` under the name of an experiment but folders of runs with a header or a state.
fn inflight(
    contents: Contents,
    folder: PathBuf,
    experiment: &str,
    found: &mut Vec<(PathBuf, Stray)>,
) -> Result<(), ReportError> {
    let mut known = contents.experiments.iter().map(|definition| &definition.id).chain(contents.others);
    if !folder.is_dir() || !known.any(|id| id == experiment) {
        found.push((folder, Stray::Unknown));
        return Ok(());
    }
    for (path, run) in files(&folder)? {
        // Earlier versions left no header.
        let continues = [UNFINISHED, CHECKPOINTS[0]].iter().any(|name| path.join(name).exists());
        if !path.is_dir() || !is_run_id(&run) || !continues {
            found.push((path, Stray::Unknown));
            continue;
        }
        let inside = files(&path)?.into_iter().filter(|(_, name)| !HANDED_OVER.contains(&name.as_str()));
        found.extend(inside.map(|(path, _)| (path, Stray::Unknown)));
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<(PathBuf, String)>, ReportError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(io(folder))?,
    };
    let mut found = vec![];
    for entry in entries {
        let entry = entry.map_err(io(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Unfinished writes among them.
        if !name.starts_with('.') {
            found.push((entry.path(), name));
        }
    }
    found.sort();
    Ok(found)
}

fn judge(contents: Contents, kind: &str, folder: &Path, name: &str, made: &BTreeSet<PathBuf>) -> Option<Stray> {
    if kind == MODELS {
        let Some(experiment) = models::experiment(name) else { return Some(Stray::Unknown) };
        let known = contents.experiments.iter().any(|definition| definition.id == experiment);
        let other = contents.others.iter().any(|id| id == experiment);
        // The networks of records that no run shows stay with their archive.
        let unshown = |profile| {
            let path = archive_path(contents.results, experiment, profile);
            path.exists() && !made.contains(&path)
        };
        let outdated = !Profile::ALL.into_iter().any(unshown);
        return if known { outdated.then_some(Stray::Outdated) } else { (!other).then_some(Stray::Unknown) };
    }
    // Pixels of a chart that is there, for whoever wants them.
    if kind == "charts" && name.ends_with(".png") && made.contains(&folder.join(name).with_extension("svg")) {
        return None;
    }
    // The figure that opens the report on the papers, also if their outline has none any more.
    let published = contents.output == contents.results;
    if kind == "charts" && published && matches!(name.strip_prefix(STORY), Some(".svg" | ".png")) {
        return contents.whole.then_some(Stray::Outdated);
    }
    if kind == "tables" && name == findings::TABLE {
        return contents.whole.then_some(Stray::Outdated);
    }
    let Some((stem, ends)) = split(name, kind) else { return Some(Stray::Unknown) };
    let named = |id: &String| match kind {
        "charts" => stem.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('-')),
        _ => stem == id,
    };
    // Of ids that begin alike the longest names the chart.
    let longest = |ids: &mut dyn Iterator<Item = &String>| ids.filter(|id| named(id)).map(String::len).max();
    let own = longest(&mut contents.experiments.iter().map(|definition| &definition.id));
    let other = longest(&mut contents.others.iter());
    let summary = kind == "tables" && stem == "summary";
    match kind {
        // The summaries of all experiments are none of a part's.
        _ if summary && !contents.whole => None,
        _ if own.is_none() && other.is_none() && !summary => {
            Some(if kind == "records" { Stray::Records } else { Stray::Unknown })
        }
        _ if !summary && other >= own => None,
        // Its records are all shown now only if the report made the other archive.
        "records" => {
            // Likewise those of an archive in gzip, which earlier versions wrote.
            let main = archive_path(contents.results, stem, ends.0);
            (ends.1 != ".tar.xz" && made.contains(&main)).then_some(Stray::Outdated)
        }
        _ => Some(Stray::Outdated),
    }
}

/// The name of a file before the profile, and its profile with what follows.
fn split<'a>(name: &'a str, kind: &str) -> Option<(&'a str, (Profile, &'static str))> {
    let ends: &[&'static str] = match kind {
        "tables" => &[".seeds.csv", ".seeds.csv.gz", ".csv", ".csv.gz"],
        "timing" => &[".csv", ".csv.gz"],
        "records" => &ARCHIVE_ENDS,
        _ => &[".svg", ".png"],
    };
    Profile::ALL.into_iter().find_map(|profile| {
        ends.iter().find_map(|&end| {
            let stem = name.strip_suffix(end)?.strip_suffix(profile.name())?.strip_suffix('.')?;
            Some((stem, (profile, end)))
        })
    })
}
