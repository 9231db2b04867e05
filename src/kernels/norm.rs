//! Batch norm fused with ReLU, NCHW: forward with batch or given statistics, and vjp.
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

/// Whether ReLU lets x through, to the bit as in the forward sweep.
#[inline(always)]
fn live<R: Real>(x: R, (a, b): (R, R)) -> bool {
    a * x + b > R::zero()
}

/// g where ReLU lets x through, else zero.
#[inline(always)]
fn masked<R: Real>(x: R, g: R, line: (R, R)) -> f64 {
    if live(x, line) { g.f64() } else { 0.0 }
}

/// The sums of g and of g (x - mean) over the live places of a plane.
fn masked_sums<R: Real>(x: &[R], g: &[R], line: (R, R), mean: f64) -> (f64, f64) {
    vectorised(
        #[inline(always)]
        || {
            let (x, g) = (&x[..g.len()], g);
            let plain = sum_of(
                x.len(),
                #[inline(always)]
                |i| masked(x[i], g[i], line),
            );
            let weighted = sum_of(
                x.len(),
                #[inline(always)]
                |i| masked(x[i], g[i], line) * (x[i].f64() - mean),
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

/// Scale and shift of channel `c`: y = relu(a x + b).
fn affine(c: usize, m: &Moments, weight: f64, bias: f64) -> (f64, f64) {
    let a = weight / (m.variance[c] + EPSILON).sqrt();
    (a, bias - a * m.mean[c])
}

/// `y = relu(weight (x - mean) / sqrt(variance + 1e-5) + bias)`, channel by channel.
pub fn norm_relu<R: Real>(x: &[R], pixels: usize, m: &Moments, weight: &[R], bias: &[R], y: &mut [R]) {
    let channels = weight.len();
    let lines: Vec<(R, R)> = (0..channels)
        .map(|c| affine(c, m, weight[c].f64(), bias[c].f64()))
        .map(|(a, b)| (R::of(a), R::of(b)))
        .collect();
    y.par_chunks_exact_mut(channels * pixels).zip(x.par_chunks_exact(channels * pixels)).for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for ((y, x), &(a, b)) in y.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels)).zip(&lines) {
                    for (y, &x) in y.iter_mut().zip(x) {
                        let v = a * x + b;
                        // Written so that NaN stays NaN.
                        *y = if v <= R::zero() { R::zero() } else { v };
                    }
                }
            },
        );
    });
}

/// The vjp of [`norm_relu`] with the batch's own moments (differentiated too): turns `y_bar` into `x_bar`
/// (overwritten) and adds to `weight_bar` and `bias_bar`.
///
/// With g = y_bar where y > 0, n the count and xhat the normalised x:
/// x_bar = weight / std (g - mean(g) - xhat mean(g xhat)).
#[allow(clippy::too_many_arguments)]
pub fn norm_relu_vjp<R: Real>(
    x: &[R],
    pixels: usize,
    m: &Moments,
    weight: &[R],
    bias: &[R],
    y_bar: &[R],
    x_bar: &mut [R],
    weight_bar: &mut [R],
    bias_bar: &mut [R],
) {
    let channels = weight.len();
    let lines: Vec<(f64, f64)> = (0..channels).map(|c| affine(c, m, weight[c].f64(), bias[c].f64())).collect();
    let sums: Vec<(f64, f64)> = (0..channels)
        .into_par_iter()
        .map(|c| {
            let inverse = 1.0 / (m.variance[c] + EPSILON).sqrt();
            let (mut plain, mut scaled) = (0.0, 0.0);
            let (line, mean) = ((R::of(lines[c].0), R::of(lines[c].1)), m.mean[c]);
            for (x, g) in planes(x, channels, pixels, c).zip(planes(y_bar, channels, pixels, c)) {
                let (p, s) = masked_sums(x, g, line, mean);
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
    let n = m.count as f64;
    x_bar
        .par_chunks_exact_mut(channels * pixels)
        .zip(x.par_chunks_exact(channels * pixels).zip(y_bar.par_chunks_exact(channels * pixels)))
        .for_each(|(x_bar, (x, y_bar))| {
            for c in 0..channels {
                let inverse = 1.0 / (m.variance[c] + EPSILON).sqrt();
                let (plain, scaled) = sums[c];
                // x_bar = a g + p x + q, with the constants folded.
                let a = lines[c].0;
                let p = -a * scaled / n * inverse;
                let q = -a * plain / n - p * m.mean[c];
                let line = (R::of(a), R::of(lines[c].1));
                let (a, p, q) = (R::of(a), R::of(p), R::of(q));
                let range = c * pixels..(c + 1) * pixels;
                let (x_bar, x, y_bar) = (&mut x_bar[range.clone()], &x[range.clone()], &y_bar[range]);
                vectorised(
                    #[inline(always)]
                    || {
                        for ((x_bar, &x), &g) in x_bar.iter_mut().zip(x).zip(y_bar) {
                            let g = if live(x, line) { g } else { R::zero() };
                            *x_bar = a * g + p * x + q;
                        }
                    },
                );
            }
        });
}
