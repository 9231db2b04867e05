//! A user's own pictures: `train/CLASS/NAME.png` and `test/CLASS/NAME.png`, or `.jpg`.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::error::{DataError, read_bounded};
use super::images::{DataSet, IMAGE_LEN, Images};
use super::picture::{decode_jpeg, decode_png};

/// Largest picture file that is read: 32 x 32 pixels take a few kB.
const PICTURE: u64 = 1 << 20;
/// Most pictures of a part.
const PICTURES: usize = 1_000_000;
/// Most classes: a label is a byte.
const CLASSES: usize = 256;

/// Reads `train/` and `test/` of a folder: one subfolder per class, in it colour pictures of 32 x 32 pixels.
///
/// Classes are numbered in the order of their names. The pictures of a part are ordered by name within a class and
/// dealt class by class, so that its first pictures are of every class. Names that start with a dot are passed over.
/// Mean and deviation of the channels are those of the training pictures. The set is called `image-folder:` and the
/// folder's name.
///
/// # Errors
/// A missing or empty folder, other classes in `test/` than in `train/`, and a file that is not such a picture.
pub fn image_folder(folder: &Path) -> Result<DataSet, DataError> {
    let (train, test) = (folder.join("train"), folder.join("test"));
    let classes = folders(&train)?;
    let tested = folders(&test)?;
    if classes != tested {
        let expected = format!("the classes of train/: {}", classes.join(", "));
        return Err(DataError::format(&test, format!("the classes {}", tested.join(", ")), expected));
    }
    if !(2..=CLASSES).contains(&classes.len()) {
        let expected = format!("2 to {CLASSES}, a subfolder each");
        return Err(DataError::format(&train, format!("{} classes", classes.len()), expected));
    }
    let (train, test) = (read(&train, &classes)?, read(&test, &classes)?);
    let normal = moments(&train).ok_or_else(|| {
        DataError::format(folder, "training pictures with a channel that is the same everywhere", "colour pictures")
    })?;
    let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let name = format!("image-folder:{}", name.unwrap_or_default());
    Ok(DataSet::new(&name, classes.len(), normal, train, test))
}

/// Names in a folder, sorted, but for those that start with a dot.
fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = vec![];
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let name = entry.map_err(DataError::io(folder))?.file_name();
        let name = name
            .into_string()
            .map_err(|name| DataError::format(&folder.join(name), "a name that is not Unicode", "names in Unicode"))?;
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn folders(part: &Path) -> Result<Vec<String>, DataError> {
    let names = names(part)?;
    match names.iter().find(|name| !part.join(name).is_dir()) {
        None => Ok(names),
        Some(file) => Err(DataError::format(&part.join(file), "a file", "one folder per class, and nothing else")),
    }
}

fn read(part: &Path, classes: &[String]) -> Result<Images, DataError> {
    let mut files: Vec<(usize, u8, PathBuf)> = vec![];
    for (label, class) in classes.iter().enumerate() {
        let folder = part.join(class);
        let names = names(&folder)?;
        if names.is_empty() {
            return Err(DataError::format(&folder, "no pictures", "at least one"));
        }
        files.extend(names.iter().enumerate().map(|(turn, name)| (turn, label as u8, folder.join(name))));
        if files.len() > PICTURES {
            return Err(DataError::format(part, format!("more than {PICTURES} pictures"), "at most so many"));
        }
    }
    files.sort_by_key(|(turn, label, _)| (*turn, *label));
    let mut pixels = vec![0; files.len() * IMAGE_LEN];
    let wrong = pixels
        .par_chunks_exact_mut(IMAGE_LEN)
        .zip(&files)
        .find_map_first(|(to, (_, _, file))| decode(file).map(|pixels| to.copy_from_slice(&pixels)).err());
    match wrong {
        Some(first) => Err(first),
        None => Ok(Images { pixels, labels: files.iter().map(|(_, label, _)| *label).collect() }),
    }
}

fn decode(file: &Path) -> Result<Vec<u8>, DataError> {
    let kind = file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let decode = match kind.as_deref() {
        Some("png") => decode_png,
        Some("jpg" | "jpeg") => decode_jpeg,
        _ => return Err(DataError::format(file, "another kind of file", "`.png`, `.jpg` or `.jpeg`")),
    };
    decode(file, &read_bounded(file, PICTURE)?)
}

/// Mean and standard deviation of each channel on the scale of [0, 1]; nothing where a deviation is zero.
fn moments(images: &Images) -> Option<([f64; 3], [f64; 3])> {
    let plane = IMAGE_LEN / 3;
    let (mut mean, mut deviation) = ([0.0; 3], [0.0; 3]);
    for c in 0..3 {
        // In whole numbers, so that no order of sums matters.
        let (mut sum, mut squares) = (0u64, 0u64);
        for image in images.pixels.chunks_exact(IMAGE_LEN) {
            for &pixel in &image[c * plane..][..plane] {
                sum += u64::from(pixel);
                squares += u64::from(pixel).pow(2);
            }
        }
        let n = (images.len() * plane) as f64;
        let average = sum as f64 / n;
        mean[c] = average / 255.0;
        deviation[c] = (squares as f64 / n - average * average).max(0.0).sqrt() / 255.0;
        if deviation[c] < 1e-6 {
            return None;
        }
    }
    Some((mean, deviation))
}
