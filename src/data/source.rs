//! Image sets by kind and place: where each is read from, and how its files are seen to have changed.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::cifar::Layout;
use super::cifar10_jpeg::cifar10_jpeg;
use super::error::DataError;
use super::image_folder::image_folder;
use super::images::DataSet;
use super::synthetic::synthetic;

/// A set of images and the file or folder that holds it.
#[derive(Clone, Debug)]
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
        match self {
            Self::Synthetic => String::new(),
            // No deeper than the files are: a link back to a folder above must not be followed forever.
            Self::Cifar(_, path) => stamp(path, 1),
            Self::Cifar10Jpeg(path) => stamp(path, 2),
            Self::ImageFolder(path) => stamp(path, 3),
        }
    }
}

/// Place, size and time of a file, or of all files below a folder down to a depth. What cannot be read counts as absent.
fn stamp(path: &Path, depth: usize) -> String {
    let Ok(found) = std::fs::metadata(path) else { return format!("{path:?} -") };
    if found.is_dir() && depth > 0 {
        let mut below: Vec<PathBuf> =
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect();
        below.sort();
        return below.iter().map(|path| stamp(path, depth - 1)).collect::<Vec<_>>().join("\n");
    }
    let time = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{path:?} {} {}", found.len(), time.as_nanos())
}
