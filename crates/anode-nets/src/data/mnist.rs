//! MNIST in its IDX files, plain or gzipped.

use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::error::{DataError, bounded, read_bounded};

/// Largest file that is read, unpacked: MNIST's training images take 47,040,016 bytes.
const LIMIT: u64 = 64 << 20;

/// Grey images of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct GreyImages {
    /// Height of an image.
    pub height: usize,
    /// Width of an image.
    pub width: usize,
    /// Bytes, image by image, row by row.
    pub pixels: Vec<u8>,
}

impl GreyImages {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len().checked_div(self.height * self.width).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Image `index` with pixels in [0, 1].
    pub fn get(&self, index: usize) -> Option<Vec<f64>> {
        let size = self.height * self.width;
        let image = self.pixels.get(index.checked_mul(size)?..)?.get(..size)?;
        Some(image.iter().map(|&p| f64::from(p) / 255.0).collect())
    }
}

/// Reads an IDX file of images (magic 2051), gzipped where its name ends in `.gz`.
///
/// # Errors
/// A wrong magic number, images without pixels, and a length that differs from what the header says.
pub fn read_idx_images(path: &Path) -> Result<GreyImages, DataError> {
    let bytes = unpacked(path)?;
    let [count, height, width] = header(path, &bytes, 2051)?;
    if count == 0 || height == 0 || width == 0 {
        let found = format!("a header of {count} images of {height} x {width} pixels");
        return Err(DataError::format(path, found, "at least one image of at least one pixel"));
    }
    check_length(path, &bytes, 16, count.saturating_mul(height).saturating_mul(width))?;
    Ok(GreyImages { height, width, pixels: bytes[16..].to_vec() })
}

/// Reads an IDX file of labels (magic 2049), gzipped where its name ends in `.gz`.
///
/// # Errors
/// A wrong magic number, a length that differs from what the header says, and a label above 9.
pub fn read_idx_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = unpacked(path)?;
    let [count] = header(path, &bytes, 2049)?;
    check_length(path, &bytes, 8, count)?;
    match bytes[8..].iter().position(|&label| label > 9) {
        None => Ok(bytes[8..].to_vec()),
        Some(i) => Err(DataError::format(path, format!("label {} of image {i}", bytes[8 + i]), "labels from 0 to 9")),
    }
}

/// The bytes of a file, unpacked where its name ends in `.gz`.
pub(super) fn unpacked(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = read_bounded(path, LIMIT)?;
    if path.extension().is_some_and(|e| e == "gz") {
        bounded(path, MultiGzDecoder::new(&bytes[..]), LIMIT)
    } else {
        Ok(bytes)
    }
}

fn header<const N: usize>(path: &Path, bytes: &[u8], magic: u32) -> Result<[usize; N], DataError> {
    let word = |i: usize| bytes.get(4 * i..4 * i + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let short =
        || DataError::format(path, format!("{} bytes", bytes.len()), format!("a header of {} bytes", 4 + 4 * N));
    let found = word(0).ok_or_else(short)?;
    if found != magic {
        return Err(DataError::format(path, format!("magic number {found}"), format!("an IDX file with {magic}")));
    }
    let mut sizes = [0; N];
    for (i, size) in sizes.iter_mut().enumerate() {
        *size = word(i + 1).ok_or_else(short)? as usize;
    }
    Ok(sizes)
}

fn check_length(path: &Path, bytes: &[u8], header: usize, body: usize) -> Result<(), DataError> {
    let expected = header.saturating_add(body);
    if bytes.len() == expected {
        Ok(())
    } else {
        Err(DataError::format(
            path,
            format!("{} bytes", bytes.len()),
            format!("{expected} bytes by its header: the file is cut or damaged"),
        ))
    }
}
