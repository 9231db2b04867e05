//! Direct convolution in `f32`, by vector registers: the fast path for small kernels. Nothing is unrolled into memory;
//! images are read from a copy with their zeros around them, laid out by a [`DirectPlan`].
//!
//! A tile of outputs, a few channels by a few registers of pixels, stays in registers while the sum runs over input
//! channels and taps, in that order, so the bits do not depend on the tile or on the number of threads.

use std::mem::MaybeUninit;
use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::ConvShape;
use super::norm::{Line, plain};
use super::plan::{CHANNELS, DirectPlan, MORE_CHANNELS, VECTORS};
use super::simd::dispatch;

/// Input channels whose part of a tile's sum runs at a time: their lines stay in the nearest cache for all output
/// channels.
const INPUTS: usize = 16;

/// Numbers that a register holds, see [`dispatch`].
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Numbers that a register holds, see [`dispatch`].
pub(super) fn lanes() -> usize {
    dispatch(Lanes)
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
    forward_through(shape, (x, &[]), w, bias, y, false).is_some()
}

/// As [`forward`] for images that are read through the `lines` of a batch norm, where there are any; with the sum of
/// each channel of each output image where they are wanted, else nothing. `None`: this path cannot take it.
pub(super) fn forward_through(
    shape: &ConvShape,
    (x, lines): (&[f32], &[Line<f32>]),
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [MaybeUninit<f32>],
    wants_sums: bool,
) -> Option<Vec<f64>> {
    let plan = DirectPlan::of_pixels(shape, lanes())?;
    let (x, y) = ((x, lines, shape.input_len()), (y, shape.output_len()));
    // SAFETY: a bias reads nothing of `y`.
    Some(unsafe { convolve(&plan, &plan.pack(w), x, y, Start::Bias(bias), wants_sums) })
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
    let in_line = || shape.in_line().and_then(|shape| DirectPlan::of_vjp(&shape, lanes()));
    // Side by side, a sum is made whole before it is added: only onto zeros is that the same.
    let plan = if matches!(start, Start::Over) { in_line() } else { None };
    let Some(plan) = plan.or_else(|| DirectPlan::of_vjp(shape, lanes())) else { return false };
    let (y_bar, x_bar) = ((y_bar, &[][..], shape.output_len()), (x_bar, shape.input_len()));
    // SAFETY: the caller's promise.
    unsafe { convolve(&plan, &plan.pack_turned(w), y_bar, x_bar, start, false) };
    true
}

/// What sums start with. Those that start with what is there, [`Self::Add`], read it: every number must have been
/// written. All others may be unwritten.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// One number per channel, or zero.
    Bias(Option<&'a [f32]>),
    /// The current contents of the output.
    Add,
    /// Zero, whatever the output contains. Bit-identical to [`Self::Add`] to an output of zeros.
    Over,
}

/// Writes every number of `y`.
///
/// # Safety
/// As [`Start`] says of `y`.
unsafe fn convolve(
    plan: &DirectPlan,
    packed: &[f32],
    (x, lines, input): (&[f32], &[Line<f32>], usize),
    (y, output): (&mut [MaybeUninit<f32>], usize),
    start: Start,
    wants_sums: bool,
) -> Vec<f64> {
    let (k, in_place) = (plan.images, plan.needs_no_copy() && lines.is_empty());
    let images = x.len() / input;
    assert!(x.len() == images * input && y.len() == images * output, "images that do not fit");
    let sums = x.par_chunks(input * k).zip(y.par_chunks_mut(output * k)).map_init(
        || {
            let padded = if in_place { Box::default() } else { plan.padded_buffer(images) };
            (padded, Box::<[f32]>::new_uninit_slice(if k == 1 { 0 } else { plan.output_len() }))
        },
        |(padded, together), (x, y)| {
            let padded = if in_place {
                x
            } else {
                plan.pad(x, lines, padded);
                // SAFETY: all of it was written, when it was made or just now.
                unsafe { padded.assume_init_ref() }
            };
            if k == 1 {
                // SAFETY: the caller's promise.
                unsafe { Convolve { plan, padded, packed, y, start }.run() };
            } else {
                // Outputs that stand side by side are added to their images only at the end.
                let sums = match start {
                    Start::Bias(_) => start,
                    Start::Add | Start::Over => Start::Bias(None),
                };
                // SAFETY: a bias reads nothing, and all outputs are written.
                let together = unsafe {
                    Convolve { plan, padded, packed, y: &mut *together, start: sums }.run();
                    together.assume_init_ref()
                };
                match start {
                    Start::Bias(_) => plan.scatter(together, y, |y, sum| _ = y.write(sum)),
                    // SAFETY: the caller's promise: what is added to was written.
                    Start::Add => plan.scatter(together, unsafe { y.assume_init_mut() }, |y, sum| *y += sum),
                    Start::Over => plan.scatter(together, y, |y, sum| _ = y.write(0.0 + sum)),
                }
            }
            // SAFETY: the convolution, or the way back from its images side by side, wrote all of `y`.
            if wants_sums { plain(unsafe { y.assume_init_ref() }.chunks_exact(plan.pixels / k)) } else { vec![] }
        },
    );
    sums.collect::<Vec<_>>().concat()
}

/// # Safety
/// `at + S::F32_LANES` numbers must lie in `from`.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(from: &[f32], at: usize) -> S::f32s {
    debug_assert!(at + S::F32_LANES <= from.len());
    // SAFETY: the caller ensures that the numbers lie in the slice; any bits are numbers, at any alignment.
    unsafe { from.as_ptr().add(at).cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// `at + S::F32_LANES` numbers must lie in `to`.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(to: &mut [f32], at: usize, x: S::f32s) {
    debug_assert!(at + S::F32_LANES <= to.len());
    // SAFETY: the caller ensures that the numbers lie in the slice, which is borrowed mutably.
    unsafe { to.as_mut_ptr().add(at).cast::<S::f32s>().write_unaligned(x) }
}

/// As [`store`], to what may be unwritten.
///
/// # Safety
/// `at + S::F32_LANES` numbers must lie in `to`.
#[inline(always)]
unsafe fn store_new<S: Simd>(to: &mut [MaybeUninit<f32>], at: usize, x: S::f32s) {
    debug_assert!(at + S::F32_LANES <= to.len());
    // SAFETY: the caller ensures that the numbers lie in the slice, which is borrowed mutably.
    unsafe { to.as_mut_ptr().add(at).cast::<S::f32s>().write_unaligned(x) }
}

/// As [`load`], of what may have unwritten parts.
///
/// # Safety
/// `at + S::F32_LANES` numbers must lie in `from`, and all of these must have been written.
#[inline(always)]
unsafe fn load_new<S: Simd>(from: &[MaybeUninit<f32>], at: usize) -> S::f32s {
    debug_assert!(at + S::F32_LANES <= from.len());
    // SAFETY: the caller ensures that the numbers lie in the slice and have been written.
    unsafe { from.as_ptr().add(at).cast::<S::f32s>().read_unaligned() }
}

/// One padded image, or several side by side, with packed weights.
pub(super) struct Convolve<'a> {
    pub plan: &'a DirectPlan,
    pub padded: &'a [f32],
    pub packed: &'a [f32],
    pub y: &'a mut [MaybeUninit<f32>],
    pub start: Start<'a>,
}

impl Convolve<'_> {
    /// Writes every number of `y`.
    ///
    /// # Safety
    /// As [`Start`] says of `y`.
    pub unsafe fn run(self) {
        let DirectPlan { channels: (inputs, outputs), ref taps, .. } = *self.plan;
        assert!(
            self.padded.len() == self.plan.padded_len() && self.y.len() == self.plan.output_len(),
            "images that do not fit"
        );
        assert_eq!(self.packed.len(), inputs * outputs * taps.len(), "weights that do not fit");
        if let Start::Bias(Some(bias)) = self.start {
            assert_eq!(bias.len(), outputs, "a bias that does not fit");
        }
        dispatch(self);
    }
}

impl WithSimd for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match S::REGISTER_COUNT {
            32.. => self.tiles::<S, VECTORS>(simd),
            16.. => self.tiles::<S, { VECTORS / 2 }>(simd),
            _ => self.tiles::<S, 1>(simd),
        }
    }
}

impl Convolve<'_> {
    /// The convolution in tiles of `V` registers of pixels.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize>(&mut self, simd: S) {
        let DirectPlan { channels: (inputs, _), ref taps, ref registers, ref tiles, .. } = *self.plan;
        let depth = inputs * taps.len();
        for registers in registers.chunks_exact(V) {
            for from in (0..inputs).step_by(INPUTS) {
                let part = from..(from + INPUTS).min(inputs);
                for &(first, channels) in tiles {
                    let weights = &self.packed[first * depth..][..channels * depth];
                    let weights = &weights[part.start * taps.len() * channels..part.end * taps.len() * channels];
                    match channels {
                        MORE_CHANNELS => {
                            self.tile::<S, MORE_CHANNELS, V>(simd, first, part.clone(), weights, registers)
                        }
                        CHANNELS => self.tile::<S, CHANNELS, V>(simd, first, part.clone(), weights, registers),
                        _ => self.tile::<S, 1, V>(simd, first, part.clone(), weights, registers),
                    }
                }
            }
        }
    }

    /// The part of a tile's sum that runs over the input channels `inputs`.
    #[inline(always)]
    fn tile<S: Simd, const C: usize, const V: usize>(
        &mut self,
        simd: S,
        first: usize,
        inputs: Range<usize>,
        w: &[f32],
        registers: &[(usize, usize)],
    ) {
        let DirectPlan { pixels, plane, ref taps, .. } = *self.plan;
        let mut at = [(0, 0); V];
        at.copy_from_slice(registers);
        let mut sums = [[simd.splat_f32s(0.0); V]; C];
        for (c, sums) in sums.iter_mut().enumerate() {
            match self.start {
                Start::Bias(bias) if inputs.start == 0 => {
                    *sums = [simd.splat_f32s(bias.map_or(0.0, |bias| bias[first + c])); V];
                }
                Start::Over if inputs.start == 0 => {}
                _ => {
                    for (sum, (_, out)) in sums.iter_mut().zip(at) {
                        // SAFETY: a register of the plan lies in each plane of `y`, whose length was checked. It was
                        // written for the input channels before these, or by the caller of `run` for sums that start
                        // with what is there.
                        *sum = unsafe { load_new::<S>(self.y, (first + c) * pixels + out) };
                    }
                }
            }
        }
        let (weights, _) = w.as_chunks::<C>();
        for (input, weights) in inputs.zip(weights.chunks_exact(taps.len())) {
            for (tap, weights) in taps.iter().zip(weights) {
                let base = input * plane + tap;
                let mut x = [simd.splat_f32s(0.0); V];
                for (x, (from, _)) in x.iter_mut().zip(at) {
                    // SAFETY: a register of the plan, moved by a tap, lies in each plane of `padded`, whose length was
                    // checked.
                    *x = unsafe { load::<S>(self.padded, base + from) };
                }
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
                // SAFETY: a register of the plan lies in each plane of `y`, whose length was checked.
                unsafe { store_new::<S>(self.y, (first + c) * pixels + out, sum) };
            }
        }
    }
}
