//! Image sets by kind and place: where each is read from, and how its files are seen to have changed.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::cifar::Layout;
use super::cifar10_jpeg::cifar10_jpeg;
use super::error::DataError;
use super::image_folder::image_folder;
use super::images::DataSet;
use super::synthetic::synthetic;

/// A set of images and the file or folder that holds it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// The embedded set.
    Synthetic,
    /// CIFAR-10 or CIFAR-100.
    Cifar(&'static Layout, PathBuf),
    /// CIFAR-10 as JPEG.
    Cifar10Jpeg(PathBuf),
    /// A user's pictures.
    ImageFolder(PathBuf),
}

impl Source {
    /// Reads the set.
    ///
    /// # Errors
    /// Those of its reader.
    pub fn read(&self) -> Result<DataSet, DataError> {
        match self {
            Self::Synthetic => Ok(synthetic()),
            Self::Cifar(layout, path) => layout.read(path),
            Self::Cifar10Jpeg(path) => cifar10_jpeg(path),
            Self::ImageFolder(path) => image_folder(path),
        }
    }

    /// Whether its file or folder exists.
    pub fn is_present(&self) -> bool {
        match self {
            Self::Synthetic => true,
            Self::Cifar(_, path) | Self::Cifar10Jpeg(path) | Self::ImageFolder(path) => path.exists(),
        }
    }

    /// Place, size and time of all its files: reading again gives the same while this stays the same.
    pub fn stamp(&self) -> String {
        let line = |(path, found): &(PathBuf, Option<(u64, Duration)>)| match found {
            Some((size, time)) => format!("{path:?} {size} {}", time.as_nanos()),
            None => format!("{path:?} -"),
        };
        self.files().iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// When the last of its files was modified, as time since 1970.
    pub fn modified(&self) -> Option<Duration> {
        self.files().iter().filter_map(|(_, found)| found.map(|(_, time)| time)).max()
    }

    /// All its files with size and time of modification.
    fn files(&self) -> Vec<(PathBuf, Option<(u64, Duration)>)> {
        let mut found = vec![];
        match self {
            Self::Synthetic => {}
            // No deeper than the files are: a link back to a folder above must not be followed forever.
            Self::Cifar(_, path) => collect(path, 1, &mut found),
            Self::Cifar10Jpeg(path) => collect(path, 2, &mut found),
            Self::ImageFolder(path) => collect(path, 3, &mut found),
        }
        found
    }
}

/// Size and time of a file, or of all files below a folder down to a depth. A file that cannot be read has neither.
fn collect(path: &Path, depth: usize, files: &mut Vec<(PathBuf, Option<(u64, Duration)>)>) {
    let Ok(found) = std::fs::metadata(path) else { return files.push((path.to_owned(), None)) };
    if found.is_dir() && depth > 0 {
        let mut below: Vec<PathBuf> =
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect();
        below.sort();
        return below.iter().for_each(|path| collect(path, depth - 1, files));
    }
    let time = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    files.push((path.to_owned(), Some((found.len(), time))));
}
