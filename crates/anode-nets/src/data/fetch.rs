//! Downloads: one file from the web, taken up where it stopped, in place only once its checksum is the published one.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::digest::md5;
use crate::files;

use super::pace::{LEAST, Paced, WINDOW};

/// Connections that a download is tried with, as long as each brings more of it.
const CONNECTIONS: usize = 20;
/// A connection that is silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// A file to download.
#[derive(Clone, Debug)]
pub struct Download<'a> {
    /// Address to download from.
    pub url: &'a str,
    /// Path of the downloaded file.
    pub to: &'a Path,
    /// Published MD5 of the file, 32 hexadecimal digits.
    pub md5: &'a str,
    /// Upper bound on the bytes of the file. A larger file is refused.
    pub limit: u64,
}

/// The result of a successful download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The file existed already with the right checksum. No request was sent.
    AlreadyThere,
    /// The file was downloaded, possibly in part by an earlier call.
    Downloaded {
        /// Bytes at the start of the file that an earlier call had downloaded.
        before: u64,
    },
}

/// A download that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A file cannot be read or written.
    #[error("{path}: {source}{}", files::remedy(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process writes the same file.
    #[error("{path}: another process is downloading it; wait for that one")]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// The server did not give the file.
    #[error("{url}: the server answered {status}; name another server with --url")]
    Refused {
        /// The address.
        url: String,
        /// Status of the server's response.
        status: StatusCode,
    },
    /// The server was not reached, or the connection broke.
    #[error("{url}: {why}; {}, and --url names another server", again(*.kept))]
    Broken {
        /// The address.
        url: String,
        /// The cause, as text.
        why: String,
        /// Bytes that are kept.
        kept: u64,
    },
    /// The server sends too slowly to be waited for.
    #[error("{url}: fewer than {LEAST} bytes in {} s; {}, and --url names another \
        server", WINDOW.as_secs(), again(*.kept))]
    Slow {
        /// The address.
        url: String,
        /// Bytes that are kept.
        kept: u64,
    },
    /// The server sends too much.
    #[error("{url}: more than {limit} bytes; this is not the file")]
    TooLarge {
        /// The address.
        url: String,
        /// Most bytes that are taken.
        limit: u64,
    },
    /// Another file came.
    #[error(
        "{url}: what came has MD5 {found}, the published one is {expected}; it was removed. Try again, or name another \
        server with --url"
    )]
    Checksum {
        /// The address.
        url: String,
        /// MD5 of what came.
        found: String,
        /// The published MD5.
        expected: String,
    },
}

/// An error at a file.
fn at(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    |source| FetchError::Io { path, source }
}

/// Downloads a file to `NAME.part` next to its final path, continues from what an earlier call left there, checks the
/// MD5 and renames the file. Calls `progress` with the bytes received so far and, if known, the total.
///
/// A server that does not continue a download sends the file from its beginning. It is then written to `NAME.new`, so
/// that the earlier part is kept until more than it, or the whole file, has arrived.
///
/// # Errors
/// See [`FetchError`]. What came is kept for the next call unless it turned out to be another file.
pub fn fetch(download: &Download<'_>, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<Fetched, FetchError> {
    if download.to.is_file() && md5(download.to).map_err(at(download.to))? == download.md5 {
        return Ok(Fetched::AlreadyThere);
    }
    let folder = download.to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    let path = beside(download.to, ".part");
    let mut file = files::open_or_create(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
        Err(TryLockError::Error(source)) => return Err(FetchError::Io { path, source }),
    }
    let fetched = into(&mut file, &path, download, progress);
    if fetched.is_err() && std::fs::metadata(&path).is_ok_and(|found| found.len() == 0) {
        // Nothing came: the error at hand is worth more than that of tidying up.
        let _ = std::fs::remove_file(&path);
    }
    // Closing would not do: a process that is just being started may hold a copy of the open file for a moment.
    let _ = file.unlock();
    fetched
}

/// The download into its unfinished file, which is locked.
fn into(
    file: &mut File,
    path: &Path,
    download: &Download<'_>,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Fetched, FetchError> {
    let before = file.metadata().map_err(at(path))?.len();
    let mut transfer = Transfer { download, agent: agent(), path, file, progress };
    match transfer.all()? {
        Came::Continued => {
            finish(file, path, download)?;
            Ok(Fetched::Downloaded { before })
        }
        Came::Anew(mut whole, from) => {
            finish(&mut whole, &from, download)?;
            // The whole file is in its place: the part is of no more use.
            std::fs::remove_file(path).map_err(at(path))?;
            Ok(Fetched::Downloaded { before: 0 })
        }
    }
}

/// Puts a file that has come to its end in place, if it has the published MD5; else removes it.
fn finish(file: &mut File, path: &Path, download: &Download<'_>) -> Result<(), FetchError> {
    file.sync_all().map_err(at(path))?;
    let found = md5(path).map_err(at(path))?;
    if found != download.md5 {
        std::fs::remove_file(path).map_err(at(path))?;
        return Err(FetchError::Checksum { url: shown(download.url), found, expected: download.md5.into() });
    }
    std::fs::rename(path, download.to).map_err(at(download.to))
}

fn again(kept: u64) -> String {
    match kept {
        0 => "the same call tries again".into(),
        _ => format!("{kept} bytes are kept, the same call goes on from there"),
    }
}

/// An address as it is printed: without the name and the password that may stand before its server.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://...@{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// The name of a file beside another.
fn beside(to: &Path, ending: &str) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("anode/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

struct Transfer<'a> {
    download: &'a Download<'a>,
    agent: Agent,
    path: &'a Path,
    file: &'a mut File,
    progress: &'a mut dyn FnMut(u64, Option<u64>),
}

/// How a transfer ended.
enum Came {
    /// The unfinished file is whole.
    Continued,
    /// The file was sent from its beginning, and was written to a separate file.
    Anew(File, PathBuf),
}

impl Transfer<'_> {
    fn all(&mut self) -> Result<Came, FetchError> {
        for connection in 1.. {
            let before = self.len()?;
            match self.connection(before, true) {
                Err(error @ FetchError::Broken { .. }) => {
                    if self.len()? <= before || connection == CONNECTIONS {
                        return Err(error);
                    }
                }
                ended => return ended,
            }
        }
        Ok(Came::Continued)
    }

    /// Asks for what comes after the first `before` bytes, if `continues`, and appends it; else for the whole file.
    fn connection(&mut self, before: u64, continues: bool) -> Result<Came, FetchError> {
        let mut request = self.agent.get(self.download.url).header("Accept-Encoding", "identity");
        if before > 0 && continues {
            request = request.header("Range", format!("bytes={before}-"));
        }
        let response = request.call().map_err(|e| self.broken(e))?;
        let total = number(&response, "content-length");
        match response.status() {
            // The whole file: the server knows no ranges, or was not asked for one.
            StatusCode::OK if before == 0 => {
                self.total(total)?;
                copy(self.file, 0, response.into_body(), total, self.download.limit, self.progress)
                    .map_err(|e| self.failed(e, before))?;
                Ok(Came::Continued)
            }
            StatusCode::OK => self.anew(response, before),
            StatusCode::PARTIAL_CONTENT if continues && range_start(&response) == Some(before) => {
                let total = total.and_then(|length| length.checked_add(before));
                self.total(total)?;
                copy(self.file, before, response.into_body(), total, self.download.limit, self.progress)
                    .map_err(|e| self.failed(e, before))?;
                Ok(Came::Continued)
            }
            // Nothing comes after the last byte, or what is here is no part of the file.
            StatusCode::RANGE_NOT_SATISFIABLE
                if before > 0 && md5(self.path).map_err(|e| self.io(e))? == self.download.md5 =>
            {
                Ok(Came::Continued)
            }
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if continues => {
                self.connection(before, false)
            }
            StatusCode::PARTIAL_CONTENT => Err(self.broken("the server answers with parts that were not asked for")),
            status => Err(FetchError::Refused { url: self.shown(), status }),
        }
    }

    /// Takes the file from its beginning while a part of `before` bytes is there, which is kept until more has come.
    fn anew(&mut self, response: Response<Body>, before: u64) -> Result<Came, FetchError> {
        let total = number(&response, "content-length");
        self.total(total)?;
        let path = beside(self.download.to, ".new");
        let mut file = files::open_or_create(&path).map_err(at(&path))?;
        let copied = copy(&mut file, 0, response.into_body(), total, self.download.limit, self.progress);
        let Err(error) = copied else { return Ok(Came::Anew(file, path)) };
        let came = file.metadata().map_err(at(&path))?.len();
        if matches!(error, Stopped::Broken(_) | Stopped::Slow) && came > before {
            // The unfinished file stays open and locked: what came is moved into it.
            self.replace(&mut file).map_err(|e| self.io(e))?;
        }
        std::fs::remove_file(&path).map_err(at(&path))?;
        Err(self.failed(error, before))
    }

    fn replace(&mut self, by: &mut File) -> io::Result<()> {
        by.seek(SeekFrom::Start(0))?;
        self.file.seek(SeekFrom::Start(0))?;
        io::copy(by, self.file).map(|_| ())
    }

    /// Refuses a file that is announced as too large.
    fn total(&self, total: Option<u64>) -> Result<(), FetchError> {
        if total.is_some_and(|total| total > self.download.limit) { Err(self.too_large()) } else { Ok(()) }
    }

    fn failed(&mut self, stopped: Stopped, before: u64) -> FetchError {
        match stopped {
            Stopped::Broken(why) => self.broken(why),
            Stopped::Slow => FetchError::Slow { url: self.shown(), kept: self.len().unwrap_or(0) },
            Stopped::Io(source) => self.io(source),
            // What came beyond the limit is no part of the file.
            Stopped::TooLarge => self.file.set_len(before).map_or_else(|e| self.io(e), |()| self.too_large()),
        }
    }

    fn len(&self) -> Result<u64, FetchError> {
        Ok(self.file.metadata().map_err(|e| self.io(e))?.len())
    }

    fn io(&self, source: io::Error) -> FetchError {
        FetchError::Io { path: self.path.to_owned(), source }
    }

    fn too_large(&self) -> FetchError {
        FetchError::TooLarge { url: self.shown(), limit: self.download.limit }
    }

    fn broken(&self, why: impl ToString) -> FetchError {
        let kept = self.file.metadata().map_or(0, |found| found.len());
        let (url, why) = (self.shown(), why.to_string().replace(self.download.url, &self.shown()));
        FetchError::Broken { url, why, kept }
    }

    fn shown(&self) -> String {
        shown(self.download.url)
    }
}

/// Why a body did not come to its end.
enum Stopped {
    Broken(String),
    Slow,
    Io(io::Error),
    TooLarge,
}

/// Writes a body to a file from `start` on, and cuts off what stood there.
fn copy(
    file: &mut File,
    start: u64,
    body: Body,
    total: Option<u64>,
    limit: u64,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), Stopped> {
    file.set_len(start).and_then(|()| file.seek(SeekFrom::Start(start))).map_err(Stopped::Io)?;
    let mut reader = Paced::new(body.into_reader());
    let mut buffer = vec![0; 1 << 16];
    let mut there = start;
    loop {
        progress(there, total);
        let read = reader.read(&mut buffer);
        if reader.is_slow() {
            return Err(Stopped::Slow);
        }
        let count = read.map_err(|e| Stopped::Broken(e.to_string()))?;
        if count == 0 {
            return match total {
                Some(total) if there < total => Err(Stopped::Broken("the connection ended too early".into())),
                _ => Ok(()),
            };
        }
        there += count as u64;
        if there > limit {
            return Err(Stopped::TooLarge);
        }
        file.write_all(&buffer[..count]).map_err(Stopped::Io)?;
    }
}

fn number(response: &Response<Body>, header: &str) -> Option<u64> {
    response.headers().get(header)?.to_str().ok()?.parse().ok()
}

/// The first byte of a part: 5 of `bytes 5-9/10`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn an_address_is_printed_without_its_password() {
        for (url, expected) in [
            ("https://ann:secret@host:8080/a@b", "https://...@host:8080/a@b"),
            ("https://ann:se@cret@host?x=@", "https://...@host?x=@"),
            ("http://host/a:b@c", "http://host/a:b@c"),
            ("nowhere", "nowhere"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
