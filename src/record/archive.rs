//! The records of an experiment in one small file, to be kept with a repository: a compressed tar of run folders,
//! without checkpoints, with long logs thinned and without images that no chart shows. The same records give the same
//! bytes.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Map;

use super::Record;
use super::archive_file::{compress, contains, decompress, read_files};
use super::limits::{ARCHIVE, Budget, RECORD_FILES, is_run_id, limit, values_of_json, values_of_text};
use super::read::{LoadedRecord, Log, from_json, parse};
use super::write::{IMAGES, ROWS, RUN, RecordError, STEPS, rows_to_csv};
use crate::digest::sha256;
use crate::files;

/// How to replace an archive that was changed, as the end of a message.
const RESTORE: &str = "; restore the archive, or move it elsewhere and compute its runs again with `anode run`";

/// Records as an archive. Each `run.json` has the digests of the files as they stand in the archive.
///
/// # Errors
/// A record whose id has another form than that of a run, or comes twice; more than an archive may hold.
pub fn to_archive(records: &[LoadedRecord]) -> io::Result<Vec<u8>> {
    archive_of(records.iter().map(|loaded| (loaded, true)).collect())
}

/// Like [`to_archive`], with the images of only those records whose flag is true.
///
/// # Errors
/// See [`to_archive`].
pub fn archive_of(records: Vec<(&LoadedRecord, bool)>) -> io::Result<Vec<u8>> {
    compress(&tar_of(records)?)
}

/// Like [`archive_of`], but returns the bytes of the file at `path` if it has the same content, because compressing
/// takes much longer than reading.
///
/// # Errors
/// See [`to_archive`].
pub fn archive_for(path: &Path, records: Vec<(&LoadedRecord, bool)>) -> io::Result<Vec<u8>> {
    let tar = tar_of(records)?;
    match files::read(path, ARCHIVE) {
        Ok(bytes) if contains(&bytes, &tar) => Ok(bytes),
        _ => compress(&tar),
    }
}

fn tar_of(mut records: Vec<(&LoadedRecord, bool)>) -> io::Result<Vec<u8>> {
    records.sort_by(|(a, _), (b, _)| a.record.run.cmp(&b.record.run));
    let refused = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    if let Some(wrong) = records.iter().map(|(r, _)| &r.record.run).find(|run| !is_run_id(run)) {
        return Err(refused(format!("{wrong:?} is no id of a run: sixteen digits of 0-9 and a-f")));
    }
    if let Some(twice) = records.windows(2).find(|pair| pair[0].0.record.run == pair[1].0.record.run) {
        return Err(refused(format!("run {} comes twice", twice[0].0.record.run)));
    }
    let mut total = 0;
    let mut tar = tar::Builder::new(vec![]);
    for (loaded, images) in records {
        let mut add = |name: &str, bytes: &[u8]| {
            total += bytes.len() as u64;
            if total > ARCHIVE {
                return Err(refused(format!("more than {ARCHIVE} bytes of records in one archive")));
            }
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
        if images && !loaded.images.is_empty() {
            parts.push((IMAGES, serde_json::to_vec(&loaded.images)?));
        }
        for (name, bytes) in &parts {
            files.insert((*name).into(), sha256(bytes).into());
        }
        let record = Record { files, ..loaded.record.clone() };
        let mut bytes = serde_json::to_vec_pretty(&record)?;
        bytes.push(b'\n');
        add(RUN, &bytes)?;
        for (name, bytes) in parts {
            add(name, &bytes)?;
        }
    }
    tar.into_inner()
}

/// The records of an archive, every digest and id checked; none where there is no such file.
///
/// # Errors
/// A file that cannot be read, is no archive of records, was changed, or holds more than an archive may.
pub fn read_archive(path: &Path) -> Result<Vec<LoadedRecord>, RecordError> {
    let mut found = vec![];
    each_record(path, Log::Whole, &mut Budget::of_an_experiment(), &HashSet::new(), &mut |loaded| found.push(loaded))?;
    Ok(found)
}

/// Calls `visit` with each record of an archive, read as by [`read_archive`], with logs of steps thinned as by
/// [`thin`](super::thin). Their values are taken from `budget`, except those of the runs in `known`, whose records the
/// caller has.
///
/// # Errors
/// See [`read_archive`]; the archive has more values than `budget`.
pub fn read_archive_thinned(
    path: &Path,
    budget: &mut Budget,
    known: &HashSet<String>,
    visit: &mut dyn FnMut(LoadedRecord),
) -> Result<(), RecordError> {
    each_record(path, Log::Thinned, budget, known, visit)
}

fn each_record(
    path: &Path,
    log: Log,
    budget: &mut Budget,
    known: &HashSet<String>,
    visit: &mut dyn FnMut(LoadedRecord),
) -> Result<(), RecordError> {
    for Packed { path, run, mut files } in unpack_all(path, &|_| true)? {
        let damaged = |why: String| RecordError::Damaged { path: path.clone(), why: why + RESTORE };
        let folder = path.join(&run);
        let record = files.remove(RUN).ok_or_else(|| damaged(format!("{run}/{RUN} is missing")))?;
        let files = RefCell::new(files);
        let missing = |name: &str| damaged(format!("{run}/{name} is missing"));
        let file = |name: &str| files.borrow_mut().remove(name).ok_or_else(|| missing(name));
        let mut own = Budget::of_an_experiment();
        let budget = if known.contains(&run) { &mut own } else { &mut *budget };
        let loaded = parse(&folder, &record, &file, log, budget, RESTORE)?;
        if loaded.record.run != run {
            return Err(damaged(format!("{run}/{RUN} is the record of run {}", loaded.record.run)));
        }
        visit(loaded);
    }
    Ok(())
}

/// The `run.json` of every record of an archive, without the tables, whose digests are not checked; none if there is no
/// such file.
///
/// # Errors
/// A file that cannot be read or is no archive of records; a record whose id does not follow from what it says.
pub fn read_archived_headers(path: &Path) -> Result<Vec<Record>, RecordError> {
    let (mut found, mut budget) = (vec![], Budget::of_an_experiment());
    for Packed { path, run, files } in unpack_all(path, &|name| name == RUN)? {
        let too_large = |why: String| RecordError::Damaged { path: path.clone(), why };
        let damaged = |why: String| too_large(why + RESTORE);
        let bytes = files.get(RUN).ok_or_else(|| damaged(format!("{run}/{RUN} is missing")))?;
        budget
            .values(values_of_json(bytes) + values_of_text(bytes.len()))
            .map_err(|why| too_large(format!("{run}/{RUN}: {why}")))?;
        let record: Record = from_json(bytes).map_err(|e| damaged(format!("{run}/{RUN}: {e}")))?;
        if record.run != run || record.own_id() != run {
            return Err(damaged(format!("{run}/{RUN} is the record of another run")));
        }
        found.push(record);
    }
    Ok(found)
}

/// Files by run and name.
type Files = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// A run in an archive.
struct Packed {
    /// The archive's file.
    path: PathBuf,
    run: String,
    files: BTreeMap<String, Vec<u8>>,
}

/// Returns the runs of an archive and of its earlier version, each once, with the files whose names are `wanted`.
fn unpack_all(path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Packed>, RecordError> {
    let mut found: Vec<Packed> = vec![];
    for (path, bytes) in read_files(path)? {
        let damaged = |error| RecordError::Damaged {
            path: path.clone(),
            why: format!("not an archive of records: {error}{RESTORE}"),
        };
        let known: HashSet<String> = found.iter().map(|packed| packed.run.clone()).collect();
        let runs = unpack(&bytes, wanted).map_err(damaged)?.into_iter().filter(|(run, _)| !known.contains(run));
        found.extend(runs.map(|(run, files)| Packed { path: path.clone(), run, files }));
    }
    Ok(found)
}

/// The files of an archive whose names are `wanted`.
fn unpack(mut bytes: &[u8], wanted: &dyn Fn(&str) -> bool) -> io::Result<Files> {
    let refused = |why: String| Err(io::Error::other(why));
    let (mut found, mut left, mut members) = (Files::new(), ARCHIVE, 0);
    // A member that is skipped costs its header: the stream is bounded as well.
    let mut tar = tar::Archive::new(decompress(&mut bytes).take(2 * ARCHIVE));
    // Raw: a record of a long name would be read whole, whatever its size.
    for entry in tar.entries()?.raw(true) {
        let entry = entry?;
        members += 1;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (run, name) = path.split_once('/').unwrap_or_default();
        if !is_run_id(run) || !RECORD_FILES.contains(&name) {
            return refused(format!("{path:?} is no file of a record"));
        }
        if entry.header().entry_type() != tar::EntryType::Regular {
            return refused(format!("{path:?} is no regular file"));
        }
        let size = entry.header().entry_size()?;
        let Some(rest) = left.checked_sub(size).filter(|_| size <= limit(name)) else {
            return refused(format!("{path:?} has {size} bytes, more than records can have"));
        };
        left = rest;
        if !wanted(name) {
            continue;
        }
        let (run, name) = (run.to_owned(), name.to_owned());
        let mut bytes = vec![];
        if entry.take(size).read_to_end(&mut bytes)? as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if found.entry(run).or_default().insert(name, bytes).is_some() {
            return refused(format!("{path:?} comes twice"));
        }
    }
    // To the end: the checksum of the whole stands there, after the zeros that end a tar.
    let mut rest = tar.into_inner();
    let mut part = vec![0; 1 << 16];
    loop {
        match rest.read(&mut part)? {
            0 => break,
            count if part[..count].iter().all(|byte| *byte == 0) => {}
            _ => return refused("there are bytes after its last file".into()),
        }
    }
    if rest.limit() == 0 {
        return refused(format!("more than {} bytes", 2 * ARCHIVE));
    }
    drop(rest);
    if !bytes.is_empty() {
        return refused(format!("there are {} bytes after its end", bytes.len()));
    }
    if members == 0 {
        return refused("there is no record in it".into());
    }
    Ok(found)
}
