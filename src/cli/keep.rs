//! `anode figures`, `anode report`, `anode check`, `anode clean`: looking after what is there.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use serde_json::json;

use crate::definition::{Definition, NotRun, Profile, SCHEMA, load_all, load_not_run, schema};
use crate::record::write_atomically;
use crate::report::{self, Contents, Summary};

use super::arguments::{Common, Selection};
use super::error::CliError;
use super::output::{print, print_json};
use super::select;

/// `anode figures`
///
/// # Errors
/// See [`CliError`].
pub fn figures(common: &Common, selection: &Selection) -> Result<(), CliError> {
    let loaded = select::matching(common, selection.only.as_deref())?;
    let definitions = select::definitions(&loaded);
    let summary = report::figures(contents(common, &definitions, &[]), selection.profile.into())?;
    tell(common, &summary, "charts");
    Ok(())
}

/// `anode report`
///
/// # Errors
/// See [`CliError`].
pub fn report(common: &Common, selection: &Selection, verify: bool) -> Result<(), CliError> {
    let loaded = select::matching(common, selection.only.as_deref())?;
    let definitions = select::definitions(&loaded);
    let not_run = select::not_run(common, selection.only.as_deref())?;
    let contents = contents(common, &definitions, &not_run);
    if verify {
        return compare(common, contents, selection.profile.into());
    }
    let summary = report::write_all(contents, selection.profile.into())?;
    tell(common, &summary, "files");
    Ok(())
}

/// What a report on some definitions is made of.
pub fn contents<'a>(common: &'a Common, experiments: &'a [Definition], not_run: &'a [NotRun]) -> Contents<'a> {
    Contents { experiments, not_run, results: &common.results, figures: &common.figures }
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
    }
}

/// `anode check`
///
/// # Errors
/// Every fault of every definition; a schema that differs.
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
    if common.json {
        let fault = |f: &crate::definition::DefinitionError| json!({ "file": f.file, "path": f.at, "why": f.why });
        print_json(&json!({ "sound": loaded.len(), "faults": faults.iter().map(fault).collect::<Vec<_>>() }));
    }
    if !faults.is_empty() {
        return Err(CliError::Definitions(faults));
    }
    if path.exists() && std::fs::read_to_string(&path).map_err(io(&path))? != text {
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
pub fn clean(common: &Common, selection: &Selection, yes: bool) -> Result<(), CliError> {
    let profile = Profile::from(selection.profile);
    let loaded = select::matching(common, selection.only.as_deref())?;
    let base = common.results.join("runs").join(profile.name());
    let runs = loaded.iter().map(|l| base.join(&l.definition.id)).filter(|f| f.is_dir());
    let archives = loaded.iter().map(|l| report::archive(&common.results, &l.definition.id, profile));
    let folders: Vec<PathBuf> = runs.chain(archives.filter(|a| a.is_file())).collect();
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
        let removed = if folder.is_dir() { std::fs::remove_dir_all(&folder) } else { std::fs::remove_file(&folder) };
        removed.map_err(|source| CliError::Io { path: folder.clone(), source })?;
        print(&format!("removed {}", folder.display()));
    }
    Ok(())
}
