//! The function of an ODE block as a vector field.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ode::{At, DifferentiableField, FieldError, Pass, Real, Vector, VectorField, expect_len};

use super::chain::{Chain, ChainTape};
use super::layer::Statistics;

/// What batch norm does in the evaluations of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Normalises with the batch; an evaluation of the forward sweep updates the running statistics, and so do those
    /// that [`Updates`] names.
    Training(Updates),
    /// Normalises with the batch and updates nothing.
    Watching,
    /// Normalises with the running statistics.
    Evaluation,
    /// Normalises with the batch, and averages the statistics of all evaluations (see [`Statistics::Averaging`]).
    Averaging,
}

/// Which evaluations besides those of the forward sweep update the running statistics in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updates {
    /// Those of a replay (the authors' code).
    pub replay: bool,
    /// Those of a backward sweep that evaluates f again where the state is reconstructed or interpolated. This is what
    /// a PyTorch module in training mode does under an adjoint method.
    pub reverse: bool,
}

impl Mode {
    /// What an evaluation of a sweep normalises with, and updates.
    pub(super) fn statistics(self, pass: Pass) -> Statistics {
        match (self, pass) {
            (Self::Evaluation, _) => Statistics::Running,
            (Self::Averaging, _) => Statistics::Averaging,
            (Self::Training(_), Pass::Forward) => Statistics::BatchUpdating,
            (Self::Training(Updates { replay: true, .. }), Pass::Replay) => Statistics::BatchUpdating,
            (Self::Training(Updates { reverse: true, .. }), Pass::Reverse) => Statistics::BatchUpdating,
            (Self::Training(_) | Self::Watching, _) => Statistics::Batch,
        }
    }
}

/// f(z, theta) of an ODE block on a batch of images; depends on t only where steps have batch norms of their own.
///
/// In training, batch norm normalises with the statistics of each evaluation's own batch. The running ones are updated
/// once for each evaluation of the forward sweep; a replay repeats the numbers and updates nothing, and neither does a
/// reverse-time solve, unless [`Updates`] says so. The authors' code updates them in the replay as well.
pub struct OdeField<R> {
    chain: Arc<Chain>,
    running: Arc<Mutex<Vec<f64>>>,
    mode: Mode,
    real: PhantomData<R>,
}

impl<R: Real> OdeField<R> {
    /// The field of a chain whose output has the shape of its input.
    pub fn new(chain: Arc<Chain>, running: Arc<Mutex<Vec<f64>>>, mode: Mode) -> Self {
        Self { chain, running, mode, real: PhantomData }
    }

    fn check(&self, z: &[R], theta: &[R]) -> Result<(), FieldError> {
        expect_len("state", z.len() % self.chain.input_len.max(1), 0)?;
        expect_len("parameters", theta.len(), self.chain.parameters.len())
    }

    fn statistics(&self, pass: Pass) -> Statistics {
        self.mode.statistics(pass)
    }
}

impl<R: Real> VectorField for OdeField<R> {
    type Vector = Vec<R>;

    fn eval(&self, at: At, z: &Vec<R>, theta: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        self.check(z, theta)?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *dz = self.chain.forward((at.step, at.stage), z, theta, self.statistics(at.pass), &mut running);
        Ok(())
    }

    fn advance(&self, at: At, z: &mut Vec<R>, theta: &Vec<R>, a: R) -> Option<Result<bool, FieldError>> {
        if let Err(error) = self.check(z, theta) {
            return Some(Err(error));
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.chain.advance((at.step, at.stage), z, a, theta, self.statistics(at.pass), &mut running).map(Ok)
    }
}

impl<R: Real> DifferentiableField for OdeField<R> {
    type Tape = ChainTape<R>;

    fn eval_taped(&self, at: At, z: &Vec<R>, theta: &Vec<R>, dz: &mut Vec<R>) -> Result<ChainTape<R>, FieldError> {
        self.check(z, theta)?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (y, tape) = self.chain.forward_taped((at.step, at.stage), z, theta, self.statistics(at.pass), &mut running);
        *dz = y;
        Ok(tape)
    }

    fn advance_taped(
        &self,
        at: At,
        z: &mut Vec<R>,
        theta: &Vec<R>,
        a: R,
    ) -> Option<Result<(ChainTape<R>, bool), FieldError>> {
        if let Err(error) = self.check(z, theta) {
            return Some(Err(error));
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.chain.advance_taped((at.step, at.stage), z, a, theta, self.statistics(at.pass), &mut running).map(Ok)
    }

    fn vjp_afresh(
        &self,
        tape: &ChainTape<R>,
        theta: &Vec<R>,
        cotangent: &Vec<R>,
        z_bar: &mut Vec<R>,
        theta_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        if let Some(bar) = self.chain.vjp(tape, theta, cotangent, theta_bar, true) {
            *z_bar = bar;
        }
        Ok(())
    }

    fn vjp(
        &self,
        tape: &ChainTape<R>,
        theta: &Vec<R>,
        cotangent: &Vec<R>,
        z_bar: &mut Vec<R>,
        theta_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        if let Some(bar) = self.chain.vjp(tape, theta, cotangent, theta_bar, true) {
            z_bar.axpy(R::one(), &bar);
        }
        Ok(())
    }

    fn tape_bytes(&self, tape: &ChainTape<R>) -> usize {
        tape.bytes()
    }
}
