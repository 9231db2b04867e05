//! 3x3 convolution in `f32` by Winograd's F(4x4, 3x3): a quarter of the multiplications, for many channels.
//!
//! Tiles of 4x4 outputs, filters and sums are transformed at 6x6 points; at each of them the convolution is a matrix
//! product over the channels. Every sum runs in one order, input by input or tile by tile, so the bits depend neither
//! on how work is cut nor on the number of threads. The relative error is below 1e-5, about twice that of the direct
//! sum.

mod lanes;
mod product;
mod tiles;
mod transform;

use std::mem::MaybeUninit;

use rayon::prelude::*;

use self::lanes::{gather, scatter};
use self::product::{Correlate, MATRICES, Matrices, Multiply, REGISTERS};
use self::tiles::{Analyse, FilterBars, Filters, Side, Synthesise, Tiling};
use self::transform::{OUT, TAPS};
use super::ConvShape;
use super::direct::{Start, lanes};
use super::simd::dispatch;

/// Channels on both sides from which on this path is the faster one.
const FEWEST_CHANNELS: usize = 64;
/// Numbers of a transformed image from which on its parts would not stay in a cache.
const LARGEST: usize = 1 << 22;
/// Numbers of each matrix of tiles that one thread takes at a time.
const SHARE: usize = 4096;
/// Tiles whose products are transformed back at a time.
const TILES: usize = 64;
/// Numbers of each matrix of tiles that are summed at a time into the gradient of the weights.
const SUMMED: usize = 1 << 15;
/// Output channels whose weights' gradients one thread takes at a time.
const OUTPUTS: usize = 16;

/// A convolution of this path: what it reads, and what it writes.
#[derive(Clone, Copy)]
struct WinogradPlan {
    inputs: usize,
    outputs: usize,
    /// Height and width of both.
    size: [usize; 2],
    /// Numbers of a register.
    lanes: usize,
}

impl WinogradPlan {
    fn new(shape: &ConvShape) -> Option<Self> {
        let ([inputs, height, width], outputs, lanes) = (shape.input, shape.channels, lanes());
        let fits = shape.kernel == [TAPS, TAPS] && shape.stride == 1 && shape.padding == [1, 1];
        let tiled = height.is_multiple_of(OUT) && width.is_multiple_of(OUT) && height * width > 0;
        let many =
            |channels: usize| channels >= FEWEST_CHANNELS && channels.is_multiple_of((REGISTERS * lanes).max(OUTPUTS));
        let plan = Self { inputs, outputs, size: [height, width], lanes };
        let small = MATRICES * plan.tiles() * inputs.max(outputs) <= LARGEST;
        (fits && tiled && many(inputs) && many(outputs) && [4, 8, 16].contains(&lanes) && small).then_some(plan)
    }

    /// The convolution that is the vjp of this one for its input.
    fn transposed(self) -> Self {
        Self { inputs: self.outputs, outputs: self.inputs, ..self }
    }

    fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Tiles of an image.
    fn tiles(&self) -> usize {
        self.pixels() / (OUT * OUT)
    }

    /// Output channels whose products fill the registers.
    fn block(&self) -> usize {
        REGISTERS * self.lanes
    }

    /// The tiles of an image whose lines have `margin` pixels more.
    fn tiling(&self, margin: usize) -> Tiling {
        Tiling { tiles: self.size.map(|n| n / OUT), pitch: self.size[1] + margin }
    }
}

/// Weights `[outputs, inputs, 3, 3]` as a convolution reads them.
#[derive(Clone, Copy)]
struct Weights<'a> {
    w: &'a [f32],
    /// Whether they are read as those of the vjp for the input: turned, inputs and outputs exchanged.
    turned: bool,
}

impl Weights<'_> {
    /// The transformed filters of a block of outputs, `[inputs, outputs of the block]`.
    fn of_block(&self, plan: &WinogradPlan, block: usize) -> Matrices {
        let taps = TAPS * TAPS;
        let mut u = Matrices::new(plan.inputs, plan.block());
        let mut side_by_side = vec![0.0; plan.inputs * taps * plan.lanes];
        for first in (0..plan.block()).step_by(plan.lanes) {
            let output = block * plan.block() + first;
            if self.turned {
                for (input, to) in side_by_side.chunks_exact_mut(taps * plan.lanes).enumerate() {
                    gather(&self.w[(input * plan.outputs + output) * taps..], taps, plan.lanes, to);
                }
            } else {
                let pitch = plan.inputs * taps;
                gather(&self.w[output * pitch..], pitch, plan.lanes, &mut side_by_side);
            }
            let turned = self.turned;
            dispatch(Filters { taps: &side_by_side, turned, u: &mut u, first });
        }
        u
    }
}

/// `y = x * w + bias` for a batch of images, every number of it. `false`: this path cannot take it, and nothing was
/// done.
pub(super) fn forward(
    shape: &ConvShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [MaybeUninit<f32>],
) -> bool {
    let Some(plan) = WinogradPlan::new(shape) else { return false };
    // SAFETY: a bias reads nothing of `y`.
    unsafe { convolve(&plan, x, Weights { w, turned: false }, y, Start::Bias(bias)) };
    true
}

/// `x_bar += (dy/dx)^T y_bar` for a batch of images, as [`forward`], from the given start.
///
/// # Safety
/// As [`Start`] says of `x_bar`.
pub(super) unsafe fn vjp_input(
    shape: &ConvShape,
    w: &[f32],
    y_bar: &[f32],
    x_bar: &mut [MaybeUninit<f32>],
    start: Start,
) -> bool {
    let Some(plan) = WinogradPlan::new(shape) else { return false };
    // SAFETY: the caller's promise.
    unsafe { convolve(&plan.transposed(), y_bar, Weights { w, turned: true }, x_bar, start) };
    true
}

/// Of images and filters, those are transformed whole that take less memory; the others as they are needed. Writes
/// every number of `y`.
///
/// # Safety
/// As [`Start`] says of `y`.
unsafe fn convolve(plan: &WinogradPlan, x: &[f32], weights: Weights, y: &mut [MaybeUninit<f32>], start: Start) {
    let (input, output) = (plan.inputs * plan.pixels(), plan.outputs * plan.pixels());
    let n = x.len() / input;
    assert!(x.len() == n * input && y.len() == n * output, "images that do not fit");
    let (blocks, planes) = (plan.outputs / plan.block(), plan.block() * plan.pixels());
    let tiles = n * plan.tiles();
    if tiles > plan.outputs {
        let filters: Vec<_> = (0..blocks).into_par_iter().map(|block| weights.of_block(plan, block)).collect();
        let images = (SHARE / (plan.tiles() * plan.inputs)).max(1);
        let work = || (Matrices::new(images * plan.tiles(), plan.inputs), Image::padded(plan), Outputs::new(plan));
        x.par_chunks(images * input).zip(y.par_chunks_mut(images * output)).for_each_init(
            work,
            |(v, image, outputs), (x, y)| {
                for (x, mut rows) in x.chunks_exact(input).zip(v.parts(plan.tiles())) {
                    image.analyse(plan.inputs, x, &mut rows);
                }
                for (block, u) in filters.iter().enumerate() {
                    let mut y: Vec<_> =
                        y.chunks_exact_mut(output).map(|y| &mut y[block * planes..][..planes]).collect();
                    // SAFETY: the caller's promise.
                    unsafe { outputs.block(v, u, (block, start), &mut y) };
                }
            },
        );
    } else {
        let mut v = Matrices::new(tiles, plan.inputs);
        let rows = v.parts(plan.tiles());
        x.par_chunks_exact(input)
            .zip(rows)
            .for_each_init(|| Image::padded(plan), |image, (x, mut rows)| image.analyse(plan.inputs, x, &mut rows));
        let mut parts: Vec<Vec<&mut [MaybeUninit<f32>]>> = (0..blocks).map(|_| vec![]).collect();
        for image in y.chunks_exact_mut(output) {
            parts.iter_mut().zip(image.chunks_exact_mut(planes)).for_each(|(part, planes)| part.push(planes));
        }
        parts.into_par_iter().enumerate().for_each_init(
            || Outputs::new(plan),
            |outputs, (block, mut y)| {
                // SAFETY: the caller's promise.
                unsafe { outputs.block(&v, &weights.of_block(plan, block), (block, start), &mut y) }
            },
        );
    }
}

/// An image with some channels side by side, and its tiles.
struct Image {
    pixels: Vec<f32>,
    plan: WinogradPlan,
    side: Side,
}

impl Image {
    /// Of what a convolution reads: with a line of zeros around.
    fn padded(plan: &WinogradPlan) -> Self {
        let pixels = (plan.size[0] + 2) * (plan.size[1] + 2);
        Self { pixels: vec![0.0; pixels * plan.lanes], plan: *plan, side: Side::Data }
    }

    /// Of the cotangent of what it writes.
    fn cotangent(plan: &WinogradPlan) -> Self {
        Self { pixels: vec![0.0; plan.pixels() * plan.lanes], plan: *plan, side: Side::Cotangent }
    }

    /// Transforms the tiles of an image with this many channels to its `rows` of every matrix.
    fn analyse(&mut self, channels: usize, x: &[f32], rows: &mut [&mut [f32]]) {
        let (lanes, pixels, [_, width]) = (self.plan.lanes, self.plan.pixels(), self.plan.size);
        let margin = if self.side == Side::Data { 1 } else { 0 };
        let tiling = self.plan.tiling(2 * margin);
        for first in (0..channels).step_by(lanes) {
            let x = &x[first * pixels..];
            if margin == 0 {
                gather(x, pixels, lanes, &mut self.pixels);
            } else {
                let lines = self.pixels.chunks_exact_mut(tiling.pitch * lanes).skip(margin);
                for (y, line) in lines.take(self.plan.size[0]).enumerate() {
                    gather(&x[y * width..], pixels, lanes, &mut line[margin * lanes..][..width * lanes]);
                }
            }
            Analyse { image: &self.pixels, tiling, side: self.side, to: &mut *rows, channels: (channels, first) }.run();
        }
    }
}

/// Products of a block of outputs and their way back to images.
struct Outputs {
    m: Matrices,
    image: Vec<f32>,
    plan: WinogradPlan,
}

impl Outputs {
    fn new(plan: &WinogradPlan) -> Self {
        let images = (TILES / plan.tiles()).max(1);
        let m = Matrices::new(images * plan.tiles(), plan.block());
        Self { m, image: vec![0.0; plan.pixels() * plan.lanes], plan: *plan }
    }

    /// The block's planes `y` of every image, from the transformed images `v` and filters `u`. Writes every number.
    ///
    /// # Safety
    /// As [`Start`] says of `y`.
    unsafe fn block(
        &mut self,
        v: &Matrices,
        u: &Matrices,
        (block, start): (usize, Start),
        y: &mut [&mut [MaybeUninit<f32>]],
    ) {
        let WinogradPlan { lanes, .. } = self.plan;
        let (tiles, pixels, tiling) = (self.plan.tiles(), self.plan.pixels(), self.plan.tiling(0));
        let images = self.m.rows / tiles;
        for (part, y) in y.chunks_mut(images).enumerate() {
            let row = part * images * tiles;
            Multiply { v, rows: row..row + y.len() * tiles, u, m: &mut self.m }.run();
            for (i, y) in y.iter_mut().enumerate() {
                for (first, planes) in (0..self.plan.block()).step_by(lanes).zip(y.chunks_exact_mut(lanes * pixels)) {
                    Synthesise { m: &self.m, at: (i * tiles, first), tiling, image: &mut self.image }.run();
                    let channel = block * self.plan.block() + first;
                    let sums = &self.image;
                    match start {
                        Start::Add => {
                            // SAFETY: the caller's promise: what is added to was written.
                            let planes = unsafe { planes.assume_init_mut() };
                            scatter(sums, lanes, planes, pixels, |_, y, sum| *y += sum);
                        }
                        Start::Over => scatter(sums, lanes, planes, pixels, |_, y, sum| _ = y.write(0.0 + sum)),
                        Start::Bias(None) => scatter(sums, lanes, planes, pixels, |_, y, sum| _ = y.write(sum)),
                        Start::Bias(Some(bias)) => {
                            scatter(sums, lanes, planes, pixels, |l, y, sum| _ = y.write(bias[channel + l] + sum));
                        }
                    }
                }
            }
        }
    }
}

/// `w_bar += (dy/dw)^T y_bar`, summed over a batch of images, as [`forward`].
pub(super) fn vjp_weights(shape: &ConvShape, x: &[f32], y_bar: &[f32], w_bar: &mut [f32]) -> bool {
    let Some(plan) = WinogradPlan::new(shape) else { return false };
    let (input, output) = (plan.inputs * plan.pixels(), plan.outputs * plan.pixels());
    let images = (SUMMED / (plan.tiles() * plan.inputs.max(plan.outputs))).max(1);
    let most = images.min(x.len() / input) * plan.tiles();
    let (mut v, mut y) = (Matrices::new(most, plan.inputs), Matrices::new(most, plan.outputs));
    for (x, y_bar) in x.chunks(images * input).zip(y_bar.chunks(images * output)) {
        let tiles = x.len() / input * plan.tiles();
        let rows = v.parts(plan.tiles()).into_par_iter().zip(y.parts(plan.tiles()));
        x.par_chunks_exact(input).zip(y_bar.par_chunks_exact(output)).zip(rows).for_each_init(
            || (Image::padded(&plan), Image::cotangent(&plan)),
            |(data, cotangent), ((x, y_bar), (mut v, mut y))| {
                data.analyse(plan.inputs, x, &mut v);
                cotangent.analyse(plan.outputs, y_bar, &mut y);
            },
        );
        let depth = plan.inputs * TAPS * TAPS;
        w_bar.par_chunks_exact_mut(OUTPUTS * depth).enumerate().for_each_init(
            || (Matrices::new(OUTPUTS, plan.inputs), vec![0.0; TAPS * TAPS * plan.lanes]),
            |(u, taps), (part, w_bar)| {
                let first = part * OUTPUTS;
                Correlate { y: &y, columns: first..first + OUTPUTS, v: &v, tiles, u: &mut *u }.run();
                for (row, w_bar) in w_bar.chunks_exact_mut(depth).enumerate() {
                    for (block, w_bar) in w_bar.chunks_exact_mut(TAPS * TAPS * plan.lanes).enumerate() {
                        let at = (row, block * plan.lanes);
                        dispatch(FilterBars { u: &*u, at, taps: &mut *taps });
                        scatter(taps, plan.lanes, w_bar, TAPS * TAPS, |_, w, sum| *w += sum);
                    }
                }
            },
        );
    }
    true
}
