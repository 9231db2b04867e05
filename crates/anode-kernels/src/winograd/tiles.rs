//! Transforms tiles and filters to the Winograd domain and back. Each vector lane holds one channel.

use pulp::{Simd, WithSimd};

use super::super::direct::{load, store};
use super::super::simd::dispatch;
use super::product::Matrices;
use super::transform::{OUT, POINTS, TAPS, both_ways, data, filter, filter_transposed, output, output_transposed};

/// An image of some channels side by side, cut into tiles of 4x4 outputs.
#[derive(Clone, Copy)]
pub(super) struct Tiling {
    /// Tiles of a column and of a line of the image.
    pub tiles: [usize; 2],
    /// Pixels of a line in memory.
    pub pitch: usize,
}

impl Tiling {
    fn len(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// The first pixel of a tile.
    fn at(&self, tile: usize) -> usize {
        OUT * (tile / self.tiles[1] * self.pitch + tile % self.tiles[1])
    }

    /// Pixels that tiles of `side` reach, from the first one of the first tile.
    fn reach(&self, side: usize) -> usize {
        (OUT * (self.tiles[0] - 1) + side - 1) * self.pitch + OUT * (self.tiles[1] - 1) + side
    }
}

/// Transforms the tiles of an image.
pub(super) struct Analyse<'a, 'b> {
    /// Its pixels, with a line of zeros around them for [`Side::Data`].
    pub image: &'a [f32],
    pub tiling: Tiling,
    pub side: Side,
    /// The image's rows of every matrix.
    pub to: &'a mut [&'b mut [f32]],
    /// Channels of a row, and the first one of the image.
    pub channels: (usize, usize),
}

/// What an image is of a convolution.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What it reads: tiles of 6x6, by B.
    Data,
    /// The cotangent of what it writes: tiles of 4x4, by A.
    Cotangent,
}

impl Analyse<'_, '_> {
    pub fn run(self) {
        assert_eq!(self.to.len(), POINTS * POINTS, "rows of every matrix");
        let len = self.tiling.len() * self.channels.0;
        assert!(self.to.iter().all(|to| to.len() == len), "rows that do not fit");
        dispatch(self);
    }
}

impl WithSimd for Analyse<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match self.side {
            Side::Data => self.tiles::<S, POINTS>(
                #[inline(always)]
                |tile| {
                    both_ways(
                        tile,
                        #[inline(always)]
                        |d| data(simd, d),
                    )
                },
            ),
            Side::Cotangent => self.tiles::<S, OUT>(
                #[inline(always)]
                |tile| {
                    both_ways(
                        tile,
                        #[inline(always)]
                        |y| output_transposed(simd, y),
                    )
                },
            ),
        }
    }
}

impl Analyse<'_, '_> {
    #[inline(always)]
    fn tiles<S: Simd, const N: usize>(&mut self, transform: impl Fn([[S::f32s; N]; N]) -> [[S::f32s; POINTS]; POINTS]) {
        let (tiling, (channels, first)) = (self.tiling, self.channels);
        assert!(tiling.reach(N) * S::F32_LANES <= self.image.len(), "an image that does not fit");
        assert!(first + S::F32_LANES <= channels, "channels that do not fit");
        for tile in 0..tiling.len() {
            let corner = tiling.at(tile);
            // SAFETY: the pixels of a tile lie in the image, whose length was checked.
            let place =
                |i: usize, j: usize| unsafe { load::<S>(self.image, (corner + i * tiling.pitch + j) * S::F32_LANES) };
            let mut numbers = [[place(0, 0); N]; N];
            for (i, line) in numbers.iter_mut().enumerate() {
                for (j, number) in line.iter_mut().enumerate() {
                    *number = place(i, j);
                }
            }
            let points = transform(numbers);
            for (i, line) in points.into_iter().enumerate() {
                for (j, point) in line.into_iter().enumerate() {
                    // SAFETY: row and channels lie in the matrices, whose lengths were checked.
                    unsafe { store::<S>(self.to[i * POINTS + j], tile * channels + first, point) };
                }
            }
        }
    }
}

/// Transforms products back to the outputs of an image.
pub(super) struct Synthesise<'a> {
    pub m: &'a Matrices,
    /// The image's first row and the first of its channels.
    pub at: (usize, usize),
    pub tiling: Tiling,
    pub image: &'a mut [f32],
}

impl Synthesise<'_> {
    pub fn run(self) {
        assert!(self.at.0 + self.tiling.len() <= self.m.rows, "rows that do not fit");
        dispatch(self);
    }
}

impl WithSimd for Synthesise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { m, at: (row, first), tiling, image } = self;
        assert!(tiling.reach(OUT) * S::F32_LANES <= image.len(), "an image that does not fit");
        assert!(first + S::F32_LANES <= m.columns, "channels that do not fit");
        for tile in 0..tiling.len() {
            let numbers = points::<S>(m, (row + tile) * m.columns + first);
            let outputs = both_ways(
                numbers,
                #[inline(always)]
                |m| output(simd, m),
            );
            let corner = tiling.at(tile);
            for (i, line) in outputs.into_iter().enumerate() {
                for (j, number) in line.into_iter().enumerate() {
                    // SAFETY: the pixels of a tile lie in the image, whose length was checked.
                    unsafe { store::<S>(image, (corner + i * tiling.pitch + j) * S::F32_LANES, number) };
                }
            }
        }
    }
}

/// The numbers at one place of every matrix.
#[inline(always)]
fn points<S: Simd>(m: &Matrices, place: usize) -> [[S::f32s; POINTS]; POINTS] {
    let (numbers, pitch) = (m.numbers(), m.pitch());
    assert!(place + S::F32_LANES <= pitch && numbers.len() == POINTS * POINTS * pitch, "a place outside");
    // SAFETY: checked above.
    let at = |i: usize, j: usize| unsafe { load::<S>(numbers, (i * POINTS + j) * pitch + place) };
    let mut points = [[at(0, 0); POINTS]; POINTS];
    for (i, line) in points.iter_mut().enumerate() {
        for (j, point) in line.iter_mut().enumerate() {
            *point = at(i, j);
        }
    }
    points
}

/// Transforms 3x3 filters. Each row holds the filters of one term of the sum.
pub(super) struct Filters<'a> {
    /// Taps of each row, a number of every channel side by side.
    pub taps: &'a [f32],
    /// Whether the filters are turned by 180 degrees.
    pub turned: bool,
    pub u: &'a mut Matrices,
    /// The first of the channels in `u`.
    pub first: usize,
}

impl WithSimd for Filters<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (pitch, columns) = (self.u.pitch(), self.u.columns);
        assert!(self.first + S::F32_LANES <= columns, "channels that do not fit");
        assert_eq!(self.taps.len(), self.u.rows * TAPS * TAPS * S::F32_LANES, "taps that do not fit");
        let last = TAPS * TAPS - 1;
        for (row, taps) in self.taps.chunks_exact(TAPS * TAPS * S::F32_LANES).enumerate() {
            // SAFETY: the chunk has nine taps.
            let at = |tap: usize| unsafe { load::<S>(taps, if self.turned { last - tap } else { tap } * S::F32_LANES) };
            let taps = [[at(0), at(1), at(2)], [at(3), at(4), at(5)], [at(6), at(7), at(8)]];
            let points = both_ways(
                taps,
                #[inline(always)]
                |w| filter(simd, w),
            );
            for (matrix, point) in points.into_iter().flatten().enumerate() {
                let place = matrix * pitch + row * columns + self.first;
                // SAFETY: row and channels lie in the matrix, whose size was checked.
                unsafe { store::<S>(self.u.numbers_mut(), place, point) };
            }
        }
    }
}

/// Transforms a row of sums back to the gradients of its filters.
pub(super) struct FilterBars<'a> {
    pub u: &'a Matrices,
    /// The row and the first of its channels.
    pub at: (usize, usize),
    /// Nine taps, a number of every channel side by side.
    pub taps: &'a mut [f32],
}

impl WithSimd for FilterBars<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        assert!(self.at.0 < self.u.rows && self.at.1 + S::F32_LANES <= self.u.columns, "a place outside");
        assert_eq!(self.taps.len(), TAPS * TAPS * S::F32_LANES, "taps that do not fit");
        let bars = both_ways(
            points::<S>(self.u, self.at.0 * self.u.columns + self.at.1),
            #[inline(always)]
            |u| filter_transposed(simd, u),
        );
        for (tap, bar) in bars.into_iter().flatten().enumerate() {
            // SAFETY: there is room for nine taps.
            unsafe { store::<S>(self.taps, tap * S::F32_LANES, bar) };
        }
    }
}
