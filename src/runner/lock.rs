//! One process at a time writes a results folder.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::files;

use super::RunnerError;

/// Held while a process writes a results folder; freed when it ends, however it ends.
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not do: a process that is just being started may hold a copy of the open file for a moment.
        let _ = self.0.unlock();
    }
}

/// Takes the lock of a results folder, which is made if it is not there.
///
/// # Errors
/// The folder cannot be written, or another process holds the lock.
pub fn lock(results: &Path) -> Result<Lock, RunnerError> {
    take(results, ".lock", 10)
}

/// Takes the lock of the report and the archives in a results folder. Two reports at once could each remove records
/// that the other one archived. Waits up to a minute for another report to end.
///
/// # Errors
/// The folder cannot be written, or another process holds the lock.
pub fn lock_report(results: &Path) -> Result<Lock, RunnerError> {
    take(results, ".report.lock", 6000)
}

/// Takes the lock in the file `name`, which is tried every 10 ms.
fn take(results: &Path, name: &str, attempts: usize) -> Result<Lock, RunnerError> {
    let path = results.join(name);
    let io = |source| RunnerError::Results { path: path.clone(), source };
    std::fs::create_dir_all(results).map_err(io)?;
    let mut file = files::open_or_create(&path).map_err(io)?;
    match patiently(&file, attempts) {
        Ok(()) => {
            // The number is for people: what locks is the open file, which no crash leaves behind.
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(io)?;
            Ok(Lock(file))
        }
        Err(TryLockError::WouldBlock) => {
            Err(RunnerError::Busy { results: results.to_owned(), process: process(&mut file) })
        }
        Err(TryLockError::Error(source)) => Err(RunnerError::Results { path, source }),
    }
}

/// Locks a file. [`writer`] holds the lock for a moment to test it, so it is tried several times.
fn patiently(file: &File, attempts: usize) -> Result<(), TryLockError> {
    for _ in 0..attempts {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            done => return done,
        }
    }
    file.try_lock()
}

/// Refuses a results folder that another process is writing, without writing to it.
///
/// # Errors
/// It is being written.
pub fn refuse_busy(results: &Path) -> Result<(), RunnerError> {
    match writer(results)? {
        Some(process) => Err(RunnerError::Busy { results: results.to_owned(), process }),
        None => Ok(()),
    }
}

/// The process that writes a results folder, if there is one: `process 1234`.
///
/// # Errors
/// The lock cannot be read.
pub fn writer(results: &Path) -> Result<Option<String>, RunnerError> {
    let path = results.join(".lock");
    let mut file = match files::open_unlinked(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RunnerError::Results { path, source }),
    };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Ok(Some(process(&mut file))),
        _ => Ok(None),
    }
}

fn process(file: &mut File) -> String {
    let mut process = String::new();
    // Where the number cannot be read, as on Windows, the folder is busy all the same.
    let _ = file.take(20).read_to_string(&mut process);
    if process.is_empty() || !process.bytes().all(|b| b.is_ascii_digit()) {
        "another process".into()
    } else {
        format!("process {process}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_reports_have_separate_locks_and_each_is_held_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (runs, reports) = (lock(folder.path()), lock_report(folder.path()));
        assert!(runs.is_ok() && reports.is_ok());
        for name in [".lock", ".report.lock"] {
            assert!(matches!(take(folder.path(), name, 1), Err(RunnerError::Busy { .. })), "{name}");
        }
        drop(reports);
        assert!(take(folder.path(), ".report.lock", 1).is_ok());
        assert!(take(folder.path(), ".lock", 1).is_err());
    }
}
