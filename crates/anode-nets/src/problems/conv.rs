//! dz/dt = activation(K * z): a convolution field whose parameters are the kernel.

use std::marker::PhantomData;

use crate::kernels::{Activation, ConvShape, Cpu, Device, Part, PartMut};
use crate::ode::{At, DifferentiableField, FieldError, Real, Vector, VectorField, expect_len};

/// dz/dt = activation(K * z), z one image of `channels` x `size` x `size`, K of `channels` x `channels` x `kernel` x
/// `kernel` (odd), zero padding: one block of ANODE's figure 1.
pub struct ConvField<R, D: Device = Cpu> {
    device: D,
    shape: ConvShape,
    activation: Activation,
    real: PhantomData<R>,
}

/// The state and the pre-activation of one evaluation.
pub struct ConvTape<B> {
    z: B,
    x: B,
}

impl<R: Real> ConvField<R> {
    /// The field on images of `channels` x `height` x `width`.
    ///
    /// # Panics
    /// If `kernel` is even.
    pub fn new(image: [usize; 3], kernel: usize, activation: Activation) -> Self {
        Self::on(Cpu, image, kernel, activation)
    }
}

impl<R: Real, D: Device> ConvField<R, D> {
    /// The field on images of `channels` x `height` x `width`, on a device.
    ///
    /// # Panics
    /// If `kernel` is even.
    pub fn on(device: D, image: [usize; 3], kernel: usize, activation: Activation) -> Self {
        let shape = ConvShape::same(image, image[0], [kernel, kernel]);
        Self { device, shape, activation, real: PhantomData }
    }

    /// Length of the state.
    pub fn state_len(&self) -> usize {
        self.shape.input_len()
    }

    /// Length of the kernel.
    pub fn kernel_len(&self) -> usize {
        self.shape.weight_len()
    }

    fn preactivation(&self, z: &D::Buffer<R>, kernel: &D::Buffer<R>, x: &mut D::Buffer<R>) -> Result<(), FieldError> {
        expect_len("state", z.len(), self.shape.input_len())?;
        expect_len("parameters", kernel.len(), self.shape.weight_len())?;
        self.device.conv(&self.shape, z, Part::all(kernel), None, x);
        Ok(())
    }
}

impl<R: Real, D: Device> VectorField for ConvField<R, D> {
    type Vector = D::Buffer<R>;

    fn eval(&self, _: At, z: &Self::Vector, kernel: &Self::Vector, dz: &mut Self::Vector) -> Result<(), FieldError> {
        self.preactivation(z, kernel, dz)?;
        self.device.activate(self.activation, 1.0, dz);
        Ok(())
    }
}

impl<R: Real, D: Device> DifferentiableField for ConvField<R, D> {
    type Tape = ConvTape<D::Buffer<R>>;

    fn eval_taped(
        &self,
        _: At,
        z: &Self::Vector,
        kernel: &Self::Vector,
        dz: &mut Self::Vector,
    ) -> Result<Self::Tape, FieldError> {
        let mut x = self.device.alloc_uninit(z.len());
        self.preactivation(z, kernel, &mut x)?;
        dz.copy_from(&x);
        self.device.activate(self.activation, 1.0, dz);
        Ok(ConvTape { z: z.duplicate(), x })
    }

    fn vjp(
        &self,
        tape: &Self::Tape,
        kernel: &Self::Vector,
        cotangent: &Self::Vector,
        z_bar: &mut Self::Vector,
        kernel_bar: &mut Self::Vector,
    ) -> Result<(), FieldError> {
        expect_len("cotangent", cotangent.len(), self.shape.output_len())?;
        let mut x_bar = cotangent.duplicate();
        self.device.activate_vjp(self.activation, 1.0, &tape.x, &mut x_bar);
        self.device.conv_vjp_input(&self.shape, Part::all(kernel), &x_bar, z_bar);
        self.device.conv_vjp_weights(&self.shape, &tape.z, &x_bar, PartMut::all(kernel_bar), false);
        Ok(())
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        tape.z.bytes() + tape.x.bytes()
    }
}
