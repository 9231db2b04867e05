//! `anode new`: a small valid definition to start from.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::definition::{Definition, DefinitionError, Loaded, Metric, Paper, Profile, id_fault, load};
use crate::nearest::nearest_in_words;
use crate::record::write_atomically;
use crate::report::ReportError;

use super::arguments::Common;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};
use super::select;

/// A small experiment for each study.
const TEMPLATES: &str = include_str!("templates.json");
/// Most values of an axis, and seeds, of a definition that is derived from another one.
const MOST: usize = 2;

/// Field of the settings that name a file, relative to the folder of the definition.
const FILE: &str = "file";

/// What the definition is made from.
#[derive(Debug, Args)]
pub struct NewArguments {
    /// Id of the new experiment: small letters, digits and hyphens
    #[arg(value_name = "ID")]
    pub id: String,
    /// Its start
    #[command(flatten)]
    pub start: Start,
}

/// An experiment or a study, from which a definition is made.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Start {
    /// Derive it from this experiment: its study and settings, with at most two values per axis
    #[arg(long, value_name = "EXPERIMENT")]
    pub like: Option<String>,
    /// Use the template of this study
    #[arg(long, value_name = "STUDY")]
    pub study: Option<String>,
}

/// The definition that was written.
#[derive(Serialize, JsonSchema)]
pub struct Created {
    /// Id of the experiment.
    id: String,
    /// The file.
    #[serde(serialize_with = "crate::paths::as_text")]
    file: PathBuf,
}

document!(Created, "new", 1);

/// `anode new ID`
///
/// # Errors
/// The id is taken or not allowed; there is no such experiment or study; the file cannot be written.
pub fn new(common: &Common, arguments: &NewArguments) -> Result<(), CliError> {
    let id = &arguments.id;
    if let Some(why) = id_fault(id) {
        return Err(CliError::Usage(format!("id: {why}")));
    }
    let loaded = if common.experiments.is_dir() { select::all_or_none(common)? } else { vec![] };
    if let Some(taken) = loaded.iter().find(|l| l.definition.id == *id) {
        return Err(CliError::Usage(format!("the id `{id}` is taken by {}", taken.file.display())));
    }
    let mut value = match (&arguments.start.like, &arguments.start.study) {
        (Some(other), _) => {
            let other = select::named(common, std::slice::from_ref(other))?;
            let start = other.first().and_then(|other| derived(other).map(|value| (other, value)));
            start.map(|(other, value)| with_files(common, other, value)).transpose()?
        }
        (None, study) => Some(template(study.as_deref().unwrap_or_default())?),
    }
    .ok_or_else(|| CliError::Usage("that experiment has no profile with runs".into()))?;
    value["$schema"] = "../schema.json".into();
    value["id"] = id.clone().into();
    let (definition, text) = valid(value)?;
    let path = folder(common, definition.paper).join(format!("{id}.json"));
    if path.exists() {
        return Err(CliError::Usage(format!("{} exists", path.display())));
    }
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(CliError::io(&path))?;
    write_atomically(&path, text.as_bytes()).map_err(ReportError::from)?;
    if common.json {
        print_json(&Created { id: id.clone(), file: path });
    } else if !common.quiet {
        print(&format!("{}: edit it, then `anode check`, `anode run {id}` and `anode show {id}`", path.display()));
    }
    Ok(())
}

/// The template of a study, completed to a definition.
fn template(study: &str) -> Result<Value, CliError> {
    let all: Map<String, Value> = serde_json::from_str(TEMPLATES).map_err(|e| CliError::Usage(e.to_string()))?;
    let Some(own) = all.get(study) else {
        let near = nearest_in_words(study, all.keys().map(String::as_str));
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        return Err(CliError::Usage(format!("no study `{study}`; there are {}{near}", names.join(", "))));
    };
    let metrics: Vec<Value> =
        own["metrics"].as_array().into_iter().flatten().map(|column| json!({ "column": column })).collect();
    let parts = json!({
        "paper": own["paper"], "study": study, "grid": own["grid"], "fixed": own["fixed"], "seeds": [0],
        "metrics": metrics,
    });
    Ok(completed(parts, own.get("where")))
}

/// A small definition with the study and the settings of another one, under its smallest profile.
fn derived(Loaded { definition, .. }: &Loaded) -> Option<Value> {
    let resolved = Profile::ALL.into_iter().find_map(|profile| definition.resolve(profile))?;
    let first = resolved.grid.first()?;
    let axes: Map<String, Value> = first
        .iter()
        .map(|(name, values)| (name.clone(), values.iter().take(MOST).cloned().collect::<Vec<_>>().into()))
        .collect();
    let fixed: Map<String, Value> =
        resolved.fixed.iter().map(|(name, value, _)| ((*name).clone(), (*value).clone())).collect();
    let metrics: Vec<&Metric> = definition.metrics.iter().collect();
    let seeds: Vec<u64> = resolved.seeds.iter().take(MOST).copied().collect();
    let parts = json!({
        "paper": definition.paper, "study": definition.study, "grid": [axes], "fixed": fixed, "seeds": seeds,
        "metrics": metrics,
    });
    Some(completed(parts, None))
}

/// The folder of new definitions about a paper.
fn folder(common: &Common, paper: Paper) -> PathBuf {
    let name = serde_json::to_value(paper).ok().and_then(|name| name.as_str().map(str::to_owned));
    common.experiments.join(name.unwrap_or_default())
}

/// Rewrites the relative paths in a definition that was derived from `other`, so that they lead from its own folder to
/// the same files.
///
/// # Errors
/// A folder cannot be read; a path is not UTF-8.
fn with_files(common: &Common, other: &Loaded, mut value: Value) -> Result<Value, CliError> {
    let from = real(other.file.parent().unwrap_or(Path::new(".")))?;
    let to = real(&folder(common, other.definition.paper))?;
    if from != to {
        for settings in ["grid", "fixed"] {
            moved_files(&mut value[settings], &from, &to)?;
        }
    }
    Ok(value)
}

/// The absolute path of a folder, without symbolic links. The folder itself may be missing.
fn real(folder: &Path) -> Result<PathBuf, CliError> {
    match (folder.canonicalize(), folder.parent(), folder.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == ErrorKind::NotFound => {
            Ok(parent.canonicalize().map_err(CliError::io(folder))?.join(name))
        }
        (found, ..) => found.map_err(CliError::io(folder)),
    }
}

/// Rewrites every relative path in settings, `{ "file": PATH }`.
fn moved_files(settings: &mut Value, from: &Path, to: &Path) -> Result<(), CliError> {
    match settings {
        Value::Array(list) => list.iter_mut().try_for_each(|one| moved_files(one, from, to)),
        Value::Object(map) => map.iter_mut().try_for_each(|(name, one)| match one {
            Value::String(file) if name == FILE => {
                let no_text = || CliError::Usage(format!("{}: the path to {file} is not UTF-8", from.display()));
                *file = moved(file, from, to).ok_or_else(no_text)?;
                Ok(())
            }
            _ => moved_files(one, from, to),
        }),
        _ => Ok(()),
    }
}

/// The path from the folder `to` to the file that `file` names in the folder `from`. Both folders are absolute, without
/// symbolic links. `None` if the path is not UTF-8.
fn moved(file: &str, from: &Path, to: &Path) -> Option<String> {
    if Path::new(file).is_absolute() {
        return Some(file.to_owned());
    }
    let (mut folder, mut parts) = (from.to_owned(), Path::new(file).components().peekable());
    while let Some(part) = parts.next_if(|part| matches!(part, Component::CurDir | Component::ParentDir)) {
        if part == Component::ParentDir {
            folder.pop();
        }
    }
    let target = folder.join(parts.collect::<PathBuf>());
    let common = target.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    if common == 0 {
        // On another drive.
        return target.to_str().map(str::to_owned);
    }
    let up = to.components().skip(common).map(|_| Some("..".to_owned()));
    let down = target.components().skip(common).map(|part| part.as_os_str().to_str().map(str::to_owned));
    Some(up.chain(down).collect::<Option<Vec<String>>>()?.join("/"))
}

/// Adds texts that say what to write in their place, and a rule to replace, on the rows that `filter` selects.
fn completed(parts: Value, filter: Option<&Value>) -> Value {
    let mut all = json!({
        "$schema": "", "id": "", "title": "A title of one line", "paper": "",
        "analysis": "Say why this experiment exists and what to look for in its results. `grid` lists the values of \
                     each setting that varies; every combination is run. `fixed` holds the settings of all runs, and \
                     `profiles` what a larger profile changes. `metrics` are the columns of the report's table. \
                     Replace the rule in `expectation` before the first run. schema.json describes every field.",
        "claim": { "text": "The claim under test, in a sentence.", "source": "I" },
        "study": "", "grid": [], "fixed": {}, "seeds": [0], "profiles": { "quick": {} }, "metrics": [],
        "expectation": { "text": "What must be measured for the claim to hold.", "checks": [] },
        "overturn": "Which experiment, setting or number would change the verdict.",
    });
    if let (Some(all), Value::Object(parts)) = (all.as_object_mut(), parts) {
        all.extend(parts);
    }
    // The last metric is usually what is measured.
    if let Some(last) = columns(&all).pop() {
        let mut check = json!({
            "name": "replace this rule: the numbers are not negative",
            "rule": { "within": { "column": last, "min": 0.0 } }
        });
        if let Some(filter) = filter {
            check["where"] = filter.clone();
        }
        all["expectation"]["checks"] = json!([check]);
    }
    all
}

/// The columns of the metrics.
fn columns(definition: &Value) -> Vec<Value> {
    definition["metrics"].as_array().into_iter().flatten().map(|metric| metric["column"].clone()).collect()
}

/// The definition without what does not fit its runs, with its text.
fn valid(mut value: Value) -> Result<(Definition, String), CliError> {
    let id = value["id"].as_str().unwrap_or_default().to_owned();
    let folder = tempfile::tempdir().map_err(CliError::io(&std::env::temp_dir()))?;
    let file = folder.path().join(format!("{id}.json"));
    let mut candidates = columns(&value);
    loop {
        let text = layout(&value);
        std::fs::write(&file, &text).map_err(CliError::io(&file))?;
        let faults = match load(&file) {
            Ok(definition) => return Ok((definition, text)),
            Err(faults) => faults,
        };
        // A column that only other settings write, or a rule on one that holds no numbers.
        let metric = faults.iter().find_map(|fault| number_in(&fault.at, "metrics["));
        let check = faults.iter().find_map(|fault| number_in(&fault.at, "expectation.checks["));
        let removed = match (metric, check) {
            (Some(n), _) => remove(&mut value["metrics"], n),
            (None, Some(n)) => {
                let column = &mut value["expectation"]["checks"][n]["rule"]["within"]["column"];
                candidates.retain(|candidate| candidate != column);
                candidates.pop().map(|other| *column = other).is_some()
            }
            (None, None) => false,
        };
        if !removed {
            let here = |fault: DefinitionError| DefinitionError { file: PathBuf::from(format!("{id}.json")), ..fault };
            return Err(CliError::Definitions(faults.into_iter().map(here).collect()));
        }
    }
}

fn number_in(at: &str, before: &str) -> Option<usize> {
    at.strip_prefix(before)?.split(']').next()?.parse().ok()
}

fn remove(list: &mut Value, place: usize) -> bool {
    let Some(list) = list.as_array_mut().filter(|list| place < list.len()) else { return false };
    list.remove(place);
    true
}

/// JSON with one line for each short value.
fn layout(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out + "\n"
}

fn write(value: &Value, indent: usize, out: &mut String) {
    const WIDTH: usize = 100;
    let line = spaced(value);
    if indent + line.len() <= WIDTH && indent > 0 || !(value.is_object() || value.is_array()) {
        *out += &line;
        return;
    }
    let pad = " ".repeat(indent + 2);
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    out.push(open);
    let items: Vec<(Option<&String>, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Some(key), value)).collect(),
        Value::Array(list) => list.iter().map(|value| (None, value)).collect(),
        _ => vec![],
    };
    for (number, (key, value)) in items.iter().enumerate() {
        *out += &format!("{}\n{pad}", if number > 0 { "," } else { "" });
        if let Some(key) = key {
            *out += &format!("{}: ", Value::from(key.as_str()));
        }
        write(value, indent + 2, out);
    }
    *out += &format!("\n{}{close}", " ".repeat(indent));
}

/// A value on one line, with spaces as a person would write them.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(map) if map.is_empty() => "{}".into(),
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), spaced(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_the_same_file_from_another_folder() {
        for (file, from, to, expected) in [
            ("w.csv", "/e/mine", "/e/anode", "../mine/w.csv"),
            ("./w.csv", "/e/mine", "/e/anode", "../mine/w.csv"),
            ("data/w.csv", "/e", "/e/anode", "../data/w.csv"),
            ("../w.csv", "/e/mine", "/e/anode", "../w.csv"),
            ("../anode/w.csv", "/e/mine", "/e/anode", "w.csv"),
            ("../../w.csv", "/e/mine/deep", "/e/anode", "../w.csv"),
            ("../../../w.csv", "/e/mine", "/e/anode", "../../w.csv"),
            ("data/../w.csv", "/e/mine", "/e/anode", "../mine/data/../w.csv"),
            ("w.csv", "/x/mine", "/e/anode", "../../x/mine/w.csv"),
        ] {
            assert_eq!(moved(file, Path::new(from), Path::new(to)).as_deref(), Some(expected), "{file} {from}");
        }
        let whole = std::path::absolute("w.csv").expect("a path");
        let whole = whole.to_str().expect("UTF-8");
        assert_eq!(moved(whole, Path::new("/e/mine"), Path::new("/e/anode")).as_deref(), Some(whole));
    }

    #[test]
    fn only_paths_of_files_are_rewritten() {
        let mut settings = json!([{ "field": [
            { "kind": "dense", "n": 2, "weights": { "file": "w.csv" }, "initial": { "normal": { "std": 1.0 } } },
        ] }]);
        let mut expected = settings.clone();
        expected[0]["field"][0]["weights"]["file"] = "../mine/w.csv".into();
        moved_files(&mut settings, Path::new("/e/mine"), Path::new("/e/anode")).expect("paths are UTF-8");
        assert_eq!(settings, expected);
    }
}
