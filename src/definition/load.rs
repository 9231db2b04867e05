//! Reading experiment files.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_path_to_error::{Error as PathError, Path as JsonPath, Segment};

use crate::files;
use crate::nearest::with_suggestion;
use crate::objects::{NO_LIST, list_for_object};

use super::ids::BESIDE;
use super::settings::Fault;
use super::unique::Unique;
use super::wording::{self, NO_NAME};
use super::{Definition, DefinitionError, Override, Profile, validate};

/// Name of the JSON schema beside the experiments; not a definition.
pub const SCHEMA: &str = "schema.json";
/// Largest definition, and largest schema, that is read: 1 MiB.
pub const LIMIT: u64 = 1 << 20;
/// Most definitions in a folder.
const MOST_FILES: usize = 10_000;

/// A definition with the file it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file.
    pub file: PathBuf,
    /// The definition in the file.
    pub definition: Definition,
}

/// Reads and validates one file.
///
/// # Errors
/// The faults that were found, the first 50 listed and the others counted in the last entry.
pub fn load(file: &Path) -> Result<Definition, Vec<DefinitionError>> {
    let fault = |(at, why): Fault| vec![DefinitionError::new(file, &at, &why)];
    let text = files::read_text(file, LIMIT).map_err(|e| fault((".".into(), e.to_string())))?;
    let definition: Definition = parse_whole(&text).map_err(fault)?;
    let faults = validate::faults(&definition, file);
    if faults.is_empty() { Ok(definition) } else { Err(faults) }
}

/// Parses the text of a file, in which every object names each key once and no list stands for an object.
///
/// # Errors
/// The place of the fault, and why.
fn parse_whole<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, Fault> {
    let parsed: T = parse_text(text)?;
    parse_text::<Unique>(text)?;
    let internal = |error: serde_json::Error| (".".to_owned(), error.to_string());
    let found = serde_json::from_str(text).map_err(internal)?;
    let meant = serde_json::to_value(&parsed).map_err(internal)?;
    match list_for_object(&found, &meant) {
        Some(at) => Err((if at.is_empty() { ".".to_owned() } else { at }, NO_LIST.to_owned())),
        None => Ok(parsed),
    }
}

/// Parses a text of JSON.
///
/// # Errors
/// The place of the fault, and why.
fn parse_text<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| explained::<T>(text, &error))?;
    json.end().map_err(|error| (".".to_owned(), error.to_string()))?;
    Ok(parsed)
}

/// The place of a fault in a text, and why it is refused, in words.
fn explained<T: DeserializeOwned>(text: &str, error: &PathError<serde_json::Error>) -> Fault {
    let inner = error.inner();
    let (mut path, mut why, mut names) = (error.path().to_string(), inner.to_string(), None);
    // The parser of texts reports a value in place of a name as a fault of the syntax.
    if inner.is_syntax()
        && let Ok(value) = serde_json::from_str::<Value>(text)
        && let Err(error) = serde_path_to_error::deserialize::<_, T>(value.clone())
    {
        path = error.path().to_string();
        why = format!("{} at line {} column {}", error.inner(), inner.line(), inner.column());
        names = names_at::<T>(value, error.path());
    }
    let why = with_suggestion(&wording::in_words(&why, names.as_deref()));
    (named_place(text, &path), why + &no_number(text, inner).unwrap_or_default())
}

/// The names that are allowed at a place.
fn names_at<T: DeserializeOwned>(mut value: Value, path: &JsonPath) -> Option<String> {
    let inside = path.iter().try_fold(&mut value, |value, segment| match segment {
        Segment::Seq { index } => value.get_mut(*index),
        Segment::Map { key } | Segment::Enum { variant: key } => value.get_mut(key.as_str()),
        Segment::Unknown => None,
    });
    *inside? = Value::String(NO_NAME.to_owned());
    let error = serde_path_to_error::deserialize::<_, T>(value).err()?;
    wording::allowed_names(&error.inner().to_string())
}

/// A place with the name of the profile, for which the parser writes `?`.
fn named_place(text: &str, path: &str) -> String {
    let faulty = || {
        let value: Value = serde_json::from_str(text).ok()?;
        let is_sound = |(name, over): &(&String, &Value)| {
            Profile::deserialize(Value::String((*name).clone())).is_ok() && Override::deserialize(*over).is_ok()
        };
        value.get("profiles")?.as_object()?.iter().find(|profile| !is_sound(profile)).map(|(name, _)| name.clone())
    };
    if let Some(rest) = path.strip_prefix("profiles.?")
        && let Some(name) = faulty()
    {
        return format!("profiles.{name}{rest}");
    }
    // A key that could not be read.
    if path == "?" { ".".to_owned() } else { path.strip_suffix(".?").unwrap_or(path).to_owned() }
}

/// What to say where a syntax error stands at a word that other languages take for a number.
fn no_number(text: &str, error: &serde_json::Error) -> Option<String> {
    let line = text.lines().nth(error.line().checked_sub(1)?).filter(|_| error.is_syntax())?;
    let is_word = |b: &u8| b.is_ascii_alphabetic() || *b == b'-';
    let at = error.column().saturating_sub(1).min(line.len());
    let from = at - line.as_bytes()[..at].iter().rev().take_while(|b| is_word(b)).count();
    let to = at + line.as_bytes()[at..].iter().take_while(|b| is_word(b)).count();
    let word = line.get(from..to)?;
    let known = ["nan", "inf", "infinity"].contains(&word.trim_start_matches('-').to_ascii_lowercase().as_str());
    known.then(|| format!("; JSON has no `{word}`: write a finite number"))
}

/// Reads all of `folder/<paper>/<id>.json`, sorted by path. Names that start with a dot are ignored.
///
/// # Errors
/// Beside the good ones, the faults of the others and of folders that cannot be read. Of two files with one id, or with
/// one chart, the second is at fault.
pub fn load_all(folder: &Path) -> (Vec<Loaded>, Vec<DefinitionError>) {
    let (mut good, mut faults) = (vec![], vec![]);
    let mut files = vec![];
    collect(folder, 0, &mut files, &mut faults);
    files.sort();
    if files.len() > MOST_FILES {
        let why = format!("{} definitions; at most {MOST_FILES} are read", files.len());
        faults.push(DefinitionError::new(folder, ".", &why));
        files.truncate(MOST_FILES);
    }
    for file in files {
        match load(&file) {
            Ok(definition) => good.push(Loaded { file, definition }),
            Err(more) => faults.extend(more),
        }
    }
    let mut first: HashMap<String, PathBuf> = HashMap::new();
    for loaded in &good {
        let id = loaded.definition.id.clone();
        if let Some(other) = first.get(&id) {
            let why = format!("the id `{id}` is taken by {}; ids are unique", other.display());
            faults.push(DefinitionError::new(&loaded.file, "id", &why));
        } else {
            first.insert(id, loaded.file.clone());
        }
    }
    faults.extend(shared_charts(&good));
    let wrong: HashSet<&PathBuf> = faults.iter().map(|fault| &fault.file).collect();
    good.retain(|loaded| !wrong.contains(&loaded.file));
    (good, faults)
}

/// Charts that two experiments would write to the same file, `<experiment>-<figure>.<profile>.svg`.
fn shared_charts(loaded: &[Loaded]) -> Vec<DefinitionError> {
    let mut faults = vec![];
    let mut first: HashMap<String, (&Loaded, usize)> = HashMap::new();
    for one in loaded {
        let Definition { id, figures, profiles, .. } = &one.definition;
        for (i, figure) in figures.iter().enumerate() {
            for profile in profiles.keys() {
                let chart = format!("{id}-{}.{}.svg", figure.id, profile.name());
                let (other, place) = *first.entry(chart.clone()).or_insert((one, i));
                // A repeated id was reported above.
                if other.definition.id != *id {
                    let other = other.file.display();
                    let why = format!(
                        "`{}`: the file {chart} is also that of figures[{place}].id in {other}; choose another id",
                        figure.id
                    );
                    faults.push(DefinitionError::new(&one.file, &format!("figures[{i}].id"), &why));
                    // The other profiles have the same fault.
                    break;
                }
            }
        }
    }
    faults
}

/// Finds the files of definitions below a folder. Folders that cannot be read are faults.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, faults: &mut Vec<DefinitionError>) {
    let unreadable = |error: std::io::Error| DefinitionError::new(folder, ".", &error.to_string());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return faults.push(unreadable(error)),
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return faults.push(unreadable(error)),
        };
        let path = entry.path();
        // Left there by editors, version control and file managers.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() && depth < 2 {
            collect(&path, depth + 1, files, faults);
        } else if path.extension().is_some_and(|e| e == "json")
            && path.file_name().is_some_and(|n| !BESIDE.iter().any(|other| n == *other))
        {
            files.push(path);
        }
    }
}

/// The entries of a list in JSON beside the definitions; empty if there is no such file.
pub(super) fn entries<T: DeserializeOwned + Serialize>(file: &Path) -> Result<Vec<T>, DefinitionError> {
    let fault = |at: String, why: String| DefinitionError::new(file, &at, &why);
    let text = match files::read_text(file, LIMIT) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(fault(".".into(), e.to_string())),
    };
    parse(file, &text)
}

/// Parses a file beside the definitions.
///
/// # Errors
/// It is malformed, an object names a key twice, or a list stands for an object.
pub(super) fn parse<T: DeserializeOwned + Serialize>(file: &Path, text: &str) -> Result<T, DefinitionError> {
    let fault = |(at, why): Fault| DefinitionError::new(file, &at, &why);
    parse_whole(text).map_err(fault)
}
