//! CIFAR-10 with every image re-encoded as JPEG: an archive `cifar10-jpeg.tar.xz`, or its folder `cifar10-jpeg`.
//!
//! File `data_batch_N/IIIII_L.jpg` (or `test_batch/..`) is record IIIII of that official batch with label L. Its pixels
//! differ from the official ones, so it is a separate data set with a separate name.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

use rayon::prelude::*;

use super::archive::{Limits, each_member, member};
use super::cifar::CIFAR10;
use super::error::{DataError, read_bounded};
use super::images::{DataSet, IMAGE_LEN, Images};
use super::picture::decode_jpeg;

/// Name of the data set in settings, tables and on the disk.
pub const CIFAR10_JPEG: &str = "cifar10-jpeg";
/// Description of the data set, for messages to users who do not have it.
pub const ABOUT_JPEG: &str = "cifar10-jpeg (CIFAR-10 with every image re-encoded as JPEG; it cannot be downloaded: use \
    the official set, `anode data fetch cifar10`)";
/// The official batches, the test batch last.
const BATCHES: [&str; 6] =
    ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
/// Records of a batch.
const RECORDS: usize = 10_000;
/// All records.
const ALL: usize = BATCHES.len() * RECORDS;
/// Upper bound on the bytes of one image; a typical image takes 1 kB.
const PICTURE: u64 = 1 << 16;
const LIMITS: Limits = Limits { members: ALL + BATCHES.len() + 1, member_bytes: PICTURE, total_bytes: 256 << 20 };
/// Images decoded at a time.
const CHUNK: usize = 1024;

/// The archive or the folder of this data set in the data folder `data`.
///
/// # Errors
/// Neither exists.
pub fn cifar10_jpeg_path(data: &Path) -> Result<PathBuf, DataError> {
    let looked = vec![data.join("cifar10-jpeg.tar.xz"), data.join(CIFAR10_JPEG)];
    let found = looked.iter().find(|path| path.exists()).cloned();
    found.ok_or(DataError::Missing { what: ABOUT_JPEG.into(), looked })
}

/// Reads the archive, or the folder it unpacks to: 50,000 training and 10,000 test images in the official order.
///
/// # Errors
/// A damaged archive or picture, a name of another form, a record that is missing or comes twice.
pub fn cifar10_jpeg(path: &Path) -> Result<DataSet, DataError> {
    let mut records = Records { pixels: vec![], labels: vec![None; ALL] };
    // One thread unpacks while the others decode; a few chunks at most wait between them.
    let (sender, receiver) = sync_channel(4);
    std::thread::scope(|scope| {
        let unpack = move || {
            let mut pictures = Pictures { path, sender: &sender, waiting: vec![] };
            let read = if path.is_dir() { pictures.folder() } else { pictures.archive() };
            // A receiver that is gone has met an error of its own.
            let _ = sender.send(read.map(|()| pictures.waiting));
        };
        let started = std::thread::Builder::new().spawn_scoped(scope, unpack);
        started.map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        for chunk in receiver {
            records.add(path, &chunk?)?;
        }
        Ok(())
    })?;
    records.finish(path)
}

/// A picture and where it belongs.
struct Picture {
    name: String,
    slot: usize,
    label: u8,
    bytes: Vec<u8>,
}

type Chunk = Result<Vec<Picture>, DataError>;

struct Pictures<'a> {
    path: &'a Path,
    sender: &'a SyncSender<Chunk>,
    waiting: Vec<Picture>,
}

impl Pictures<'_> {
    fn archive(&mut self) -> Result<(), DataError> {
        each_member(self.path, LIMITS, |_| true, |name, bytes| self.add(name, bytes))
    }

    fn folder(&mut self) -> Result<(), DataError> {
        for batch in BATCHES {
            let folder = self.path.join(batch);
            for entry in std::fs::read_dir(&folder).map_err(DataError::io(&folder))? {
                let file = entry.map_err(DataError::io(&folder))?.file_name();
                let name = format!("{batch}/{}", file.to_string_lossy());
                self.add(&name, read_bounded(&self.path.join(&name), PICTURE)?)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), DataError> {
        let (slot, label) = place(name).ok_or_else(|| {
            let expected = "`data_batch_1/00000_0.jpg` to `test_batch/09999_9.jpg`: batch, record, label";
            DataError::format(&member(self.path, name), "its name", expected)
        })?;
        self.waiting.push(Picture { name: name.to_owned(), slot, label, bytes });
        if self.waiting.len() == CHUNK {
            // Nobody receives once a picture was refused: that error is the one that is told.
            let stopped = |_| DataError::format(self.path, "a picture that was refused", "sound ones");
            self.sender.send(Ok(std::mem::take(&mut self.waiting))).map_err(stopped)?;
        }
        Ok(())
    }
}

/// Place among all records, and label, of `data_batch_1/00000_6.jpg`.
fn place(name: &str) -> Option<(usize, u8)> {
    let (batch, file) = name.split_once('/')?;
    let batch = BATCHES.iter().position(|b| *b == batch)?;
    let (record, label) = file.strip_suffix(".jpg")?.split_once('_')?;
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let known = digits(record, 5) && digits(label, 1);
    let record: usize = record.parse().ok().filter(|&r| known && r < RECORDS)?;
    Some((batch * RECORDS + record, label.parse().ok()?))
}

struct Records {
    pixels: Vec<u8>,
    labels: Vec<Option<u8>>,
}

impl Records {
    fn add(&mut self, path: &Path, chunk: &[Picture]) -> Result<(), DataError> {
        let decoded: Vec<Result<Vec<u8>, DataError>> =
            chunk.par_iter().map(|one| decode_jpeg(&member(path, &one.name), &one.bytes)).collect();
        // Not before the first pictures turned out to be some.
        self.pixels.resize(ALL * IMAGE_LEN, 0);
        for (one, pixels) in chunk.iter().zip(decoded) {
            if self.labels[one.slot].replace(one.label).is_some() {
                return Err(DataError::format(&member(path, &one.name), "a second file of its record", "one a record"));
            }
            self.pixels[one.slot * IMAGE_LEN..][..IMAGE_LEN].copy_from_slice(&pixels?);
        }
        Ok(())
    }

    fn finish(mut self, path: &Path) -> Result<DataSet, DataError> {
        let missing = |slot: usize| {
            let count = self.labels.iter().filter(|label| label.is_none()).count();
            let first = format!("{}/{:05}", BATCHES[slot / RECORDS], slot % RECORDS);
            DataError::format(path, format!("{count} records are missing, {first} the first"), format!("{ALL} records"))
        };
        let labels = self.labels.iter().enumerate().map(|(slot, label)| label.ok_or_else(|| missing(slot)));
        let mut labels = labels.collect::<Result<Vec<u8>, DataError>>()?;
        let split = ALL - RECORDS;
        let test = Images { pixels: self.pixels.split_off(split * IMAGE_LEN), labels: labels.split_off(split) };
        let train = Images { pixels: self.pixels, labels };
        Ok(DataSet::new(CIFAR10_JPEG, 10, CIFAR10.normal, train, test))
    }
}
