//! Random numbers: one master seed per run, and an independent ChaCha stream for each use.
//!
//! The same seed gives the same numbers on every machine and for any number of threads.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// What random numbers are drawn for. The numbers of one use do not depend on how many another drew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[non_exhaustive]
pub enum Stream {
    /// Weights of a field or a network.
    Weights = 1,
    /// Initial values.
    Initial = 2,
    /// Order of training images.
    Shuffle = 3,
    /// Crops and flips.
    Augment = 4,
    /// Generated data.
    Data = 5,
    /// Errors of random direction in a gradient.
    GradientError = 6,
}

/// The generator of `stream` under `seed`.
pub fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    numbered(seed, stream, 0)
}

/// The generator of part `number` of `stream`, independent of every other part: for an epoch, or an image.
pub fn numbered(seed: u64, stream: Stream, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((stream as u64) << 48 | number);
    rng
}

/// `n` independent N(0, std^2) numbers.
pub fn normal(rng: &mut ChaCha8Rng, n: usize, std: f64) -> Vec<f64> {
    (0..n)
        .map(|_| {
            let x: f64 = StandardNormal.sample(rng);
            std * x
        })
        .collect()
}
