//! Records made elsewhere, brought into one results folder: every record is checked, nothing is copied where two
//! disagree, and a run's folder arrives whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use schemars::JsonSchema;
use serde::Serialize;

use super::folders::{folders, link};
use super::handover::{NewestState, inflight, own_header, remove_inflight};
use super::limits::{is_run_id, limit, run_files};
use super::read::{header, read_checked, value};
use super::write::{CHECKPOINTS, IMAGES, MODEL, PARTIAL, ROWS, RUN, RecordError, STEPS, copy as copy_file};
use super::{Record, Status, is_timing};
use crate::definition::{Profile, is_name};
use crate::files;
use crate::paths::as_text;

/// What a merge did, in runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Merged {
    /// Copied: ended runs.
    pub copied: usize,
    /// Copied: runs that were stopped before their end, or failed; the next call goes on with them.
    pub unfinished: usize,
    /// Not copied: the same record, or a better one, is there.
    pub present: usize,
    /// Not copied: unfinished runs with a damaged or missing header. The file and what is wrong with it.
    #[serde(serialize_with = "as_text")]
    pub damaged: Vec<(PathBuf, String)>,
}

/// Why nothing was merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// The record in the target folder, or the first one found.
    pub first: PathBuf,
    /// The other record.
    pub second: PathBuf,
    /// What differs between the two.
    pub what: String,
}

fn lines(conflicts: &[Conflict]) -> String {
    let line = |c: &Conflict| format!("  {} and {}: {}", c.first.display(), c.second.display(), c.what);
    conflicts.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Which of two folders of a run a merge keeps: the greater one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Unfinished {
        /// Steps of the newest usable checkpoint.
        steps: u64,
        /// Whether it has a record of its failure.
        failed: bool,
    },
    Ended,
}

/// Copies the runs of other results folders into `into`. The record of a run that ended counts more than an interrupted
/// or failed run. Of these the one with more steps counts more, then a failed one, then the first.
///
/// # Errors
/// See [`MergeError`]; all records are checked before the first is copied.
pub fn merge(from: &[PathBuf], into: &Path, newest_state: NewestState) -> Result<Merged, MergeError> {
    let steps = |folder: &Path| newest_state(folder, limit(CHECKPOINTS[0])).map(|(_, steps)| steps);
    let unfinished = |folder: &Path, failed| Worth::Unfinished { steps: steps(folder).unwrap_or(0), failed };
    let worth_of = |folder: &Path, status: &Status| match status {
        Status::Failed { .. } => unfinished(folder, true),
        _ => Worth::Ended,
    };
    let mut best: BTreeMap<PathBuf, (PathBuf, Worth)> = BTreeMap::new();
    let (mut conflicts, mut merged) = (vec![], Merged::default());
    for results in from {
        if !results.join("runs").is_dir() {
            return Err(MergeError::NoRuns(results.clone()));
        }
        for inside in runs(results)? {
            let source = results.join(&inside);
            let worth = match recorded(&source, &inside)? {
                Some(status) => worth_of(&source, &status),
                None => match is_begun(&source) {
                    Ok(true) => unfinished(&source, false),
                    Ok(false) => continue,
                    Err(RecordError::Damaged { path, why }) => {
                        merged.damaged.push((path, why));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            let target = into.join(&inside);
            let rival = match best.get(&inside) {
                Some(rival) => Some(rival.clone()),
                None if is_folder(&target)? || restore(&target)? => match recorded(&target, &inside)? {
                    Some(status) => Some((target.clone(), worth_of(&target, &status))),
                    // A folder without a usable state gives way.
                    None if worth == Worth::Ended => None,
                    None => steps(&target).map(|steps| (target, Worth::Unfinished { steps, failed: false })),
                },
                None => None,
            };
            match rival {
                Some((other, rival)) if rival == Worth::Ended && worth == Worth::Ended => {
                    merged.present += 1;
                    if let Some(what) = difference(&other, &source)? {
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
            Worth::Unfinished { .. } => merged.unfinished += 1,
        }
    }
    Ok(merged)
}

/// The run folders of a results folder, as `runs/<profile>/<experiment>/<run>`, in order.
///
/// # Errors
/// A folder that cannot be read, or whose name is not that of an experiment or a run.
fn runs(results: &Path) -> Result<Vec<PathBuf>, RecordError> {
    let named = |base: &Path, is: fn(&str) -> bool, what: &str| -> Result<Vec<PathBuf>, RecordError> {
        let names = folders(&results.join(base))?.into_iter().filter(|name| !name.starts_with('.'));
        let one = |name: String| match is(&name) {
            true => Ok(base.join(name)),
            false => {
                let why = format!("the name is no id of {what}; move this folder elsewhere");
                Err(RecordError::Damaged { path: results.join(base).join(name), why })
            }
        };
        names.map(one).collect()
    };
    let mut found = vec![];
    for profile in Profile::ALL {
        let base = Path::new("runs").join(profile.name());
        for experiment in named(&base, is_name, "an experiment: lower-case letters, digits and `-`")? {
            found.extend(named(&experiment, is_run_id, "a run: sixteen digits of 0-9 and a-f")?);
        }
    }
    Ok(found)
}

/// Whether a run can replace what is at `target`: a folder, or nothing.
///
/// # Errors
/// The target, or the folder of its experiment, is something else.
fn is_folder(target: &Path) -> Result<bool, RecordError> {
    let mut found = false;
    for path in target.ancestors().take(2).collect::<Vec<_>>().into_iter().rev() {
        found = match std::fs::symlink_metadata(path) {
            Ok(about) if about.is_symlink() => return Err(link(path.to_owned())),
            Ok(about) if !about.is_dir() => {
                let why = "no folder, but that of a run or an experiment belongs here; remove it".into();
                return Err(RecordError::Damaged { path: path.to_owned(), why });
            }
            found => found.is_ok(),
        };
    }
    Ok(found)
}

/// Moves the folder of a run that a merge was about to replace back to `target` if the merge was interrupted before
/// the new one was there. Returns whether it did.
///
/// # Errors
/// The folder cannot be moved.
pub fn restore(target: &Path) -> Result<bool, RecordError> {
    let [_, old] = beside(target);
    let is_there = |path: &Path| std::fs::symlink_metadata(path).is_ok();
    if is_there(target) || !std::fs::symlink_metadata(&old).is_ok_and(|found| found.is_dir()) {
        return Ok(false);
    }
    std::fs::rename(&old, target).map(|()| true).map_err(RecordError::io(&old))
}

/// The folders next to `target` that a merge needs while it replaces it: the new one, and the old one.
fn beside(target: &Path) -> [PathBuf; 2] {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    ["", "old-"].map(|kind| target.with_file_name(format!("{PARTIAL}{kind}{name}")))
}

/// How the run of a folder ended; `None` without a record.
fn recorded(folder: &Path, inside: &Path) -> Result<Option<Status>, RecordError> {
    let Some(record) = read_checked(folder)? else { return Ok(None) };
    let own: PathBuf = ["runs", record.profile.name(), &record.experiment, &record.run].iter().collect();
    if own != inside {
        let why = format!("it is the record of {}, which is another place", own.display());
        return Err(RecordError::Damaged { path: folder.join(RUN), why });
    }
    Ok(Some(record.status))
}

/// Whether a run without a record left a state from which it can continue.
fn is_begun(folder: &Path) -> Result<bool, RecordError> {
    let begun = CHECKPOINTS.iter().any(|name| std::fs::symlink_metadata(folder.join(name)).is_ok());
    Ok(begun && own_header(folder).map(|_| true)?)
}

/// Where the records of one run differ, other than in times and the memory of the process.
fn difference(first: &Path, second: &Path) -> Result<Option<String>, RecordError> {
    let (Some(a), Some(b)) = (read_checked(first)?, read_checked(second)?) else { return Ok(None) };
    if a.status != b.status {
        return Ok(Some(format!("one ended as {:?}, the other as {:?}", a.status, b.status)));
    }
    if (a.seed, &a.settings, &a.inputs) != (b.seed, &b.settings, &b.inputs) {
        return Ok(Some("they are of other settings, seeds or inputs".into()));
    }
    // A run that continued another one lacks what the other did not log.
    let gaps = a.continued.is_some() || b.continued.is_some();
    for (name, line) in [(ROWS, "row"), (STEPS, "step")] {
        if a.files.get(name) == b.files.get(name) {
            continue;
        }
        let read = |folder: &Path, record: &Record| match record.files.contains_key(name) {
            true => files::read(&folder.join(name), limit(name)).map_err(RecordError::io(&folder.join(name))),
            false => Ok(vec![]),
        };
        let tables = (read(first, &a)?, read(second, &b)?);
        let found = table_difference(line, &tables.0, &tables.1, gaps);
        let found = found.map_err(|why| RecordError::Damaged { path: second.join(name), why })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok((a.files.get(IMAGES) != b.files.get(IMAGES)).then(|| "their images differ".into()))
}

/// Where two tables in CSV differ. They are read row by row: the log of a long run has millions of values.
fn table_difference(line: &str, first: &[u8], second: &[u8], gaps: bool) -> Result<Option<String>, String> {
    let (mut first, mut second) = (csv::Reader::from_reader(first), csv::Reader::from_reader(second));
    let heads = [header(&mut first)?, header(&mut second)?];
    let columns: BTreeSet<&str> = heads.iter().flatten().filter(|column| !is_timing(column)).collect();
    let place = |head: &StringRecord, column: &str| head.iter().position(|name| name == column);
    let places: Vec<_> = columns.iter().map(|c| (c, place(&heads[0], c), place(&heads[1], c))).collect();
    let (mut a, mut b) = (StringRecord::new(), StringRecord::new());
    for row in 1.. {
        let more = [first.read_record(&mut a), second.read_record(&mut b)].map(|read| read.map_err(|e| e.to_string()));
        match more {
            [Ok(false), Ok(false)] => break,
            [Ok(true), Ok(true)] => {}
            [Ok(_), Ok(_)] => return Ok(Some(format!("one has {} {line}s, the other has more", row - 1))),
            [Err(why), _] | [_, Err(why)] => return Err(why),
        }
        for (column, i, j) in &places {
            let (a, b) = (i.and_then(|i| a.get(i)), j.and_then(|j| b.get(j)));
            let gap = gaps && [a, b].contains(&Some(""));
            if a != b && a.map(value) != b.map(value) && !gap {
                let [a, b] = [a, b].map(|cell| cell.filter(|cell| !cell.is_empty()).unwrap_or("nothing"));
                // Both are counted from 0, as `compare` and `repeat` do.
                return Ok(Some(format!("{column} in {line} {} is {a} and {b}", row - 1)));
            }
        }
    }
    Ok(None)
}

/// Copies the files of a run. What is at the target gives way only when the copy is whole and checked.
fn copy(source: &Path, target: &Path) -> Result<(), RecordError> {
    let [new, old] = beside(target);
    for leftover in [&new, &old] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover).map_err(RecordError::io(leftover))?;
        }
    }
    std::fs::create_dir_all(&new).map_err(RecordError::io(&new))?;
    let model = read_checked(source)?.and_then(|record| record.model);
    for name in run_files() {
        let path = source.join(name);
        // A link counts as there: it is refused, not passed over.
        if std::fs::symlink_metadata(&path).is_ok()
            && (name != MODEL || model.as_ref().is_some_and(|model| model.is(&path)))
        {
            copy_file(source, &new, name)?;
        }
    }
    read_checked(&new)?;
    let rename = |from: &Path, to: &Path| std::fs::rename(from, to).map_err(RecordError::io(to));
    if target.exists() {
        rename(target, &old)?;
        rename(&new, target)?;
        std::fs::remove_dir_all(&old).map_err(RecordError::io(&old))
    } else {
        rename(&new, target)
    }
}
