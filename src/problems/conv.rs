//! dz/dt = activation(K * z): a convolution field whose parameters are the kernel.

use std::marker::PhantomData;

use crate::kernels::{Activation, ConvShape, conv, conv_vjp_input, conv_vjp_weights};
use crate::ode::{At, DifferentiableField, FieldError, Real, VectorField, expect_len};

/// dz/dt = activation(K * z), z one image of `channels` x `size` x `size`, K of `channels` x `channels` x `kernel` x
/// `kernel` (odd), zero padding: one block of ANODE's figure 1.
pub struct ConvField<R> {
    shape: ConvShape,
    activation: Activation,
    real: PhantomData<R>,
}

/// The state and the pre-activation of one evaluation.
pub struct ConvTape<R> {
    z: Vec<R>,
    x: Vec<R>,
}

impl<R: Real> ConvField<R> {
    /// The field on images of `channels` x `height` x `width`.
    pub fn new([channels, height, width]: [usize; 3], kernel: usize, activation: Activation) -> Self {
        let shape = ConvShape::same([channels, height, width], channels, [kernel, kernel]);
        Self { shape, activation, real: PhantomData }
    }

    /// Length of the state.
    pub fn state_len(&self) -> usize {
        self.shape.input_len()
    }

    /// Length of the kernel.
    pub fn kernel_len(&self) -> usize {
        self.shape.weight_len()
    }

    fn preactivation(&self, z: &[R], kernel: &[R], x: &mut [R]) -> Result<(), FieldError> {
        expect_len("state", z.len(), self.shape.input_len())?;
        expect_len("parameters", kernel.len(), self.shape.weight_len())?;
        conv(&self.shape, z, kernel, None, x);
        Ok(())
    }
}

impl<R: Real> VectorField for ConvField<R> {
    type Vector = Vec<R>;

    fn eval(&self, _: At, z: &Vec<R>, kernel: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        self.preactivation(z, kernel, dz)?;
        dz.iter_mut().for_each(|x| *x = self.activation.apply(*x));
        Ok(())
    }
}

impl<R: Real> DifferentiableField for ConvField<R> {
    type Tape = ConvTape<R>;

    fn eval_taped(&self, _: At, z: &Vec<R>, kernel: &Vec<R>, dz: &mut Vec<R>) -> Result<ConvTape<R>, FieldError> {
        let mut x = vec![R::zero(); z.len()];
        self.preactivation(z, kernel, &mut x)?;
        for (dz, &x) in dz.iter_mut().zip(&x) {
            *dz = self.activation.apply(x);
        }
        Ok(ConvTape { z: z.clone(), x })
    }

    fn vjp(
        &self,
        tape: &ConvTape<R>,
        kernel: &Vec<R>,
        cotangent: &Vec<R>,
        z_bar: &mut Vec<R>,
        kernel_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        expect_len("cotangent", cotangent.len(), self.shape.output_len())?;
        let x_bar: Vec<R> = tape.x.iter().zip(cotangent).map(|(&x, &c)| self.activation.slope(x) * c).collect();
        conv_vjp_input(&self.shape, kernel, &x_bar, z_bar);
        conv_vjp_weights(&self.shape, &tape.z, &x_bar, kernel_bar, None);
        Ok(())
    }

    fn tape_bytes(&self, tape: &ConvTape<R>) -> usize {
        (tape.z.len() + tape.x.len()) * size_of::<R>()
    }
}
