//! f with weights that are known at every step before z is stepped: read from a table, or from the exact flow.

use std::sync::Arc;

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
pub(super) struct GivenWeights<F, R> {
    pub field: Arc<F>,
    pub source: Source<R>,
    /// Length of theta.
    pub len: usize,
}

/// The tape of f, theta, and where theta came from: the time, or the step.
pub(super) struct GivenTape<T, R> {
    field: T,
    theta: Vec<R>,
    t: f64,
    step: usize,
}

impl<F, R: Real> GivenWeights<F, R> {
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

    fn theta(&self, at: At, parameters: &[R]) -> Result<Vec<R>, FieldError> {
        match &self.source {
            Source::Table => {
                let end = (at.step + 1) * self.len;
                expect_len("table of weights", parameters.len(), parameters.len().max(end))?;
                Ok(parameters[end - self.len..end].to_vec())
            }
            Source::Flow { flow, .. } => {
                let (w0, p) = self.split(parameters, flow)?;
                flow.at(self.time(at), w0, p)
            }
        }
    }

    fn split<'a>(&self, parameters: &'a [R], flow: &ExactFlow<R>) -> Result<(&'a [R], &'a [R]), FieldError> {
        expect_len("weights and evolution parameters", parameters.len(), self.len + flow.field().parameters())?;
        Ok(parameters.split_at(self.len))
    }
}

impl<R: Real, F: DifferentiableField<Vector = Vec<R>>> VectorField for GivenWeights<F, R> {
    type Vector = Vec<R>;

    fn eval(&self, at: At, z: &Vec<R>, parameters: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        self.field.eval(at, z, &self.theta(at, parameters)?, dz)
    }
}

impl<R: Real, F: DifferentiableField<Vector = Vec<R>>> DifferentiableField for GivenWeights<F, R> {
    type Tape = GivenTape<F::Tape, R>;

    fn eval_taped(&self, at: At, z: &Vec<R>, parameters: &Vec<R>, dz: &mut Vec<R>) -> Result<Self::Tape, FieldError> {
        let theta = self.theta(at, parameters)?;
        let field = self.field.eval_taped(at, z, &theta, dz)?;
        Ok(GivenTape { field, theta, t: self.time(at), step: at.step })
    }

    fn vjp(
        &self,
        tape: &Self::Tape,
        parameters: &Vec<R>,
        cotangent: &Vec<R>,
        z_bar: &mut Vec<R>,
        parameters_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        let mut theta_bar = tape.theta.zeros_like();
        self.field.vjp(&tape.field, &tape.theta, cotangent, z_bar, &mut theta_bar)?;
        match &self.source {
            Source::Table => {
                let place = &mut parameters_bar[tape.step * self.len..][..self.len];
                place.iter_mut().zip(&theta_bar).for_each(|(sum, &bar)| *sum = *sum + bar);
                Ok(())
            }
            Source::Flow { flow, .. } => {
                let given = self.split(parameters, flow)?;
                let (w_bar, p_bar) = parameters_bar.split_at_mut(self.len);
                flow.vjp(tape.t, given, &theta_bar, w_bar, p_bar)
            }
        }
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        self.field.tape_bytes(&tape.field) + tape.theta.bytes()
    }
}
