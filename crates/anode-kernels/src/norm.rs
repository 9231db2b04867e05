//! Batch norm, alone or fused with ReLU, NCHW: forward with batch or given statistics, and vjp.
//!
//! Statistics are sums in `f64` with one task per channel, in the order of the images, so they are bit-identical for
//! any number of threads.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use anode_core::ode::{Real, all_finite};

use super::conv::singles;
use super::simd::{sum_of, sums_of, together, vectorised};
use super::unwritten::{made, to_write};

/// Added to the variance (PyTorch's default).
pub const EPSILON: f64 = 1e-5;

/// Mean and (biased) variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Means.
    pub mean: Vec<f64>,
    /// Variances, divided by the count.
    pub variance: Vec<f64>,
    /// Numbers behind each.
    pub count: usize,
}

impl Moments {
    /// Moves running means, then variances, towards these by PyTorch's rule: running += momentum (batch - running),
    /// with the unbiased variance.
    pub fn move_running(&self, running: &mut [f64], momentum: f64) {
        assert_eq!(running.len(), 2 * self.mean.len(), "running statistics that do not fit");
        let (mean, variance) = running.split_at_mut(self.mean.len());
        let unbiased = self.count as f64 / (self.count as f64 - 1.0).max(1.0);
        for (kept, new) in mean.iter_mut().zip(&self.mean) {
            *kept += momentum * (new - *kept);
        }
        for (kept, new) in variance.iter_mut().zip(&self.variance) {
            *kept += momentum * (new * unbiased - *kept);
        }
    }
}

/// The planes of one channel, one per image.
fn planes<R: Real>(x: &[R], channels: usize, pixels: usize, channel: usize) -> impl Iterator<Item = &[R]> {
    x.chunks_exact(channels * pixels).map(move |image| &image[channel * pixels..][..pixels])
}

/// Planes that are summed side by side, and planes with others.
const PLANES: usize = 4;
const PAIRS: usize = 2;

/// The sum of each plane; all planes have one length.
pub(super) fn plain<'a, R: Real>(planes: impl Iterator<Item = &'a [R]>) -> Vec<f64> {
    vectorised(
        #[inline(always)]
        || {
            together::<_, _, PLANES>(
                planes,
                #[inline(always)]
                |x| {
                    sum_of(
                        x,
                        #[inline(always)]
                        |x| x.f64(),
                    )
                },
            )
        },
    )
}

/// The sum of squared distances from `mean` of each plane.
fn squares<'a, R: Real>(planes: impl Iterator<Item = &'a [R]>, mean: f64) -> Vec<f64> {
    vectorised(
        #[inline(always)]
        || {
            together::<_, _, PLANES>(
                planes,
                #[inline(always)]
                |x| {
                    sum_of(
                        x,
                        #[inline(always)]
                        |x| (x.f64() - mean) * (x.f64() - mean),
                    )
                },
            )
        },
    )
}

/// y = a x + b, with or without ReLU: what batch norm does to a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<R> {
    a: R,
    b: R,
    relu: bool,
}

impl<R: Real> Line<R> {
    /// y for x. Written so that NaN stays NaN.
    #[inline(always)]
    pub(super) fn at(self, x: R) -> R {
        let y = self.a * x + self.b;
        if self.relu & (y <= R::zero()) { R::zero() } else { y }
    }

    /// Whether ReLU lets x through, to the bit as in the forward sweep.
    #[inline(always)]
    fn live(self, x: R) -> bool {
        !self.relu | (self.a * x + self.b > R::zero())
    }

    /// g where ReLU lets x through, else zero.
    #[inline(always)]
    fn masked(self, x: R, g: R) -> R {
        if self.live(x) { g } else { R::zero() }
    }
}

/// A plane of a norm's input and of its output's cotangent, with the line and the mean of its channel.
type PlaneWithCotangent<'a, R> = (&'a [R], &'a [R], Line<R>, f64);

/// The sums of g and of g (x - mean) over the live places of each pair.
fn masked_sums<'a, R: Real>(pairs: impl Iterator<Item = PlaneWithCotangent<'a, R>>) -> Vec<(f64, f64)> {
    vectorised(
        #[inline(always)]
        || {
            together::<_, _, PAIRS>(
                pairs,
                #[inline(always)]
                |pairs| {
                    sums_of(
                        pairs.map(|pair| pair.0),
                        pairs.map(|pair| pair.1),
                        #[inline(always)]
                        |p, x, g| {
                            let (_, _, line, mean) = pairs[p];
                            let masked = line.masked(x, g).f64();
                            (masked, masked * (x.f64() - mean))
                        },
                    )
                },
            )
        },
    )
}

/// The number of images in `x`, `[n, channels, pixels]`. Panics if they are not whole, or without channels or pixels.
fn whole_images<R>(x: &[R], channels: usize, pixels: usize) -> usize {
    let image = channels * pixels;
    assert!(image > 0, "a batch norm without channels or pixels");
    assert!(x.len().is_multiple_of(image), "images that do not fit");
    x.len() / image
}

/// The moments of each channel of `x`, `[n, channels, pixels]`. `sums`, the sum of each channel of each image, `[n,
/// channels]`, are those of `x` where they are known already; empty where not.
///
/// # Panics
/// If slices do not fit, and without images, channels or pixels, which have no moments.
pub fn moments<R: Real>(x: &[R], channels: usize, pixels: usize, sums: &[f64]) -> Moments {
    let images = whole_images(x, channels, pixels);
    assert!(images > 0, "the moments of no images");
    assert!(sums.is_empty() || sums.len() == images * channels, "sums that do not fit");
    let count = images * pixels;
    let (mean, variance) = (0..channels)
        .into_par_iter()
        .map(|c| {
            let planes = || planes(x, channels, pixels, c);
            let known = sums.iter().skip(c).step_by(channels);
            let total: f64 = if sums.is_empty() { plain(planes()).iter().sum() } else { known.sum() };
            let mean = total / count as f64;
            (mean, squares(planes(), mean).iter().sum::<f64>() / count as f64)
        })
        .unzip();
    Moments { mean, variance, count }
}

/// The sum of each channel of `x`, `[n, channels, pixels]`.
///
/// # Panics
/// If `x` does not fit, and without channels or pixels.
pub fn channel_sums<R: Real>(x: &[R], channels: usize, pixels: usize) -> Vec<f64> {
    whole_images(x, channels, pixels);
    (0..channels).into_par_iter().map(|c| plain(planes(x, channels, pixels, c)).iter().sum()).collect()
}

/// Batch norm with given moments: y = weight (x - mean) / sqrt(variance + 1e-5) + bias, channel by channel, then ReLU
/// where asked for.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a, R> {
    /// Numbers of a channel of an image.
    pub pixels: usize,
    /// Mean and variance of each channel.
    pub moments: &'a Moments,
    /// Weight of each channel.
    pub weight: &'a [R],
    /// Bias of each channel.
    pub bias: &'a [R],
    /// Whether ReLU follows.
    pub relu: bool,
}

impl<R: Real> Norm<'_, R> {
    fn channels(&self) -> usize {
        self.weight.len()
    }

    /// Scale and shift of channel `c`.
    fn affine(&self, c: usize) -> (f64, f64) {
        let a = self.weight[c].f64() / (self.moments.variance[c] + EPSILON).sqrt();
        (a, self.bias[c].f64() - a * self.moments.mean[c])
    }

    fn inverse(&self, c: usize) -> f64 {
        1.0 / (self.moments.variance[c] + EPSILON).sqrt()
    }

    /// Scale, shift and ReLU of each channel. Panics if moments and parameters differ in the number of channels, and
    /// without channels or pixels.
    pub(super) fn lines(&self) -> Vec<Line<R>> {
        let lengths = [self.bias.len(), self.moments.mean.len(), self.moments.variance.len()];
        assert_eq!(lengths, [self.channels(); 3], "channels that do not fit");
        assert!(self.channels() > 0 && self.pixels > 0, "a batch norm without channels or pixels");
        let line = |c| {
            let (a, b) = self.affine(c);
            Line { a: R::of(a), b: R::of(b), relu: self.relu }
        };
        (0..self.channels()).map(line).collect()
    }

    /// Writes the norm of `x` to `y`.
    pub fn apply(&self, x: &[R], y: &mut [R]) {
        // SAFETY: `write` writes numbers only.
        self.write(x, unsafe { to_write(y) });
    }

    /// Returns the norm of `x`, `[n, channels, pixels]`, in a new vector.
    pub fn applied(&self, x: &[R]) -> Vec<R> {
        // SAFETY: `write` writes all of it.
        unsafe { made(x.len(), |y| self.write(x, y)).0 }
    }

    /// Writes every number of `y`.
    fn write(&self, x: &[R], y: &mut [MaybeUninit<R>]) {
        let (pixels, lines) = (self.pixels, self.lines());
        let image = lines.len() * pixels;
        assert!(x.len() == y.len() && x.len().is_multiple_of(image), "images that do not fit");
        y.par_chunks_exact_mut(image).zip(x.par_chunks_exact(image)).for_each(|(y, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((y, x), &line) in y.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels)).zip(&lines) {
                        y.iter_mut().zip(x).for_each(|(y, &x)| _ = y.write(line.at(x)));
                    }
                },
            );
        });
    }

    /// Overwrites `x` with its norm, bit-identical to [`Self::apply`].
    pub fn apply_in_place(&self, x: &mut [R]) {
        let (pixels, lines) = (self.pixels, self.lines());
        whole_images(x, lines.len(), pixels);
        x.par_chunks_exact_mut(lines.len() * pixels).for_each(|x| {
            vectorised(
                #[inline(always)]
                || {
                    for (x, &line) in x.chunks_exact_mut(pixels).zip(&lines) {
                        x.iter_mut().for_each(|x| *x = line.at(*x));
                    }
                },
            );
        });
    }

    /// `z += a norm(x)`, and whether every number of `z` is finite then.
    pub fn add_to(&self, a: R, x: &[R], z: &mut [R]) -> bool {
        let (pixels, lines) = (self.pixels, self.lines());
        let image = lines.len() * pixels;
        assert!(x.len() == z.len() && x.len().is_multiple_of(image), "images that do not fit");
        let finite = z.par_chunks_exact_mut(image).zip(x.par_chunks_exact(image)).map(|(z, x)| {
            vectorised(
                #[inline(always)]
                || {
                    let mut finite = true;
                    for ((z, x), &line) in z.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels)).zip(&lines) {
                        z.iter_mut().zip(x).for_each(|(z, &x)| *z = *z + a * line.at(x));
                        finite &= all_finite(z);
                    }
                    finite
                },
            )
        });
        finite.reduce(|| true, |one, other| one & other)
    }

    /// `z + a norm(x)`, and whether every number of it is finite.
    pub fn added(&self, a: R, x: &[R], z: &[R]) -> (Vec<R>, bool) {
        // SAFETY: `write_added` writes all of it.
        unsafe { made(x.len(), |y| self.write_added(a, x, z, y)) }
    }

    /// Writes every number of `y`.
    fn write_added(&self, a: R, x: &[R], z: &[R], y: &mut [MaybeUninit<R>]) -> bool {
        let (pixels, lines) = (self.pixels, self.lines());
        let image = lines.len() * pixels;
        let fits = x.len() == y.len() && x.len() == z.len() && x.len().is_multiple_of(image);
        assert!(fits, "images that do not fit");
        let images = x.par_chunks_exact(image).zip(z.par_chunks_exact(image));
        let finite = y.par_chunks_exact_mut(image).zip(images).map(|(y, (x, z))| {
            vectorised(
                #[inline(always)]
                || {
                    let (mut finite, planes) = (true, x.chunks_exact(pixels).zip(z.chunks_exact(pixels)));
                    for ((y, (x, z)), &line) in y.chunks_exact_mut(pixels).zip(planes).zip(&lines) {
                        y.iter_mut().zip(x).zip(z).for_each(|((y, &x), &z)| _ = y.write(z + a * line.at(x)));
                        // SAFETY: the planes have one length, so the line above wrote all of this one.
                        finite &= all_finite(unsafe { y.assume_init_ref() });
                    }
                    finite
                },
            )
        });
        finite.reduce(|| true, |one, other| one & other)
    }

    /// The sums of g and of g (x - mean) over each channel of one image, g being `y_bar` where ReLU lets through.
    pub(super) fn image_sums(&self, lines: &[Line<R>], x: &[R], y_bar: &[R]) -> Vec<(f64, f64)> {
        let planes = x.chunks_exact(self.pixels).zip(y_bar.chunks_exact(self.pixels)).zip(lines);
        masked_sums(planes.zip(&self.moments.mean).map(|(((x, g), &line), &mean)| (x, g, line, mean)))
    }

    /// The vjp, where the moments are those of `x` and are differentiated too: adds to `weight_bar` and `bias_bar` and
    /// returns what turns `y_bar` into the cotangent of `x`. `sums`, those of each channel of each image, `[n,
    /// channels]`, are those of `x` and `y_bar` where they are known already; empty where not.
    ///
    /// With g = y_bar where ReLU lets through, n the count and xhat the normalised x:
    /// x_bar = weight / std (g - mean(g) - xhat mean(g xhat)).
    pub fn vjp<'x>(
        &self,
        x: impl Into<Cow<'x, [R]>>,
        y_bar: &[R],
        sums: &[(f64, f64)],
        weight_bar: &mut [R],
        bias_bar: &mut [R],
    ) -> NormVjp<'x, R> {
        let (x, pixels, channels, m) = (x.into(), self.pixels, self.channels(), self.moments);
        let lines = self.lines();
        let images = whole_images(&x, channels, pixels);
        assert_eq!(x.len(), y_bar.len(), "images that do not fit");
        assert_eq!(m.count, images * pixels, "moments that are not those of the images");
        assert!(sums.is_empty() || sums.len() == images * channels, "sums that do not fit");
        assert_eq!([weight_bar.len(), bias_bar.len()], [channels; 2], "cotangents that do not fit");
        // The sums of g and of g xhat.
        let sums: Vec<(f64, f64)> = (0..channels)
            .into_par_iter()
            .map(|c| {
                let (inverse, mut total) = (self.inverse(c), (0.0, 0.0));
                let mut add = |(plain, weighted): (f64, f64)| {
                    total.0 += plain;
                    total.1 += weighted * inverse;
                };
                if sums.is_empty() {
                    let planes = planes(&x, channels, pixels, c).zip(planes(y_bar, channels, pixels, c));
                    masked_sums(planes.map(|(x, g)| (x, g, lines[c], m.mean[c]))).into_iter().for_each(add);
                } else {
                    sums.iter().skip(c).step_by(channels).for_each(|&sums| add(sums));
                }
                total
            })
            .collect();
        for (c, &(plain, scaled)) in sums.iter().enumerate() {
            bias_bar[c] = bias_bar[c] + R::of(plain);
            weight_bar[c] = weight_bar[c] + R::of(scaled);
        }
        let n = m.count as f64;
        let folded = lines.into_iter().zip(sums).enumerate().map(|(c, (line, (plain, scaled)))| {
            let (a, _) = self.affine(c);
            let p = -a * scaled / n * self.inverse(c);
            Folded { line, p: R::of(p), q: R::of(-a * plain / n - p * m.mean[c]) }
        });
        NormVjp { pixels, x, folded: folded.collect() }
    }
}

/// x_bar = a g + p x + q with g = y_bar where ReLU lets through: the vjp of a batch norm for a channel, its constants
/// folded.
#[derive(Clone, Copy, Debug)]
struct Folded<R> {
    line: Line<R>,
    p: R,
    q: R,
}

impl<R: Real> Folded<R> {
    #[inline(always)]
    fn at(self, x: R, g: R) -> R {
        self.line.a * self.line.masked(x, g) + self.p * x + self.q
    }
}

/// What turns the cotangent of a batch norm's output into that of its input `x`: one pass over memory, due where it is
/// read.
#[derive(Clone, Debug)]
pub struct NormVjp<'a, R: Clone> {
    pixels: usize,
    x: Cow<'a, [R]>,
    folded: Vec<Folded<R>>,
}

impl<R: Real> NormVjp<'_, R> {
    /// The same in `f32`, where that is what it is.
    pub(super) fn singles(&self) -> Option<NormVjp<'_, f32>> {
        let single = |x: R| x.f64() as f32;
        let folded = self.folded.iter().map(|&Folded { line: Line { a, b, relu }, p, q }| {
            let line = Line { a: single(a), b: single(b), relu };
            Folded { line, p: single(p), q: single(q) }
        });
        Some(NormVjp { pixels: self.pixels, x: singles(&self.x)?.into(), folded: folded.collect() })
    }

    /// Writes the cotangent `x_bar` of the input for that of the output.
    pub fn apply(&self, y_bar: &[R], x_bar: &mut [R]) {
        // SAFETY: `write` writes numbers only.
        self.write(y_bar, unsafe { to_write(x_bar) });
    }

    /// The cotangent of the input for that of the output.
    pub fn applied(&self, y_bar: &[R]) -> Vec<R> {
        // SAFETY: `write` writes all of it.
        unsafe { made(y_bar.len(), |x_bar| self.write(y_bar, x_bar)).0 }
    }

    /// Writes every number of `x_bar`.
    fn write(&self, y_bar: &[R], x_bar: &mut [MaybeUninit<R>]) {
        let image = self.folded.len() * self.pixels;
        let fits = x_bar.len() == y_bar.len() && y_bar.len() == self.x.len();
        assert!(fits && y_bar.len().is_multiple_of(image), "images that do not fit");
        let images = x_bar.par_chunks_exact_mut(image).zip(y_bar.par_chunks_exact(image));
        images.enumerate().for_each(|(i, (x_bar, y_bar))| self.apply_from(i, y_bar, x_bar));
    }

    /// Turns the cotangent of the output into that of the input.
    pub fn apply_in_place(&self, bar: &mut [R]) {
        let image = self.folded.len() * self.pixels;
        assert!(bar.len() == self.x.len() && bar.len().is_multiple_of(image), "images that do not fit");
        bar.par_chunks_exact_mut(image).zip(self.x.par_chunks_exact(image)).for_each(|(bar, x)| {
            vectorised(
                #[inline(always)]
                || {
                    let planes = bar.chunks_exact_mut(self.pixels).zip(x.chunks_exact(self.pixels));
                    for ((bar, x), &folded) in planes.zip(&self.folded) {
                        bar.iter_mut().zip(x).for_each(|(bar, &x)| *bar = folded.at(x, *bar));
                    }
                },
            );
        });
    }

    /// Writes the cotangent `x_bar` of the input for that of the output, for images from number `first` on: every
    /// number of it.
    pub(super) fn apply_from(&self, first: usize, y_bar: &[R], x_bar: &mut [MaybeUninit<R>]) {
        let x = &self.x[first * self.folded.len() * self.pixels..][..x_bar.len()];
        assert!(x_bar.len() == y_bar.len() && x_bar.len().is_multiple_of(self.pixels), "images that do not fit");
        vectorised(
            #[inline(always)]
            || {
                let planes = x_bar.chunks_exact_mut(self.pixels).zip(y_bar.chunks_exact(self.pixels));
                let folded = self.folded.iter().cycle();
                for (((x_bar, y_bar), x), &folded) in planes.zip(x.chunks_exact(self.pixels)).zip(folded) {
                    x_bar.iter_mut().zip(y_bar).zip(x).for_each(|((x_bar, &g), &x)| _ = x_bar.write(folded.at(x, g)));
                }
            },
        );
    }
}
