//! Opening files that came from elsewhere: regular files only, without waiting, in bounded memory.
//!
//! A results folder is copied between people and machines. A file in it may be a link to something outside, a FIFO that
//! never ends to open, a device without an end, or a sparse file of terabytes.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Prefix of the names of files that are still being written.
pub const PARTIAL: &str = ".partial-";

/// Opens a regular file for reading. A link is followed to what it names.
///
/// # Errors
/// The file cannot be opened, or is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let file = waiting_for_nothing(OpenOptions::new().read(true), false).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a regular file for reading, and refuses a link.
///
/// # Errors
/// The file cannot be opened, or is no regular file.
pub fn open_unlinked(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a regular file for reading and writing, and creates it if it does not exist. Its content stays. Refuses a
/// link, and a file that has another name elsewhere, since writing would change that one too.
///
/// # Errors
/// The file cannot be opened or created, or is no regular file of one name.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    let file = open_with(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) > 1 {
        return Err(io::Error::other("the file has a second name (a hard link); remove it"));
    }
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes, and refuses a link.
///
/// # Errors
/// The file cannot be read, is no regular file, or is larger.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    whole(open_unlinked(path)?, limit)
}

/// Reads an open file of at most `limit` bytes.
///
/// # Errors
/// The file cannot be read, or is larger.
pub fn whole(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    within(length, limit)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // The file may grow meanwhile.
    within(file.take(limit.saturating_add(1)).read_to_end(&mut bytes)? as u64, limit)?;
    Ok(bytes)
}

/// Reads a text file of at most `limit` bytes, without its byte order mark. A link is followed to what it names.
///
/// # Errors
/// The file cannot be read, is no regular file, is larger, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let bytes = whole(open(path)?, limit)?;
    std::str::from_utf8(without_mark(&bytes)).map(str::to_owned).map_err(|error| {
        let why = format!("byte {} is not UTF-8; save the file as UTF-8", error.valid_up_to());
        io::Error::new(io::ErrorKind::InvalidData, why)
    })
}

/// A text without the byte order mark that some editors put before it.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Creates a temporary file in a folder, to be renamed when it is complete. Errors do not contain its random name.
///
/// # Errors
/// The folder does not exist, or cannot be written.
pub fn partial(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(PARTIAL).tempfile_in(folder).map_err(without_path)
}

/// An error of creating a temporary file or folder, without its random name, which the library appends.
pub fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    let cause = text.rsplit_once(" at path \"").map_or(text.as_str(), |(cause, _)| cause);
    io::Error::new(error.kind(), cause)
}

/// How to remedy an error of reading or writing a path, as the end of a message. Empty if the message itself shows it.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; make the path and its folder readable and writable, or name another path"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free disk space, or name another path",
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            "; there is a file in the place of a folder, or a folder in the place of a file: remove or rename it, or \
             name another path"
        }
        _ => "",
    }
}

fn within(length: u64, limit: u64) -> io::Result<()> {
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("{length} bytes; allowed: at most {limit}"));
    if length > limit { Err(too_large()) } else { Ok(()) }
}

fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let link = || std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let refused = || io::Error::other("a symbolic link; allowed: regular files");
    // Where the system cannot refuse links itself, they are refused beforehand.
    if cfg!(not(unix)) && link() {
        return Err(refused());
    }
    let file = waiting_for_nothing(options, true).open(path).map_err(|error| if link() { refused() } else { error })?;
    regular(&file.metadata()?)?;
    Ok(file)
}

fn regular(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let what = if found.is_dir() { "a folder" } else { "a device, a FIFO or a socket" };
    Err(io::Error::other(format!("{what}; allowed: regular files")))
}

/// Opening a FIFO waits for the other side unless told otherwise.
fn waiting_for_nothing(options: &mut OpenOptions, refuse_links: bool) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        let links = if refuse_links { libc::O_NOFOLLOW } else { 0 };
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK | links);
    }
    let _ = refuse_links;
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T>(result: io::Result<T>) -> String {
        result.map_or_else(|error| error.to_string(), |_| panic!("accepted"))
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(said(read(&path, 4)).contains("5 bytes; allowed: at most 4"));
        assert!(said(read(folder.path(), 4)).contains("a folder; allowed: regular files"));
        assert_eq!(read(&folder.path().join("none"), 4).err().unwrap().kind(), io::ErrorKind::NotFound);
        // A sparse file of a tebibyte is refused by its length.
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(said(read(&path, 1 << 20)).contains("1099511627776 bytes"));
    }

    #[test]
    fn a_text_is_read_without_its_byte_order_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, b"\xef\xbb\xbfabc").unwrap();
        assert_eq!(read_text(&path, 6).unwrap(), "abc");
        std::fs::write(&path, b"ab\xff").unwrap();
        assert!(said(read_text(&path, 6)).contains("byte 2 is not UTF-8"));
        assert!(said(read_text(&path, 2)).contains("3 bytes; allowed: at most 2"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_of_creating_a_file_does_not_contain_its_temporary_name() {
        // No user can create a file there.
        let error = partial(Path::new("/proc/self")).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.contains("(os error 2)") && !text.contains(PARTIAL) && !text.contains("at path"), "{text}");
        let folder = tempfile::tempdir().unwrap();
        let file = partial(folder.path()).unwrap();
        assert!(file.path().file_name().unwrap().to_str().unwrap().starts_with(PARTIAL));
    }

    #[test]
    fn only_a_path_without_permission_has_a_remedy() {
        assert!(remedy(&io::ErrorKind::PermissionDenied.into()).contains("name another path"));
        assert!(remedy(&io::ErrorKind::ReadOnlyFilesystem.into()).contains("name another path"));
        assert_eq!(remedy(&io::ErrorKind::NotFound.into()), "");
    }

    #[cfg(unix)]
    #[test]
    fn links_devices_and_fifos_are_refused_and_nothing_waits() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        assert_eq!(open(&at("link")).unwrap().metadata().unwrap().len(), 5);
        for name in ["link", "dangling"] {
            assert!(said(open_unlinked(&at(name))).contains("a symbolic link"), "{name}");
            assert!(said(open_or_create(&at(name))).contains("a symbolic link"), "{name}");
        }
        assert!(!at("nowhere").exists());
        for path in [at("fifo"), "/dev/zero".into()] {
            assert!(said(open(&path)).contains("a FIFO"), "{}", path.display());
            assert!(said(open_unlinked(&path)).contains("a FIFO"), "{}", path.display());
        }
        assert!(said(open_or_create(&at("fifo"))).contains("a FIFO"));
        std::fs::hard_link(at("file"), at("second")).unwrap();
        assert!(said(open_or_create(&at("second"))).contains("a hard link"));
        assert_eq!(std::fs::read(at("file")).unwrap(), b"12345");
        open_or_create(&at("new")).unwrap();
        assert!(at("new").is_file());
    }
}
