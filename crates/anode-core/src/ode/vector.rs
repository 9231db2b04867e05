//! The vector space that states, parameters and cotangents live in.
//!
//! Solvers and gradient methods touch numbers only through [`Vector`], so the same code runs on a
//! plain `Vec<f64>`, on counted buffers and on device memory.

use std::sync::atomic::{AtomicBool, Ordering};

use num_traits::Float;
use rayon::prelude::*;

use super::SolveError;

/// A floating-point type that a field can compute in: `f32` or `f64`. It cannot be implemented for other types: kernels
/// copy numbers as bytes and convert them to `f64` without loss.
pub trait Real:
    sealed::Sealed
    + Float
    + std::fmt::Debug
    + std::fmt::Display
    + std::fmt::LowerExp
    + std::iter::Sum
    + Default
    + Send
    + Sync
    + 'static
{
    /// The name used in definitions and tables: `f32` or `f64`.
    const NAME: &'static str;

    /// Rounds `x` to this type.
    fn of(x: f64) -> Self;

    /// This number as `f64`, exactly.
    fn f64(self) -> f64;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! real {
    ($($t:ident),*) => {$(
        impl sealed::Sealed for $t {}
        impl Real for $t {
            const NAME: &'static str = stringify!($t);
            fn of(x: f64) -> Self { x as $t }
            fn f64(self) -> f64 { self.into() }
        }
    )*};
}
real!(f32, f64);

/// A vector that a solver can step. All vectors of one problem have one length.
///
/// Norms and inner products are accumulated in `f64` in index order, so they are the same bits
/// for any thread count.
pub trait Vector: Sized {
    /// The type of one component.
    type Real: Real;

    /// Number of components.
    fn len(&self) -> usize;

    /// Whether there are no components (a field without parameters, say).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A new vector of zeros with the length of `self`.
    fn zeros_like(&self) -> Self;

    /// A new vector with the length of `self` and any contents, for a caller that overwrites all of it. Zeros unless
    /// the vector's memory can be left as it is.
    fn alloc_uninit_like(&self) -> Self {
        self.zeros_like()
    }

    /// Overwrites `self` with `other` (same length).
    fn copy_from(&mut self, other: &Self);

    /// Sets every component to zero.
    fn set_zero(&mut self);

    /// `self += a * x`.
    fn axpy(&mut self, a: Self::Real, x: &Self);

    /// `self += a * x`. Returns whether every component is finite then. Override it if both can be done in one pass
    /// over memory.
    fn axpy_is_finite(&mut self, a: Self::Real, x: &Self) -> bool {
        self.axpy(a, x);
        self.is_finite()
    }

    /// `self = a * x`.
    fn set_scaled(&mut self, a: Self::Real, x: &Self) {
        self.set_zero();
        self.axpy(a, x);
    }

    /// `self *= a`.
    fn scale(&mut self, a: Self::Real);

    /// The components in host memory, in order, as `f64` (exact for both types).
    fn to_f64(&self) -> Vec<f64>;

    /// Folds the components of three vectors of one length, as `f64`, in order.
    fn fold_three(&self, y: &Self, z: &Self, start: f64, fold: &mut impl FnMut(f64, [f64; 3]) -> f64) -> f64 {
        let rest = y.to_f64().into_iter().zip(z.to_f64());
        self.to_f64().into_iter().zip(rest).fold(start, |sum, (x, (y, z))| fold(sum, [x, y, z]))
    }

    /// `start` plus the sum of (x_i / (atol + rtol max(|y_i|, |z_i|)))^2, in order.
    fn weighted_squares(&self, y: &Self, z: &Self, [atol, rtol]: [f64; 2], start: f64) -> f64 {
        let part = |[x, y, z]: [f64; 3]| (x.abs() / (atol + rtol * y.abs().max(z.abs()))).powi(2);
        self.fold_three(y, z, start, &mut |sum, parts| sum + part(parts))
    }

    /// The most of `start` and |x_i| / max(|y_i|, |z_i|, least).
    fn weighted_most(&self, y: &Self, z: &Self, least: f64, start: f64) -> f64 {
        let part = |[x, y, z]: [f64; 3]| x.abs() / y.abs().max(z.abs()).max(least);
        self.fold_three(y, z, start, &mut |most, parts| most.max(part(parts)))
    }

    /// Inner product, accumulated in `f64`.
    fn dot(&self, other: &Self) -> f64;

    /// Whether every component is finite.
    fn is_finite(&self) -> bool;

    /// As [`Self::is_finite`], without waiting. A vector on a device may return `true` and report a non-finite number
    /// later, as for [`Self::axpy_is_finite`].
    fn is_finite_deferred(&self) -> bool {
        self.is_finite()
    }

    /// A new vector with the contents of `self`.
    fn duplicate(&self) -> Self {
        let mut copy = self.zeros_like();
        copy.copy_from(self);
        copy
    }

    /// As [`Self::duplicate`], but may share memory with `self` until one of the two is changed (copy on write). Use it
    /// for a copy that probably stays as it is.
    fn share(&self) -> Self {
        self.duplicate()
    }

    /// Euclidean norm, accumulated in `f64`. Numbers whose squares overflow or underflow are scaled first.
    fn norm(&self) -> f64 {
        let squares = self.dot(self);
        if squares.is_normal() { squares.sqrt() } else { scaled_norm(&self.to_f64()) }
    }

    /// Number of components of each part, in order: one part for a plain vector.
    fn shape(&self) -> Vec<usize> {
        vec![self.len()]
    }

    /// Bytes that the components take.
    fn bytes(&self) -> usize {
        self.len() * size_of::<Self::Real>()
    }
}

/// Refuses a vector whose parts do not have these lengths; `what` and `of` name it and the vector that it belongs to.
///
/// # Errors
/// [`SolveError::Argument`] with both shapes.
pub fn expect_shape(what: &str, found: &[usize], of: &str, expected: &[usize]) -> Result<(), SolveError> {
    if found == expected {
        return Ok(());
    }
    let said = |shape: &[usize]| match shape {
        [one] => format!("length {one}"),
        parts => format!("parts of lengths {parts:?}"),
    };
    Err(SolveError::Argument(format!("{what}: {}, expected {}, as in {of}", said(found), said(expected))))
}

/// Euclidean norm of numbers whose sum of squares is no normal number.
fn scaled_norm(x: &[f64]) -> f64 {
    let largest = x.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    if largest == 0.0 || largest.is_infinite() {
        // Zero, infinite, or NaN if there is one.
        return x.iter().map(|x| x.abs()).sum();
    }
    largest * x.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}

/// Euclidean distance of two vectors, accumulated in `f64`.
pub fn distance<V: Vector>(a: &V, b: &V) -> f64 {
    let mut d = a.duplicate();
    d.axpy(V::Real::of(-1.0), b);
    d.norm()
}

/// `|a - b| / |b|`; zero when both vanish, infinite when only `b` does.
pub fn relative_distance<V: Vector>(a: &V, b: &V) -> f64 {
    let (d, n) = (distance(a, b), b.norm());
    if d == 0.0 { 0.0 } else { d / n }
}

/// Vectors from this length on are worked on by all threads, in parts of [`SHARE`] numbers.
const SHARED: usize = 1 << 17;
const SHARE: usize = 1 << 15;

/// Runs `work` on all of `y` and `x`, or on parts of them side by side. The parts do not meet, so the bits stay the
/// same.
fn each<R: Real>(y: &mut [R], x: &[R], work: impl Fn(&mut [R], &[R]) + Sync) {
    if y.len() < SHARED {
        work(y, x);
    } else {
        y.par_chunks_mut(SHARE).zip(x.par_chunks(SHARE)).for_each(|(y, x)| work(y, x));
    }
}

/// A vector of zeros.
pub fn zeros<R: Real>(n: usize) -> Vec<R> {
    if n < SHARED {
        return vec![R::zero(); n];
    }
    let mut made = Vec::new();
    rayon::iter::repeat_n(R::zero(), n).collect_into_vec(&mut made);
    made
}

/// A copy of a slice.
pub fn copied<R: Real>(x: &[R]) -> Vec<R> {
    if x.len() < SHARED {
        return x.to_vec();
    }
    let mut copy = Vec::new();
    x.par_iter().copied().collect_into_vec(&mut copy);
    copy
}

/// Numbers of a part of which two vectors fit into the first-level cache together.
const BLOCK: usize = 2048;

/// Whether every number is finite. A sum is finite only if all its terms are, and sums can be vectorised, where a
/// search cannot; where a sum overflows, the numbers are looked at one by one.
#[inline(always)]
pub fn all_finite<R: Real>(numbers: &[R]) -> bool {
    const LANES: usize = 32;
    let chunks = numbers.chunks_exact(LANES);
    let rest = chunks.remainder();
    let mut sums = [R::zero(); LANES];
    for x in chunks {
        for i in 0..LANES {
            sums[i] = sums[i] + x[i];
        }
    }
    sums.iter().chain(rest).all(|x| x.is_finite()) || numbers.iter().all(|x| x.is_finite())
}

impl<R: Real> Vector for Vec<R> {
    type Real = R;

    fn duplicate(&self) -> Self {
        copied(self)
    }

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn zeros_like(&self) -> Self {
        zeros(self.len())
    }

    fn copy_from(&mut self, other: &Self) {
        assert_eq!(self.len(), other.len(), "copy of a vector of different length");
        each(self, other, |to, from| to.copy_from_slice(from));
    }

    fn set_zero(&mut self) {
        if self.len() < SHARED {
            self.fill(R::zero());
        } else {
            self.par_chunks_mut(SHARE).for_each(|part| part.fill(R::zero()));
        }
    }

    fn axpy(&mut self, a: R, x: &Self) {
        assert_eq!(self.len(), x.len(), "axpy of vectors of different length");
        each(self, x, |y, x| y.iter_mut().zip(x).for_each(|(y, &x)| *y = *y + a * x));
    }

    fn set_scaled(&mut self, a: R, x: &Self) {
        assert_eq!(self.len(), x.len(), "a vector scaled into one of different length");
        // From zero, as an axpy starts: no negative zeros.
        each(self, x, |y, x| y.iter_mut().zip(x).for_each(|(y, &x)| *y = R::zero() + a * x));
    }

    fn axpy_is_finite(&mut self, a: R, x: &Self) -> bool {
        assert_eq!(self.len(), x.len(), "axpy of vectors of different length");
        // Block by block, so that the second look finds the numbers in the nearest cache.
        let finite = AtomicBool::new(true);
        each(self, x, |y, x| {
            for (y, x) in y.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = *y + a * x);
                if !all_finite(y) {
                    finite.store(false, Ordering::Relaxed);
                }
            }
        });
        finite.into_inner()
    }

    fn scale(&mut self, a: R) {
        let scaled = |y: &mut [R]| y.iter_mut().for_each(|y| *y = *y * a);
        if self.len() < SHARED { scaled(self) } else { self.par_chunks_mut(SHARE).for_each(scaled) }
    }

    fn to_f64(&self) -> Vec<f64> {
        self.iter().map(|x| x.f64()).collect()
    }

    fn fold_three(&self, y: &Self, z: &Self, start: f64, fold: &mut impl FnMut(f64, [f64; 3]) -> f64) -> f64 {
        self.iter().zip(y.iter().zip(z)).fold(start, |sum, (x, (y, z))| fold(sum, [x.f64(), y.f64(), z.f64()]))
    }

    fn dot(&self, other: &Self) -> f64 {
        assert_eq!(self.len(), other.len(), "dot of vectors of different length");
        self.iter().zip(other).map(|(a, b)| a.f64() * b.f64()).sum()
    }

    fn is_finite(&self) -> bool {
        all_finite(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_looked_at_and_large_numbers_are_not_mistaken() {
        // Miri would take minutes for all places of the longest.
        for length in [0, 1, 31, 32, 100, 5000].into_iter().filter(|&length| !cfg!(miri) || length < 1000) {
            let sound = vec![f32::MAX; length];
            assert!(sound.is_finite(), "the sum overflows, no number does");
            for place in (0..length).step_by(7) {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut broken = vec![1.0f32; length];
                    broken[place] = bad;
                    assert!(!broken.is_finite() && !vec![0.0; length].axpy_is_finite(1.0, &broken));
                }
            }
            let mut sum = vec![1.0f32; length];
            assert!(sum.axpy_is_finite(2.0, &vec![0.5; length]));
            assert_eq!(sum, vec![2.0; length]);
            sum.set_scaled(-1.0, &vec![0.0; length]);
            assert!(sum.iter().all(|x| x.to_bits() == 0), "as an axpy onto zeros");
            assert!(length == 0 || !sound.clone().axpy_is_finite(1.0, &sound), "overflow");
        }
    }
}
