//! The function of an ODE block as a vector field.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernels::{Cpu, Device, Part, PartMut};
use crate::ode::{At, DifferentiableField, FieldError, Pass, Real, Vector, VectorField, expect_len};

use super::chain::{Chain, ChainTape, Sweep};
use super::layer::Statistics;
use super::running::Running;

/// What batch norm does in the evaluations of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Normalises with the batch; an evaluation of the forward sweep updates the running statistics, and so do those
    /// that [`Updates`] names.
    Training(Updates),
    /// Normalises with the batch and updates nothing.
    Watching,
    /// Normalises with the running statistics. Fields with batch norm have no gradient in this mode: their vjp
    /// differentiates the statistics of a batch.
    Evaluation,
    /// Normalises with the batch, and averages the statistics of all evaluations (see [`Statistics::Averaging`]).
    Averaging,
}

/// Which evaluations besides those of the forward sweep update the running statistics in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updates {
    /// Evaluations in replayed steps, as in the authors' code.
    pub replay: bool,
    /// Evaluations in a backward sweep that reconstructs or interpolates the state. A PyTorch module in training mode
    /// does this under an adjoint method.
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

/// f(z, theta) of an ODE block on a batch of images; depends on t only if steps have separate batch norms.
///
/// In training, batch norm normalises with the statistics of each evaluation's own batch. The running ones are updated
/// once for each evaluation of the forward sweep; a replay repeats the numbers and updates nothing, and neither does a
/// reverse-time solve, unless [`Updates`] says so. The authors' code updates them in the replay as well.
pub struct OdeField<R, D: Device = Cpu> {
    device: D,
    chain: Arc<Chain>,
    running: Arc<Mutex<Running<D>>>,
    mode: Mode,
    real: PhantomData<R>,
}

impl<R: Real> OdeField<R> {
    /// The field of a chain whose output has the shape of its input.
    pub fn new(chain: Arc<Chain>, running: Arc<Mutex<Running>>, mode: Mode) -> Self {
        Self::on(Cpu, chain, running, mode)
    }
}

impl<R: Real, D: Device> OdeField<R, D> {
    /// Like [`OdeField::new`], with states and parameters on `device`.
    pub fn on(device: D, chain: Arc<Chain>, running: Arc<Mutex<Running<D>>>, mode: Mode) -> Self {
        Self { device, chain, running, mode, real: PhantomData }
    }

    /// Channels, height and width of the state of one image.
    pub(super) fn shape(&self) -> [usize; 3] {
        self.chain.output
    }

    fn check(&self, z: &D::Buffer<R>, theta: &D::Buffer<R>) -> Result<(), FieldError> {
        let (found, image) = (z.len(), self.chain.input_len);
        // Batch norm has no statistics of no images.
        if found == 0 || !found.is_multiple_of(image) {
            return Err(FieldError::Other(format!("state: length {found}, expected a positive multiple of {image}")));
        }
        expect_len("parameters", theta.len(), self.chain.parameters.len())
    }

    /// Checks like [`Self::check`], and that the mode allows a vjp.
    fn check_taped(&self, z: &D::Buffer<R>, theta: &D::Buffer<R>) -> Result<(), FieldError> {
        self.check(z, theta)?;
        if self.mode == Mode::Evaluation && self.chain.statistics_end() > 0 {
            let why = "batch norm with running statistics has no vjp; take the gradient in the mode `Training`, or in \
                       `Watching`, which normalises with the batch and updates no statistics";
            return Err(FieldError::Other(why.into()));
        }
        Ok(())
    }

    fn sweep<'a>(&'a self, at: (usize, usize), theta: &'a D::Buffer<R>) -> Sweep<'a, D, R> {
        Sweep::new(&self.device, &self.chain, at, Part::all(theta))
    }

    fn running(&self) -> MutexGuard<'_, Running<D>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Real, D: Device> VectorField for OdeField<R, D> {
    type Vector = D::Buffer<R>;

    fn eval(&self, at: At, z: &Self::Vector, theta: &Self::Vector, dz: &mut Self::Vector) -> Result<(), FieldError> {
        self.check(z, theta)?;
        let sweep = self.sweep((at.step, at.stage), theta);
        *dz = sweep.forward(z, self.mode.statistics(at.pass), &mut self.running());
        Ok(())
    }

    fn advance(&self, at: At, z: &mut Self::Vector, theta: &Self::Vector, a: R) -> Option<Result<bool, FieldError>> {
        if let Err(error) = self.check(z, theta) {
            return Some(Err(error));
        }
        let sweep = self.sweep((at.step, at.stage), theta);
        sweep.advance(z, a, self.mode.statistics(at.pass), &mut self.running()).map(Ok)
    }
}

impl<R: Real, D: Device> DifferentiableField for OdeField<R, D> {
    type Tape = ChainTape<D, R>;

    fn eval_taped(
        &self,
        at: At,
        z: &Self::Vector,
        theta: &Self::Vector,
        dz: &mut Self::Vector,
    ) -> Result<Self::Tape, FieldError> {
        self.check_taped(z, theta)?;
        let sweep = self.sweep((at.step, at.stage), theta);
        let (y, tape) = sweep.forward_taped(z.share(), self.mode.statistics(at.pass), &mut self.running());
        *dz = y;
        Ok(tape)
    }

    fn advance_taped(
        &self,
        at: At,
        z: &mut Self::Vector,
        theta: &Self::Vector,
        a: R,
    ) -> Option<Result<(Self::Tape, bool), FieldError>> {
        if let Err(error) = self.check_taped(z, theta) {
            return Some(Err(error));
        }
        let sweep = self.sweep((at.step, at.stage), theta);
        sweep.advance_taped(z, a, self.mode.statistics(at.pass), &mut self.running()).map(Ok)
    }

    fn vjp_consuming(
        &self,
        tape: Self::Tape,
        theta: &Self::Vector,
        cotangent: Self::Vector,
        spare: Option<Self::Vector>,
        theta_bar: &mut Self::Vector,
    ) -> Result<(Self::Vector, Option<Self::Vector>), FieldError> {
        drop(spare);
        let sweep = self.sweep((tape.step, 0), theta);
        match sweep.vjp_consuming(tape, cotangent, &mut PartMut::all(theta_bar), true) {
            Some(z_bar) => Ok((z_bar, None)),
            None => unreachable!("the cotangent of the input is wanted"),
        }
    }

    fn vjp(
        &self,
        tape: &Self::Tape,
        theta: &Self::Vector,
        cotangent: &Self::Vector,
        z_bar: &mut Self::Vector,
        theta_bar: &mut Self::Vector,
    ) -> Result<(), FieldError> {
        let sweep = self.sweep((tape.step, 0), theta);
        if let Some(bar) = sweep.vjp(tape, cotangent, &mut PartMut::all(theta_bar), true) {
            z_bar.axpy(R::one(), &bar);
        }
        Ok(())
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        tape.bytes()
    }
}
