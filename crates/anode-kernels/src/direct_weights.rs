//! The gradient of the weights of a direct convolution, by vector registers.
//!
//! A tile of weights of a few output by a few input channels, at one tap, is summed over pixels and images in
//! registers. The order of a sum depends neither on the tile nor on the number of threads.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::ConvShape;
use super::direct::{lanes, load};
use super::plan::{CHANNELS, DirectPlan, blocks};
use super::simd::dispatch_halves;

/// Images whose weight gradients are summed on one thread before the groups are added in order, where images stand
/// alone.
pub(super) const GROUP: usize = 8;

/// `w_bar += (dy/dw)^T y_bar`, summed over a batch of images, as [`super::direct::forward`].
pub(super) fn vjp_weights(shape: &ConvShape, x: &[f32], y_bar: &[f32], w_bar: &mut [f32]) -> bool {
    let Some(plan) = DirectPlan::new(shape, lanes()) else { return false };
    let (x, y_bar) = ((x, shape.input_len()), (y_bar, shape.output_len()));
    if plan.images == 1 {
        weights_of_groups(&plan, x, y_bar, w_bar)
    } else {
        weights_of_blocks(&plan, x, y_bar, w_bar)
    }
    true
}

/// Registers over which a tile of weights is summed before its lanes are added up.
const SUMMED: usize = 64;

/// Images whose part of a tile of weights is summed before its lanes are added up, where images stand alone.
pub(super) fn summed_at_a_time(plan: &DirectPlan) -> usize {
    (SUMMED / plan.registers.len()).clamp(1, GROUP)
}

/// Large images: each thread sums over a group of them; the groups are added in order.
fn weights_of_groups(
    plan: &DirectPlan,
    (x, input): (&[f32], usize),
    (y_bar, output): (&[f32], usize),
    w_bar: &mut [f32],
) {
    let at_a_time = summed_at_a_time(plan);
    let groups: Vec<Vec<f32>> = x
        .par_chunks(input * GROUP)
        .zip(y_bar.par_chunks(output * GROUP))
        .map(|(x, y_bar)| {
            let len = if plan.needs_no_copy() { 0 } else { at_a_time * plan.padded_len() };
            let mut padded = Box::<[f32]>::new_zeroed_slice(len);
            let mut sum = vec![0.0; w_bar.len()];
            for (x, y_bar) in x.chunks(at_a_time * input).zip(y_bar.chunks(at_a_time * output)) {
                let padded = if plan.needs_no_copy() {
                    x
                } else {
                    let places = padded.chunks_exact_mut(plan.padded_len());
                    x.chunks_exact(input).zip(places).for_each(|(x, padded)| plan.pad(x, &[], padded));
                    // SAFETY: it was made of zeros, which are numbers, and only numbers were written.
                    unsafe { padded.assume_init_ref() }
                };
                let sets: Vec<_> = padded.chunks_exact(plan.padded_len()).zip(y_bar.chunks_exact(output)).collect();
                WeightVjp { plan, sets: &sets, outputs: 0..plan.channels.1, w_bar: &mut sum }.run();
            }
            sum
        })
        .collect();
    for group in groups {
        w_bar.iter_mut().zip(group).for_each(|(w, g)| *w += g);
    }
}

/// Small images side by side, with many weights: each thread sums a block of output channels over all images.
fn weights_of_blocks(
    plan: &DirectPlan,
    (x, input): (&[f32], usize),
    (y_bar, output): (&[f32], usize),
    w_bar: &mut [f32],
) {
    let (k, images) = (plan.images, x.len() / input);
    assert!(x.len() == images * input && y_bar.len() == images * output, "images that do not fit");
    let sets: Vec<[Box<[f32]>; 2]> = x
        .par_chunks(input * k)
        .zip(y_bar.par_chunks(output * k))
        .map(|(x, y_bar)| {
            let (mut padded, mut together) = (plan.padded_buffer(images), Box::new_uninit_slice(plan.output_len()));
            plan.pad(x, &[], &mut padded);
            plan.gather(y_bar, &mut together);
            // SAFETY: all of `padded` was written, when it was made or just now; all of `together` just now.
            unsafe { [padded.assume_init(), together.assume_init()] }
        })
        .collect();
    let sets: Vec<_> = sets.iter().map(|[padded, y_bar]| (&padded[..], &y_bar[..])).collect();
    let at_a_time = (SUMMED / plan.registers.len()).max(1);
    let depth = plan.channels.0 * plan.taps.len();
    w_bar.par_chunks_mut(CHANNELS * depth).zip(blocks(plan.channels.1)).for_each(|(w_bar, outputs)| {
        for sets in sets.chunks(at_a_time) {
            WeightVjp { plan, sets, outputs: outputs.clone(), w_bar: &mut *w_bar }.run();
        }
    });
}

/// Blocks of channels as tiles take them: `C` at a time, or one by one where fewer are left.
fn tiles<const C: usize>(range: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let whole = range.start + range.len() / C * C;
    (range.start..whole).step_by(C).map(|c| (c, C)).chain((whole..range.end).map(|c| (c, 1)))
}

/// The gradient of the weights of some output channels, summed over sets: the padded images of a plan with the
/// cotangents of their outputs.
pub(super) struct WeightVjp<'a> {
    pub plan: &'a DirectPlan,
    pub sets: &'a [(&'a [f32], &'a [f32])],
    pub outputs: Range<usize>,
    pub w_bar: &'a mut [f32],
}

impl WeightVjp<'_> {
    pub fn run(self) {
        let DirectPlan { channels: (inputs, outputs), ref taps, .. } = *self.plan;
        let (padded_len, output_len) = (self.plan.padded_len(), self.plan.output_len());
        let fits = self.sets.iter().all(|(x, y)| x.len() == padded_len && y.len() == output_len);
        assert!(fits && self.outputs.end <= outputs, "images that do not fit");
        assert_eq!(self.w_bar.len(), inputs * self.outputs.len() * taps.len(), "weights that do not fit");
        dispatch_halves(self);
    }
}

impl WithSimd for WeightVjp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match S::REGISTER_COUNT {
            32.. => self.all::<S, CHANNELS, CHANNELS>(simd),
            // 12 sums and their factors fit into 16 registers.
            _ => self.all::<S, CHANNELS, { CHANNELS - 1 }>(simd),
        }
    }
}

impl WeightVjp<'_> {
    /// The gradient in tiles of `M` output by `N` input channels.
    #[inline(always)]
    fn all<S: Simd, const M: usize, const N: usize>(&mut self, simd: S) {
        for (output, m) in tiles::<M>(self.outputs.clone()) {
            for (input, n) in tiles::<N>(0..self.plan.channels.0) {
                for tap in 0..self.plan.taps.len() {
                    match (m == M, n == N) {
                        (true, true) => self.tile::<S, M, N>(simd, output, input, tap),
                        (true, false) => self.tile::<S, M, 1>(simd, output, input, tap),
                        (false, true) => self.tile::<S, 1, N>(simd, output, input, tap),
                        (false, false) => self.tile::<S, 1, 1>(simd, output, input, tap),
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(&mut self, simd: S, output: usize, input: usize, tap: usize) {
        let mut sums = self.sums::<S, M, N>(simd, output, input, tap, 0);
        for half in (S::F32_LANES..self.plan.lanes).step_by(S::F32_LANES) {
            let others = self.sums::<S, M, N>(simd, output, input, tap, half);
            for (sum, other) in sums.as_flattened_mut().iter_mut().zip(others.as_flattened()) {
                // A longer register's lanes are added up in this order.
                *sum = simd.add_f32s(*sum, *other);
            }
        }
        for (m, sums) in sums.into_iter().enumerate() {
            for (n, sum) in sums.into_iter().enumerate() {
                let weight = (output - self.outputs.start + m) * self.plan.channels.0 + input + n;
                self.w_bar[weight * self.plan.taps.len() + tap] += simd.reduce_sum_f32s(sum);
            }
        }
    }

    /// The sums of a tile over `S::F32_LANES` of the plan's lanes, from the lane `half` on.
    #[inline(always)]
    fn sums<S: Simd, const M: usize, const N: usize>(
        &self,
        simd: S,
        output: usize,
        input: usize,
        tap: usize,
        half: usize,
    ) -> [[S::f32s; N]; M] {
        let DirectPlan { pixels, plane, ref taps, .. } = *self.plan;
        let mut sums = [[simd.splat_f32s(0.0); N]; M];
        for (padded, y_bar) in self.sets {
            for &(from, out) in &self.plan.registers {
                let mut x = [simd.splat_f32s(0.0); N];
                for (n, x) in x.iter_mut().enumerate() {
                    // SAFETY: a register of the plan, moved by a tap, lies in each plane of `padded`, whose length was
                    // checked, and so does its half.
                    *x = unsafe { load::<S>(padded, (input + n) * plane + taps[tap] + from + half) };
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: a register of the plan lies in each plane of `y_bar`, whose length was checked, and so
                    // does its half.
                    let y = unsafe { load::<S>(y_bar, (output + m) * pixels + out + half) };
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = simd.mul_add_e_f32s(y, x, *sum);
                    }
                }
            }
        }
        sums
    }
}
