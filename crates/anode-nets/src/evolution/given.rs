//! f with weights that are known at every step before z is stepped: read from a table, or from the exact flow.

use std::sync::Arc;

use crate::kernels::{Device, Part, PartMut};
use crate::ode::{At, DifferentiableField, FieldError, Real, Vector, VectorField, expect_len};

use super::{ExactFlow, Reading};

/// Where theta at an evaluation comes from.
pub(super) enum Source<R> {
    /// theta of each step of z, one behind the other, in the parameters; held through the step.
    Table,
    /// theta at a time, from w(0) and p in the parameters.
    Flow {
        flow: Arc<ExactFlow<R>>,
        /// Steps of z on [0, 1].
        steps: usize,
        /// Which time a step reads; `None` reads the time of each stage.
        reading: Option<Reading>,
    },
}

/// dz/dt = f(t, z, theta) with theta from a [`Source`].
pub(super) struct GivenWeights<F, R, D> {
    pub device: D,
    pub field: Arc<F>,
    pub source: Source<R>,
    /// Length of theta.
    pub len: usize,
}

/// The tape of f, theta, and where theta came from: the time, or the step.
pub(super) struct GivenTape<T, B> {
    field: T,
    theta: B,
    t: f64,
    step: usize,
}

impl<F, R: Real, D: Device> GivenWeights<F, R, D> {
    fn time(&self, at: At) -> f64 {
        match &self.source {
            Source::Flow { steps, reading, .. } => match reading {
                None => at.t,
                Some(Reading::Matching) => at.step as f64 / *steps as f64,
                Some(Reading::Final) => 1.0,
            },
            Source::Table => at.t,
        }
    }

    /// theta, on the device.
    fn theta(&self, at: At, parameters: &D::Buffer<R>) -> Result<D::Buffer<R>, FieldError> {
        match &self.source {
            Source::Table => {
                let end = (at.step + 1) * self.len;
                expect_len("table of weights", parameters.len(), parameters.len().max(end))?;
                Ok(self.device.concat(&[Part::new(parameters, end - self.len..end)]))
            }
            Source::Flow { flow, .. } => {
                let parameters = self.device.download(parameters);
                let (w0, p) = self.split(&parameters, flow)?;
                Ok(self.device.upload(flow.at(self.time(at), w0, p)?))
            }
        }
    }

    fn split<'a>(&self, parameters: &'a [R], flow: &ExactFlow<R>) -> Result<(&'a [R], &'a [R]), FieldError> {
        expect_len("weights and evolution parameters", parameters.len(), self.len + flow.field().parameters())?;
        Ok(parameters.split_at(self.len))
    }
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> VectorField for GivenWeights<F, R, D> {
    type Vector = D::Buffer<R>;

    fn eval(&self, at: At, z: &Self::Vector, given: &Self::Vector, dz: &mut Self::Vector) -> Result<(), FieldError> {
        self.field.eval(at, z, &self.theta(at, given)?, dz)
    }
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> DifferentiableField for GivenWeights<F, R, D> {
    type Tape = GivenTape<F::Tape, D::Buffer<R>>;

    fn eval_taped(
        &self,
        at: At,
        z: &Self::Vector,
        given: &Self::Vector,
        dz: &mut Self::Vector,
    ) -> Result<Self::Tape, FieldError> {
        let theta = self.theta(at, given)?;
        let field = self.field.eval_taped(at, z, &theta, dz)?;
        Ok(GivenTape { field, theta, t: self.time(at), step: at.step })
    }

    fn vjp(
        &self,
        tape: &Self::Tape,
        given: &Self::Vector,
        cotangent: &Self::Vector,
        z_bar: &mut Self::Vector,
        given_bar: &mut Self::Vector,
    ) -> Result<(), FieldError> {
        expect_len("gradient for the weights given", given_bar.len(), given.len())?;
        let mut theta_bar = tape.theta.zeros_like();
        self.field.vjp(&tape.field, &tape.theta, cotangent, z_bar, &mut theta_bar)?;
        match &self.source {
            Source::Table => {
                let place = tape.step * self.len..(tape.step + 1) * self.len;
                let mut sum = self.device.concat(&[Part::new(given_bar, place.clone())]);
                sum.axpy(R::one(), &theta_bar);
                self.device.copy(PartMut::new(given_bar, place), Part::all(&sum));
                Ok(())
            }
            Source::Flow { flow, .. } => {
                let (given, theta_bar) = (self.device.download(given), self.device.download(&theta_bar));
                let mut bar = self.device.download(given_bar);
                let (w_bar, p_bar) = bar.split_at_mut(self.len);
                flow.vjp(tape.t, self.split(&given, flow)?, &theta_bar, w_bar, p_bar)?;
                *given_bar = self.device.upload(bar);
                Ok(())
            }
        }
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        self.field.tape_bytes(&tape.field) + tape.theta.bytes()
    }
}
