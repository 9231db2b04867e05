//! Members of a compressed tar archive, one after the other, in bounded memory. Nothing is ever unpacked to a path of
//! the archive's choosing: a member is a name and bytes.

use std::collections::HashSet;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use tar::EntryType;

use crate::files;

use super::error::{DataError, bounded};
use super::pax;

/// Upper bounds on the contents of an archive. An archive beyond them is refused as a decompression bomb.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members, folders among them.
    pub members: usize,
    /// Bytes of a member that is read.
    pub member_bytes: u64,
    /// Bytes of the whole archive, unpacked.
    pub total_bytes: u64,
}

/// Gives `visit` every wanted file of a `.tar.gz` or `.tar.xz` archive: its name and its bytes. PAX headers are read; a
/// gzip stream may have several members.
///
/// # Errors
/// An archive that is cut or damaged or exceeds its limits; a member whose name is absolute or holds `..`, that comes
/// twice, or that is neither file nor folder; and the first error of `visit`.
pub fn each_member(
    path: &Path,
    limits: Limits,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(&str, Vec<u8>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let damaged = |error: std::io::Error| match error.kind() {
        ErrorKind::OutOfMemory => {
            DataError::format(path, "a dictionary larger than what it may unpack to", "a smaller one")
        }
        _ => DataError::format(path, error.to_string(), "a sound archive: fetch it again"),
    };
    let mut stream = Bounded { inner: open(path, limits.total_bytes)?, left: limits.total_bytes };
    let mut archive = tar::Archive::new(&mut stream);
    let mut seen = HashSet::new();
    // The path and size that a PAX header gives for the file behind it.
    let mut extended = pax::Extended::default();
    // Raw: the library would read PAX headers and long names whole, whatever their size.
    let mut count = 0;
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XHeader | EntryType::XGlobalHeader) {
            let header = bounded(&member(path, "PAX header"), entry, pax::LIMIT)?;
            // A global header holds comments and defaults; none of them is a name.
            if kind == EntryType::XHeader {
                extended = pax::read(&header).map_err(|why| DataError::format(path, why, "a sound PAX header"))?;
            }
            continue;
        }
        if count == limits.members {
            return Err(DataError::format(path, format!("more than {count} members"), "no more than these"));
        }
        count += 1;
        let pax::Extended { path: longer, size: told } = std::mem::take(&mut extended);
        let name = member_name(path, longer.as_deref().unwrap_or(&entry.path_bytes()))?;
        match kind {
            EntryType::Directory => continue,
            EntryType::Regular | EntryType::Continuous => {}
            other => return Err(DataError::format(&member(path, &name), format!("{other:?}"), "files and folders")),
        }
        if !wanted(&name) {
            continue;
        }
        if !seen.insert(name.clone()) {
            return Err(DataError::format(&member(path, &name), "it comes twice", "every file once"));
        }
        let size = entry.header().entry_size().map_err(damaged)?;
        if told.is_some_and(|told| told != size) {
            let found = format!("{size} bytes, and another size in its PAX header");
            return Err(DataError::format(&member(path, &name), found, "one size"));
        }
        if size > limits.member_bytes {
            let expected = format!("at most {}", limits.member_bytes);
            return Err(DataError::format(&member(path, &name), format!("{size} bytes"), expected));
        }
        let bytes = bounded(&member(path, &name), entry, limits.member_bytes)?;
        if bytes.len() as u64 != size {
            return Err(damaged(ErrorKind::UnexpectedEof.into()));
        }
        visit(&name, bytes)?;
    }
    // To the end: the checksum of the whole stands there.
    std::io::copy(&mut stream, &mut std::io::sink()).map_err(damaged)?;
    Ok(())
}

/// The path under which messages name a member of an archive: `ARCHIVE/NAME`.
pub fn member(archive: &Path, name: &str) -> PathBuf {
    archive.join(name.escape_debug().to_string().trim_start_matches('/'))
}

fn open(path: &Path, total_bytes: u64) -> Result<Box<dyn Read>, DataError> {
    let file = files::open(path).map_err(DataError::io(path))?;
    let file = BufReader::with_capacity(1 << 16, file);
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Ok(Box::new(MultiGzDecoder::new(file))),
        Some("xz") => {
            // A dictionary need not be larger than what is unpacked; a little more for the decoder itself.
            let kib = u32::try_from((total_bytes >> 10) + 1024).unwrap_or(u32::MAX);
            Ok(Box::new(XzReader::new_mem_limit(file, false, kib)))
        }
        _ => Err(DataError::format(path, "another extension", "`.tar.gz` or `.tar.xz`")),
    }
}

/// A member's name, without a leading `./`.
fn member_name(path: &Path, bytes: &[u8]) -> Result<String, DataError> {
    let name = String::from_utf8_lossy(bytes).into_owned();
    let outside = name.starts_with('/') || name.contains('\\') || name.split('/').any(|part| part == "..");
    if outside {
        return Err(DataError::format(&member(path, &name), "a name outside the archive", "names like `folder/file`"));
    }
    Ok(name.strip_prefix("./").unwrap_or(&name).to_owned())
}

/// A stream that fails once more than `left` bytes came out of it.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            std::io::Error::other("it unpacks to far more than such an archive holds (a decompression bomb)")
        })?;
        Ok(count)
    }
}
