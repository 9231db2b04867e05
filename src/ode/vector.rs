//! The vector space that states, parameters and cotangents live in.
//!
//! Solvers and gradient methods touch numbers only through [`Vector`], so the same code runs on a
//! plain `Vec<f64>`, on counted buffers and on device memory.

use num_traits::Float;

/// A floating-point type that a field can compute in: `f32` or `f64`.
pub trait Real:
    Float + std::fmt::Debug + std::fmt::Display + std::fmt::LowerExp + std::iter::Sum + Default + Send + Sync + 'static
{
    /// The name used in definitions and tables: `f32` or `f64`.
    const NAME: &'static str;

    /// Rounds `x` to this type.
    fn of(x: f64) -> Self;

    /// This number as `f64`, exactly.
    fn f64(self) -> f64;
}

macro_rules! real {
    ($($t:ident),*) => {$(
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

    /// Overwrites `self` with `other` (same length).
    fn copy_from(&mut self, other: &Self);

    /// Sets every component to zero.
    fn set_zero(&mut self);

    /// `self += a * x`.
    fn axpy(&mut self, a: Self::Real, x: &Self);

    /// `self *= a`.
    fn scale(&mut self, a: Self::Real);

    /// The components in host memory, in order, as `f64` (exact for both types).
    fn to_f64(&self) -> Vec<f64>;

    /// Inner product, accumulated in `f64`.
    fn dot(&self, other: &Self) -> f64;

    /// Whether every component is finite.
    fn is_finite(&self) -> bool;

    /// A new vector with the contents of `self`.
    fn duplicate(&self) -> Self {
        let mut copy = self.zeros_like();
        copy.copy_from(self);
        copy
    }

    /// Euclidean norm, accumulated in `f64`.
    fn norm(&self) -> f64 {
        self.dot(self).sqrt()
    }

    /// Bytes that the components take.
    fn bytes(&self) -> usize {
        self.len() * size_of::<Self::Real>()
    }
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

impl<R: Real> Vector for Vec<R> {
    type Real = R;

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn zeros_like(&self) -> Self {
        vec![R::zero(); self.len()]
    }

    fn copy_from(&mut self, other: &Self) {
        self.copy_from_slice(other);
    }

    fn set_zero(&mut self) {
        self.fill(R::zero());
    }

    fn axpy(&mut self, a: R, x: &Self) {
        assert_eq!(self.len(), x.len(), "axpy of vectors of different length");
        for (y, &x) in self.iter_mut().zip(x) {
            *y = *y + a * x;
        }
    }

    fn scale(&mut self, a: R) {
        for y in self.iter_mut() {
            *y = *y * a;
        }
    }

    fn to_f64(&self) -> Vec<f64> {
        self.iter().map(|x| x.f64()).collect()
    }

    fn dot(&self, other: &Self) -> f64 {
        self.iter().zip(other).map(|(a, b)| a.f64() * b.f64()).sum()
    }

    fn is_finite(&self) -> bool {
        self.iter().all(|x| x.is_finite())
    }
}
