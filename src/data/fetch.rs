//! Downloads: one file from the web, taken up where it stopped, in place only once its checksum is the published one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::digest::md5;

/// Connections that a download is tried with, as long as each brings more of it.
const CONNECTIONS: usize = 20;
/// A connection that is silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// A file to download.
#[derive(Clone, Debug)]
pub struct Download<'a> {
    /// Where it comes from.
    pub url: &'a str,
    /// Where it is put.
    pub to: &'a Path,
    /// Its published MD5.
    pub md5: &'a str,
    /// Most bytes that are taken.
    pub limit: u64,
}

/// How a download ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The file was there with the right checksum; nothing was asked of the server.
    AlreadyThere,
    /// It was downloaded, the first so many bytes of it by an earlier call.
    Downloaded {
        /// Bytes that were there.
        before: u64,
    },
}

/// A download that failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
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
        /// Its answer.
        status: StatusCode,
    },
    /// The server was not reached, or the connection broke.
    #[error("{url}: {why}; {}, and --url names another server", again(*.kept))]
    Broken {
        /// The address.
        url: String,
        /// What happened.
        why: String,
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
        "{url}: what came has MD5 {found}, the published one is {expected}; it was removed. Try again, or name another server with --url"
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

/// Downloads a file to `NAME.part` beside its place, goes on with what an earlier call left there, checks its MD5 and
/// renames it. `progress` is told the bytes that are there and, where known, the bytes in all.
///
/// # Errors
/// See [`FetchError`]. What came is kept for the next call unless it turned out to be another file.
pub fn fetch(download: &Download<'_>, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<Fetched, FetchError> {
    if download.to.is_file() && md5(download.to).map_err(at(download.to))? == download.md5 {
        return Ok(Fetched::AlreadyThere);
    }
    let folder = download.to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    let path = part(download.to);
    let open = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path);
    let mut file = open.map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
        Err(TryLockError::Error(source)) => return Err(FetchError::Io { path, source }),
    }
    let fetched = into(&mut file, path, download, progress);
    // Closing would not do: a process that is just being started may hold a copy of the open file for a moment.
    let _ = file.unlock();
    fetched
}

/// The download into its unfinished file, which is locked.
fn into(
    file: &mut File,
    path: PathBuf,
    download: &Download<'_>,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Fetched, FetchError> {
    let before = file.metadata().map_err(at(&path))?.len();
    let mut transfer = Transfer { download, agent: agent(), path: &path, file, progress };
    if let Err(error) = transfer.all() {
        if file.metadata().is_ok_and(|found| found.len() == 0) {
            // Nothing came: the error at hand is worth more than that of tidying up.
            let _ = std::fs::remove_file(&path);
        }
        return Err(error);
    }
    file.sync_all().map_err(at(&path))?;
    let found = md5(&path).map_err(at(&path))?;
    if found != download.md5 {
        std::fs::remove_file(&path).map_err(at(&path))?;
        return Err(FetchError::Checksum { url: download.url.into(), found, expected: download.md5.into() });
    }
    std::fs::rename(&path, download.to).map_err(at(download.to))?;
    Ok(Fetched::Downloaded { before })
}

fn again(kept: u64) -> String {
    match kept {
        0 => "the same call tries again".into(),
        _ => format!("{kept} bytes are kept, the same call goes on from there"),
    }
}

/// The name of an unfinished file.
fn part(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
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

/// How a connection ended.
enum Ended {
    /// With the end of the file.
    Whole,
    /// The file so far is of no use; it has been emptied.
    Afresh,
}

impl Transfer<'_> {
    fn all(&mut self) -> Result<(), FetchError> {
        let mut afresh = false;
        for connection in 1.. {
            let before = self.len()?;
            match self.connection(before) {
                Ok(Ended::Whole) => return Ok(()),
                Ok(Ended::Afresh) if !afresh => afresh = true,
                Ok(Ended::Afresh) => return Err(self.broken("the server answers with parts that were not asked for")),
                Err(error @ FetchError::Broken { .. }) => {
                    if self.len()? <= before || connection == CONNECTIONS {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Asks for what comes after the first `before` bytes, and appends it.
    fn connection(&mut self, before: u64) -> Result<Ended, FetchError> {
        let mut request = self.agent.get(self.download.url).header("Accept-Encoding", "identity");
        if before > 0 {
            request = request.header("Range", format!("bytes={before}-"));
        }
        let response = request.call().map_err(|e| self.broken(e))?;
        let length = number(&response, "content-length");
        let start = match response.status() {
            // The whole file: the server knows no ranges, or was not asked for one.
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(before) => before,
            StatusCode::RANGE_NOT_SATISFIABLE if before > 0 => {
                // Nothing comes after the last byte, or what is here is no part of the file.
                let found = md5(self.path).map_err(|e| self.io(e))?;
                return if found == self.download.md5 { Ok(Ended::Whole) } else { self.afresh() };
            }
            StatusCode::PARTIAL_CONTENT => return self.afresh(),
            status => return Err(FetchError::Refused { url: self.download.url.into(), status }),
        };
        self.file.set_len(start).map_err(|e| self.io(e))?;
        self.file.seek(SeekFrom::Start(start)).map_err(|e| self.io(e))?;
        let total = length.and_then(|length| length.checked_add(start));
        if total.is_some_and(|total| total > self.download.limit) {
            return Err(self.too_large());
        }
        self.body(response.into_body(), start, total)
    }

    fn body(&mut self, body: Body, start: u64, total: Option<u64>) -> Result<Ended, FetchError> {
        let mut reader = body.into_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut there = start;
        loop {
            (self.progress)(there, total);
            let count = reader.read(&mut buffer).map_err(|e| self.broken(e))?;
            if count == 0 {
                return match total {
                    Some(total) if there < total => Err(self.broken("the connection ended too early")),
                    _ => Ok(Ended::Whole),
                };
            }
            there += count as u64;
            if there > self.download.limit {
                self.file.set_len(0).map_err(|e| self.io(e))?;
                return Err(self.too_large());
            }
            self.file.write_all(&buffer[..count]).map_err(|e| self.io(e))?;
        }
    }

    fn afresh(&mut self) -> Result<Ended, FetchError> {
        self.file.set_len(0).map_err(|e| self.io(e))?;
        Ok(Ended::Afresh)
    }

    fn len(&self) -> Result<u64, FetchError> {
        Ok(self.file.metadata().map_err(|e| self.io(e))?.len())
    }

    fn io(&self, source: io::Error) -> FetchError {
        FetchError::Io { path: self.path.to_owned(), source }
    }

    fn too_large(&self) -> FetchError {
        FetchError::TooLarge { url: self.download.url.into(), limit: self.download.limit }
    }

    fn broken(&self, why: impl ToString) -> FetchError {
        let kept = self.file.metadata().map_or(0, |found| found.len());
        FetchError::Broken { url: self.download.url.into(), why: why.to_string(), kept }
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
