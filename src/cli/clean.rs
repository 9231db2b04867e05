//! `anode clean`: removes records and unfinished runs.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::definition::{Profile, is_name};
use crate::nearest::did_you_mean;
use crate::paths::as_text;
use crate::record::{
    ARCHIVE_ENDS, RUN, Unfinished, archive_files, archive_path, entries, kept_path, read_header, run_folders,
};
use crate::report::{self, ReportError};

use super::arguments::{Common, Selection};
use super::complete;
use super::error::CliError;
use super::json::document;
use super::output::{is_confirmed, print, print_json};
use super::report::write;
use super::select;
use super::subject::{OWN, Subject};

/// Which records and unfinished runs are removed.
#[derive(Debug, Args)]
pub struct CleanArguments {
    /// The selection
    #[command(flatten)]
    pub selection: Selection,
    /// Only runs with this setting, or seed=N. May be repeated; if a name is given
    /// several values, runs with any of these values are selected. Archives are not changed
    #[arg(long = "where", value_name = "NAME=VALUE", add = complete::conditions(), conflicts_with = "kept")]
    pub only_where: Vec<String>,
    /// Only records that no run of the present definitions shows
    #[arg(long)]
    pub kept: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

/// Records and unfinished runs that were removed.
#[derive(Serialize, JsonSchema)]
pub struct Cleaned {
    /// Folders of runs, and archives.
    #[serde(serialize_with = "as_text")]
    removed: Vec<PathBuf>,
}

/// What a path that can be removed contains.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Record,
    Unfinished,
    Archive,
}

impl Kind {
    fn of(path: &Path) -> Self {
        match std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            true if path.join(RUN).exists() => Self::Record,
            true => Self::Unfinished,
            false => Self::Archive,
        }
    }

    fn counted(self, count: usize) -> String {
        let word = match self {
            Self::Record => "record",
            Self::Unfinished => "unfinished run",
            Self::Archive => "archive",
        };
        format!("{count} {word}{}", if count == 1 { "" } else { "s" })
    }
}

/// `2 records, 1 unfinished run`
fn counts(found: &[(PathBuf, Kind)]) -> String {
    let of = |kind: Kind| found.iter().filter(|(_, other)| *other == kind).count();
    let kinds = [Kind::Record, Kind::Unfinished, Kind::Archive].map(|kind| (kind, of(kind)));
    let each = kinds.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| kind.counted(count));
    each.collect::<Vec<_>>().join(", ")
}

/// A line for each experiment with runs, and for each archive.
fn lines(found: &[(PathBuf, Kind)]) -> Vec<String> {
    let experiment = |path: &Path, kind: Kind| match kind {
        Kind::Archive => path.to_owned(),
        _ => path.parent().unwrap_or(path).to_owned(),
    };
    let groups = found.chunk_by(|(a, of), (b, other)| experiment(a, *of) == experiment(b, *other));
    let line = |group: &[(PathBuf, Kind)]| match &group[0] {
        (path, Kind::Archive) => path.display().to_string(),
        (path, kind) => format!("{}: {}", experiment(path, *kind).display(), counts(group)),
    };
    groups.map(line).collect()
}

document!(Cleaned, "clean", 1);

/// `anode clean`
///
/// # Errors
/// See [`CliError`].
pub fn clean(common: &Common, arguments: &CleanArguments) -> Result<(), CliError> {
    let CleanArguments { selection, only_where, kept, yes } = arguments;
    let profile = Profile::from(selection.profile);
    let found = if *kept {
        let subjects = Subject::of(common, &selection.ids, selection.only.as_deref())?;
        let each = subjects.iter().map(|subject| report::unshown(subject.contents(common), profile));
        each.collect::<Result<Vec<_>, _>>()?.concat()
    } else {
        recorded(common, profile, selection, only_where)?
    };
    if found.is_empty() {
        if common.json {
            print_json(&Cleaned { removed: vec![] });
        } else if !common.quiet {
            print(&format!("no records and no unfinished runs of profile {} to remove", profile.name()));
        }
        return Ok(());
    }
    let with_kind = |path: PathBuf| (path.clone(), Kind::of(&path));
    let found: Vec<(PathBuf, Kind)> = found.into_iter().map(with_kind).collect();
    if !yes {
        if common.json || !std::io::stdin().is_terminal() {
            let what = counts(&found);
            return Err(CliError::Usage(format!("there is no one to ask; say --yes to remove {what}")));
        }
        lines(&found).iter().for_each(|line| print(line));
        print(&format!("Remove {}? Type yes:", counts(&found)));
        if !is_confirmed()? {
            print("nothing was removed");
            return Ok(());
        }
    }
    let _lock = crate::runner::lock(&common.results)?;
    let report = crate::runner::lock_report(&common.results)?;
    select::refuse_links(&common.results)?;
    // A run may have been recorded, or removed, while the question waited.
    if let Some((path, _)) = found.iter().find(|(path, kind)| Kind::of(path) != *kind) {
        return Err(CliError::Usage(format!("{}: changed after the question; run the command again", path.display())));
    }
    for (path, kind) in &found {
        let removed = if *kind == Kind::Archive { std::fs::remove_file(path) } else { std::fs::remove_dir_all(path) };
        removed.map_err(CliError::io(path))?;
        if let Some(experiment) = path.parent().filter(|_| *kind != Kind::Archive) {
            // It may contain other runs, or damaged ones that were set aside.
            let _ = std::fs::remove_dir(experiment);
        }
    }
    // Writing the report below locks it again.
    drop(report);
    if !common.json && !common.quiet {
        lines(&found).iter().for_each(|line| print(&format!("removed {line}")));
    }
    let own = Subject::of(common, &[], None)?.into_iter().find(|subject| !subject.published);
    match own {
        Some(own) if own.is_recorded(common) => {
            write(common, &[own], profile, None)?;
        }
        _ => remove_own(common)?,
    }
    if common.json {
        print_json(&Cleaned { removed: found.into_iter().map(|(path, _)| path).collect() });
    }
    Ok(())
}

/// Removes the report on experiments that are not published.
fn remove_own(common: &Common) -> Result<(), CliError> {
    let folder = common.results.join(OWN);
    for name in ["REPORT.md", "report.html", "tables", "timing", "figures", ""] {
        let path = if name.is_empty() { folder.clone() } else { folder.join(name) };
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        let removed = match about.is_dir() {
            // Whatever else the folder holds stays.
            true if name.is_empty() => std::fs::remove_dir(&path).or(Ok(())),
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        removed.map_err(CliError::io(&path))?;
    }
    Ok(())
}

/// The folders of runs and the archives of a profile, also of experiments that are not defined any more.
fn recorded(
    common: &Common,
    profile: Profile,
    selection: &Selection,
    only_where: &[String],
) -> Result<Vec<PathBuf>, CliError> {
    let known = select::all(common)?.into_iter().map(|loaded| loaded.definition.id);
    let names = |folder: &Path| -> Result<Vec<String>, CliError> {
        let entries = entries(folder).map_err(ReportError::from)?;
        Ok(entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
    };
    let base = common.results.join("runs").join(profile.name());
    let archives = names(&common.results.join("records"))?;
    let archived = archives.iter().filter_map(|name| {
        let stem = ARCHIVE_ENDS.into_iter().find_map(|end| name.strip_suffix(end))?;
        stem.strip_suffix(profile.name())?.strip_suffix('.').map(str::to_owned)
    });
    // A name such as `..` would lead to another folder.
    let ids: BTreeSet<String> = known.chain(archived).chain(names(&base)?).filter(|name| is_name(name)).collect();
    let (wanted, only) = (&selection.ids, selection.only.as_deref());
    for pattern in wanted.iter().map(String::as_str).chain(only) {
        if !ids.iter().any(|id| select::glob(pattern, id)) {
            let near = did_you_mean(pattern, ids.iter().map(String::as_str));
            return Err(CliError::Usage(format!("no experiment and no records match `{pattern}`{near}")));
        }
    }
    let chosen: Vec<&String> = ids.iter().filter(|id| select::fits(wanted, only, id)).collect();
    let mut folders = run_folders(&base).map_err(ReportError::from)?;
    folders.retain(|(experiment, _, _)| chosen.contains(&experiment));
    if !only_where.is_empty() {
        let mut runs: Vec<(PathBuf, Map<String, Value>, u64)> =
            folders.into_iter().filter_map(|(_, _, folder)| settings_in(&folder)).collect();
        runs = select::only_where(runs, only_where, |(_, settings, seed)| (settings, *seed))?;
        return Ok(runs.into_iter().map(|(folder, _, _)| folder).collect());
    }
    let runs = folders.into_iter().map(|(_, _, folder)| folder);
    let archives = chosen.iter().flat_map(|id| {
        [archive_path, kept_path].into_iter().flat_map(move |path| archive_files(&path(&common.results, id, profile)))
    });
    Ok(runs.chain(archives).collect())
}

/// The settings and the seed of a run's folder, finished or not, with the folder.
fn settings_in(folder: &Path) -> Option<(PathBuf, Map<String, Value>, u64)> {
    if let Some(record) = read_header(folder) {
        return Some((folder.to_owned(), record.settings, record.seed));
    }
    let header = Unfinished::read(folder).ok().flatten()?;
    Some((folder.to_owned(), header.settings, header.seed))
}
