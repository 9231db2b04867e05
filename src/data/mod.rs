//! Data: arrays, digits, image sets. This room knows nothing of networks or experiments.

mod array;
mod digit;
mod error;
mod folder;
mod mnist;

pub use array::{Array, read_array};
pub use digit::{SIDE, drawn_digit};
pub use error::{DataError, digest};
pub use folder::{data_folder, mnist_images};
pub use mnist::{GreyImages, read_idx_images, read_idx_labels};
