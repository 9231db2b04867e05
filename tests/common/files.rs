//! Files that a test makes: archives, pictures, records.

#![allow(dead_code, reason = "not every test file uses every helper")]

use std::io::Write;
use std::path::{Path, PathBuf};

use anode::data::cifar10_jpeg;
use tar::{Builder, EntryType, Header};

/// Writes a file, with its folders.
pub fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// Gzipped bytes.
pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// What reading `bytes` as an archive of JPEG pictures says.
pub fn jpeg_archive(bytes: &[u8]) -> String {
    let place = tempfile::tempdir().expect("a folder");
    cifar10_jpeg(&file(place.path(), "cifar10-jpeg.tar.xz", bytes)).expect_err("a faulty archive").to_string()
}

/// Bytes as an xz file.
pub fn xzed(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(0);
    let mut writer = lzma_rust2::XzWriter::new(vec![], options).expect("sound options");
    writer.write_all(bytes).expect("memory");
    writer.finish().expect("memory")
}

/// A tar archive of files, written by hand so that names may be anything.
pub fn tarred<'a>(members: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut builder = Builder::new(vec![]);
    for (name, bytes) in members {
        builder.append(&header(name, EntryType::Regular, bytes.len() as u64), bytes).expect("memory");
    }
    builder.into_inner().expect("memory")
}

/// A header that says what it is told to say.
pub fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

/// A picture of one colour as JPEG.
pub fn jpeg(width: u16, height: u16, colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = vec![];
    let pixels = colour.repeat(usize::from(width) * usize::from(height));
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).expect("memory");
    bytes
}

/// Pixels, row by row, as PNG.
pub fn png(width: u32, height: u32, colour: png::ColorType, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels)).expect("memory");
    bytes
}
