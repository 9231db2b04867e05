//! dz/dt = sign * activation(W z): a dense field whose parameters are W.

use std::marker::PhantomData;

use crate::kernels::Activation;
use crate::ode::{At, DifferentiableField, FieldError, Real, VectorField, expect_len};

/// dz/dt = sign * activation(W z), z of length n, W an n x n matrix stored row by row.
pub struct Dense<R> {
    n: usize,
    sign: f64,
    activation: Activation,
    real: PhantomData<R>,
}

/// The state and the pre-activation W z of one evaluation.
pub struct DenseTape<R> {
    z: Vec<R>,
    x: Vec<R>,
}

impl<R: Real> Dense<R> {
    /// The field with this activation and sign.
    pub fn new(n: usize, activation: Activation, sign: f64) -> Self {
        Self { n, sign, activation, real: PhantomData }
    }

    /// dz/dt = tanh(W z).
    pub fn tanh(n: usize) -> Self {
        Self::new(n, Activation::Tanh, 1.0)
    }

    fn preactivation(&self, z: &[R], w: &[R], x: &mut [R]) -> Result<(), FieldError> {
        expect_len("state", z.len(), self.n)?;
        expect_len("parameters", w.len(), self.n * self.n)?;
        for (x, row) in x.iter_mut().zip(w.chunks_exact(self.n)) {
            *x = dot(row, z);
        }
        Ok(())
    }

    fn activate(&self, x: R) -> R {
        R::of(self.sign) * self.activation.apply(x)
    }
}

impl<R: Real> VectorField for Dense<R> {
    type Vector = Vec<R>;

    fn eval(&self, _: At, z: &Vec<R>, w: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        self.preactivation(z, w, dz)?;
        dz.iter_mut().for_each(|x| *x = self.activate(*x));
        Ok(())
    }
}

impl<R: Real> DifferentiableField for Dense<R> {
    type Tape = DenseTape<R>;

    fn eval_taped(&self, _: At, z: &Vec<R>, w: &Vec<R>, dz: &mut Vec<R>) -> Result<DenseTape<R>, FieldError> {
        let mut x = vec![R::zero(); self.n];
        self.preactivation(z, w, &mut x)?;
        for (dz, &x) in dz.iter_mut().zip(&x) {
            *dz = self.activate(x);
        }
        Ok(DenseTape { z: z.clone(), x })
    }

    fn vjp(
        &self,
        tape: &DenseTape<R>,
        w: &Vec<R>,
        cotangent: &Vec<R>,
        z_bar: &mut Vec<R>,
        w_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        expect_len("cotangent", cotangent.len(), self.n)?;
        let rows = w.chunks_exact(self.n).zip(w_bar.chunks_exact_mut(self.n));
        for ((&c, &x), (row, row_bar)) in cotangent.iter().zip(&tape.x).zip(rows) {
            let x_bar = R::of(self.sign) * self.activation.slope(x) * c;
            for ((&w, w_bar), (&z, z_bar)) in row.iter().zip(row_bar).zip(tape.z.iter().zip(z_bar.iter_mut())) {
                *z_bar = *z_bar + w * x_bar;
                *w_bar = *w_bar + z * x_bar;
            }
        }
        Ok(())
    }

    fn tape_bytes(&self, tape: &DenseTape<R>) -> usize {
        (tape.z.len() + tape.x.len()) * size_of::<R>()
    }
}

/// Inner product in eight interleaved partial sums: a fixed order that the compiler can vectorise.
fn dot<R: Real>(a: &[R], b: &[R]) -> R {
    const LANES: usize = 8;
    let mut sums = [R::zero(); LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: R = whole_a.remainder().iter().zip(whole_b.remainder()).map(|(&a, &b)| a * b).sum();
    for (a, b) in whole_a.zip(whole_b) {
        for i in 0..LANES {
            sums[i] = sums[i] + a[i] * b[i];
        }
    }
    sums.iter().copied().sum::<R>() + rest
}

/// Spectral norm of an n x n matrix, by the power method on W^T W from a fixed start until it changes by less than
/// 1e-12 relative, at most 10,000 times.
pub fn spectral_norm(w: &[f64], n: usize) -> f64 {
    let mut v: Vec<f64> = (0..n).map(|i| 1.0 + (i as f64).sin() / 2.0).collect();
    let mut norm = 0.0;
    for _ in 0..10_000 {
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= length);
        let u: Vec<f64> = w.chunks_exact(n).map(|row| dot(row, &v)).collect();
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
