//! The shapes for which kernels are compared.

use crate::kernels::{ConvShape, PoolShape};

/// The shapes that are compared.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    /// Convolutions, with the number of images.
    pub convolutions: Vec<(ConvShape, usize)>,
    /// Linear layers: images, inputs, outputs.
    pub linear: Vec<[usize; 3]>,
    /// Batch norms: images, channels, pixels.
    pub norms: Vec<[usize; 3]>,
    /// Poolings, with the number of images.
    pub pools: Vec<(PoolShape, usize)>,
    /// Lengths of vectors.
    pub vectors: Vec<usize>,
}

impl Shapes {
    /// A few of each, those of the networks among them.
    pub fn usual() -> Self {
        let same = |input, channels, kernel| ConvShape::same(input, channels, kernel);
        let strided = |shape: ConvShape| ConvShape { stride: 2, ..shape };
        Self {
            convolutions: vec![
                (same([3, 32, 32], 16, [3, 3]), 3),
                (same([16, 16, 16], 32, [3, 3]), 5),
                (same([64, 8, 8], 64, [3, 3]), 4),
                (same([32, 4, 4], 130, [3, 3]), 9),
                (same([20, 9, 7], 24, [1, 3]), 2),
                (same([20, 9, 7], 24, [3, 1]), 2),
                (same([5, 10, 10], 70, [5, 5]), 2),
                (strided(same([16, 9, 8], 24, [3, 3])), 3),
                (strided(ConvShape { padding: [0, 0], ..same([16, 8, 8], 20, [1, 1]) }), 3),
            ],
            linear: vec![[7, 40, 10], [33, 5, 3]],
            norms: vec![[5, 16, 64], [3, 5, 7], [40, 3, 256]],
            pools: vec![
                (PoolShape { input: [5, 8, 12], window: 2 }, 3),
                (PoolShape { input: [16, 4, 4], window: 4 }, 2),
            ],
            vectors: vec![1, 1027, 40_000],
        }
    }

    /// Shapes as large as those of the networks, and larger than a wave of blocks of a GPU. The convolutions are about
    /// 6 * 10^9 multiply-adds per sweep, which takes the CPU seconds.
    pub fn large() -> Self {
        let same = |input, channels, kernel| ConvShape::same(input, channels, kernel);
        let strided = |shape: ConvShape| ConvShape { stride: 2, ..shape };
        Self {
            convolutions: vec![
                (same([3, 32, 32], 64, [3, 3]), 257),
                (same([16, 32, 32], 16, [3, 3]), 257),
                (same([64, 32, 32], 64, [3, 3]), 33),
                (same([128, 16, 16], 128, [3, 3]), 17),
                (same([256, 8, 8], 256, [3, 3]), 13),
                (same([512, 4, 4], 512, [3, 3]), 19),
                (same([256, 8, 8], 512, [3, 3]), 1),
                (same([512, 4, 4], 512, [3, 3]), 1),
                (same([67, 31, 29], 71, [3, 3]), 5),
                (same([129, 15, 17], 257, [3, 3]), 3),
                (same([48, 13, 11], 96, [5, 5]), 7),
                (same([32, 32, 32], 32, [1, 3]), 65),
                (same([32, 32, 32], 32, [3, 1]), 65),
                (same([256, 16, 16], 64, [1, 1]), 33),
                (strided(same([64, 32, 32], 128, [3, 3])), 33),
                (strided(same([65, 31, 33], 127, [3, 3])), 5),
                (strided(ConvShape { padding: [0, 0], ..same([64, 32, 32], 128, [1, 1]) }), 33),
            ],
            linear: vec![[257, 512, 10], [1, 512, 100], [257, 1023, 513]],
            norms: vec![[257, 64, 256], [257, 16, 1024], [1, 512, 16], [33, 513, 49]],
            pools: vec![
                (PoolShape { input: [64, 16, 16], window: 2 }, 257),
                (PoolShape { input: [512, 4, 4], window: 4 }, 257),
                (PoolShape { input: [65, 31, 29], window: 3 }, 5),
            ],
            vectors: vec![4_300_037],
        }
    }
}
