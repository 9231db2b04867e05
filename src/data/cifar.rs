//! CIFAR-10 in its official binary layout: records of one label and 3,072 pixels.

use std::path::{Path, PathBuf};

use crate::digest::sha256;

use super::error::{DataError, read_bounded};
use super::images::{DataSet, IMAGE_LEN, Images};

const RECORD: usize = 1 + IMAGE_LEN;
/// Largest file that is read: twice an official batch of 30,730,000 bytes.
const LIMIT: u64 = 61_460_000;
/// Normalisation of the released driver.
pub(super) const CIFAR10_MEAN: [f64; 3] = [0.4914, 0.4822, 0.4465];
pub(super) const CIFAR10_DEVIATION: [f64; 3] = [0.2023, 0.1994, 0.2010];
/// SHA-256 of the first 1,000 records of the official `data_batch_1.bin` and `test_batch.bin`.
const OFFICIAL: [&str; 2] = [
    "1c5f9ea0fc1111d586f29115efd3db25eecf7db27b29aaebbe84721446b052cc",
    "8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5",
];

/// Reads the batches `data_batch_1.bin` .. `data_batch_5.bin` and `test_batch.bin` of a folder.
///
/// The set is called `cifar10` only if all 60,000 records are there and the first thousand of the first and the last
/// file have the official pixels; `cifar10-subset` if only the pixels are; `cifar10-altered` otherwise (re-encoded
/// images, say).
///
/// # Errors
/// A missing file, a length that is not whole records, a label above 9.
pub fn cifar10(folder: &Path) -> Result<DataSet, DataError> {
    let mut train = Images::default();
    let mut official = true;
    for n in 1..=5 {
        let bytes = batch(&folder.join(format!("data_batch_{n}.bin")), &mut train)?;
        official &= n != 1 || starts_as(&bytes, OFFICIAL[0]);
    }
    let mut test = Images::default();
    let bytes = batch(&folder.join("test_batch.bin"), &mut test)?;
    official &= starts_as(&bytes, OFFICIAL[1]);
    let name = match (official, train.len(), test.len()) {
        (true, 50_000, 10_000) => "cifar10",
        (true, _, _) => "cifar10-subset",
        (false, _, _) => "cifar10-altered",
    };
    Ok(DataSet::new(name, 10, (CIFAR10_MEAN, CIFAR10_DEVIATION), train, test))
}

/// The folder of CIFAR-10's batches in a data folder, where there is one.
pub fn cifar10_folder(data: &Path) -> Result<PathBuf, DataError> {
    let looked = vec![data.join("cifar-10-batches-bin"), data.to_owned()];
    let found = looked.iter().find(|folder| folder.join("test_batch.bin").is_file()).cloned();
    found.ok_or(DataError::Missing { what: "CIFAR-10 (data_batch_1.bin .. test_batch.bin)".into(), looked })
}

fn starts_as(bytes: &[u8], official: &str) -> bool {
    bytes.get(..1000 * RECORD).is_some_and(|first| sha256(first) == official)
}

fn batch(path: &Path, to: &mut Images) -> Result<Vec<u8>, DataError> {
    let bytes = read_bounded(path, LIMIT)?;
    if bytes.is_empty() || bytes.len() % RECORD != 0 {
        let expected = format!("a whole number of records of {RECORD} bytes: the file is cut or of another kind");
        return Err(DataError::format(path, format!("{} bytes", bytes.len()), expected));
    }
    for (i, record) in bytes.chunks_exact(RECORD).enumerate() {
        if record[0] > 9 {
            return Err(DataError::format(path, format!("label {} in record {i}", record[0]), "labels from 0 to 9"));
        }
        to.labels.push(record[0]);
        to.pixels.extend_from_slice(&record[1..]);
    }
    Ok(bytes)
}
