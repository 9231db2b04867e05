//! Direct convolution with stride 1 in `f32`, by vector registers: the fast path for small kernels on images whose lines fill
//! whole registers. Nothing is unrolled into memory; each image is read from a copy with its zeros around it.
//!
//! A tile of outputs, a few channels by a few registers of pixels, stays in registers while the sum runs over input channels
//! and taps, in that order, so the bits do not depend on the tile or on the number of threads.

use pulp::{Simd, WithSimd};

use super::ConvShape;

/// Registers of pixels in a tile.
const VECTORS: usize = 4;
/// Channels in a tile.
const CHANNELS: usize = 4;
/// Kernels with more taps, and those with one, are left to the matrix multiplication.
const MOST_TAPS: usize = 9;

/// Pixels that a register of this processor holds.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Where the numbers of a padded image stand, and which of them each register of the output sees.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Input and output channels.
    channels: (usize, usize),
    /// Input height and width, zeros above and left of them.
    input: [usize; 2],
    zeros: [usize; 2],
    /// Numbers of a line and of a plane of the padded image.
    pitch: usize,
    plane: usize,
    /// Offset of each tap in a padded plane.
    taps: Vec<usize>,
    /// Offset of each register's pixels in a padded plane and in an output plane.
    registers: Vec<(usize, usize)>,
    pixels: usize,
}

impl Plan {
    /// The plan of a convolution, where this path can take it.
    pub fn new(shape: &ConvShape) -> Option<Self> {
        let [inputs, height, width] = shape.input;
        let [outputs, out_height, out_width] = shape.output();
        let [kernel_height, kernel_width] = shape.kernel;
        let lanes = pulp::Arch::new().dispatch(Lanes);
        let fits =
            lanes > 1 && out_width.is_multiple_of(lanes) && (out_width / lanes * out_height).is_multiple_of(VECTORS);
        if !fits || shape.stride != 1 || !(2..=MOST_TAPS).contains(&(kernel_height * kernel_width)) {
            return None;
        }
        let pitch = width + 2 * shape.padding[1];
        let taps = (0..kernel_height).flat_map(|ky| (0..kernel_width).map(move |kx| ky * pitch + kx)).collect();
        let lines = (0..out_height).flat_map(|y| (0..out_width).step_by(lanes).map(move |x| (y, x)));
        Some(Self {
            channels: (inputs, outputs),
            input: [height, width],
            zeros: shape.padding,
            pitch,
            plane: pitch * (height + 2 * shape.padding[0]),
            taps,
            registers: lines.map(|(y, x)| (y * pitch + x, y * out_width + x)).collect(),
            pixels: out_height * out_width,
        })
    }

    /// The plan of the vjp for the input: a convolution of the output's cotangent with the turned kernel.
    pub fn of_vjp(shape: &ConvShape) -> Option<Self> {
        let [k, l] = shape.kernel;
        let turned = ConvShape {
            input: shape.output(),
            channels: shape.input[0],
            padding: [(k - 1).checked_sub(shape.padding[0])?, (l - 1).checked_sub(shape.padding[1])?],
            ..*shape
        };
        (shape.stride == 1).then(|| Self::new(&turned)).flatten()
    }

    /// Numbers of a padded image.
    pub fn padded_len(&self) -> usize {
        self.channels.0 * self.plane
    }

    /// Copies an image into `padded`, whose zeros were set when it was made.
    pub fn pad(&self, image: &[f32], padded: &mut [f32]) {
        let [height, width] = self.input;
        for (image, plane) in image.chunks_exact(height * width).zip(padded.chunks_exact_mut(self.plane)) {
            let lines = plane[self.zeros[0] * self.pitch..].chunks_exact_mut(self.pitch);
            for (from, to) in image.chunks_exact(width).zip(lines) {
                to[self.zeros[1]..][..width].copy_from_slice(from);
            }
        }
    }

    /// The weights `[outputs, inputs, taps]` in the order in which tiles read them: tile, input, tap, channel of the tile.
    pub fn pack(&self, w: &[f32]) -> Vec<f32> {
        let (inputs, outputs) = self.channels;
        let depth = inputs * self.taps.len();
        let mut packed = Vec::with_capacity(outputs * depth);
        for (first, channels) in blocks(outputs) {
            packed.extend((0..depth).flat_map(|d| (first..first + channels).map(move |c| w[c * depth + d])));
        }
        packed
    }

    /// The weights of the convolution behind [`Self::of_vjp`], from those of the convolution whose vjp it is.
    pub fn pack_turned(&self, w: &[f32]) -> Vec<f32> {
        let ((inputs, outputs), taps) = (self.channels, self.taps.len());
        let at = |o: usize, i: usize, t: usize| w[(i * outputs + o) * taps + taps - 1 - t];
        let turned: Vec<f32> = (0..outputs)
            .flat_map(|o| (0..inputs).flat_map(move |i| (0..taps).map(move |t| (o, i, t))))
            .map(|(o, i, t)| at(o, i, t))
            .collect();
        self.pack(&turned)
    }

    /// `y = x * w`, or `y += x * w`, for one padded image and packed weights.
    pub fn convolve(&self, padded: &[f32], packed: &[f32], y: &mut [f32], add: bool) {
        assert!(
            padded.len() == self.padded_len() && y.len() == self.channels.1 * self.pixels,
            "an image that does not fit"
        );
        assert_eq!(packed.len(), self.channels.0 * self.channels.1 * self.taps.len(), "weights that do not fit");
        pulp::Arch::new().dispatch(Convolve { plan: self, padded, packed, y, add });
    }

    /// `w_bar += ` the vjp for the weights of one padded image and the cotangent of its output.
    pub fn add_weight_vjp(&self, padded: &[f32], y_bar: &[f32], w_bar: &mut [f32]) {
        assert!(
            padded.len() == self.padded_len() && y_bar.len() == self.channels.1 * self.pixels,
            "an image that does not fit"
        );
        assert_eq!(w_bar.len(), self.channels.0 * self.channels.1 * self.taps.len(), "weights that do not fit");
        pulp::Arch::new().dispatch(WeightVjp { plan: self, padded, y_bar, w_bar });
    }
}

/// Blocks of channels: first channel and number, [`CHANNELS`] or, at the end, one.
fn blocks(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let whole = channels - channels % CHANNELS;
    (0..whole).step_by(CHANNELS).map(|c| (c, CHANNELS)).chain((whole..channels).map(|c| (c, 1)))
}

/// # Safety
/// `at + S::F32_LANES` numbers must lie in `from`.
#[inline(always)]
unsafe fn load<S: Simd>(from: &[f32], at: usize) -> S::f32s {
    debug_assert!(at + S::F32_LANES <= from.len());
    // SAFETY: the caller's promise; any bits are numbers.
    unsafe { from.as_ptr().add(at).cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// `at + S::F32_LANES` numbers must lie in `to`.
#[inline(always)]
unsafe fn store<S: Simd>(to: &mut [f32], at: usize, x: S::f32s) {
    debug_assert!(at + S::F32_LANES <= to.len());
    // SAFETY: the caller's promise.
    unsafe { to.as_mut_ptr().add(at).cast::<S::f32s>().write_unaligned(x) }
}

struct Convolve<'a> {
    plan: &'a Plan,
    padded: &'a [f32],
    packed: &'a [f32],
    y: &'a mut [f32],
    add: bool,
}

impl WithSimd for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let depth = self.plan.channels.0 * self.plan.taps.len();
        for (first, channels) in blocks(self.plan.channels.1) {
            let weights = &self.packed[first * depth..][..channels * depth];
            for registers in self.plan.registers.chunks_exact(VECTORS) {
                match channels {
                    CHANNELS => self.tile::<S, CHANNELS>(simd, first, weights, registers),
                    _ => self.tile::<S, 1>(simd, first, weights, registers),
                }
            }
        }
    }
}

impl Convolve<'_> {
    #[inline(always)]
    fn tile<S: Simd, const C: usize>(&mut self, simd: S, first: usize, w: &[f32], registers: &[(usize, usize)]) {
        let Plan { pixels, plane, ref taps, .. } = *self.plan;
        let mut at = [(0, 0); VECTORS];
        at.copy_from_slice(registers);
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; C];
        if self.add {
            for (c, sums) in sums.iter_mut().enumerate() {
                for (sum, (_, out)) in sums.iter_mut().zip(at) {
                    // SAFETY: a register of the plan lies in each plane of `y`, whose length was checked.
                    *sum = unsafe { load::<S>(self.y, (first + c) * pixels + out) };
                }
            }
        }
        let mut weights = w.chunks_exact(C);
        for input in 0..self.plan.channels.0 {
            for tap in taps {
                let base = input * plane + tap;
                let mut x = [simd.splat_f32s(0.0); VECTORS];
                for (x, (from, _)) in x.iter_mut().zip(at) {
                    // SAFETY: a register of the plan, moved by a tap, lies in each plane of `padded`, whose length was checked.
                    *x = unsafe { load::<S>(self.padded, base + from) };
                }
                let Some(weights) = weights.next() else { return };
                for (sums, &w) in sums.iter_mut().zip(weights) {
                    let w = simd.splat_f32s(w);
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = simd.mul_add_e_f32s(w, x, *sum);
                    }
                }
            }
        }
        for (c, sums) in sums.into_iter().enumerate() {
            for (sum, (_, out)) in sums.into_iter().zip(at) {
                // SAFETY: as above.
                unsafe { store::<S>(self.y, (first + c) * pixels + out, sum) };
            }
        }
    }
}

struct WeightVjp<'a> {
    plan: &'a Plan,
    padded: &'a [f32],
    y_bar: &'a [f32],
    w_bar: &'a mut [f32],
}

impl WithSimd for WeightVjp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (inputs, outputs) = self.plan.channels;
        for (output, m) in blocks(outputs) {
            for (input, n) in blocks(inputs) {
                for tap in 0..self.plan.taps.len() {
                    match (m, n) {
                        (CHANNELS, CHANNELS) => self.tile::<S, CHANNELS, CHANNELS>(simd, output, input, tap),
                        (CHANNELS, _) => self.tile::<S, CHANNELS, 1>(simd, output, input, tap),
                        (_, CHANNELS) => self.tile::<S, 1, CHANNELS>(simd, output, input, tap),
                        _ => self.tile::<S, 1, 1>(simd, output, input, tap),
                    }
                }
            }
        }
    }
}

impl WeightVjp<'_> {
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(&mut self, simd: S, output: usize, input: usize, tap: usize) {
        let Plan { pixels, plane, ref taps, .. } = *self.plan;
        let mut sums = [[simd.splat_f32s(0.0); N]; M];
        for &(from, out) in &self.plan.registers {
            let mut x = [simd.splat_f32s(0.0); N];
            for (n, x) in x.iter_mut().enumerate() {
                // SAFETY: as in the forward tile.
                *x = unsafe { load::<S>(self.padded, (input + n) * plane + taps[tap] + from) };
            }
            for (m, sums) in sums.iter_mut().enumerate() {
                // SAFETY: a register of the plan lies in each plane of `y_bar`, whose length was checked.
                let y = unsafe { load::<S>(self.y_bar, (output + m) * pixels + out) };
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum = simd.mul_add_e_f32s(y, x, *sum);
                }
            }
        }
        for (m, sums) in sums.into_iter().enumerate() {
            for (n, sum) in sums.into_iter().enumerate() {
                let place = ((output + m) * self.plan.channels.0 + input + n) * taps.len() + tap;
                self.w_bar[place] += simd.reduce_sum_f32s(sum);
            }
        }
    }
}
