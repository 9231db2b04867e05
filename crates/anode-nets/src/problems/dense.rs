//! dz/dt = sign * activation(W z): a dense field whose parameters are W.

use std::marker::PhantomData;

use crate::kernels::{Activation, Cpu, Device, dense};
use crate::ode::{At, DifferentiableField, FieldError, Real, Vector, VectorField, expect_len};

/// dz/dt = sign * activation(W z), z of length n, W an n x n matrix stored row by row.
pub struct Dense<R, D: Device = Cpu> {
    device: D,
    n: usize,
    sign: f64,
    activation: Activation,
    real: PhantomData<R>,
}

/// The state and the pre-activation W z of one evaluation.
pub struct DenseTape<B> {
    z: B,
    x: B,
}

impl<R: Real> Dense<R> {
    /// The field with this activation and sign.
    pub fn new(n: usize, activation: Activation, sign: f64) -> Self {
        Self::on(Cpu, n, activation, sign)
    }

    /// dz/dt = tanh(W z).
    pub fn tanh(n: usize) -> Self {
        Self::new(n, Activation::Tanh, 1.0)
    }
}

impl<R: Real, D: Device> Dense<R, D> {
    /// The field with this activation and sign, on a device.
    pub fn on(device: D, n: usize, activation: Activation, sign: f64) -> Self {
        Self { device, n, sign, activation, real: PhantomData }
    }

    fn preactivation(&self, z: &D::Buffer<R>, w: &D::Buffer<R>, x: &mut D::Buffer<R>) -> Result<(), FieldError> {
        expect_len("state", z.len(), self.n)?;
        expect_len("parameters", w.len(), self.n * self.n)?;
        self.device.dense(w, z, x);
        Ok(())
    }
}

impl<R: Real, D: Device> VectorField for Dense<R, D> {
    type Vector = D::Buffer<R>;

    fn eval(&self, _: At, z: &Self::Vector, w: &Self::Vector, dz: &mut Self::Vector) -> Result<(), FieldError> {
        self.preactivation(z, w, dz)?;
        self.device.activate(self.activation, self.sign, dz);
        Ok(())
    }
}

impl<R: Real, D: Device> DifferentiableField for Dense<R, D> {
    type Tape = DenseTape<D::Buffer<R>>;

    fn eval_taped(
        &self,
        _: At,
        z: &Self::Vector,
        w: &Self::Vector,
        dz: &mut Self::Vector,
    ) -> Result<Self::Tape, FieldError> {
        let mut x = self.device.alloc_uninit(self.n);
        self.preactivation(z, w, &mut x)?;
        dz.copy_from(&x);
        self.device.activate(self.activation, self.sign, dz);
        Ok(DenseTape { z: z.duplicate(), x })
    }

    fn vjp(
        &self,
        tape: &Self::Tape,
        w: &Self::Vector,
        cotangent: &Self::Vector,
        z_bar: &mut Self::Vector,
        w_bar: &mut Self::Vector,
    ) -> Result<(), FieldError> {
        expect_len("cotangent", cotangent.len(), self.n)?;
        let mut x_bar = cotangent.duplicate();
        self.device.activate_vjp(self.activation, self.sign, &tape.x, &mut x_bar);
        self.device.dense_vjp(w, &tape.z, &x_bar, z_bar, w_bar);
        Ok(())
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        tape.z.bytes() + tape.x.bytes()
    }
}

/// Spectral norm of an n x n matrix, by the power method on W^T W from a fixed start until it changes by less than
/// 1e-12 relative, at most 10,000 times. 0 for n = 0.
///
/// # Panics
/// If `w` does not have n x n numbers.
pub fn spectral_norm(w: &[f64], n: usize) -> f64 {
    assert_eq!(w.len(), n * n, "a matrix that does not fit");
    if n == 0 {
        return 0.0;
    }
    let mut v: Vec<f64> = (0..n).map(|i| 1.0 + (i as f64).sin() / 2.0).collect();
    let mut u = vec![0.0; n];
    let mut norm = 0.0;
    for _ in 0..10_000 {
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= length);
        dense(w, &v, &mut u);
        let next = u.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.fill(0.0);
        for (row, u) in w.chunks_exact(n).zip(&u) {
            v.iter_mut().zip(row).for_each(|(v, w)| *v += w * u);
        }
        if next == 0.0 || (next - norm).abs() < 1e-12 * next {
            return next;
        }
        norm = next;
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::spectral_norm;

    #[test]
    fn the_spectral_norm_of_small_matrices() {
        assert_eq!((spectral_norm(&[], 0), spectral_norm(&[0.0], 1), spectral_norm(&[-2.0], 1)), (0.0, 0.0, 2.0));
        assert!((spectral_norm(&[3.0, 0.0, 4.0, 0.0], 2) - 5.0).abs() < 1e-12);
    }
}
