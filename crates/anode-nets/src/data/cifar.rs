//! CIFAR-10 and CIFAR-100 in their official binary layout: records of one or two labels and 3,072 pixels.

use std::path::{Path, PathBuf};

use crate::digest::{md5, sha256};

use super::archive::{Limits, each_member, member};
use super::error::{DataError, read_bounded};
use super::images::{DataSet, IMAGE_LEN, Images};

/// The official files of CIFAR-10 or CIFAR-100: names, format, checksums.
#[derive(Debug)]
pub struct Layout {
    /// Name in settings and tables, such as `cifar10`.
    pub name: &'static str,
    /// Name in sentences, such as `CIFAR-10`.
    pub title: &'static str,
    /// File name of the official archive.
    pub archive: &'static str,
    /// The published MD5 of the archive.
    pub md5: &'static str,
    /// The folder in the archive.
    pub folder: &'static str,
    /// How many values each label byte of a record has; the last one is the class.
    labels: &'static [u8],
    /// Mean and standard deviation of each channel.
    pub normal: ([f64; 3], [f64; 3]),
    /// The files, the test part last.
    parts: &'static [RecordFile],
}

/// A file of records.
#[derive(Debug)]
struct RecordFile {
    file: &'static str,
    /// Another name that it may have in a folder.
    other: &'static str,
    records: usize,
    /// A number of records, and the SHA-256 of so many records at the start of the file.
    start: (usize, &'static str),
}

/// CIFAR-10, normalised as in the released driver of ANODE.
pub static CIFAR10: Layout = Layout {
    name: "cifar10",
    title: "CIFAR-10",
    archive: "cifar-10-binary.tar.gz",
    md5: "c32a1d4ab5d03f1284b67883e8d87530",
    folder: "cifar-10-batches-bin",
    labels: &[10],
    normal: ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
    parts: &[
        batch("data_batch_1.bin", "1c5f9ea0fc1111d586f29115efd3db25eecf7db27b29aaebbe84721446b052cc"),
        batch("data_batch_2.bin", "4f979f9b23aaa1ed4caa123051abf301d1bf3efaafb71eb652c88915b5724f2d"),
        batch("data_batch_3.bin", "b22c7fc2fb3577032913fa43c14b40b539abf70f40cfc257fa90f035d3728e34"),
        batch("data_batch_4.bin", "998398a620412db9b26cad6a83aff2d049fef005e171474ed2676c0397c7157f"),
        batch("data_batch_5.bin", "d427e63de6374fb63b5a1d61a35cf7a9457aaac5f1af2ef2ac87ecfef4877085"),
        batch("test_batch.bin", "8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5"),
    ],
};

/// CIFAR-100 with its 100 fine labels, normalised by its own mean and deviation.
pub static CIFAR100: Layout = Layout {
    name: "cifar100",
    title: "CIFAR-100",
    archive: "cifar-100-binary.tar.gz",
    md5: "03b5dce01913d631647c71ecec9e9cb8",
    folder: "cifar-100-binary",
    labels: &[20, 100],
    normal: ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
    parts: &[
        RecordFile {
            file: "train.bin",
            other: "cifar100_train.bin",
            records: 50_000,
            start: (486, "8632083f3a125a4ab84e58bf78f28dfbbdc44b9db84f45b22cd6eaf020636c52"),
        },
        RecordFile {
            file: "test.bin",
            other: "cifar100_test.bin",
            records: 10_000,
            start: (916, "e33a327528a4eeb4750af1845fc0ae4621084658b52c5db2fb373764d6e7a6b0"),
        },
    ],
};

const fn batch(file: &'static str, start: &'static str) -> RecordFile {
    RecordFile { file, other: file, records: 10_000, start: (1000, start) }
}

impl RecordFile {
    fn path(&self, folder: &Path) -> PathBuf {
        let other = folder.join(self.other);
        if other.is_file() { other } else { folder.join(self.file) }
    }
}

impl Layout {
    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.labels.last().copied().unwrap_or(0).into()
    }

    /// Where the set is in a data folder: the archive, the folder it unpacks to, or the data folder itself.
    ///
    /// # Errors
    /// It is in none of them.
    pub fn find(&self, data: &Path) -> Result<PathBuf, DataError> {
        let looked = vec![data.join(self.archive), data.join(self.folder), data.to_owned()];
        let here = |path: &PathBuf| path.is_file() || self.parts.iter().any(|part| part.path(path).is_file());
        let found = looked.iter().find(|path| here(path)).cloned();
        let what = || format!("{} ({}; `anode data fetch {}`)", self.title, self.archive, self.name);
        found.ok_or_else(|| DataError::Missing { what: what(), looked })
    }

    /// Reads the set from its archive, or from a folder with its files.
    ///
    /// The set has the official name only if all records are there, every file starts with the official pixels, every
    /// class is as large as it should be, and an archive has the published checksum. It is `cifar10-subset` if only the
    /// pixels are right, and `cifar10-altered` otherwise (re-encoded images, say).
    ///
    /// # Errors
    /// A missing file, a length that is not whole records, a label that does not exist, a damaged archive.
    pub fn read(&self, path: &Path) -> Result<DataSet, DataError> {
        let mut parts: Vec<Option<Found>> = self.parts.iter().map(|_| None).collect();
        let sound = if path.is_dir() {
            for (part, found) in self.parts.iter().zip(&mut parts) {
                let file = part.path(path);
                *found = Some(self.records(&file, part, &read_bounded(&file, self.limit(part))?)?);
            }
            true
        } else {
            self.unpack(path, &mut parts)?;
            md5(path).map_err(DataError::io(path))? == self.md5
        };
        self.join(path, parts, sound)
    }

    fn unpack(&self, path: &Path, parts: &mut [Option<Found>]) -> Result<(), DataError> {
        let limits = Limits {
            members: 100,
            member_bytes: self.parts.iter().map(|part| self.limit(part)).max().unwrap_or(0),
            total_bytes: 2 * self.parts.iter().map(|part| self.limit(part)).sum::<u64>(),
        };
        let index = |name: &str| {
            let file = name.strip_prefix(self.folder)?.strip_prefix('/')?;
            self.parts.iter().position(|part| part.file == file)
        };
        each_member(
            path,
            limits,
            |name| index(name).is_some(),
            |name, bytes| {
                if let Some(i) = index(name) {
                    parts[i] = Some(self.records(&member(path, name), &self.parts[i], &bytes)?);
                }
                Ok(())
            },
        )
    }

    fn join(&self, path: &Path, parts: Vec<Option<Found>>, sound: bool) -> Result<DataSet, DataError> {
        let (mut train, mut test) = (Images::default(), Images::default());
        let (mut official, mut whole) = (true, sound);
        let last = parts.len() - 1;
        for (i, (part, found)) in self.parts.iter().zip(parts).enumerate() {
            let found = found.ok_or_else(|| {
                DataError::format(path, format!("no `{}/{}`", self.folder, part.file), "all files of the archive")
            })?;
            official &= found.official;
            whole &= found.images.len() == part.records;
            let to = if i == last { &mut test } else { &mut train };
            to.pixels.extend_from_slice(&found.images.pixels);
            to.labels.extend_from_slice(&found.images.labels);
        }
        let full = self.parts.iter().map(|part| part.records).sum::<usize>() == train.len() + test.len();
        let name = match (official, whole && even(&train, self.classes()) && even(&test, self.classes())) {
            (true, true) => self.name.to_owned(),
            // All the records, but another archive or other labels.
            (true, false) if full => format!("{}-altered", self.name),
            (true, false) => format!("{}-subset", self.name),
            (false, _) => format!("{}-altered", self.name),
        };
        Ok(DataSet::new(&name, self.classes(), self.normal, train, test))
    }

    fn record(&self) -> usize {
        self.labels.len() + IMAGE_LEN
    }

    /// Most bytes that are read of a file: twice the official ones.
    fn limit(&self, part: &RecordFile) -> u64 {
        2 * (part.records * self.record()) as u64
    }

    fn records(&self, path: &Path, part: &RecordFile, bytes: &[u8]) -> Result<Found, DataError> {
        let record = self.record();
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let expected = format!("a whole number of records of {record} bytes: the file is cut or of another kind");
            return Err(DataError::format(path, format!("{} bytes", bytes.len()), expected));
        }
        let mut images = Images::default();
        images.pixels.reserve_exact(bytes.len() / record * IMAGE_LEN);
        for (i, bytes) in bytes.chunks_exact(record).enumerate() {
            let (labels, pixels) = bytes.split_at(self.labels.len());
            for (&label, &count) in labels.iter().zip(self.labels) {
                if label >= count {
                    let expected = format!("labels from 0 to {}", count - 1);
                    return Err(DataError::format(path, format!("label {label} in record {i}"), expected));
                }
                // The class is the last one.
                images.labels.truncate(i);
                images.labels.push(label);
            }
            images.pixels.extend_from_slice(pixels);
        }
        let (count, digest) = part.start;
        let official = bytes.get(..count * record).is_some_and(|start| sha256(start) == digest);
        Ok(Found { images, official })
    }
}

/// A file that was read.
struct Found {
    images: Images,
    /// Its first records are the official ones.
    official: bool,
}

/// Whether every class has as many images as the next.
fn even(images: &Images, classes: usize) -> bool {
    let mut counts = [0; 256];
    images.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts[..classes].iter().all(|&count| count * classes == images.len())
}
