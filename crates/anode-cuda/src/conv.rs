//! Launches of the convolutions: which tile, how many blocks, and that shapes fit. A linear layer is a convolution of
//! images of one pixel. Where the device has cuDNN, that is asked first.

use anode_core::ode::{Real, Vector};
use anode_kernels::{ConvShape, Part, PartMut};

use super::address::{Source, Target};
use super::buffer::Buffer;
use super::cudnn;
use super::driver::Driver;
use super::norm::add_channel_sums;

/// Source channels that the tile kernel takes per step; `DEPTH` in `conv.cuh`.
const DEPTH: usize = 8;
/// Blocks that are enough to keep a device busy. Decides bits, so it is the same for all devices.
const BLOCKS: usize = 1024;

/// A tile of a kernel: its name, and what it covers.
struct Tile {
    name: &'static str,
    /// Pixels, or weights of a channel.
    across: usize,
    /// Channels.
    channels: usize,
    threads: u32,
}

const fn tile(name: &'static str, across: usize, channels: usize, threads: u32) -> Tile {
    Tile { name, across, channels, threads }
}

/// The tiles of `conv.cuh`, narrow ones first.
fn tiles<R: Real>() -> &'static [Tile] {
    const SINGLE: &[Tile] =
        &[tile("16", 128, 16, 128), tile("32", 128, 32, 256), tile("64", 256, 64, 256), tile("128", 128, 128, 256)];
    const DOUBLE: &[Tile] = &[tile("16", 128, 16, 128), tile("64", 64, 64, 256)];
    if size_of::<R>() == 4 { SINGLE } else { DOUBLE }
}

/// The tiles of `conv_weights.cuh`.
fn weight_tiles<R: Real>() -> &'static [Tile] {
    const SINGLE: &[Tile] = &[tile("16", 128, 16, 128), tile("64", 64, 64, 256), tile("128", 128, 128, 256)];
    const DOUBLE: &[Tile] = &[tile("16", 64, 16, 64), tile("64", 64, 64, 256)];
    if size_of::<R>() == 4 { SINGLE } else { DOUBLE }
}

/// Blocks of a launch that occupy about all multiprocessors of a device.
const BUSY: usize = 128;

/// The tile of a convolution with `pixels` pixels in all target images. A linear layer has one pixel per image, so that
/// wide tiles make few blocks of its product: it takes the widest tile that makes [`BUSY`] blocks, else the narrowest.
/// The tile does not decide bits, because one thread sums each number in a fixed order.
fn choose_product(tiles: &'static [Tile], channels: usize, pixels: usize, linear: bool) -> &'static Tile {
    let widest = choose(tiles, channels);
    let blocks = |tile: &Tile| pixels.div_ceil(tile.across) * channels.div_ceil(tile.channels);
    let narrower = tiles.iter().rev().skip_while(|tile| tile.channels > widest.channels);
    if linear { narrower.clone().find(|tile| blocks(tile) >= BUSY).unwrap_or(&tiles[0]) } else { widest }
}

/// The narrowest tile that holds all channels, else the widest.
fn choose(tiles: &'static [Tile], channels: usize) -> &'static Tile {
    tiles.iter().find(|tile| tile.channels >= channels).unwrap_or(&tiles[tiles.len() - 1])
}

#[repr(C)]
struct ConvArguments {
    x: Source,
    w: Source,
    bias: Source,
    y: Target,
    images: i32,
    source: [i32; 3],
    target: [i32; 3],
    kernel: [i32; 2],
    stride: i32,
    padding: [i32; 2],
    packed_targets: i32,
    add: i32,
}

#[repr(C)]
struct PackArguments {
    w: Source,
    packed: Target,
    outputs: i32,
    inputs: i32,
    taps: i32,
    padded_sources: i32,
    packed_targets: i32,
    turned: i32,
}

#[repr(C)]
struct WeightArguments {
    x: Source,
    y_bar: Source,
    parts: Target,
    images: i32,
    images_a_part: i32,
    input: [i32; 3],
    output: [i32; 3],
    kernel: [i32; 2],
    stride: i32,
    padding: [i32; 2],
}

#[repr(C)]
struct AddPartsArguments {
    parts: Source,
    sum: Target,
    count: i64,
    number: i32,
}

/// Numbers of an image, small by [`Gpu::count`] of the whole batch.
fn small<const N: usize>(numbers: [usize; N]) -> [i32; N] {
    numbers.map(|n| n as i32)
}

/// The images of a batch; refuses what does not fit the shape, and what a kernel cannot count.
fn images<R: Real, L: Driver>(shape: &ConvShape, x: &Buffer<R, L>, y: &Buffer<R, L>, w: usize) -> usize {
    let n = x.len() / shape.input_len();
    assert!(x.len() == n * shape.input_len() && y.len() == n * shape.output_len(), "images that do not fit");
    assert_eq!(w, shape.weight_len(), "weights that do not fit");
    let gpu = x.gpu();
    if gpu.count("a batch", x.len().max(y.len()).max(w)) == 0 { 0 } else { n }
}

/// The source and the target of a product, with the weights of their channels.
struct Product<'a, R: Real, L: Driver> {
    shape: &'a ConvShape,
    w: Part<'a, Buffer<R, L>>,
    turned: bool,
}

impl<R: Real, L: Driver> Product<'_, R, L> {
    fn run(&self, n: usize, x: &Buffer<R, L>, bias: Option<Part<Buffer<R, L>>>, y: &mut Buffer<R, L>, add: bool) {
        let Self { shape, w, turned } = *self;
        let (source, target) = if turned { (shape.output(), shape.input) } else { (shape.input, shape.output()) };
        let linear = source[1..] == [1, 1] && target[1..] == [1, 1];
        let tile = choose_product(tiles::<R>(), target[0], n * target[1] * target[2], linear);
        let [kernel_h, kernel_w] = shape.kernel;
        let padded_sources = source[0].next_multiple_of(DEPTH);
        let packed_targets = target[0].next_multiple_of(tile.channels);
        let mut packed = x.gpu().alloc_uninit::<R>(kernel_h * kernel_w * padded_sources * packed_targets);
        let (weights, start) = w.place();
        let pack = PackArguments {
            w: weights.source_at(start),
            packed: packed.target(),
            outputs: shape.channels as i32,
            inputs: shape.input[0] as i32,
            taps: (kernel_h * kernel_w) as i32,
            padded_sources: padded_sources as i32,
            packed_targets: packed_targets as i32,
            turned: turned.into(),
        };
        let arguments = ConvArguments {
            x: x.source(),
            w: packed.source(),
            bias: bias.map_or(Source::NULL, |bias| bias.place().0.source_at(bias.place().1)),
            y: y.target(),
            images: n as i32,
            source: small(source),
            target: small(target),
            kernel: small(shape.kernel),
            stride: shape.stride as i32,
            padding: small(shape.padding),
            packed_targets: packed_targets as i32,
            add: add.into(),
        };
        // The pixels that the same taps reach; the first class is the largest.
        let step = if turned { shape.stride } else { 1 };
        let pixels = n * target[1].div_ceil(step) * target[2].div_ceil(step);
        let grid = [pixels.div_ceil(tile.across), packed_targets / tile.channels, step * step];
        let name = format!("{}{}", if turned { "conv_turned_" } else { "conv_" }, tile.name);
        // SAFETY: images, weights and bias fit the shape, as was checked; the packed weights are whole tiles.
        unsafe {
            x.gpu().launch_for::<R, _>("pack", packed.len(), &pack);
            x.gpu().launch::<R, _>(&name, grid, tile.threads, &arguments);
        }
    }
}

/// `y = x * w + bias`.
pub(super) fn conv<R: Real, L: Driver>(
    shape: &ConvShape,
    x: &Buffer<R, L>,
    w: Part<Buffer<R, L>>,
    bias: Option<Part<Buffer<R, L>>>,
    y: &mut Buffer<R, L>,
) {
    let n = images(shape, x, y, w.len());
    assert!(bias.is_none_or(|bias| bias.len() == shape.channels), "a bias that does not fit");
    if n > 0 && !cudnn::conv(shape, n, x, w, bias, y) {
        Product { shape, w, turned: false }.run(n, x, bias, y, false);
    }
}

/// `x_bar += (dy/dx)^T y_bar`.
pub(super) fn conv_vjp_input<R: Real, L: Driver>(
    shape: &ConvShape,
    w: Part<Buffer<R, L>>,
    y_bar: &Buffer<R, L>,
    x_bar: &mut Buffer<R, L>,
) {
    let n = images(shape, x_bar, y_bar, w.len());
    if n > 0 && !cudnn::conv_vjp_input(shape, n, w, y_bar, x_bar) {
        Product { shape, w, turned: true }.run(n, y_bar, None, x_bar, true);
    }
}

/// `x_bar = (dy/dx)^T y_bar`, bit-identical to [`conv_vjp_input`] for an `x_bar` of zeros. cuDNN does not promise equal
/// bits for both, so there `x_bar` is set to zero first.
pub(super) fn conv_vjp_input_over<R: Real, L: Driver>(
    shape: &ConvShape,
    w: Part<Buffer<R, L>>,
    y_bar: &Buffer<R, L>,
    x_bar: &mut Buffer<R, L>,
) {
    if x_bar.gpu().cudnn().is_some() {
        x_bar.set_zero();
        return conv_vjp_input(shape, w, y_bar, x_bar);
    }
    let n = images(shape, x_bar, y_bar, w.len());
    if n > 0 {
        Product { shape, w, turned: true }.run(n, y_bar, None, x_bar, false);
    }
}

/// Adds the cotangents of the weights of `n` images, which fit, to the numbers at `sum`.
fn add_products<R: Real, L: Driver>(shape: &ConvShape, n: usize, x: &Buffer<R, L>, y_bar: &Buffer<R, L>, sum: Target) {
    let weights = shape.weight_len();
    let depth = weights / shape.channels;
    let tile = choose(weight_tiles::<R>(), shape.channels);
    let (across, down) = (depth.div_ceil(tile.across), shape.channels.div_ceil(tile.channels));
    let images_a_part = n.div_ceil((BLOCKS / (across * down)).clamp(1, n));
    let number = n.div_ceil(images_a_part);
    let mut parts = x.gpu().alloc_uninit::<R>(number * weights);
    let arguments = WeightArguments {
        x: x.source(),
        y_bar: y_bar.source(),
        parts: parts.target(),
        images: n as i32,
        images_a_part: images_a_part as i32,
        input: small(shape.input),
        output: small(shape.output()),
        kernel: small(shape.kernel),
        stride: shape.stride as i32,
        padding: small(shape.padding),
    };
    let add = AddPartsArguments { parts: parts.source(), sum, count: weights as i64, number: number as i32 };
    // SAFETY: images and weights fit the shape, as was checked; there is room for all parts.
    unsafe {
        x.gpu().launch::<R, _>(
            &format!("conv_weights_{}", tile.name),
            [across, down, number],
            tile.threads,
            &arguments,
        );
        x.gpu().launch_for::<R, _>("add_parts", weights, &add);
    }
}

/// `w_bar += (dy/dw)^T y_bar`, and the same for the bias, which follows the weights where `bias` is set.
pub(super) fn conv_vjp_weights<R: Real, L: Driver>(
    shape: &ConvShape,
    x: &Buffer<R, L>,
    y_bar: &Buffer<R, L>,
    mut bar: PartMut<Buffer<R, L>>,
    bias: bool,
) {
    let weights = shape.weight_len();
    let n = images(shape, x, y_bar, weights);
    assert_eq!(bar.len(), weights + if bias { shape.channels } else { 0 }, "a cotangent that does not fit");
    if n == 0 {
        return;
    }
    let (whole, start) = bar.place();
    let sum = whole.target_at(start);
    if !cudnn::conv_vjp_weights(shape, n, x, y_bar, sum) {
        add_products(shape, n, x, y_bar, sum);
    }
    if bias {
        let [_, height, width] = shape.output();
        add_channel_sums(y_bar, shape.channels, height * width, bar.part(weights..weights + shape.channels));
    }
}

/// A linear layer as a convolution.
pub(super) fn linear_shape(inputs: usize, outputs: usize) -> ConvShape {
    ConvShape { input: [inputs, 1, 1], channels: outputs, kernel: [1, 1], stride: 1, padding: [0, 0] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(channels: usize, pixels: usize, linear: bool) -> (&'static str, usize) {
        let tile = choose_product(tiles::<f32>(), channels, pixels, linear);
        (tile.name, pixels.div_ceil(tile.across) * channels.div_ceil(tile.channels))
    }

    #[test]
    fn linear_layers_take_tiles_that_make_many_blocks() {
        // The last product of AlexNet, 4096 x 384: 6 blocks with the tile of a convolution.
        assert_eq!(chosen(384, 256, false), ("128", 6));
        assert_eq!(chosen(384, 256, true), ("16", 48));
        assert_eq!(chosen(4096, 256, true), ("32", 256));
        assert_eq!(chosen(4096, 4096, true), ("128", 1024));
        assert_eq!(chosen(10, 256, true), ("16", 2));
    }
}
