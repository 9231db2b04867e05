//! Whether a published report is what its published records give.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Profile;
use crate::files;
use crate::paths::as_text;

use super::artefacts::artefacts;
use super::results::RecordSource;
use super::stray::{Stray, strays};
use super::{Contents, ReportError, io};

/// A published file that is not what the records give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// The file.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// `differs`, `missing`, or what a file is that no record makes.
    pub what: &'static str,
}

const OUTDATED: &str = "made by no record any more";
const RECORDS: &str = "records of no experiment that is defined";
const DAMAGED: &str = "header or log of an unfinished run, damaged or missing";
const UNKNOWN: &str = "belongs to nothing";

impl Difference {
    /// How to make the file agree with the records.
    pub fn cure(&self) -> &'static str {
        match self.what {
            RECORDS => "define the experiment again, or remove its records with `anode clean --only`",
            DAMAGED => "remove its folder, or copy it again",
            UNKNOWN => "move it elsewhere, or remove it",
            _ => "write the report again with `anode report`, which also removes outdated files",
        }
    }
}

/// Makes every file of the report again, in memory and from the archives of records alone, and compares. Returns how
/// many files agree, and those that do not.
///
/// # Errors
/// A damaged archive, a file that cannot be read.
pub fn verify(contents: Contents, profile: Profile) -> Result<(usize, Vec<Difference>), ReportError> {
    let (summary, made) = artefacts(contents, profile, RecordSource::Archives)?;
    let made: BTreeMap<PathBuf, Vec<u8>> = made.into_iter().map(|a| (a.path, a.bytes)).collect();
    let mut differences = vec![];
    let mut differs = |path: &Path, what| differences.push(Difference { path: path.to_owned(), what });
    for (path, bytes) in &made {
        // What is longer differs, and is not read.
        match files::read(path, bytes.len() as u64) {
            Ok(found) if found == *bytes => {}
            Ok(_) => differs(path, "differs"),
            Err(e) if e.kind() == std::io::ErrorKind::FileTooLarge => differs(path, "differs"),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => differs(path, "missing"),
            // A folder, a link or a device.
            Err(_) if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) => differs(path, "differs"),
            Err(e) => return Err(io(path)(e)),
        }
    }
    let agree = made.len() - differences.len();
    differences.extend(summary.damaged.into_iter().map(|(path, _)| Difference { path, what: DAMAGED }));
    // A table or a chart that outlived its experiment would pass for a result.
    for (path, stray) in strays(contents, &made.into_keys().collect())? {
        let what = match stray {
            Stray::Outdated => OUTDATED,
            Stray::Records => RECORDS,
            Stray::Unknown => UNKNOWN,
        };
        differences.push(Difference { path, what });
    }
    Ok((agree, differences))
}
