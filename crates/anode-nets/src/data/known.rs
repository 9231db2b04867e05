//! The data sets the program knows: their files, where they are published and with what checksum, and whether what is
//! here is right.

use std::path::{Path, PathBuf};

use crate::digest::{sha256, sha256_joined};

use super::cifar::{CIFAR10, CIFAR100, Layout};
use super::cifar10_jpeg::{CIFAR10_JPEG, cifar10_jpeg, cifar10_jpeg_path};
use super::error::DataError;
use super::folder::{mnist_images, mnist_labels};
use super::images::{DataSet, IMAGE_LEN};
use super::mnist::{read_idx_images, read_idx_labels, unpacked};

/// A data set that the program can find, verify and, if it is published, download.
#[derive(Debug)]
pub struct Known {
    /// Name in settings and on the command line.
    pub name: &'static str,
    /// Description in one line.
    pub about: &'static str,
    /// The published files; empty if the set cannot be downloaded.
    pub files: &'static [Published],
    find: fn(&Path) -> Result<PathBuf, DataError>,
    check: fn(&Path) -> Result<Verdict, DataError>,
}

/// A file on the web.
#[derive(Debug)]
pub struct Published {
    /// Address of the folder that holds the file, with a slash at the end.
    pub base: &'static str,
    /// File name.
    pub name: &'static str,
    /// Subfolder of the data folder in which the file is stored; empty for none.
    pub folder: &'static str,
    /// Published MD5, 32 hexadecimal digits.
    pub md5: &'static str,
    /// Upper bound on the bytes of a download, far above the size of the file.
    pub limit: u64,
}

/// Whether the files of a data set are the official ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are. The text says how this was checked.
    Right(String),
    /// They are not. The text says why.
    Wrong(String),
}

/// Every data set that the program knows, but for the embedded one.
pub static KNOWN: &[Known] = &[
    Known {
        name: "cifar10",
        about: "60,000 colour images in 10 classes",
        files: &[cifar(&CIFAR10)],
        find: |data| CIFAR10.find(data),
        check: |path| official(&CIFAR10, path),
    },
    Known {
        name: "cifar100",
        about: "60,000 colour images in 100 classes",
        files: &[cifar(&CIFAR100)],
        find: |data| CIFAR100.find(data),
        check: |path| official(&CIFAR100, path),
    },
    Known {
        name: CIFAR10_JPEG,
        about: "CIFAR-10, every image re-encoded as JPEG",
        files: &[],
        find: cifar10_jpeg_path,
        check: |path| {
            let set = cifar10_jpeg(path)?;
            let batches = batch_digests(&set).join(", ");
            Ok(Verdict::Right(counted(&set, &format!("SHA-256 of each batch {batches}"))))
        },
    },
    Known {
        name: "mnist-test",
        about: "10,000 grey digits",
        files: &[
            mnist("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            mnist("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ],
        find: |data| {
            mnist_images(data)
                .ok_or_else(|| DataError::Missing { what: "mnist-test".into(), looked: vec![data.into()] })
        },
        check: mnist_test,
    },
];

/// SHA-256 of the unpacked test images of MNIST, and of the labels.
const MNIST: [&str; 2] = [
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
];

const fn cifar(layout: &Layout) -> Published {
    let base = "https://www.cs.toronto.edu/~kriz/";
    Published { base, name: layout.archive, folder: "", md5: layout.md5, limit: 1 << 29 }
}

const fn mnist(name: &'static str, md5: &'static str) -> Published {
    let base = "https://ossci-datasets.s3.amazonaws.com/mnist/";
    Published { base, name, folder: "mnist", md5, limit: 1 << 24 }
}

impl Known {
    /// The set of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.name == name)
    }

    /// The file or folder that holds it in a data folder, where there is one.
    pub fn path(&self, data: &Path) -> Option<PathBuf> {
        (self.find)(data).ok()
    }

    /// Reads the whole data set and checks it. `None` if it is not in the data folder.
    pub fn verify(&self, data: &Path) -> Option<Verdict> {
        let path = self.path(data)?;
        Some((self.check)(&path).unwrap_or_else(|error| Verdict::Wrong(error.to_string())))
    }
}

impl Published {
    /// Path of the file in the data folder `data`.
    pub fn place(&self, data: &Path) -> PathBuf {
        data.join(self.folder).join(self.name)
    }
}

fn official(layout: &Layout, path: &Path) -> Result<Verdict, DataError> {
    let set = layout.read(path)?;
    let how = if path.is_dir() { "the start of every file is official" } else { "MD5 as published" };
    Ok(if set.name == layout.name {
        Verdict::Right(counted(&set, how))
    } else if path.is_dir() {
        Verdict::Wrong(format!("{}: these files are `{}`, not `{}`", path.display(), set.name, layout.name))
    } else {
        let published = layout.md5;
        Verdict::Wrong(format!("{}: its MD5 is not the published {published}: fetch it again", path.display()))
    })
}

/// SHA-256 of each batch of 10,000 images in the official binary layout, the test batch last.
pub fn batch_digests(set: &DataSet) -> Vec<String> {
    const BATCH: usize = 10_000;
    let digests = [&set.train, &set.test].into_iter().flat_map(|part| {
        part.labels.chunks(BATCH).zip(part.pixels.chunks(BATCH * IMAGE_LEN)).map(|(labels, pixels)| {
            let records: Vec<&[u8]> =
                labels.chunks(1).zip(pixels.chunks(IMAGE_LEN)).flat_map(|(label, image)| [label, image]).collect();
            sha256_joined(&records)
        })
    });
    digests.collect()
}

fn counted(set: &DataSet, how: &str) -> String {
    format!("{} training and {} test images; {how}", set.train.len(), set.test.len())
}

fn mnist_test(images: &Path) -> Result<Verdict, DataError> {
    let Some(labels) = mnist_labels(images) else {
        return Ok(Verdict::Wrong(format!("{}: there are no labels beside it", images.display())));
    };
    let counts = (read_idx_images(images)?.len(), read_idx_labels(&labels)?.len());
    for (path, digest) in [images, &labels].into_iter().zip(MNIST) {
        let found = sha256(&unpacked(path)?);
        if found != digest {
            return Ok(Verdict::Wrong(format!("{}: unpacked, its SHA-256 is {found}, not {digest}", path.display())));
        }
    }
    Ok(Verdict::Right(format!("{} images and {} labels; SHA-256 of both as it should be", counts.0, counts.1)))
}
