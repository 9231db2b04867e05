//! Data: arrays, digits, image sets. Independent of networks and experiments.

mod archive;
mod array;
mod cifar;
mod cifar10_jpeg;
mod digit;
mod error;
mod fetch;
mod folder;
mod image_folder;
mod images;
mod known;
mod mnist;
mod pace;
mod pax;
mod picture;
mod source;
mod synthetic;

pub use array::{Array, read_array};
pub use cifar::{CIFAR10, CIFAR100, Layout};
pub use cifar10_jpeg::{CIFAR10_JPEG, cifar10_jpeg, cifar10_jpeg_path};
pub use digit::{SIDE, drawn_digit};
pub use error::DataError;
pub use fetch::{Download, FetchError, Fetched, fetch};
pub use folder::{data_folder, mnist_images};
pub use image_folder::image_folder;
pub use images::{Alteration, DataSet, IMAGE, IMAGE_LEN, Images, shuffled};
pub use known::{KNOWN, Known, Published, Verdict, batch_digests};
pub use mnist::{GreyImages, read_idx_images, read_idx_labels};
pub use source::Source;
pub use synthetic::{SYNTHETIC, SYNTHETIC_DIGEST, SYNTHETIC_IMAGES, synthetic};
