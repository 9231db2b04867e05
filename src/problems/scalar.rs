//! The scalar problems of ANODE, section 3: dz/dt = lambda z and dz/dt = -max(0, c z).

use std::marker::PhantomData;

use crate::ode::{At, FieldError, Real, VectorField, expect_len};

/// dz/dt = rate z, without parameters; z(t) = z(0) exp(rate t).
pub struct ScalarLinear<R> {
    rate: f64,
    real: PhantomData<R>,
}

impl<R: Real> ScalarLinear<R> {
    /// The field of this rate.
    pub fn new(rate: f64) -> Self {
        Self { rate, real: PhantomData }
    }

    /// z(1) for z(0) = 1.
    pub fn end(&self) -> f64 {
        self.rate.exp()
    }
}

impl<R: Real> VectorField for ScalarLinear<R> {
    type Vector = Vec<R>;

    fn eval(&self, _: At, z: &Vec<R>, _: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        expect_len("state", z.len(), 1)?;
        dz[0] = R::of(self.rate) * z[0];
        Ok(())
    }
}

/// dz/dt = -max(0, c z), without parameters; z(t) = z(0) exp(-c t) for z(0), c > 0.
pub struct ScalarRelu<R> {
    c: f64,
    real: PhantomData<R>,
}

impl<R: Real> ScalarRelu<R> {
    /// The field of this constant.
    pub fn new(c: f64) -> Self {
        Self { c, real: PhantomData }
    }

    /// z(1) for z(0) = 1 and c > 0.
    pub fn end(&self) -> f64 {
        (-self.c.max(0.0)).exp()
    }
}

impl<R: Real> VectorField for ScalarRelu<R> {
    type Vector = Vec<R>;

    fn eval(&self, _: At, z: &Vec<R>, _: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        expect_len("state", z.len(), 1)?;
        let x = R::of(self.c) * z[0];
        // `max` would turn a NaN into 0 and hide it.
        dz[0] = if x <= R::zero() { R::zero() } else { -x };
        Ok(())
    }
}
