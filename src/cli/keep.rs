//! `anode figures`, `anode report`, `anode check`, `anode clean`: looking after what is there.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use serde_json::json;

use crate::definition::{
    Definition, LIMIT, NotRun, Outline, Profile, SCHEMA, load_all, load_not_run, load_outline, schema,
};
use crate::files;
use crate::record::write_atomically;
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
pub fn figures(common: &Common, profile: Option<ProfileName>, only: Option<&str>, png: bool) -> Result<(), CliError> {
    let mut summary = Summary::default();
    for subject in Subject::of(common, only)? {
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
    let subjects = Subject::of(common, selection.only.as_deref())?;
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
    /// The experiments whose id matches a pattern, or all: those of the report on the papers, then those that no
    /// chapter of the outline lists. A part without experiments is left out.
    ///
    /// # Errors
    /// A definition that is wrong; none matches.
    pub fn of(common: &Common, pattern: Option<&str>) -> Result<Vec<Self>, CliError> {
        let chosen = select::matching(common, pattern)?;
        let ids: Vec<String> = select::all(common)?.into_iter().map(|one| one.definition.id).collect();
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
            let others: Vec<String> = ids.iter().filter(|id| !chosen(id)).cloned().collect();
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
                not_run: if is_published { select::not_run(common, pattern)? } else { vec![] },
                outline: if is_published { outline.clone() } else { Outline::default() },
                inputs: InputsHere::new(common, &loaded),
                experiments,
                output,
                figures,
            });
        }
        Ok(subjects)
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
pub fn clean(common: &Common, selection: &Selection, kept: bool, yes: bool) -> Result<(), CliError> {
    let profile = Profile::from(selection.profile);
    let folders = if kept {
        let subjects = Subject::of(common, selection.only.as_deref())?;
        let each = subjects.iter().map(|subject| report::unshown(subject.contents(common), profile));
        each.collect::<Result<Vec<_>, _>>()?.concat()
    } else {
        recorded(common, profile, selection.only.as_deref())?
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
    let own = Subject::of(common, None)?.into_iter().find(|subject| !subject.published);
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
fn recorded(common: &Common, profile: Profile, pattern: Option<&str>) -> Result<Vec<PathBuf>, CliError> {
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
    let chosen: Vec<&String> = ids.iter().filter(|id| pattern.is_none_or(|p| select::glob(p, id))).collect();
    if chosen.is_empty() {
        let pattern = pattern.unwrap_or("*");
        return Err(CliError::Usage(format!("no experiment and no records match `{pattern}`")));
    }
    let runs = chosen.iter().map(|id| base.join(id)).filter(|folder| folder.is_dir());
    let archives = chosen
        .iter()
        .flat_map(|id| [report::archive(&common.results, id, profile), report::kept(&common.results, id, profile)]);
    Ok(runs.chain(archives.filter(|archive| archive.is_file())).collect())
}
