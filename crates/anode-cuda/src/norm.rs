//! Launches of batch norm, and of sums of channels.

use std::borrow::Cow;

use anode_core::ode::{Real, Vector};
use anode_kernels::{DeviceNorm, EPSILON, Part, PartMut};

use super::address::{Source, Target};
use super::buffer::Buffer;
use super::driver::Driver;
use super::gpu::{Gpu, THREADS};

/// Numbers that a block sums, about. Decides bits, so it is the same for all devices.
const A_PART: usize = 1 << 13;

/// Mean and (biased) variance of each channel, on the device.
#[derive(Debug)]
pub struct GpuMoments<L: Driver> {
    /// Means, then variances.
    both: Buffer<f64, L>,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct NormArguments {
    x: Source,
    y_bar: Source,
    y: Target,
    weight: Source,
    bias: Source,
    weight_bar: Target,
    bias_bar: Target,
    /// Written by `moments`, read by the others.
    mean: Source,
    variance: Source,
    parts: Target,
    lines: Target,
    running: Target,
    momentum: f64,
    epsilon: f64,
    images: i32,
    channels: i32,
    pixels: i32,
    images_a_part: i32,
    number: i32,
    relu: i32,
    z: Source,
    factor: f64,
    flag: Target,
    serial: u32,
}

/// Images `[n, channels, pixels]`, and how their channels are summed.
struct Channels {
    n: usize,
    channels: usize,
    pixels: usize,
    /// Groups of images.
    number: usize,
    arguments: NormArguments,
}

impl Channels {
    fn of<R: Real, L: Driver>(x: &Buffer<R, L>, channels: usize, pixels: usize) -> Self {
        let n = x.len() / (channels * pixels);
        assert_eq!(x.len(), n * channels * pixels, "images that do not fit");
        let n = if x.gpu().count("a batch", x.len()) == 0 { 0 } else { n };
        let number = (n * pixels / A_PART).clamp(1, n.clamp(1, 1024));
        let images_a_part = n.div_ceil(number).max(1);
        let number = n.div_ceil(images_a_part);
        let arguments = NormArguments {
            x: x.source(),
            y_bar: Source::NULL,
            y: Target::NULL,
            weight: Source::NULL,
            bias: Source::NULL,
            weight_bar: Target::NULL,
            bias_bar: Target::NULL,
            mean: Source::NULL,
            variance: Source::NULL,
            parts: Target::NULL,
            lines: Target::NULL,
            running: Target::NULL,
            momentum: 0.0,
            epsilon: EPSILON,
            images: n as i32,
            channels: channels as i32,
            pixels: pixels as i32,
            images_a_part: images_a_part as i32,
            number: number as i32,
            relu: 0,
            z: Source::NULL,
            factor: 0.0,
            flag: Target::NULL,
            serial: 0,
        };
        Self { n, channels, pixels, number, arguments }
    }

    /// Room for the parts of each channel.
    fn parts<L: Driver>(&self, gpu: &Gpu<L>) -> Buffer<f64, L> {
        gpu.alloc_uninit(2 * self.channels * self.number.max(1))
    }

    /// The grid of a kernel in which each block sums one part of a channel.
    fn grid(&self) -> [usize; 3] {
        [self.channels, self.number, 1]
    }

    /// Threads of a kernel that goes over all images, four numbers at a time where planes allow.
    fn over_images(&self) -> usize {
        let count = self.n * self.channels * self.pixels;
        if self.pixels.is_multiple_of(4) { count / 4 } else { count }
    }
}

/// The moments of each channel of `x`; `running`, with the momentum, is updated.
pub(super) fn moments<R: Real, L: Driver>(
    x: &Buffer<R, L>,
    channels: usize,
    pixels: usize,
    running: Option<(PartMut<Buffer<f64, L>>, f64)>,
) -> GpuMoments<L> {
    let gpu = x.gpu();
    let images = Channels::of(x, channels, pixels);
    let (mut both, mut parts) = (gpu.alloc_uninit::<f64>(2 * channels), images.parts(gpu));
    let (running, momentum) = running.map_or((Target::NULL, 0.0), |(mut running, momentum)| {
        assert_eq!(running.len(), 2 * channels, "running statistics that do not fit");
        let (whole, start) = running.place();
        (whole.target_at(start), momentum)
    });
    let arguments = NormArguments {
        mean: both.target().source(),
        variance: both.target_at(channels).source(),
        parts: parts.target(),
        running,
        momentum,
        ..images.arguments
    };
    if images.n > 0 {
        // SAFETY: the images fit; there is room for all parts.
        unsafe {
            gpu.launch::<R, _>("moments_of_parts", images.grid(), THREADS, &arguments);
            gpu.launch::<R, _>("moments", [channels, 1, 1], THREADS, &arguments);
        }
    }
    GpuMoments { both }
}

/// Running statistics as moments.
pub(super) fn given<L: Driver>(running: Part<Buffer<f64, L>>) -> GpuMoments<L> {
    let (whole, start) = running.place();
    let mut both = whole.gpu().alloc_uninit(running.len());
    both.copy_part(0, whole, start, running.len());
    GpuMoments { both }
}

/// A batch norm as kernels compute it.
pub(super) struct GpuNorm<'a, R: Real, L: Driver>(pub DeviceNorm<'a, Gpu<L>, R>);

impl<R: Real, L: Driver> GpuNorm<'_, R, L> {
    /// The arguments without where to write, and the room for scale and shift of each channel, which are computed.
    fn prepare(&self, x: &Buffer<R, L>) -> (Channels, Buffer<R, L>) {
        let channels = self.0.moments.both.len() / 2;
        assert_eq!(self.0.parameters.len(), 2 * channels, "parameters that do not fit");
        let mut images = Channels::of(x, channels, self.0.pixels);
        let mut lines = x.gpu().alloc_uninit::<R>(4 * channels);
        let (whole, start) = self.0.parameters.place();
        images.arguments = NormArguments {
            weight: whole.source_at(start),
            bias: whole.source_at(start + channels),
            mean: self.0.moments.both.source(),
            variance: self.0.moments.both.source_at(channels),
            lines: lines.target(),
            relu: self.0.relu.into(),
            ..images.arguments
        };
        if images.n > 0 {
            // SAFETY: parameters and moments have these channels.
            unsafe { x.gpu().launch_for::<R, _>("norm_lines", channels, &images.arguments) };
        }
        (images, lines)
    }

    fn apply_to(&self, x: &Buffer<R, L>, y: Target) {
        let (images, _lines) = self.prepare(x);
        let arguments = NormArguments { y, ..images.arguments };
        // SAFETY: the images fit, and y has the length of x.
        unsafe { x.gpu().launch_for::<R, _>("norm", images.over_images(), &arguments) };
    }

    /// Writes the norm of `x` to `y`.
    pub fn apply(&self, x: &Buffer<R, L>, y: &mut Buffer<R, L>) {
        assert_eq!(x.len(), y.len(), "images that do not fit");
        self.apply_to(x, y.target());
    }

    /// Overwrites `x` with its norm: the same bits.
    pub fn apply_in_place(&self, x: &mut Buffer<R, L>) {
        let y = x.target();
        self.apply_to(x, y);
    }

    /// Writes `z + a norm(x)` to the address `sum`, which may be that of `x`. If a number of the result is not finite,
    /// sets the device's flag.
    fn add_to(&self, a: R, x: &Buffer<R, L>, z: &Buffer<R, L>, sum: Target) {
        assert_eq!(x.len(), z.len(), "images that do not fit");
        let (images, _lines) = self.prepare(x);
        let (z, flag) = (z.source(), Target::new(x.gpu().flag()));
        let arguments = NormArguments { y: sum, z, factor: a.f64(), flag, serial: 1, ..images.arguments };
        // SAFETY: the images fit, and z and the sum have the length of x.
        unsafe { x.gpu().launch_for::<R, _>("add_norm", images.over_images(), &arguments) };
    }

    /// `sum = z + a norm(x)`, bit-identical to [`Self::apply`] followed by an axpy.
    pub fn add(&self, a: R, x: &Buffer<R, L>, z: &Buffer<R, L>, sum: &mut Buffer<R, L>) {
        assert_eq!(z.len(), sum.len(), "images that do not fit");
        self.add_to(a, x, z, sum.target());
    }

    /// `x = z + a norm(x)`, bit-identical to [`Self::add`].
    pub fn add_in_place(&self, a: R, x: &mut Buffer<R, L>, z: &Buffer<R, L>) {
        let sum = x.target();
        self.add_to(a, x, z, sum);
    }

    /// Turns `y_bar` into the cotangent of `x`, and adds to the cotangents of the parameters.
    pub fn vjp(&self, x: &Buffer<R, L>, y_bar: &Buffer<R, L>, x_bar: &mut Buffer<R, L>, bar: PartMut<Buffer<R, L>>) {
        assert_eq!(x.len(), x_bar.len(), "images that do not fit");
        self.vjp_to(x, y_bar, x_bar.target(), bar);
    }

    /// As [`Self::vjp`], in the memory of `y_bar` or of `x` if that is owned and not shared, else in new memory.
    pub fn vjp_in_place(
        &self,
        x: Cow<Buffer<R, L>>,
        y_bar: Cow<Buffer<R, L>>,
        bar: PartMut<Buffer<R, L>>,
    ) -> Buffer<R, L> {
        match (x, y_bar) {
            (x, Cow::Owned(mut y_bar)) if !y_bar.is_shared() => {
                let x_bar = y_bar.target();
                self.vjp_to(&x, &y_bar, x_bar, bar);
                y_bar
            }
            (Cow::Owned(mut x), y_bar) if !x.is_shared() => {
                let x_bar = x.target();
                self.vjp_to(&x, &y_bar, x_bar, bar);
                x
            }
            (x, y_bar) => {
                let mut x_bar = x.alloc_uninit_like();
                self.vjp(&x, &y_bar, &mut x_bar, bar);
                x_bar
            }
        }
    }

    /// Writes the cotangent of `x` to the address `x_bar`, which may be that of `x` or of `y_bar`.
    fn vjp_to(&self, x: &Buffer<R, L>, y_bar: &Buffer<R, L>, x_bar: Target, mut bar: PartMut<Buffer<R, L>>) {
        assert_eq!(x.len(), y_bar.len(), "images that do not fit");
        let (images, _lines) = self.prepare(x);
        let (gpu, channels) = (x.gpu(), images.channels);
        assert_eq!(bar.len(), 2 * channels, "a cotangent that does not fit");
        let mut parts = images.parts(gpu);
        let (whole, start) = bar.place();
        let arguments = NormArguments {
            y_bar: y_bar.source(),
            y: x_bar,
            weight_bar: whole.target_at(start),
            bias_bar: whole.target_at(start + channels),
            parts: parts.target(),
            ..images.arguments
        };
        if images.n > 0 {
            // SAFETY: images and parameters fit; there is room for all parts.
            unsafe {
                gpu.launch::<R, _>("norm_vjp_sums", images.grid(), THREADS, &arguments);
                gpu.launch::<R, _>("norm_vjp_lines", [channels, 1, 1], THREADS, &arguments);
                gpu.launch_for::<R, _>("norm_vjp", images.over_images(), &arguments);
            }
        }
    }
}

/// Adds the sum of each channel of `x` to `bar`.
pub(super) fn add_channel_sums<R: Real, L: Driver>(
    x: &Buffer<R, L>,
    channels: usize,
    pixels: usize,
    mut bar: PartMut<Buffer<R, L>>,
) {
    let gpu = x.gpu();
    let images = Channels::of(x, channels, pixels);
    assert_eq!(bar.len(), channels, "a cotangent that does not fit");
    let mut parts = images.parts(gpu);
    let (whole, start) = bar.place();
    let arguments = NormArguments { bias_bar: whole.target_at(start), parts: parts.target(), ..images.arguments };
    if images.n > 0 {
        // SAFETY: the images fit; there is room for all parts.
        unsafe {
            gpu.launch::<R, _>("channel_sums", images.grid(), THREADS, &arguments);
            gpu.launch_for::<R, _>("add_channel_sums", channels, &arguments);
        }
    }
}
