//! The records of an experiment in one small file, to be kept with a repository: a gzipped tar of run folders, without
//! checkpoints, with long logs thinned and without images that no chart shows. The same records give the same bytes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Map;

use super::read::{Loaded, parse};
use super::write::{IMAGES, ROWS, RUN, RecordError, STEPS, rows_to_csv};
use crate::digest::sha256;

/// Most bytes of one file inside an archive; more is no log of ours.
const MOST: u64 = 1 << 30;

/// Records as an archive. Each `run.json` has the digests of the files as they stand in the archive.
///
/// # Errors
/// None that a caller can cause; the encoders' own.
pub fn to_archive(records: &[Loaded]) -> io::Result<Vec<u8>> {
    let mut records: Vec<&Loaded> = records.iter().collect();
    records.sort_by(|a, b| a.record.run.cmp(&b.record.run));
    let mut tar = tar::Builder::new(GzEncoder::new(vec![], Compression::best()));
    for loaded in records {
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("{}/{name}", loaded.record.run), bytes)
        };
        let mut files = Map::new();
        let mut parts = vec![(ROWS, rows_to_csv(&loaded.rows)?)];
        if !loaded.steps.is_empty() {
            parts.push((STEPS, rows_to_csv(&loaded.steps)?));
        }
        if !loaded.images.is_empty() {
            parts.push((IMAGES, serde_json::to_vec(&loaded.images)?));
        }
        for (name, bytes) in &parts {
            files.insert((*name).into(), sha256(bytes).into());
        }
        let record = super::Record { files, ..loaded.record.clone() };
        let mut bytes = serde_json::to_vec_pretty(&record)?;
        bytes.push(b'\n');
        add(RUN, &bytes)?;
        for (name, bytes) in parts {
            add(name, &bytes)?;
        }
    }
    let mut gzip = tar.into_inner()?;
    gzip.flush()?;
    gzip.finish()
}

/// The records of an archive, every digest checked; none where there is no such file.
///
/// # Errors
/// A file that cannot be read, is no archive of records, or was changed.
pub fn read_archive(path: &Path) -> Result<Vec<Loaded>, RecordError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(RecordError::io(path)(e)),
    };
    let damaged = |why: String| RecordError::Damaged { path: path.to_owned(), why };
    let runs = unpack(&bytes).map_err(|e| damaged(format!("not an archive of records: {e}")))?;
    let mut found = vec![];
    for (run, files) in runs {
        let folder = path.join(&run);
        let record = files.get(RUN).ok_or_else(|| damaged(format!("{run}/{RUN} is missing")))?;
        let file = |name: &str| files.get(name).cloned().ok_or_else(|| damaged(format!("{run}/{name} is missing")));
        found.push(parse(&folder, record, &file)?);
    }
    Ok(found)
}

/// Files by run and name.
type Files = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

fn unpack(bytes: &[u8]) -> io::Result<Files> {
    let mut found = Files::new();
    let mut tar = tar::Archive::new(GzDecoder::new(bytes));
    for entry in tar.entries()? {
        let entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let (run, name) = path.split_once('/').ok_or_else(|| io::Error::other(format!("`{path}` is in no run")))?;
        let (run, name) = (run.to_owned(), name.to_owned());
        let mut bytes = vec![];
        entry.take(MOST).read_to_end(&mut bytes)?;
        found.entry(run).or_default().insert(name, bytes);
    }
    Ok(found)
}
