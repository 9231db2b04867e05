//! Where real data sets are looked for.

use std::path::{Path, PathBuf};

/// The data folder: the one named by the caller or by `ANODE_DATA`, if it is not empty, else `data`, else
/// `../shared/data`.
pub fn data_folder(named: Option<&Path>) -> Option<PathBuf> {
    let from_environment = || std::env::var_os("ANODE_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
    match named.map(Path::to_owned).or_else(from_environment) {
        Some(folder) => Some(folder),
        None => ["data", "../shared/data"].map(PathBuf::from).into_iter().find(|folder| folder.is_dir()),
    }
}

/// The file of MNIST's test labels beside that of the images, where there is one.
pub fn mnist_labels(images: &Path) -> Option<PathBuf> {
    let beside = ["t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte"].map(|name| images.with_file_name(name));
    beside.into_iter().find(|path| path.is_file())
}

/// The file of MNIST's test images in a data folder, where there is one.
pub fn mnist_images(data: &Path) -> Option<PathBuf> {
    [
        "mnist/t10k-images-idx3-ubyte.gz",
        "mnist/t10k-images-idx3-ubyte",
        "t10k-images-idx3-ubyte.gz",
        "t10k-images-idx3-ubyte",
    ]
    .map(|name| data.join(name))
    .into_iter()
    .find(|path| path.is_file())
}
