//! Digests of image sets that were read before, kept between calls: a plan needs them to compute the ids of its runs,
//! and decoding a large set for that takes minutes.
//!
//! A digest is kept under the place, size and modification time of every file of the set. Before a run computes
//! anything it reads the set, and [`confirm`] compares.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::files;
use crate::record::write_atomically;

use super::StudyError;

/// Most bytes of a kept file that are read.
const LIMIT: u64 = 1 << 16;
/// Most kept files; the oldest ones are removed.
const MOST: usize = 200;
/// A file that was modified less than this ago may change again without a change of its time.
const SETTLED: Duration = Duration::from_secs(2);

/// Digests that [`recall`] returned in this process, by key.
static RECALLED: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);

/// Name and SHA-256 of an image set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Name of the set, as in records.
    pub name: String,
    /// SHA-256 of images and labels.
    pub digest: String,
}

/// The file of a key. The version of the program is part of the name, since another one may decode images differently.
fn file(key: &str) -> Option<PathBuf> {
    let version = concat!(env!("CARGO_PKG_VERSION"), " ", env!("ANODE_COMMIT"));
    Some(folder()?.join(format!("{}.json", &sha256(format!("{version}\n{key}").as_bytes())[..32])))
}

/// `ANODE_CACHE`, else `anode` in the user's folder for caches.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA")).or_else(|| Some(set("HOME")?.join(".cache")));
    let own = set("ANODE_CACHE").or_else(|| Some(cache()?.join("anode")))?;
    Some(own.join("digests"))
}

/// The identity that is kept under a key.
pub fn recall(key: &str) -> Option<Identity> {
    let bytes = files::read(&file(key)?, LIMIT).ok()?;
    let found: Identity = serde_json::from_slice(&bytes).ok()?;
    let mut recalled = RECALLED.lock().unwrap_or_else(PoisonError::into_inner);
    recalled.get_or_insert_default().insert(key.to_owned(), found.digest.clone());
    Some(found)
}

/// Compares what was read with what [`recall`] returned for the same key, and keeps it for later calls. `modified` is
/// the latest modification time of the files.
///
/// # Errors
/// The files differ from those that the kept digest was computed from, so that the ids of planned runs are wrong. The
/// kept digest is removed.
pub fn confirm(key: &str, read: &Identity, modified: Option<Duration>) -> Result<(), StudyError> {
    let Some(path) = file(key) else { return Ok(()) };
    let recalled =
        RECALLED.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|all| all.get(key).cloned());
    match recalled {
        Some(digest) if digest != read.digest => {
            let _ = std::fs::remove_file(&path);
            let why = "the files changed while their size and modification time stayed the same; run the command again";
            return Err(StudyError::failed("data", why));
        }
        Some(_) => return Ok(()),
        None => {}
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if modified.is_some_and(|time| time + SETTLED < now) {
        keep(&path, read);
    }
    Ok(())
}

/// Whether a file of the folder has the form of name that [`file`] gives.
fn is_own(name: &str) -> bool {
    let digits = name.strip_suffix(".json");
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Failures are ignored: without the file, the next call reads the set again.
fn keep(path: &std::path::Path, read: &Identity) {
    let (Some(folder), Ok(bytes)) = (path.parent(), serde_json::to_vec(read)) else { return };
    if write_atomically(path, &bytes).is_err() {
        return;
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let own = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_own));
    let mut kept: Vec<_> = own.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
    kept.sort();
    for (_, old) in kept.iter().rev().skip(MOST) {
        let _ = std::fs::remove_file(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_in_the_cache_are_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let others: Vec<String> = (0..=MOST).map(|i| format!("thesis-{i}.txt")).collect();
        others.iter().for_each(|name| std::fs::write(at(name), "mine").unwrap());
        (0..=MOST).for_each(|i| std::fs::write(at(&format!("{i:032x}.json")), "{}").unwrap());
        keep(&at(&format!("{}.json", "f".repeat(32))), &Identity { name: "set".into(), digest: "0".into() });
        assert!(others.iter().all(|name| at(name).exists()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), others.len() + MOST);
    }
}
