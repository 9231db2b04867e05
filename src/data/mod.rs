//! Data: arrays, digits, image sets. This room knows nothing of networks or experiments.

mod archive;
mod array;
mod cifar;
mod cifar10_jpeg;
mod digit;
mod error;
mod folder;
mod images;
mod mnist;
mod picture;
mod synthetic;

pub use array::{Array, read_array};
pub use cifar::{cifar10, cifar10_folder};
pub use cifar10_jpeg::{CIFAR10_JPEG, cifar10_jpeg, cifar10_jpeg_path};
pub use digit::{SIDE, drawn_digit};
pub use error::DataError;
pub use folder::{data_folder, mnist_images};
pub use images::{Alteration, DataSet, IMAGE, IMAGE_LEN, Images, shuffled};
pub use mnist::{GreyImages, read_idx_images, read_idx_labels};
pub use synthetic::synthetic;
