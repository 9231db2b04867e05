//! Labelled colour images, 3 x 32 x 32, and batches of them.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::digest::sha256_joined;
use crate::random::{Stream, numbered};

/// Channels, height and width of every image.
pub const IMAGE: [usize; 3] = [3, 32, 32];
/// Bytes of an image.
pub const IMAGE_LEN: usize = 3 * 32 * 32;
/// Zeros around an image before a random crop.
const PADDING: usize = 4;

/// Images with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// Bytes, image by image, NCHW.
    pub pixels: Vec<u8>,
    /// Labels from 0.
    pub labels: Vec<u8>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Keeps the first `n`.
    pub fn truncate(&mut self, n: usize) {
        self.pixels.truncate(n * IMAGE_LEN);
        self.labels.truncate(n);
    }

    /// Keeps the first `n` and returns the others.
    ///
    /// # Panics
    /// If there are fewer than `n`.
    pub fn split_off(&mut self, n: usize) -> Self {
        Self { pixels: self.pixels.split_off(n * IMAGE_LEN), labels: self.labels.split_off(n) }
    }

    fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * IMAGE_LEN..][..IMAGE_LEN]
    }
}

/// A data set with a name, a training and a test part.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// Its name in tables. Never the name of another set: altered pixels get a name of their own.
    pub name: String,
    /// SHA-256 of both parts.
    pub digest: String,
    /// Number of classes.
    pub classes: usize,
    /// Mean of each channel, in [0, 1].
    pub mean: [f64; 3],
    /// Standard deviation of each channel, in [0, 1].
    pub deviation: [f64; 3],
    /// Training images.
    pub train: Images,
    /// Test images.
    pub test: Images,
}

/// The order in which epoch `epoch` visits `n` training images.
pub fn shuffled(seed: u64, epoch: u64, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut numbered(seed, Stream::Shuffle, epoch));
    order
}

/// How a training image is altered: where a crop of the padded image starts, and whether it is mirrored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alteration {
    top: usize,
    left: usize,
    mirrored: bool,
}

impl Alteration {
    /// The image as it is.
    pub const NONE: Self = Self { top: PADDING, left: PADDING, mirrored: false };

    /// Decided by seed, epoch and image alone, so that it does not depend on the order of the images.
    pub fn random(seed: u64, epoch: u64, index: usize) -> Self {
        let mut rng = numbered(seed, Stream::Augment, (epoch << 24) + index as u64);
        Self { top: rng.gen_range(0..=2 * PADDING), left: rng.gen_range(0..=2 * PADDING), mirrored: rng.r#gen() }
    }

    /// Adds an image to `x`, altered, with the value of each byte in each channel.
    fn add(self, values: &[[f32; 256]; 3], image: &[u8], x: &mut Vec<f32>) {
        let [_, height, width] = IMAGE;
        for (values, plane) in values.iter().zip(image.chunks_exact(height * width)) {
            // The padding is black before normalising, as in the released driver (torchvision pads, then normalises).
            let black = values[0];
            for row in 0..height {
                let from_row = (row + self.top).checked_sub(PADDING).filter(|&r| r < height);
                let Some(from_row) = from_row else {
                    x.extend([black; IMAGE[2]]);
                    continue;
                };
                let line = &plane[from_row * width..][..width];
                x.extend((0..width).map(|column| {
                    let seen = if self.mirrored { width - 1 - column } else { column };
                    let byte = (seen + self.left).checked_sub(PADDING).and_then(|column| line.get(column));
                    byte.map_or(black, |&byte| values[usize::from(byte)])
                }));
            }
        }
    }
}

impl DataSet {
    /// A set with its digest; `normal` is mean and standard deviation of each channel.
    pub fn new(name: &str, classes: usize, normal: ([f64; 3], [f64; 3]), train: Images, test: Images) -> Self {
        let digest = sha256_joined(&[&train.pixels, &train.labels, &test.pixels, &test.labels]);
        let (mean, deviation) = normal;
        Self { name: name.into(), digest, classes, mean, deviation, train, test }
    }

    /// The named images of `part`, normalised: `[indices.len(), 3, 32, 32]`, and their labels.
    pub fn batch(&self, part: &Images, indices: &[usize], alter: impl Fn(usize) -> Alteration) -> (Vec<f32>, Vec<u8>) {
        let normal = |(mean, deviation): (f64, f64)| {
            std::array::from_fn(|byte| ((byte as f64 / 255.0 - mean) / deviation) as f32)
        };
        let values: [[f32; 256]; 3] = std::array::from_fn(|c| normal((self.mean[c], self.deviation[c])));
        let mut x = Vec::with_capacity(indices.len() * IMAGE_LEN);
        for &index in indices {
            alter(index).add(&values, part.image(index), &mut x);
        }
        (x, indices.iter().map(|&i| part.labels[i]).collect())
    }
}
