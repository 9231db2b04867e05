//! `anode figures`, `anode report`, `anode check`, `anode clean`: looking after what is there.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::definition::{
    Definition, LIMIT, Loaded, NotRun, Outline, Profile, SCHEMA, load_all, load_not_run, load_outline, schema,
};
use crate::files;
use crate::nearest::did_you_mean;
use crate::record::{Unfinished, read_header, run_folders, write_atomically};
use crate::report::{self, Contents, Kept, Summary};
use crate::study::estimate::impossible;

use super::arguments::{Common, ProfileName, Selection};
use super::error::CliError;
use super::inputs::InputsHere;
use super::output::{print, print_json};
use super::select;

/// `anode figures`
///
/// # Errors
/// See [`CliError`].
pub fn figures(
    common: &Common,
    profile: Option<ProfileName>,
    ids: &[String],
    only: Option<&str>,
) -> Result<(), CliError> {
    let subject = Subject::new(common, ids, only)?;
    let summary = report::figures(subject.contents(common), profile.map(Into::into))?;
    tell(common, &summary, "charts");
    Ok(())
}

/// `anode report`
///
/// # Errors
/// See [`CliError`].
pub fn report(common: &Common, selection: &Selection, verify: bool) -> Result<(), CliError> {
    let subject = Subject::new(common, &selection.ids, selection.only.as_deref())?;
    let contents = subject.contents(common);
    if verify {
        return compare(common, contents, selection.profile.into());
    }
    let summary = report::write_all(contents, selection.profile.into())?;
    tell(common, &summary, "files");
    Ok(())
}

/// What a report is about.
pub struct Subject {
    experiments: Vec<Definition>,
    others: Vec<String>,
    not_run: Vec<NotRun>,
    outline: Outline,
    inputs: InputsHere,
}

impl Subject {
    /// The experiments that a command is about.
    ///
    /// # Errors
    /// A definition that is wrong; none matches.
    pub fn new(common: &Common, ids: &[String], only: Option<&str>) -> Result<Self, CliError> {
        Self::of_chosen(common, &select::chosen(common, ids, only)?, select::not_run(common, ids, only)?)
    }

    /// These experiments.
    ///
    /// # Errors
    /// A definition that is wrong.
    pub fn of(common: &Common, loaded: &[Loaded]) -> Result<Self, CliError> {
        let mut not_run = select::not_run(common, &[], None)?;
        not_run.retain(|entry| loaded.iter().any(|l| l.definition.id == entry.id));
        Self::of_chosen(common, loaded, not_run)
    }

    fn of_chosen(common: &Common, loaded: &[Loaded], not_run: Vec<NotRun>) -> Result<Self, CliError> {
        let experiments = select::definitions(loaded);
        let others = select::definitions(&select::all(common)?).into_iter().map(|definition| definition.id);
        let others = others.filter(|id| experiments.iter().all(|chosen| chosen.id != *id)).collect();
        let outline = select::outline(common)?;
        Ok(Self { experiments, others, not_run, outline, inputs: InputsHere::new(common, loaded) })
    }

    /// The contents of a report on them.
    pub fn contents<'a>(&'a self, common: &'a Common) -> Contents<'a> {
        let Self { experiments, others, not_run, outline, inputs } = self;
        let (results, figures) = (&common.results, &common.figures);
        Contents { experiments, not_run, outline, results, figures, others, inputs, device: None }
    }
}

fn compare(common: &Common, contents: Contents, profile: Profile) -> Result<(), CliError> {
    let (agree, differences) = report::verify(contents, profile)?;
    if common.json {
        print_json(&json!({ "agree": agree, "differences": differences }));
    } else if !common.quiet {
        print(&format!("{agree} files are what the archived records give"));
    }
    if differences.is_empty() { Ok(()) } else { Err(CliError::Unverified(differences)) }
}

fn tell(common: &Common, summary: &Summary, what: &str) {
    if common.json {
        print_json(summary);
    } else if !common.quiet {
        print(&format!("{} {what} written", summary.written.len()));
        if summary.written.is_empty() {
            print("there are no records of this profile yet; make some with `anode reproduce`");
        }
        tell_of_records(summary);
    }
}

/// Which records a report does not show, and where nothing but a convention chose one of several.
pub fn tell_of_records(summary: &Summary) {
    for path in &summary.removed {
        print(&format!("removed {}: no record makes it any more", path.display()));
    }
    for Kept { experiment, profile, records } in &summary.kept {
        let profile = profile.name();
        print(&format!(
            "{experiment} ({profile}): {records} records match no run of the definition as it is now, or are outdone by \
             others; they are kept until `anode clean --only {experiment} --profile {profile} --kept` removes them"
        ));
    }
    for run in &summary.unsure {
        print(&format!("several records of other inputs or devices have these settings; shown is {run}"));
    }
}

/// `anode check`
///
/// # Errors
/// Every fault of every definition, runs that no machine can make among them; a schema that differs.
pub fn check(common: &Common, write_schema: bool) -> Result<(), CliError> {
    let path = common.experiments.join(SCHEMA);
    let io = |path: &PathBuf| {
        let path = path.clone();
        move |source| CliError::Io { path, source }
    };
    let text = serde_json::to_string_pretty(&schema()).map_err(|e| io(&path)(e.into()))? + "\n";
    if write_schema {
        write_atomically(&path, text.as_bytes()).map_err(report::ReportError::from)?;
    }
    let (loaded, mut faults) = load_all(&common.experiments);
    faults.extend(load_not_run(&common.experiments).err());
    faults.extend(load_outline(&common.experiments).err());
    faults.extend(loaded.iter().flat_map(impossible));
    if common.json {
        let fault = |f: &crate::definition::DefinitionError| json!({ "file": f.file, "path": f.at, "why": f.why });
        print_json(&json!({ "sound": loaded.len(), "faults": faults.iter().map(fault).collect::<Vec<_>>() }));
    }
    if !faults.is_empty() {
        return Err(CliError::Definitions(faults));
    }
    if path.exists() && files::read_text(&path, LIMIT).map_err(io(&path))? != text {
        return Err(CliError::Schema(path));
    }
    if !common.json && !common.quiet {
        print(&format!("{} definitions are sound", loaded.len()));
    }
    Ok(())
}

/// `anode clean`
///
/// # Errors
/// See [`CliError`].
pub fn clean(
    common: &Common,
    selection: &Selection,
    only_where: &[String],
    kept: bool,
    yes: bool,
) -> Result<(), CliError> {
    let profile = Profile::from(selection.profile);
    let folders = if kept {
        let subject = Subject::new(common, &selection.ids, selection.only.as_deref())?;
        report::unshown(subject.contents(common), profile)?
    } else {
        recorded(common, profile, selection, only_where)?
    };
    if folders.is_empty() {
        print(&format!("no records of profile {} to remove", profile.name()));
        return Ok(());
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(CliError::Usage("there is no one to ask; say --yes to remove the records".into()));
        }
        for folder in &folders {
            print(&folder.display().to_string());
        }
        print("Remove these records? Type yes:");
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        read.map_err(|source| CliError::Io { path: "standard input".into(), source })?;
        if answer.trim() != "yes" {
            print("nothing was removed");
            return Ok(());
        }
    }
    let _lock = crate::runner::lock(&common.results)?;
    for folder in folders {
        let is_folder = std::fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        let removed = if is_folder { std::fs::remove_dir_all(&folder) } else { std::fs::remove_file(&folder) };
        removed.map_err(|source| CliError::Io { path: folder.clone(), source })?;
        print(&format!("removed {}", folder.display()));
    }
    Ok(())
}

/// The run folders and archives of a profile, also of experiments that are not defined any more.
fn recorded(
    common: &Common,
    profile: Profile,
    selection: &Selection,
    only_where: &[String],
) -> Result<Vec<PathBuf>, CliError> {
    let known = select::all(common)?.into_iter().map(|loaded| loaded.definition.id);
    let names = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.file_name());
    let base = common.results.join("runs").join(profile.name());
    let archived = names(common.results.join("records")).filter_map(|name| {
        let name = name.to_string_lossy().into_owned();
        let stem = name.strip_suffix(".kept.tar.gz").or_else(|| name.strip_suffix(".tar.gz"))?;
        stem.strip_suffix(profile.name())?.strip_suffix('.').map(str::to_owned)
    });
    let run = names(base.clone()).map(|name| name.to_string_lossy().into_owned());
    let ids: BTreeSet<String> = known.chain(archived).chain(run).collect();
    let (wanted, only) = (&selection.ids, selection.only.as_deref());
    for pattern in wanted.iter().map(String::as_str).chain(only) {
        if !ids.iter().any(|id| select::glob(pattern, id)) {
            let near = did_you_mean(pattern, ids.iter().map(String::as_str));
            return Err(CliError::Usage(format!("no experiment and no records match `{pattern}`{near}")));
        }
    }
    let chosen: Vec<&String> = ids.iter().filter(|id| select::fits(wanted, only, id)).collect();
    if !only_where.is_empty() {
        let folders = run_folders(&base).into_iter().filter(|(experiment, _, _)| chosen.contains(&experiment));
        let mut runs: Vec<(PathBuf, Map<String, Value>, u64)> =
            folders.filter_map(|(_, _, folder)| settings_in(&folder)).collect();
        for condition in only_where {
            runs = select::only_where(runs, condition, |(_, settings, seed)| (settings, *seed))?;
        }
        return Ok(runs.into_iter().map(|(folder, _, _)| folder).collect());
    }
    let runs = chosen.iter().map(|id| base.join(id)).filter(|folder| folder.is_dir());
    let archives = chosen
        .iter()
        .flat_map(|id| [report::archive(&common.results, id, profile), report::kept(&common.results, id, profile)]);
    Ok(runs.chain(archives.filter(|archive| archive.is_file())).collect())
}

/// The settings and the seed of a run's folder, finished or not, with the folder.
fn settings_in(folder: &Path) -> Option<(PathBuf, Map<String, Value>, u64)> {
    if let Some(record) = read_header(folder) {
        return Some((folder.to_owned(), record.settings, record.seed));
    }
    let header = Unfinished::read(folder).ok().flatten()?;
    Some((folder.to_owned(), header.settings, header.seed))
}
