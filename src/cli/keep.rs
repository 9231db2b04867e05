//! `anode figures`, `anode report`, `anode check`, `anode clean`: looking after what is there.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use serde_json::json;

use crate::definition::{Profile, SCHEMA, load_all, schema};
use crate::record::write_atomically;
use crate::report::{self, Summary};

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
    let summary = report::figures(&definitions, &common.results, &common.figures, selection.profile.into())?;
    tell(common, &summary, "charts");
    Ok(())
}

/// `anode report`
///
/// # Errors
/// See [`CliError`].
pub fn report(common: &Common, selection: &Selection) -> Result<(), CliError> {
    let loaded = select::matching(common, selection.only.as_deref())?;
    let definitions = select::definitions(&loaded);
    let summary = report::write_all(&definitions, &common.results, &common.figures, selection.profile.into())?;
    tell(common, &summary, "files");
    Ok(())
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
    let (loaded, faults) = load_all(&common.experiments);
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
    let folders = loaded.iter().map(|l| base.join(&l.definition.id)).filter(|f| f.is_dir());
    let folders: Vec<PathBuf> = folders.collect();
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
        std::fs::remove_dir_all(&folder).map_err(|source| CliError::Io { path: folder.clone(), source })?;
        print(&format!("removed {}", folder.display()));
    }
    Ok(())
}
