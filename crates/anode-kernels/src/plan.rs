//! How a direct convolution lays out its numbers: where the padded images stand, and which of them each register sees.
//!
//! Two layouts. Where the lines of an image fill whole registers, a register holds neighbouring pixels of one image.
//! Smaller images stand side by side instead, pixel by pixel, and a register holds one pixel of as many images: then
//! every kernel, stride and size fits.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::ConvShape;
use super::norm::Line;
use super::simd::{few_registers, vectorised};

/// Registers of pixels in a tile.
pub(super) const VECTORS: usize = 4;
/// Channels in a tile.
pub(super) const CHANNELS: usize = 4;
/// Channels in a larger tile, where there are few registers: a tile then has one register of pixels.
pub(super) const MORE_CHANNELS: usize = 6;
/// Kernels with more taps are left to the matrix multiplication.
const MOST_TAPS: usize = 25;
/// Numbers of an image that are moved at a time, so that those of all images stay in the nearest cache.
const PART: usize = 64;

/// The layout of one convolution.
#[derive(Clone, Debug)]
pub(super) struct DirectPlan {
    /// Input and output channels.
    pub channels: (usize, usize),
    /// Input height and width, zeros above and left of them.
    input: [usize; 2],
    zeros: [usize; 2],
    /// Numbers that a register holds.
    pub lanes: usize,
    /// Images side by side: 1, or as many as a register holds numbers.
    pub images: usize,
    /// Numbers of a line and of a plane of the padded images.
    pitch: usize,
    pub plane: usize,
    /// Offset of each tap in a padded plane.
    pub taps: Vec<usize>,
    /// Offset of each register's pixels in a padded plane and in an output plane.
    pub registers: Vec<(usize, usize)>,
    /// Numbers of an output plane.
    pub pixels: usize,
    /// The first output channel of each tile, and how many it has: [`MORE_CHANNELS`], [`CHANNELS`] or 1.
    pub tiles: Vec<(usize, usize)>,
}

impl DirectPlan {
    /// The plan of a convolution on registers of `lanes` numbers, where this path can take it.
    pub fn new(shape: &ConvShape, lanes: usize) -> Option<Self> {
        let [inputs, height, width] = shape.input;
        let [outputs, out_height, out_width] = shape.output();
        let [kernel_height, kernel_width] = shape.kernel;
        let alone = shape.stride == 1 && out_width.is_multiple_of(lanes);
        let images = if alone { 1 } else { lanes };
        let registers = out_height * out_width * images / lanes;
        if lanes == 1 || !registers.is_multiple_of(VECTORS) || kernel_height * kernel_width > MOST_TAPS {
            return None;
        }
        let pitch = (width + 2 * shape.padding[1]) * images;
        let tap = |ky: usize, kx: usize| ky * pitch + kx * images;
        let columns = if alone { lanes } else { 1 };
        let places = (0..out_height).flat_map(|y| (0..out_width).step_by(columns).map(move |x| (y, x)));
        let register = |(y, x): (usize, usize)| (tap(y * shape.stride, x * shape.stride), (y * out_width + x) * images);
        Some(Self {
            channels: (inputs, outputs),
            input: [height, width],
            zeros: shape.padding,
            lanes,
            images,
            pitch,
            plane: pitch * (height + 2 * shape.padding[0]),
            taps: (0..kernel_height)
                .flat_map(|ky| (0..kernel_width).map(move |kx| (ky, kx)))
                .map(|(y, x)| tap(y, x))
                .collect(),
            registers: places.map(register).collect(),
            pixels: out_height * out_width * images,
            tiles: tiles(outputs, few_registers()),
        })
    }

    /// The plan of the vjp for the input: a convolution of the output's cotangent with the turned kernel.
    pub fn of_vjp(shape: &ConvShape, lanes: usize) -> Option<Self> {
        let [k, l] = shape.kernel;
        let turned = ConvShape {
            input: shape.output(),
            channels: shape.input[0],
            padding: [(k - 1).checked_sub(shape.padding[0])?, (l - 1).checked_sub(shape.padding[1])?],
            ..*shape
        };
        (shape.stride == 1).then(|| Self::new(&turned, lanes)).flatten()
    }

    /// The plan of a forward convolution: on pixels alone, of images whose pixels stand in one line, where those fill
    /// registers. Sums over pixels would run in another order there.
    pub fn of_pixels(shape: &ConvShape, lanes: usize) -> Option<Self> {
        shape.in_line().and_then(|shape| Self::new(&shape, lanes)).or_else(|| Self::new(shape, lanes))
    }

    /// Memory for the padded copies of `images` images: zeros where [`Self::pad`] does not write. It is uninitialised
    /// if `pad` writes every number, which is the case without padding and with an image at every place of the layout.
    pub fn padded_buffer(&self, images: usize) -> Box<[MaybeUninit<f32>]> {
        let writes_all = self.zeros == [0, 0] && images.is_multiple_of(self.images);
        let len = self.padded_len();
        if writes_all { Box::new_uninit_slice(len) } else { Box::new_zeroed_slice(len) }
    }

    /// Numbers of the padded images.
    pub fn padded_len(&self) -> usize {
        self.channels.0 * self.plane
    }

    /// Numbers of the outputs that are computed together.
    pub fn output_len(&self) -> usize {
        self.channels.1 * self.pixels
    }

    /// Whether an image is its own padded copy.
    pub fn needs_no_copy(&self) -> bool {
        self.images == 1 && self.zeros == [0, 0]
    }

    /// Copies images into `padded`, whose zeros were set when it was made, channel by channel through `lines` where
    /// there are any. Where there are fewer images than the layout holds, the others' places keep what they have.
    pub fn pad(&self, x: &[f32], lines: &[Line<f32>], padded: &mut [MaybeUninit<f32>]) {
        vectorised(
            #[inline(always)]
            || match lines {
                [] => self.pad_with(
                    x,
                    padded,
                    #[inline(always)]
                    |_, x| x,
                ),
                lines => self.pad_with(
                    x,
                    padded,
                    #[inline(always)]
                    |channel, x| lines[channel].at(x),
                ),
            },
        );
    }

    #[inline(always)]
    fn pad_with(&self, x: &[f32], padded: &mut [MaybeUninit<f32>], at: impl Fn(usize, f32) -> f32) {
        let ([height, width], k) = (self.input, self.images);
        let image_len = self.channels.0 * height * width;
        for (channel, plane) in padded.chunks_exact_mut(self.plane).enumerate() {
            let lines = plane[self.zeros[0] * self.pitch..].chunks_exact_mut(self.pitch);
            for (row, line) in lines.take(height).enumerate() {
                let (to, first) = (&mut line[self.zeros[1] * k..][..width * k], (channel * height + row) * width);
                if k == 1 {
                    to.iter_mut().zip(&x[first..]).for_each(|(to, &from)| _ = to.write(at(channel, from)));
                    continue;
                }
                for (i, image) in x.chunks_exact(image_len).enumerate() {
                    let from = &image[first..][..width];
                    let to = to.iter_mut().skip(i).step_by(k).zip(from);
                    to.for_each(|(to, &from)| _ = to.write(at(channel, from)));
                }
            }
        }
    }

    /// Takes outputs that stand side by side to their images: `f` of each place of an image and the output.
    pub fn scatter<T>(&self, together: &[f32], y: &mut [T], f: impl Fn(&mut T, f32)) {
        let (k, image_len) = (self.images, self.output_len() / self.images);
        for (part, together) in together.chunks(PART * k).enumerate() {
            for (i, image) in y.chunks_exact_mut(image_len).enumerate() {
                let from = together.iter().skip(i).step_by(k);
                for (to, &from) in image[part * PART..].iter_mut().zip(from) {
                    f(to, from);
                }
            }
        }
    }

    /// Sets outputs side by side, as [`Self::scatter`] found them. Places without an image become zero:
    /// every number is written.
    pub fn gather(&self, y: &[f32], together: &mut [MaybeUninit<f32>]) {
        let (k, image_len) = (self.images, self.output_len() / self.images);
        for (part, together) in together.chunks_mut(PART * k).enumerate() {
            together.fill(MaybeUninit::new(0.0));
            for (i, image) in y.chunks_exact(image_len).enumerate() {
                let to = together.iter_mut().skip(i).step_by(k);
                to.zip(&image[part * PART..]).for_each(|(to, &from)| _ = to.write(from));
            }
        }
    }

    /// The weights `[outputs, inputs, taps]` in the order in which tiles read them: tile, input, tap, channel of the
    /// tile.
    pub fn pack(&self, w: &[f32]) -> Vec<f32> {
        let depth = self.channels.0 * self.taps.len();
        self.packed(|output, d| w[output * depth + d])
    }

    /// The weights of the convolution behind [`Self::of_vjp`], from those of the convolution whose vjp it is.
    pub fn pack_turned(&self, w: &[f32]) -> Vec<f32> {
        let (outputs, taps) = (self.channels.1, self.taps.len());
        self.packed(|output, d| w[(d / taps * outputs + output) * taps + taps - 1 - d % taps])
    }

    fn packed(&self, at: impl Fn(usize, usize) -> f32 + Sync) -> Vec<f32> {
        let depth = self.channels.0 * self.taps.len();
        let mut packed = vec![0.0; self.channels.1 * depth];
        let mut rest = &mut packed[..];
        let parts: Vec<_> =
            self.tiles.iter().map(|&(_, n)| rest.split_off_mut(..n * depth).unwrap_or_default()).collect();
        self.tiles.par_iter().zip(parts).for_each(|(&(first, channels), part)| {
            for (d, to) in part.chunks_exact_mut(channels).enumerate() {
                to.iter_mut().enumerate().for_each(|(c, to)| *to = at(first + c, d));
            }
        });
        packed
    }
}

/// Cuts channels into tiles of [`MORE_CHANNELS`] where there are `few` registers, [`CHANNELS`], and 1 for the rest.
fn tiles(channels: usize, few: bool) -> Vec<(usize, usize)> {
    let mut tiles = Vec::with_capacity(channels.div_ceil(CHANNELS));
    let mut first = 0;
    while first < channels {
        let n = match channels - first {
            // Not 8 or 9, which are two tiles of four.
            6 | 7 | 10.. if few => MORE_CHANNELS,
            CHANNELS.. => CHANNELS,
            _ => 1,
        };
        tiles.push((first, n));
        first += n;
    }
    tiles
}

/// Channels in blocks of [`CHANNELS`], the last one shorter where they do not divide.
pub(super) fn blocks(channels: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let block = move |i: usize| i * CHANNELS..((i + 1) * CHANNELS).min(channels);
    (0..channels.div_ceil(CHANNELS)).into_par_iter().map(block)
}

#[cfg(test)]
mod tests {
    use super::{CHANNELS, MORE_CHANNELS, tiles};

    #[test]
    fn tiles_cover_all_channels_and_leave_few_alone() {
        assert_eq!(tiles(16, true), [(0, 6), (6, 6), (12, 4)]);
        assert_eq!(tiles(9, true), [(0, 4), (4, 4), (8, 1)]);
        for (few, channels) in [false, true].into_iter().flat_map(|few| (0..100).map(move |n| (few, n))) {
            let tiles = tiles(channels, few);
            let mut next = 0;
            for &(first, n) in &tiles {
                assert!(first == next && (n == 1 || n == CHANNELS || few && n == MORE_CHANNELS));
                next += n;
            }
            assert_eq!(next, channels);
            let alone = tiles.iter().filter(|&&(_, n)| n == 1).count();
            assert!(alone < CHANNELS && (channels % 2 == 1 || !few || channels < CHANNELS || alone == 0), "{channels}");
        }
    }
}
