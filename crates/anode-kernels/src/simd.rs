//! Loops compiled for the vector instructions of the processor at hand, chosen when the program runs.
//!
//! Loops are never reordered, so their results are bit-identical for all instructions. Kernels written by vector
//! registers sum in an order that depends on the length of a register. On processors with AVX2, two registers therefore
//! count as one, which then has the length of one of AVX-512.

#[cfg(all(target_arch = "x86_64", not(miri)))]
use pulp::x86::V3_512b;
use pulp::{Arch, Simd, WithSimd};

/// The vector instructions of this processor that kernels use: `AVX-512`, `AVX2 in pairs` (two registers of AVX2 as one
/// of AVX-512) or `no AVX2`. Results of the first two are bit-identical. `None` on other architectures than x86-64.
pub fn vector_instructions() -> Option<&'static str> {
    cfg!(target_arch = "x86_64").then(|| match Arch::new() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "AVX-512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "AVX2 in pairs",
        _ => "no AVX2",
    })
}

/// Runs a kernel with the vector registers of this processor. With AVX2 and AVX-512 they hold 16 numbers of `f32`.
#[inline]
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    #[cfg(test)]
    if tests::BY_SCALARS.load(std::sync::atomic::Ordering::Relaxed) {
        return work.with_simd(pulp::Scalar512b);
    }
    match Arch::new() {
        // Miri is slow enough without registers in pairs.
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Arch::V3(simd) => simd.vectorize(
            #[inline(always)]
            || work.with_simd(V3_512b(simd)),
        ),
        arch => arch.dispatch(work),
    }
}

/// As [`dispatch`], but with AVX2 a register holds 8 numbers: for kernels that compute both halves of 16 numbers one
/// after the other, so that the sums of a larger tile fit into registers.
#[inline]
pub(super) fn dispatch_halves<W: WithSimd>(work: W) -> W::Output {
    #[cfg(test)]
    if tests::BY_SCALARS.load(std::sync::atomic::Ordering::Relaxed) {
        return work.with_simd(pulp::Scalar512b);
    }
    Arch::new().dispatch(work)
}

struct FewRegisters;

impl WithSimd for FewRegisters {
    type Output = bool;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        S::REGISTER_COUNT < 16
    }
}

/// Whether [`dispatch`] has fewer than 16 registers, as with AVX2, where two registers count as one.
pub(super) fn few_registers() -> bool {
    dispatch(FewRegisters)
}

/// Runs `work`, compiled anew for each set of vector instructions.
#[inline]
pub(super) fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    Arch::new().dispatch(work)
}

/// Partial sums that run side by side. Their number decides the order of a sum, so it is fixed.
const LANES: usize = 16;

/// The lanes of P sums, each added up from its first to its last: P sums at a time instead of one waiting for another.
#[inline(always)]
fn totals<const P: usize>(sums: [[f64; LANES]; P]) -> [f64; P] {
    let mut totals = sums.map(|sums| sums[0]);
    for i in 1..LANES {
        for (total, sums) in totals.iter_mut().zip(&sums) {
            *total += sums[i];
        }
    }
    totals
}

/// The sums of `term(x)` over P slices of one length, in [`LANES`] interleaved partial sums each.
#[inline(always)]
pub(super) fn sum_of<R: Copy, const P: usize>(x: [&[R]; P], term: impl Fn(R) -> f64) -> [f64; P] {
    let mut sums = [[0.0; LANES]; P];
    let parts = x.map(|x| x.as_chunks::<LANES>());
    for at in 0..parts[0].0.len() {
        for ((parts, _), sums) in parts.iter().zip(&mut sums) {
            let x = &parts[at];
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += term(x);
            }
        }
    }
    for ((_, rest), sums) in parts.iter().zip(&mut sums) {
        sums.iter_mut().zip(*rest).for_each(|(sum, &x)| *sum += term(x));
    }
    totals(sums)
}

/// The sums of both numbers of `terms(slice, x, g)` over P slices and P others, each as [`sum_of`] adds it.
#[inline(always)]
pub(super) fn sums_of<R: Copy, const P: usize>(
    x: [&[R]; P],
    g: [&[R]; P],
    terms: impl Fn(usize, R, R) -> (f64, f64),
) -> [(f64, f64); P] {
    let (mut ones, mut twos) = ([[0.0; LANES]; P], [[0.0; LANES]; P]);
    let (x, g) = (x.map(|x| x.as_chunks::<LANES>()), g.map(|g| g.as_chunks::<LANES>()));
    for at in 0..x[0].0.len() {
        for p in 0..P {
            let (x, g) = (&x[p].0[at], &g[p].0[at]);
            for i in 0..LANES {
                let terms = terms(p, x[i], g[i]);
                ones[p][i] += terms.0;
                twos[p][i] += terms.1;
            }
        }
    }
    for p in 0..P {
        for (i, (&x, &g)) in x[p].1.iter().zip(g[p].1).enumerate() {
            let terms = terms(p, x, g);
            ones[p][i] += terms.0;
            twos[p][i] += terms.1;
        }
    }
    let (ones, twos) = (totals(ones), totals(twos));
    std::array::from_fn(|p| (ones[p], twos[p]))
}

/// `work` on P items at a time, the last ones filled up with themselves: a result for each, in order.
#[inline(always)]
pub(super) fn together<I: Copy, T, const P: usize>(
    items: impl Iterator<Item = I>,
    work: impl Fn([I; P]) -> [T; P],
) -> Vec<T> {
    let mut results = Vec::with_capacity(items.size_hint().0);
    let mut items = items;
    while let Some(first) = items.next() {
        let (mut taken, mut n) = ([first; P], 1);
        for place in &mut taken[1..] {
            let Some(item) = items.next() else { break };
            *place = item;
            n += 1;
        }
        results.extend(work(taken).into_iter().take(n));
    }
    results
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::direct::lanes;
    use crate::{ConvShape, conv, conv_vjp_input, conv_vjp_weights};

    /// Whether kernels compute with 16 scalars instead of registers, one after the other.
    pub static BY_SCALARS: AtomicBool = AtomicBool::new(false);

    fn numbers(n: usize, salt: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * salt).sin()).collect()
    }

    /// The outputs of a convolution and of its vjp.
    fn outputs(shape: &ConvShape, images: usize) -> [Vec<f32>; 4] {
        let (x, y_bar) = (numbers(images * shape.input_len(), 0.37), numbers(images * shape.output_len(), 0.91));
        let (w, bias) = (numbers(shape.weight_len(), 0.53), numbers(shape.channels, 0.71));
        let (mut y, mut x_bar) = (y_bar.clone(), x.clone());
        let (mut w_bar, mut bias_bar) = (w.clone(), bias.clone());
        conv(shape, &x, &w, Some(&bias), &mut y);
        conv_vjp_input(shape, &w, &y_bar, &mut x_bar);
        conv_vjp_weights(shape, &x, &y_bar, &mut w_bar, Some(&mut bias_bar));
        [y, x_bar, w_bar, bias_bar]
    }

    /// AVX2 and AVX-512 both pass on processors that have them, so their bits are equal.
    #[test]
    #[cfg_attr(miri, ignore = "minutes")]
    fn registers_give_the_bits_of_sixteen_scalars() {
        // Scalars have no such kernels; registers of other architectures are shorter.
        if super::vector_instructions().is_none_or(|name| name == "no AVX2") {
            return;
        }
        assert_eq!(lanes(), 16);
        let shape = |input, channels, kernel, stride, padding| ConvShape { input, channels, kernel, stride, padding };
        let shapes = [
            (shape([3, 32, 32], 16, [3, 3], 1, [1, 1]), 3),
            (shape([6, 8, 16], 5, [3, 3], 1, [1, 1]), 19),
            (shape([7, 8, 8], 9, [3, 3], 1, [1, 1]), 19),
            (shape([4, 9, 12], 6, [3, 5], 2, [1, 2]), 17),
            (shape([20, 4, 8], 7, [1, 1], 1, [0, 0]), 18),
            (shape([64, 8, 8], 64, [3, 3], 1, [1, 1]), 3),
            (shape([96, 4, 4], 64, [3, 3], 1, [1, 1]), 20),
            // Tiles of 6, 4 and 1 channels; parts of 16 input channels, the last one shorter.
            (shape([17, 16, 16], 23, [3, 3], 1, [1, 1]), 9),
            (shape([23, 8, 8], 17, [3, 3], 1, [1, 1]), 33),
        ];
        for (shape, images) in shapes {
            let by_registers = outputs(&shape, images);
            BY_SCALARS.store(true, Ordering::Relaxed);
            let by_scalars = outputs(&shape, images);
            BY_SCALARS.store(false, Ordering::Relaxed);
            assert!(by_registers == by_scalars, "{shape:?}");
        }
    }
}
