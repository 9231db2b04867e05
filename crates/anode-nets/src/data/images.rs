//! Labelled colour images, 3 x 32 x 32, and batches of them.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::digest::sha256_joined;
use crate::kernels::{ByteImages, Crop};
use crate::random::{Stream, numbered};

/// Channels, height and width of every image.
pub const IMAGE: [usize; 3] = [3, 32, 32];
/// Bytes of an image.
pub const IMAGE_LEN: usize = 3 * 32 * 32;
/// Zeros around an image before a random crop.
const PADDING: u8 = 4;

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
    /// Name in tables. No two sets share a name: a set with altered pixels has a separate one.
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
pub struct Alteration(Crop);

impl Alteration {
    /// The image as it is.
    pub const NONE: Self = Self(Crop { top: PADDING, left: PADDING, mirrored: false });

    /// Decided by seed, epoch and image alone, so that it does not depend on the order of the images.
    pub fn random(seed: u64, epoch: u64, index: usize) -> Self {
        let mut rng = numbered(seed, Stream::Augment, (epoch << 24) + index as u64);
        let [top, left] = [(); 2].map(|()| rng.gen_range(0..=2 * usize::from(PADDING)) as u8);
        Self(Crop { top, left, mirrored: rng.r#gen() })
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
        let (images, labels) = self.bytes(part, indices, alter);
        (images.numbers(), labels)
    }

    /// As [`Self::batch`], with images as bytes. The padding of an altered image is black before normalising, as in
    /// the released driver (torchvision pads, then normalises).
    pub fn bytes(
        &self,
        part: &Images,
        indices: &[usize],
        alter: impl Fn(usize) -> Alteration,
    ) -> (ByteImages, Vec<u8>) {
        let values = self.mean.into_iter().zip(self.deviation);
        let values = values.flat_map(|(mean, deviation)| {
            (0..=255_u8).map(move |byte| ((f64::from(byte) / 255.0 - mean) / deviation) as f32)
        });
        let images = ByteImages {
            shape: IMAGE,
            padding: PADDING.into(),
            values: values.collect(),
            crops: indices.iter().map(|&i| alter(i).0).collect(),
            pixels: indices.iter().flat_map(|&i| part.image(i)).copied().collect(),
        };
        (images, indices.iter().map(|&i| part.labels[i]).collect())
    }
}
