//! Batch norm, alone or fused with ReLU, NCHW: forward with batch or given statistics, and vjp.
//!
//! Statistics are sums in `f64`, a channel a task, in the order of the images: the same bits for any thread count.

use rayon::prelude::*;

use crate::ode::Real;

use super::simd::{sum_of, vectorised};

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

/// A channel's planes, one an image.
fn planes<R: Real>(x: &[R], channels: usize, pixels: usize, channel: usize) -> impl Iterator<Item = &[R]> {
    x.chunks_exact(channels * pixels).map(move |image| &image[channel * pixels..][..pixels])
}

/// The sum of a plane.
fn plain<R: Real>(x: &[R]) -> f64 {
    vectorised(
        #[inline(always)]
        || {
            sum_of(
                x.len(),
                #[inline(always)]
                |i| x[i].f64(),
            )
        },
    )
}

/// The sum of squared distances from `mean`.
fn squares<R: Real>(x: &[R], mean: f64) -> f64 {
    vectorised(
        #[inline(always)]
        || {
            sum_of(
                x.len(),
                #[inline(always)]
                |i| (x[i].f64() - mean) * (x[i].f64() - mean),
            )
        },
    )
}

/// y = a x + b, with or without ReLU.
#[derive(Clone, Copy)]
struct Line<R> {
    a: R,
    b: R,
    relu: bool,
}

impl<R: Real> Line<R> {
    /// y for x. Written so that NaN stays NaN.
    #[inline(always)]
    fn at(self, x: R) -> R {
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

/// The sums of g and of g (x - mean) over the live places of a plane.
fn masked_sums<R: Real>(x: &[R], g: &[R], line: Line<R>, mean: f64) -> (f64, f64) {
    vectorised(
        #[inline(always)]
        || {
            let (x, g) = (&x[..g.len()], g);
            let plain = sum_of(
                x.len(),
                #[inline(always)]
                |i| line.masked(x[i], g[i]).f64(),
            );
            let weighted = sum_of(
                x.len(),
                #[inline(always)]
                |i| line.masked(x[i], g[i]).f64() * (x[i].f64() - mean),
            );
            (plain, weighted)
        },
    )
}

/// The moments of each channel of `x`, `[n, channels, pixels]`.
pub fn moments<R: Real>(x: &[R], channels: usize, pixels: usize) -> Moments {
    let count = x.len() / channels;
    let (mean, variance) = (0..channels)
        .into_par_iter()
        .map(|c| {
            let total = |term: &dyn Fn(&[R]) -> f64| planes(x, channels, pixels, c).map(term).sum::<f64>();
            let mean = total(&|p| plain(p)) / count as f64;
            (mean, total(&|p| squares(p, mean)) / count as f64)
        })
        .unzip();
    Moments { mean, variance, count }
}

/// The sum of each channel of `x`, `[n, channels, pixels]`.
pub fn channel_sums<R: Real>(x: &[R], channels: usize, pixels: usize) -> Vec<f64> {
    (0..channels).into_par_iter().map(|c| planes(x, channels, pixels, c).map(plain).sum()).collect()
}

/// Batch norm with given moments: y = weight (x - mean) / sqrt(variance + 1e-5) + bias, channel by channel, then ReLU where
/// asked for.
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
    /// Scale and shift of channel `c`.
    fn affine(&self, c: usize) -> (f64, f64) {
        let a = self.weight[c].f64() / (self.moments.variance[c] + EPSILON).sqrt();
        (a, self.bias[c].f64() - a * self.moments.mean[c])
    }

    fn inverse(&self, c: usize) -> f64 {
        1.0 / (self.moments.variance[c] + EPSILON).sqrt()
    }

    fn line(&self, c: usize) -> Line<R> {
        let (a, b) = self.affine(c);
        Line { a: R::of(a), b: R::of(b), relu: self.relu }
    }

    /// Writes the norm of `x` to `y`.
    pub fn apply(&self, x: &[R], y: &mut [R]) {
        let (pixels, channels) = (self.pixels, self.weight.len());
        let lines: Vec<Line<R>> = (0..channels).map(|c| self.line(c)).collect();
        y.par_chunks_exact_mut(channels * pixels).zip(x.par_chunks_exact(channels * pixels)).for_each(|(y, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((y, x), &line) in y.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels)).zip(&lines) {
                        y.iter_mut().zip(x).for_each(|(y, &x)| *y = line.at(x));
                    }
                },
            );
        });
    }

    /// Overwrites `x` with its norm: the same bits as [`Self::apply`].
    pub fn apply_in_place(&self, x: &mut [R]) {
        let (pixels, channels) = (self.pixels, self.weight.len());
        let lines: Vec<Line<R>> = (0..channels).map(|c| self.line(c)).collect();
        x.par_chunks_exact_mut(channels * pixels).for_each(|x| {
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

    /// The vjp, where the moments are those of `x` and are differentiated too: turns `y_bar` into `x_bar` (overwritten) and
    /// adds to `weight_bar` and `bias_bar`.
    ///
    /// With g = y_bar where ReLU lets through, n the count and xhat the normalised x:
    /// x_bar = weight / std (g - mean(g) - xhat mean(g xhat)).
    pub fn vjp(&self, x: &[R], y_bar: &[R], x_bar: &mut [R], weight_bar: &mut [R], bias_bar: &mut [R]) {
        let (pixels, channels, m) = (self.pixels, self.weight.len(), self.moments);
        let sums: Vec<(f64, f64)> = (0..channels)
            .into_par_iter()
            .map(|c| {
                let (line, inverse) = (self.line(c), self.inverse(c));
                let (mut plain, mut scaled) = (0.0, 0.0);
                for (x, g) in planes(x, channels, pixels, c).zip(planes(y_bar, channels, pixels, c)) {
                    let (p, s) = masked_sums(x, g, line, m.mean[c]);
                    plain += p;
                    scaled += s * inverse;
                }
                (plain, scaled)
            })
            .collect();
        for (c, &(plain, scaled)) in sums.iter().enumerate() {
            bias_bar[c] = bias_bar[c] + R::of(plain);
            weight_bar[c] = weight_bar[c] + R::of(scaled);
        }
        // x_bar = a g + p x + q, with the constants folded.
        let n = m.count as f64;
        let folded: Vec<(Line<R>, R, R)> = (0..channels)
            .map(|c| {
                let ((a, _), (plain, scaled)) = (self.affine(c), sums[c]);
                let p = -a * scaled / n * self.inverse(c);
                (self.line(c), R::of(p), R::of(-a * plain / n - p * m.mean[c]))
            })
            .collect();
        x_bar
            .par_chunks_exact_mut(channels * pixels)
            .zip(x.par_chunks_exact(channels * pixels).zip(y_bar.par_chunks_exact(channels * pixels)))
            .for_each(|(x_bar, (x, y_bar))| {
                vectorised(
                    #[inline(always)]
                    || {
                        let planes = x_bar.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels));
                        for (((x_bar, x), y_bar), &(line, p, q)) in planes.zip(y_bar.chunks_exact(pixels)).zip(&folded)
                        {
                            for ((x_bar, &x), &g) in x_bar.iter_mut().zip(x).zip(y_bar) {
                                *x_bar = line.a * line.masked(x, g) + p * x + q;
                            }
                        }
                    },
                );
            });
    }
}
