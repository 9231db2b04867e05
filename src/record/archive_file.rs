//! The file of an archive: its name and its compression. Archives are written with xz. Those of earlier versions, with
//! gzip, are still read.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use lzma_rust2::{XzOptions, XzReader, XzWriter};

use super::folders::absent;
use super::limits::ARCHIVE;
use super::write::RecordError;
use crate::definition::Profile;
use crate::files;

/// Endings of the names of archives, after the profile. Archives with `.kept` contain records that no run shows.
pub const ARCHIVE_ENDS: [&str; 4] = [".kept.tar.xz", ".kept.tar.gz", ".tar.xz", ".tar.gz"];

/// Start of every xz file.
const XZ: &[u8] = b"\xfd7zXZ\0";
/// Dictionary size for writing, in bytes: more than the records of any committed experiment. The encoder needs about
/// ten times as much memory.
const DICTIONARY: u32 = 8 << 20;
/// Memory limit of the decoder in KiB: the dictionary of `xz -9` and the decoder's tables.
const DECODER: u32 = 66 << 10;

/// Returns the path of the archive of an experiment's records.
pub fn archive_path(results: &Path, experiment: &str, profile: Profile) -> PathBuf {
    results.join("records").join(format!("{experiment}.{}.tar.xz", profile.name()))
}

/// Returns the path of the archive of records that match no run of the current definition, or that another record of
/// the same run replaces.
pub fn kept_path(results: &Path, experiment: &str, profile: Profile) -> PathBuf {
    results.join("records").join(format!("{experiment}.{}.kept.tar.xz", profile.name()))
}

/// Returns the existing files of an archive: itself, and that of an earlier version (gzip).
pub fn archive_files(path: &Path) -> Vec<PathBuf> {
    names(path).into_iter().filter(|file| file.is_file()).collect()
}

fn names(path: &Path) -> Vec<PathBuf> {
    BTreeSet::from([path.to_owned(), path.with_extension("gz")]).into_iter().rev().collect()
}

/// Reads [`archive_files`].
///
/// # Errors
/// A file cannot be read, or is larger than an archive may be.
pub(super) fn read_files(path: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, RecordError> {
    let mut found = vec![];
    for path in names(path) {
        match files::read(&path, ARCHIVE) {
            Ok(bytes) => found.push((path, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => absent(&path)?,
            Err(error) => return Err(RecordError::io(&path)(error)),
        }
    }
    Ok(found)
}

/// Compresses an archive with xz. Equal input gives equal output.
///
/// # Errors
/// The encoder fails.
pub(super) fn compress(tar: &[u8]) -> io::Result<Vec<u8>> {
    let mut options = XzOptions::with_preset(6);
    options.lzma_options.dict_size = DICTIONARY;
    options.lzma_options.nice_len = lzma_rust2::LzmaOptions::NICE_LEN_MAX;
    let mut xz = XzWriter::new(vec![], options)?;
    xz.write_all(tar)?;
    xz.finish()
}

/// Whether `archive`, compressed with xz, has exactly the content `tar`.
pub(super) fn contains(archive: &[u8], tar: &[u8]) -> bool {
    let (mut rest, mut at) = (archive, 0);
    if !archive.starts_with(XZ) {
        return false;
    }
    let mut reader = decompress(&mut rest);
    let mut part = vec![0; 1 << 16];
    loop {
        match reader.read(&mut part) {
            Ok(0) => break,
            Ok(count) if tar[at..].starts_with(&part[..count]) => at += count,
            _ => return false,
        }
    }
    drop(reader);
    at == tar.len() && rest.is_empty()
}

/// Returns a reader that decompresses an archive, in xz or gzip. Once it was read to its end, `bytes` are what follows
/// the archive.
pub(super) fn decompress<'a>(bytes: &'a mut &[u8]) -> Box<dyn Read + 'a> {
    if bytes.starts_with(XZ) {
        Box::new(XzReader::new_mem_limit(bytes, false, DECODER))
    } else {
        Box::new(GzDecoder::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_contains_what_was_compressed_and_nothing_else() {
        let tar: Vec<u8> = (0..200_000u64).map(|i| ((i * i) >> 7) as u8).collect();
        let archive = compress(&tar).unwrap();
        assert!(contains(&archive, &tar));
        let mut other = XzWriter::new(vec![], XzOptions::with_preset(0)).unwrap();
        other.write_all(&tar).unwrap();
        let other = other.finish().unwrap();
        assert!(other != archive && contains(&other, &tar), "however it was compressed");
        let mut changed = tar.clone();
        changed[199_999] ^= 1;
        for wrong in [&changed[..], &tar[1..], &tar[..199_999], &[&tar[..], &[0]].concat(), &[]] {
            assert!(!contains(&archive, wrong));
        }
        let mut flipped = archive.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&archive[..archive.len() - 1], &[&archive[..], &[0]].concat(), &flipped, &tar, &[]] {
            assert!(!contains(damaged, &tar));
        }
    }
}
