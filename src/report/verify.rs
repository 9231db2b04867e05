//! Whether a published report is what its published records give.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::definition::Profile;
use crate::record::PARTIAL;

use super::artefacts::artefacts;
use super::results::From;
use super::{Contents, ReportError, io};

/// A published file that is not what the records give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The file.
    pub path: PathBuf,
    /// `differs`, `missing`, or `made by no record`.
    pub what: &'static str,
}

/// Makes every file of the report again, in memory and from the archives of records alone, and compares. Returns how many
/// files agree, and those that do not.
///
/// # Errors
/// A damaged archive, a file that cannot be read.
pub fn verify(contents: Contents, profile: Profile) -> Result<(usize, Vec<Difference>), ReportError> {
    let (_, made) = artefacts(contents, profile, From::Archives)?;
    let made: BTreeMap<PathBuf, Vec<u8>> = made.into_iter().map(|a| (a.path, a.bytes)).collect();
    let mut differences = vec![];
    let mut differs = |path: &Path, what| differences.push(Difference { path: path.to_owned(), what });
    for (path, bytes) in &made {
        match std::fs::read(path) {
            Ok(found) if found == *bytes => {}
            Ok(_) => differs(path, "differs"),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => differs(path, "missing"),
            Err(e) => return Err(io(path)(e)),
        }
    }
    let agree = made.len() - differences.len();
    // A table or a chart that outlived its experiment would pass for a result.
    let of_the_program = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = |profile: Profile| name.contains(&format!(".{}.", profile.name()));
        !name.starts_with(PARTIAL) && Profile::ALL.into_iter().any(known)
    };
    let folders = ["tables", "timing", "records"].map(|f| contents.results.join(f));
    for folder in folders.iter().map(PathBuf::as_path).chain([contents.figures]) {
        let mut found: Vec<PathBuf> = match std::fs::read_dir(folder) {
            Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
            Err(_) => vec![],
        };
        found.sort();
        for path in found.into_iter().filter(|p| of_the_program(p) && !made.contains_key(p)) {
            differences.push(Difference { path, what: "made by no record" });
        }
    }
    Ok((agree, differences))
}
