//! One process at a time writes a results folder.

use std::fs::File;
use std::path::Path;

use super::RunnerError;

/// Held while a process writes a results folder; freed when it ends, however it ends.
pub struct Lock(#[allow(dead_code, reason = "the lock lives as long as the file is open")] File);

/// Takes the lock of a results folder, which is made if it is not there.
///
/// # Errors
/// The folder cannot be written, or another process holds the lock.
pub fn lock(results: &Path) -> Result<Lock, RunnerError> {
    let path = results.join(".lock");
    let io = |source| RunnerError::Results { path: path.clone(), source };
    std::fs::create_dir_all(results).map_err(io)?;
    let file = File::options().create(true).append(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(RunnerError::Busy(results.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(RunnerError::Results { path, source }),
    }
}
