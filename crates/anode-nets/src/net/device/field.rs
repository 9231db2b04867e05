//! The function of an ODE block as a vector field on a device.

use std::sync::{Arc, Mutex, PoisonError};

use crate::kernels::{Device, Part, PartMut};
use crate::net::chain::Chain;
use crate::net::layer::Statistics;
use crate::net::ode_field::Mode;
use crate::ode::{At, DifferentiableField, FieldError, Real, Vector, VectorField, expect_len};

use super::chain::{DeviceTape, OnDevice};
use super::running::Running;

/// As [`OdeField`](crate::net::OdeField), on a device.
pub struct DeviceField<D: Device, R: Real> {
    pub(super) device: D,
    pub(super) chain: Arc<Chain>,
    pub(super) running: Arc<Mutex<Running<D>>>,
    pub(super) mode: Mode,
    pub(super) real: std::marker::PhantomData<R>,
}

impl<D: Device, R: Real> DeviceField<D, R> {
    fn on_device<'a>(&'a self, at: (usize, usize), theta: &'a D::Buffer<R>) -> OnDevice<'a, D, R> {
        OnDevice::new(&self.device, &self.chain, at, Part::all(theta))
    }

    fn check(&self, z: &D::Buffer<R>, theta: &D::Buffer<R>) -> Result<(), FieldError> {
        expect_len("state", z.len() % self.chain.input_len.max(1), 0)?;
        expect_len("parameters", theta.len(), self.chain.parameters.len())
    }

    fn statistics(&self, at: At) -> Statistics {
        self.mode.statistics(at.pass)
    }
}

impl<D: Device, R: Real> VectorField for DeviceField<D, R> {
    type Vector = D::Buffer<R>;

    fn eval(&self, at: At, z: &Self::Vector, theta: &Self::Vector, dz: &mut Self::Vector) -> Result<(), FieldError> {
        self.check(z, theta)?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *dz = self.on_device((at.step, at.stage), theta).forward(z, self.statistics(at), &mut running);
        Ok(())
    }
}

impl<D: Device, R: Real> DifferentiableField for DeviceField<D, R> {
    type Tape = DeviceTape<D, R>;

    fn eval_taped(
        &self,
        at: At,
        z: &Self::Vector,
        theta: &Self::Vector,
        dz: &mut Self::Vector,
    ) -> Result<Self::Tape, FieldError> {
        self.check(z, theta)?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = self.on_device((at.step, at.stage), theta);
        let (y, tape) = chain.forward_taped(at.step, z, self.statistics(at), &mut running);
        *dz = y;
        Ok(tape)
    }

    fn vjp(
        &self,
        tape: &Self::Tape,
        theta: &Self::Vector,
        cotangent: &Self::Vector,
        z_bar: &mut Self::Vector,
        theta_bar: &mut Self::Vector,
    ) -> Result<(), FieldError> {
        let mut theta_bar = PartMut::all(theta_bar);
        if let Some(bar) = self.on_device((tape.step, 0), theta).vjp(tape, cotangent, &mut theta_bar, true) {
            z_bar.axpy(R::one(), &bar);
        }
        Ok(())
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        tape.bytes()
    }
}
