//! Reading experiment files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Definition, DefinitionError, validate};

/// Name of the JSON schema beside the experiments; not a definition.
pub const SCHEMA: &str = "schema.json";
/// Largest definition that is read: 1 MiB.
const LIMIT: u64 = 1 << 20;

/// A definition with the file it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file.
    pub file: PathBuf,
    /// What it says.
    pub definition: Definition,
}

/// Reads and validates one file.
///
/// # Errors
/// Every fault that was found.
pub fn load(file: &Path) -> Result<Definition, Vec<DefinitionError>> {
    let fault = |at: String, why: String| vec![DefinitionError { file: file.to_owned(), at, why }];
    let size = std::fs::metadata(file).map_err(|e| fault(".".into(), e.to_string()))?.len();
    if size > LIMIT {
        return Err(fault(".".into(), format!("{size} bytes; a definition has at most {LIMIT}")));
    }
    let text = std::fs::read_to_string(file).map_err(|e| fault(".".into(), e.to_string()))?;
    let mut json = serde_json::Deserializer::from_str(&text);
    let definition: Definition = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let (at, why) = (e.path().to_string(), e.inner().to_string());
        fault(at, with_hint(&text, why))
    })?;
    json.end().map_err(|e| fault(".".into(), e.to_string()))?;
    let faults = validate::faults(&definition, file);
    if faults.is_empty() { Ok(definition) } else { Err(faults) }
}

fn with_hint(text: &str, why: String) -> String {
    let not_json = ["NaN", "Infinity", "inf"].into_iter().find(|word| text.contains(word));
    match not_json {
        Some(word) if why.contains("expected") => format!("{why}; JSON has no `{word}`: write a finite number"),
        _ => why,
    }
}

/// Reads all of `folder/<paper>/<id>.json`, sorted by path.
///
/// # Errors
/// Beside the good ones, the faults of the others; two files with one id are both at fault.
pub fn load_all(folder: &Path) -> (Vec<Loaded>, Vec<DefinitionError>) {
    let (mut good, mut faults) = (vec![], vec![]);
    let mut files = vec![];
    if let Err(e) = collect(folder, 0, &mut files) {
        faults.push(DefinitionError { file: folder.to_owned(), at: ".".into(), why: e.to_string() });
    }
    files.sort();
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
            faults.push(DefinitionError { file: loaded.file.clone(), at: "id".into(), why });
        } else {
            first.insert(id, loaded.file.clone());
        }
    }
    good.retain(|loaded| !faults.iter().any(|fault| fault.file == loaded.file));
    (good, faults)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth < 2 {
            collect(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|e| e == "json") && path.file_name().is_some_and(|n| n != SCHEMA) {
            files.push(path);
        }
    }
    Ok(())
}
