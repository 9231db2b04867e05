//! Two vectors of different kinds as one: a state on a device, say, and what belongs to it in host memory.

use super::Vector;

/// One vector on the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair<A, B>(pub A, pub B);

impl<A: Vector, B: Vector<Real = A::Real>> Vector for Pair<A, B> {
    type Real = A::Real;

    fn len(&self) -> usize {
        self.0.len() + self.1.len()
    }

    fn shape(&self) -> Vec<usize> {
        [self.0.shape(), self.1.shape()].concat()
    }

    fn zeros_like(&self) -> Self {
        Self(self.0.zeros_like(), self.1.zeros_like())
    }

    fn duplicate(&self) -> Self {
        Self(self.0.duplicate(), self.1.duplicate())
    }

    fn copy_from(&mut self, other: &Self) {
        self.0.copy_from(&other.0);
        self.1.copy_from(&other.1);
    }

    fn set_zero(&mut self) {
        self.0.set_zero();
        self.1.set_zero();
    }

    fn axpy(&mut self, a: A::Real, x: &Self) {
        self.0.axpy(a, &x.0);
        self.1.axpy(a, &x.1);
    }

    fn axpy_is_finite(&mut self, a: A::Real, x: &Self) -> bool {
        // Both sums are taken, whatever the first one is.
        self.0.axpy_is_finite(a, &x.0) & self.1.axpy_is_finite(a, &x.1)
    }

    fn scale(&mut self, a: A::Real) {
        self.0.scale(a);
        self.1.scale(a);
    }

    fn to_f64(&self) -> Vec<f64> {
        [self.0.to_f64(), self.1.to_f64()].concat()
    }

    fn weighted_squares(&self, y: &Self, z: &Self, tolerances: [f64; 2], start: f64) -> f64 {
        let first = self.0.weighted_squares(&y.0, &z.0, tolerances, start);
        self.1.weighted_squares(&y.1, &z.1, tolerances, first)
    }

    fn weighted_most(&self, y: &Self, z: &Self, least: f64, start: f64) -> f64 {
        let first = self.0.weighted_most(&y.0, &z.0, least, start);
        self.1.weighted_most(&y.1, &z.1, least, first)
    }

    fn dot(&self, other: &Self) -> f64 {
        self.0.dot(&other.0) + self.1.dot(&other.1)
    }

    fn is_finite(&self) -> bool {
        self.0.is_finite() && self.1.is_finite()
    }

    fn is_finite_deferred(&self) -> bool {
        self.0.is_finite_deferred() && self.1.is_finite_deferred()
    }
}
