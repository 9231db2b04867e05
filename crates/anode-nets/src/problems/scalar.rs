//! The scalar problems of ANODE, section 3: dz/dt = lambda z and dz/dt = -max(0, c z).

use std::marker::PhantomData;

use crate::kernels::{Activation, Cpu, Device};
use crate::ode::{At, FieldError, Real, Vector, VectorField, expect_len};

/// dz/dt = rate z, without parameters; z(t) = z(0) exp(rate t).
pub struct ScalarLinear<R, D: Device = Cpu> {
    rate: f64,
    on: PhantomData<(R, D)>,
}

impl<R: Real, D: Device> ScalarLinear<R, D> {
    /// The field of this rate.
    pub fn new(rate: f64) -> Self {
        Self { rate, on: PhantomData }
    }

    /// z(1) for z(0) = 1.
    pub fn end(&self) -> f64 {
        self.rate.exp()
    }
}

impl<R: Real, D: Device> VectorField for ScalarLinear<R, D> {
    type Vector = D::Buffer<R>;

    fn eval(&self, _: At, z: &Self::Vector, _: &Self::Vector, dz: &mut Self::Vector) -> Result<(), FieldError> {
        expect_len("state", z.len(), 1)?;
        dz.copy_from(z);
        dz.scale(R::of(self.rate));
        Ok(())
    }
}

/// dz/dt = -max(0, c z), without parameters; z(t) = z(0) exp(-c t) for z(0), c > 0.
pub struct ScalarRelu<R, D: Device = Cpu> {
    device: D,
    c: f64,
    real: PhantomData<R>,
}

impl<R: Real> ScalarRelu<R> {
    /// The field of this constant.
    pub fn new(c: f64) -> Self {
        Self::on(Cpu, c)
    }
}

impl<R: Real, D: Device> ScalarRelu<R, D> {
    /// The field of this constant, on a device.
    pub fn on(device: D, c: f64) -> Self {
        Self { device, c, real: PhantomData }
    }

    /// z(1) for z(0) = 1 and c > 0.
    pub fn end(&self) -> f64 {
        (-self.c.max(0.0)).exp()
    }
}

impl<R: Real, D: Device> VectorField for ScalarRelu<R, D> {
    type Vector = D::Buffer<R>;

    fn eval(&self, _: At, z: &Self::Vector, _: &Self::Vector, dz: &mut Self::Vector) -> Result<(), FieldError> {
        expect_len("state", z.len(), 1)?;
        let mut x = z.duplicate();
        x.scale(R::of(self.c));
        self.device.activate(Activation::Relu, 1.0, &mut x);
        dz.set_scaled(R::of(-1.0), &x);
        Ok(())
    }
}
