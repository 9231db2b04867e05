//! `anode check`: faults of definitions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::{
    DefinitionError, LIMIT, Loaded, OUTLINE, SCHEMA, load_all, load_not_run, load_outline, outline_faults, schema,
    unknown_experiments,
};
use crate::files;
use crate::paths::as_text;
use crate::record::write_atomically;
use crate::report::ReportError;
use crate::study::estimate::impossible;

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};
use super::select;

/// Faults of definitions.
#[derive(Serialize, JsonSchema)]
pub struct Checked {
    /// Definitions without faults.
    sound: usize,
    /// The faults.
    faults: Vec<Fault>,
}

document!(Checked, "check", 1);

/// A fault of a definition.
#[derive(Serialize, JsonSchema)]
pub struct Fault {
    /// The file.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// JSON path of the fault; `.` for the whole file.
    pub path: String,
    /// What was found, and what is allowed.
    pub why: String,
}

impl Fault {
    /// A fault that was found in a definition.
    pub fn of(found: &DefinitionError) -> Self {
        Self { file: found.file.clone(), path: found.at.clone(), why: found.why.clone() }
    }
}

/// `anode check ID...`
///
/// # Errors
/// Every fault of every definition that `ids` choose, runs that no machine can make among them; without ids also faults
/// of the files next to them and a schema that differs. An id or pattern that fits none.
pub fn check(common: &Common, ids: &[String], write_schema: bool) -> Result<(), CliError> {
    let path = common.experiments.join(SCHEMA);
    let text = serde_json::to_string_pretty(&schema()).map_err(|e| CliError::io(&path)(e.into()))? + "\n";
    if write_schema {
        if !common.experiments.is_dir() {
            let why = "no such folder; create it, or name another one with --experiments";
            return Err(CliError::Usage(format!("{}: {why}", common.experiments.display())));
        }
        write_atomically(&path, text.as_bytes()).map_err(ReportError::from)?;
    }
    let (mut loaded, mut faults) = load_all(&common.experiments);
    if loaded.is_empty() && faults.is_empty() && !write_schema {
        return Err(select::none(common));
    }
    if ids.is_empty() {
        let all_sound = faults.is_empty();
        faults.extend(faults_beside(common, &loaded, all_sound));
    } else {
        choose(common, ids, &mut loaded, &mut faults)?;
    }
    faults.extend(loaded.iter().flat_map(impossible));
    if common.json {
        print_json(&Checked { sound: loaded.len(), faults: faults.iter().map(Fault::of).collect() });
    }
    if !faults.is_empty() {
        return Err(CliError::Definitions(faults));
    }
    if ids.is_empty() && path.exists() && files::read_text(&path, LIMIT).map_err(CliError::io(&path))? != text {
        return Err(CliError::Schema(path));
    }
    if !common.json && !common.quiet {
        print(&format!("{} definitions are sound", loaded.len()));
    }
    Ok(())
}

/// Leaves the definitions that `ids` choose, and their faults. A definition that cannot be read has the name of its
/// file as its id. Faults of folders that cannot be read stay.
///
/// # Errors
/// An id or pattern that fits none.
fn choose(
    common: &Common,
    ids: &[String],
    loaded: &mut Vec<Loaded>,
    faults: &mut Vec<DefinitionError>,
) -> Result<(), CliError> {
    let id = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let is_folder = |fault: &DefinitionError| fault.file == common.experiments || fault.file.is_dir();
    let faulty: BTreeSet<String> = faults.iter().filter(|f| !is_folder(f)).map(|fault| id(&fault.file)).collect();
    let sound = loaded.iter().map(|one| one.definition.id.as_str());
    let known: Vec<&str> = sound.chain(faulty.iter().map(String::as_str)).collect();
    ids.iter().try_for_each(|wanted| select::refuse_unknown(wanted, &known))?;
    loaded.retain(|one| select::fits(ids, None, &one.definition.id));
    faults.retain(|fault| is_folder(fault) || select::fits(ids, None, &id(&fault.file)));
    Ok(())
}

/// Faults of the files next to the definitions. `all_sound` is false if some definitions are faulty, whose ids are not
/// all known.
fn faults_beside(common: &Common, loaded: &[Loaded], all_sound: bool) -> Vec<DefinitionError> {
    let mut faults = vec![];
    let not_run = load_not_run(&common.experiments).unwrap_or_else(|fault| {
        faults.push(fault);
        vec![]
    });
    match load_outline(&common.experiments) {
        Ok(outline) => {
            let file = common.experiments.join(OUTLINE);
            if all_sound && faults.is_empty() {
                faults.extend(unknown_experiments(&outline, &file, loaded, &not_run));
            }
            faults.extend(outline_faults(&outline, &file, loaded));
        }
        Err(fault) => faults.push(fault),
    }
    faults
}
