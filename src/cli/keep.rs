//! `anode figures`, `anode report`, `anode check`, `anode clean`: looking after what is there.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::definition::{
    Definition, LIMIT, Loaded, NotRun, OUTLINE, Outline, Profile, SCHEMA, load_all, load_not_run, load_outline,
    outline_faults, schema, unknown_experiments,
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
    png: bool,
) -> Result<(), CliError> {
    let mut summary = Summary::default();
    for subject in Subject::of(common, ids, only)? {
        summary = summary.and(report::figures(subject.contents(common), profile.map(Into::into), png)?);
    }
    tell(common, &summary, "charts");
    Ok(())
}

/// `anode report`
///
/// # Errors
/// See [`CliError`].
pub fn report(common: &Common, selection: &Selection, verify: bool) -> Result<(), CliError> {
    let subjects = Subject::of(common, &selection.ids, selection.only.as_deref())?;
    let profile = selection.profile.into();
    if verify {
        // Only the report on the papers is published.
        let published = subjects.iter().find(|subject| subject.published);
        return published.map_or(Ok(()), |subject| compare(common, subject.contents(common), profile));
    }
    let summary = write(common, &subjects, profile, None)?;
    tell(common, &summary, "files");
    Ok(())
}

/// Writes the reports on subjects. `device` is that of the records shown where there are several.
///
/// # Errors
/// See [`report::write_all`].
pub fn write(
    common: &Common,
    subjects: &[Subject],
    profile: Profile,
    device: Option<&str>,
) -> Result<Summary, CliError> {
    let mut summary = Summary::default();
    for subject in subjects {
        summary = summary.and(report::write_all(Contents { device, ..subject.contents(common) }, profile)?);
    }
    Ok(summary)
}

/// Folder of the report on experiments that are not published, inside the results folder.
const OWN: &str = "own";

/// What a report is about.
pub struct Subject {
    /// Whether the report is that on the papers.
    pub published: bool,
    experiments: Vec<Definition>,
    others: Vec<String>,
    whole: bool,
    not_run: Vec<NotRun>,
    outline: Outline,
    inputs: InputsHere,
    output: PathBuf,
    figures: PathBuf,
}

impl Subject {
    /// The experiments that `ids` and a pattern choose, or all: those of the report on the papers, then those that no
    /// chapter of the outline lists. A part without experiments is left out.
    ///
    /// # Errors
    /// A definition that is wrong; none matches.
    pub fn of(common: &Common, ids: &[String], only: Option<&str>) -> Result<Vec<Self>, CliError> {
        let chosen = select::chosen(common, ids, only)?;
        let known: Vec<String> = select::all(common)?.into_iter().map(|one| one.definition.id).collect();
        let outline = select::outline(common)?;
        let (published, own): (Vec<_>, Vec<_>) =
            chosen.into_iter().partition(|one| outline.publishes(&one.definition.id));
        let mut subjects = vec![];
        for (is_published, loaded) in [(true, published), (false, own)] {
            if loaded.is_empty() {
                continue;
            }
            let experiments = select::definitions(&loaded);
            let chosen = |id: &String| experiments.iter().any(|one| one.id == *id);
            let others: Vec<String> = known.iter().filter(|id| !chosen(id)).cloned().collect();
            let whole = others.iter().all(|id| outline.publishes(id) != is_published);
            let own = common.results.join(OWN);
            let (output, figures) = match is_published {
                true => (common.results.clone(), common.figures.clone()),
                false => (own.clone(), own.join("figures")),
            };
            subjects.push(Self {
                published: is_published,
                others,
                whole,
                not_run: if is_published { select::not_run(common, ids, only)? } else { vec![] },
                outline: if is_published { outline.clone() } else { Outline::default() },
                inputs: InputsHere::new(common, &loaded),
                experiments,
                output,
                figures,
            });
        }
        Ok(subjects)
    }

    /// These experiments, published or not, with the results folder of the command.
    ///
    /// # Errors
    /// A definition that is wrong.
    pub fn these(common: &Common, loaded: &[Loaded]) -> Result<Self, CliError> {
        let experiments = select::definitions(loaded);
        let others = select::definitions(&select::all(common)?).into_iter().map(|definition| definition.id);
        let others: Vec<String> = others.filter(|id| experiments.iter().all(|chosen| chosen.id != *id)).collect();
        let mut not_run = select::not_run(common, &[], None)?;
        not_run.retain(|entry| loaded.iter().any(|l| l.definition.id == entry.id));
        Ok(Self {
            published: true,
            whole: others.is_empty(),
            others,
            not_run,
            outline: select::outline(common)?,
            inputs: InputsHere::new(common, loaded),
            experiments,
            output: common.results.clone(),
            figures: common.figures.clone(),
        })
    }

    /// The contents of a report on them.
    pub fn contents<'a>(&'a self, common: &'a Common) -> Contents<'a> {
        let Self { experiments, others, whole, not_run, outline, inputs, output, figures, .. } = self;
        Contents {
            experiments,
            not_run,
            outline,
            results: &common.results,
            output,
            figures,
            others,
            whole: *whole,
            inputs,
            device: None,
        }
    }

    /// Whether one of the experiments has records.
    fn is_recorded(&self, common: &Common) -> bool {
        let of = |id: &str, profile: Profile| {
            let archives = [report::archive(&common.results, id, profile), report::kept(&common.results, id, profile)];
            common.results.join("runs").join(profile.name()).join(id).is_dir() || archives.iter().any(|a| a.is_file())
        };
        self.experiments.iter().any(|one| Profile::ALL.into_iter().any(|profile| of(&one.id, profile)))
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
    // The ids of faulty definitions are not all known.
    let all_sound = faults.is_empty();
    let not_run = load_not_run(&common.experiments).unwrap_or_else(|fault| {
        faults.push(fault);
        vec![]
    });
    match load_outline(&common.experiments) {
        Ok(outline) => {
            let file = common.experiments.join(OUTLINE);
            if all_sound && faults.is_empty() {
                faults.extend(unknown_experiments(&outline, &file, &loaded, &not_run));
            }
            faults.extend(outline_faults(&outline, &file, &loaded));
        }
        Err(fault) => faults.push(fault),
    }
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
        let subjects = Subject::of(common, &selection.ids, selection.only.as_deref())?;
        let each = subjects.iter().map(|subject| report::unshown(subject.contents(common), profile));
        each.collect::<Result<Vec<_>, _>>()?.concat()
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
    let own = Subject::of(common, &[], None)?.into_iter().find(|subject| !subject.published);
    match own {
        Some(own) if own.is_recorded(common) => {
            write(common, &[own], profile, None)?;
        }
        _ => remove_own(common)?,
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
        removed.map_err(|source| CliError::Io { path, source })?;
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
