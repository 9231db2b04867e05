//! Several vectors as one: the state of a system made of parts, such as state, adjoint and gradient.

use super::Vector;

/// Vectors stacked on one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack<V>(pub Vec<V>);

impl<V: Vector> Vector for Stack<V> {
    type Real = V::Real;

    fn len(&self) -> usize {
        self.0.iter().map(Vector::len).sum()
    }

    fn shape(&self) -> Vec<usize> {
        self.0.iter().flat_map(Vector::shape).collect()
    }

    fn zeros_like(&self) -> Self {
        Self(self.0.iter().map(Vector::zeros_like).collect())
    }

    fn copy_from(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| a.copy_from(b));
    }

    fn set_zero(&mut self) {
        self.0.iter_mut().for_each(Vector::set_zero);
    }

    fn axpy(&mut self, a: V::Real, x: &Self) {
        self.0.iter_mut().zip(&x.0).for_each(|(y, x)| y.axpy(a, x));
    }

    fn scale(&mut self, a: V::Real) {
        self.0.iter_mut().for_each(|x| x.scale(a));
    }

    fn to_f64(&self) -> Vec<f64> {
        self.0.iter().flat_map(Vector::to_f64).collect()
    }

    fn weighted_squares(&self, y: &Self, z: &Self, tolerances: [f64; 2], start: f64) -> f64 {
        let parts = self.0.iter().zip(y.0.iter().zip(&z.0));
        parts.fold(start, |sum, (x, (y, z))| x.weighted_squares(y, z, tolerances, sum))
    }

    fn weighted_most(&self, y: &Self, z: &Self, least: f64, start: f64) -> f64 {
        let parts = self.0.iter().zip(y.0.iter().zip(&z.0));
        parts.fold(start, |most, (x, (y, z))| x.weighted_most(y, z, least, most))
    }

    fn dot(&self, other: &Self) -> f64 {
        self.0.iter().zip(&other.0).map(|(a, b)| a.dot(b)).sum()
    }

    fn is_finite(&self) -> bool {
        self.0.iter().all(Vector::is_finite)
    }
}
