//! Records made elsewhere, brought into one results folder: every record is checked, nothing is copied where two
//! disagree, and a run's folder arrives whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::handover::{inflight, remove_inflight};
use super::limits::run_files;
use super::read::{Loaded, read_record};
use super::write::{PARTIAL, RUN, RecordError, copy as copy_file};
use super::{Row, Status, is_timing};
use crate::definition::Profile;

/// What a merge did, in runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Merged {
    /// Copied: ended runs.
    pub copied: usize,
    /// Copied: runs that were stopped before their end, or failed; the next call goes on with them.
    pub unfinished: usize,
    /// Not copied: the same record, or a better one, is there.
    pub present: usize,
}

/// Why nothing was merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A folder holds no runs.
    #[error("{0}: no folder `runs` in it; name results folders, as --results does")]
    NoRuns(PathBuf),
    /// Finished records of the same run hold other numbers.
    #[error("records disagree; nothing was merged. Remove the one of each pair that is wrong:\n{}", lines(.0))]
    Conflicts(Vec<Conflict>),
    /// A record is damaged, or a folder cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Two records of one run with other numbers.
#[derive(Debug)]
pub struct Conflict {
    /// The one that is there, or was found first.
    pub first: PathBuf,
    /// The other.
    pub second: PathBuf,
    /// Where they differ.
    pub what: String,
}

fn lines(conflicts: &[Conflict]) -> String {
    let line = |c: &Conflict| format!("  {} and {}: {}", c.first.display(), c.second.display(), c.what);
    conflicts.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// How much a run's folder is worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Interrupted,
    Failed,
    Ended,
}

/// Copies the runs of other results folders into `into`. A finished record counts more than a failed one, and that more
/// than an interrupted run; of equals the first stays.
///
/// # Errors
/// See [`MergeError`]; all records are read before the first is copied.
pub fn merge(from: &[PathBuf], into: &Path) -> Result<Merged, MergeError> {
    let mut best: BTreeMap<PathBuf, (PathBuf, Worth)> = BTreeMap::new();
    let (mut conflicts, mut merged) = (vec![], Merged::default());
    for results in from {
        if !results.join("runs").is_dir() {
            return Err(MergeError::NoRuns(results.clone()));
        }
        for inside in runs(results)? {
            let source = results.join(&inside);
            let worth = worth(&source, &inside)?;
            let target = into.join(&inside);
            let rival = match best.get(&inside) {
                Some(rival) => Some(rival.clone()),
                None if target.is_dir() => Some((target.clone(), self::worth(&target, &inside)?)),
                None => None,
            };
            match rival {
                Some((other, rival)) if rival == Worth::Ended && worth == Worth::Ended => {
                    merged.present += 1;
                    if let (Some(first), Some(second)) = (read_record(&other)?, read_record(&source)?)
                        && let Some(what) = difference(&first, &second)
                    {
                        conflicts.push(Conflict { first: other, second: source, what });
                    }
                }
                Some((_, rival)) if rival >= worth => merged.present += 1,
                _ => {
                    best.insert(inside, (source, worth));
                }
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(MergeError::Conflicts(conflicts));
    }
    for (inside, (source, worth)) in best {
        copy(&source, &into.join(&inside))?;
        match worth {
            Worth::Ended => {
                merged.copied += 1;
                // `runs/<profile>/<experiment>/<run>`: what was handed over for others to finish is finished.
                let names: Vec<_> = inside.iter().filter_map(|name| name.to_str()).collect();
                if let [_, _, experiment, run] = names[..] {
                    remove_inflight(&inflight(into, experiment, run))?;
                }
            }
            Worth::Failed | Worth::Interrupted => merged.unfinished += 1,
        }
    }
    Ok(merged)
}

/// The run folders of a results folder, as `runs/<profile>/<experiment>/<run>`, in order.
fn runs(results: &Path) -> Result<Vec<PathBuf>, RecordError> {
    let mut found = vec![];
    for profile in Profile::ALL {
        let base = Path::new("runs").join(profile.name());
        for experiment in folders(&results.join(&base))? {
            let base = base.join(experiment);
            found.extend(folders(&results.join(&base))?.into_iter().map(|run| base.join(run)));
        }
    }
    Ok(found)
}

/// The folders inside a folder, by name; none where it is missing. What is damaged or half written is left out.
///
/// # Errors
/// A link, which may lead anywhere.
pub fn folders(folder: &Path) -> Result<Vec<String>, RecordError> {
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let mut names = vec![];
    for entry in std::fs::read_dir(folder).map_err(RecordError::io(folder))? {
        let entry = entry.map_err(RecordError::io(folder))?;
        let kind = entry.file_type().map_err(RecordError::io(&entry.path()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PARTIAL) || name.contains(".damaged-") {
            continue;
        }
        if kind.is_symlink() {
            let why = "a symbolic link; put the folder itself here, or remove the link".into();
            return Err(RecordError::Damaged { path: entry.path(), why });
        }
        if kind.is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn worth(folder: &Path, inside: &Path) -> Result<Worth, RecordError> {
    let Some(Loaded { record, .. }) = read_record(folder)? else { return Ok(Worth::Interrupted) };
    let own: PathBuf = ["runs", record.profile.name(), &record.experiment, &record.run].iter().collect();
    if own != inside {
        let why = format!("it is the record of {}, which is another place", own.display());
        return Err(RecordError::Damaged { path: folder.join(RUN), why });
    }
    Ok(if matches!(record.status, Status::Failed { .. }) { Worth::Failed } else { Worth::Ended })
}

/// Where two records of one run differ, other than in times and the memory of the process.
fn difference(first: &Loaded, second: &Loaded) -> Option<String> {
    let (a, b) = (&first.record, &second.record);
    if a.status != b.status {
        return Some(format!("one ended as {:?}, the other as {:?}", a.status, b.status));
    }
    if (a.seed, &a.settings, &a.inputs) != (b.seed, &b.settings, &b.inputs) {
        return Some("they are of other settings, seeds or inputs".into());
    }
    let tables = [("row", &first.rows, &second.rows), ("step", &first.steps, &second.steps)];
    // A run that continued another one lacks what the other did not log.
    let gaps = a.continued.is_some() || b.continued.is_some();
    let table = tables.into_iter().find_map(|(name, a, b)| table_difference(name, a, b, gaps));
    table.or_else(|| (first.images != second.images).then(|| "their images differ".into()))
}

fn table_difference(name: &str, first: &[Row], second: &[Row], gaps: bool) -> Option<String> {
    if first.len() != second.len() {
        return Some(format!("one has {} {name}s, the other {}", first.len(), second.len()));
    }
    first.iter().zip(second).enumerate().find_map(|(i, (a, b))| {
        let gap = |row: &Row, column: &String| gaps && row.get(column).is_some_and(Value::is_null);
        let differs = |c: &&String| !is_timing(c) && a.get(*c) != b.get(*c) && !gap(a, c) && !gap(b, c);
        let column = a.keys().chain(b.keys()).find(differs)?;
        let cell = |row: &Row| row.get(column).map_or("nothing".into(), super::cell);
        Some(format!("{column} in {name} {} is {} and {}", i + 1, cell(a), cell(b)))
    })
}

/// Copies the files of a run. What is at the target gives way only when the copy is whole and checked.
fn copy(source: &Path, target: &Path) -> Result<(), RecordError> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let (new, old) = (folder.join(format!("{PARTIAL}{name}")), folder.join(format!("{PARTIAL}old-{name}")));
    for leftover in [&new, &old] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover).map_err(RecordError::io(leftover))?;
        }
    }
    std::fs::create_dir_all(&new).map_err(RecordError::io(&new))?;
    for name in run_files() {
        // A link counts as there: it is refused, not passed over.
        if std::fs::symlink_metadata(source.join(name)).is_ok() {
            copy_file(source, &new, name)?;
        }
    }
    read_record(&new)?;
    let rename = |from: &Path, to: &Path| std::fs::rename(from, to).map_err(RecordError::io(to));
    if target.exists() {
        rename(target, &old)?;
        rename(&new, target)?;
        std::fs::remove_dir_all(&old).map_err(RecordError::io(&old))
    } else {
        rename(&new, target)
    }
}
