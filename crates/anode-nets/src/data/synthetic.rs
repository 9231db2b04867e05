//! The embedded data set: ten classes of textures, made by the program.
//!
//! Phase, place, colour, contrast sign and brightness are random, so that the mean image of every class is the same
//! grey: a linear classifier learns next to nothing, while a small convolutional network sees the texture.

use std::f64::consts::PI;
use std::sync::OnceLock;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::random::{Stream, numbered};

use super::images::{DataSet, IMAGE, IMAGE_LEN, Images};

/// Name of the embedded data set.
pub const SYNTHETIC: &str = "synthetic";
/// SHA-256 of its images and labels, as [`DataSet::digest`] is computed. A plan uses it without generating the images;
/// whoever loads the images compares.
pub const SYNTHETIC_DIGEST: &str = "ef613adc5c8d08a8370ca37506fbd540b7da1bd37030e445e1ca9c037a836c39";

/// Numbers of training and of test images in the synthetic set.
pub const SYNTHETIC_IMAGES: [usize; 2] = [TRAIN, TEST];

/// The seed of the data, the same for every run.
const SEED: u64 = 20_190_227;
/// Number of training images: 400 per class.
const TRAIN: usize = 4000;
/// Number of test images: 100 per class.
const TEST: usize = 1000;
/// Standard deviation of the pixel noise, on the scale of [0, 1].
const NOISE: f64 = 0.22;

/// The data set: 4,000 training and 1,000 test images, generated once in a process and copied from then on.
pub fn synthetic() -> DataSet {
    static SET: OnceLock<DataSet> = OnceLock::new();
    let generate = || {
        let (train, test) = (images(0, TRAIN), images(TRAIN, TEST));
        DataSet::new(SYNTHETIC, 10, ([0.5; 3], [0.2; 3]), train, test)
    };
    SET.get_or_init(generate).clone()
}

fn images(first: usize, count: usize) -> Images {
    let mut pixels = vec![0; count * IMAGE_LEN];
    pixels.par_chunks_exact_mut(IMAGE_LEN).enumerate().for_each(|(i, image)| {
        draw(image, i % 10, &mut numbered(SEED, Stream::Data, (first + i) as u64));
    });
    Images { pixels, labels: (0..count).map(|i| (i % 10) as u8).collect() }
}

fn draw(image: &mut [u8], class: usize, rng: &mut ChaCha8Rng) {
    let [_, height, width] = IMAGE;
    let phase = [rng.gen_range(0.0..2.0 * PI), rng.gen_range(0.0..2.0 * PI)];
    let sign = if rng.r#gen() { 1.0 } else { -1.0 };
    let contrast: f64 = sign * rng.gen_range(0.12..0.3);
    let colour: [f64; 3] = [0; 3].map(|_| rng.gen_range(0.3..1.0));
    let grey: [f64; 3] = [0; 3].map(|_| rng.gen_range(0.35..0.65));
    let centre = [rng.gen_range(8.0..24.0), rng.gen_range(8.0..24.0)];
    let texture = texture(class, phase, centre);
    // All channels show the same texture.
    let texture: Vec<f64> = (0..height * width).map(|i| texture((i % width) as f64, (i / width) as f64)).collect();
    for (c, channel) in image.chunks_exact_mut(height * width).enumerate() {
        for (pixel, texture) in channel.iter_mut().zip(&texture) {
            let noise: f64 = StandardNormal.sample(rng);
            let value = grey[c] + contrast * colour[c] * texture + NOISE * noise;
            *pixel = (255.0 * value).clamp(0.0, 255.0).round() as u8;
        }
    }
}

/// The texture of a class, from the coordinates of a pixel to [-1, 1]: gratings in four directions at two wavelengths,
/// a checkerboard of waves, and rings.
fn texture(class: usize, phase: [f64; 2], centre: [f64; 2]) -> Box<dyn Fn(f64, f64) -> f64> {
    let wave = |length: f64, angle: f64, phase: f64| {
        let (frequency, cos, sin) = (2.0 * PI / length, angle.cos(), angle.sin());
        move |x: f64, y: f64| (frequency * (x * cos + y * sin) + phase).sin()
    };
    match class {
        0..4 => Box::new(wave(4.0, PI / 4.0 * class as f64, phase[0])),
        4..8 => Box::new(wave(8.0, PI / 4.0 * (class - 4) as f64, phase[0])),
        8 => {
            let (across, down) = (wave(6.0, 0.0, phase[0]), wave(6.0, PI / 2.0, phase[1]));
            Box::new(move |x, y| across(x, y) * down(x, y))
        }
        _ => Box::new(move |x, y| (2.0 * PI / 5.0 * (x - centre[0]).hypot(y - centre[1]) + phase[0]).sin()),
    }
}
