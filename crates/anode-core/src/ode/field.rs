//! Vector fields: the right-hand side f of dz/dt = f(t, z, theta), split by capability.

use super::Vector;

/// What kind of sweep an evaluation belongs to.
///
/// A field with side effects (batch norm's running statistics) must act on [`Pass::Forward`] only:
/// a replay repeats the numbers of the forward sweep and must not count twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pass {
    /// The forward sweep from z(0) to z(1): each evaluation of the model happens here once.
    Forward,
    /// A repetition of forward evaluations from a snapshot, during the backward sweep.
    Replay,
    /// An evaluation while the state itself is integrated backwards in time.
    Reverse,
}

/// The place of an evaluation in a solve: time, step, stage and sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At {
    /// Time t of the stage.
    pub t: f64,
    /// Index of the step, from 0, in forward time. A reverse solve with adaptive steps takes other steps, and counts
    /// them from its own start.
    pub step: usize,
    /// Index of the stage within the step, from 0.
    pub stage: usize,
    /// The sweep that evaluates the field.
    pub pass: Pass,
}

/// Why a field could not be evaluated. The solver adds the step and the stage.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// A vector that does not have the length the field expects.
    #[error("{what}: length {found}, expected {expected}")]
    Shape {
        /// Which argument: `state`, `parameters`, ...
        what: &'static str,
        /// Length the field expects.
        expected: usize,
        /// Length it was given.
        found: usize,
    },
    /// Anything else the field has to say.
    #[error("{0}")]
    Other(String),
}

/// Refuses a vector of the wrong length; for use at the top of `eval` and `vjp`.
pub fn expect_len(what: &'static str, found: usize, expected: usize) -> Result<(), FieldError> {
    if found == expected { Ok(()) } else { Err(FieldError::Shape { what, expected, found }) }
}

/// A vector field dz/dt = f(t, z, theta). States and parameters are flat vectors of one type.
pub trait VectorField {
    /// The vectors this field works on.
    type Vector: Vector;

    /// Writes f(t, z, theta) into `dz` (same length as `z`, contents overwritten).
    fn eval(&self, at: At, z: &Self::Vector, theta: &Self::Vector, dz: &mut Self::Vector) -> Result<(), FieldError>;

    /// `z += a f(t, z, theta)`, and whether `z` is finite then: the bits of [`Self::eval`] and
    /// [`Vector::axpy_is_finite`], for fields to which that is fewer passes over memory. `None` for the others, which
    /// leave `z` alone.
    fn advance(
        &self,
        _: At,
        _z: &mut Self::Vector,
        _theta: &Self::Vector,
        _a: <Self::Vector as Vector>::Real,
    ) -> Option<Result<bool, FieldError>> {
        None
    }
}

/// A vector field with a vector-Jacobian product (vjp).
///
/// An evaluation can leave a [`Tape`](Self::Tape): whatever its vjp needs, so that the vjp does not
/// evaluate f again. A gradient method decides when tapes are made and how long they live.
pub trait DifferentiableField: VectorField {
    /// What one evaluation leaves for its vjp.
    type Tape;

    /// Evaluates f like [`VectorField::eval`], and returns the tape of this evaluation.
    fn eval_taped(
        &self,
        at: At,
        z: &Self::Vector,
        theta: &Self::Vector,
        dz: &mut Self::Vector,
    ) -> Result<Self::Tape, FieldError>;

    /// Advances `z` like [`VectorField::advance`], and returns the tape of the evaluation.
    fn advance_taped(
        &self,
        _: At,
        _z: &mut Self::Vector,
        _theta: &Self::Vector,
        _a: <Self::Vector as Vector>::Real,
    ) -> Option<Result<(Self::Tape, bool), FieldError>> {
        None
    }

    /// For the evaluation behind `tape`: `z_bar += (df/dz)^T cotangent` and
    /// `theta_bar += (df/dtheta)^T cotangent`.
    fn vjp(
        &self,
        tape: &Self::Tape,
        theta: &Self::Vector,
        cotangent: &Self::Vector,
        z_bar: &mut Self::Vector,
        theta_bar: &mut Self::Vector,
    ) -> Result<(), FieldError>;

    /// As [`Self::vjp`] for a `z_bar` of zeros, but consumes tape and cotangent. Returns `z_bar`, and a vector of its
    /// length, if there is one, whose memory the caller can use again; `spare` is such a vector.
    ///
    /// Implement this if memory can be saved by computing in the memory of the tape or of the cotangent, or by freeing
    /// parts of the tape early.
    fn vjp_consuming(
        &self,
        tape: Self::Tape,
        theta: &Self::Vector,
        cotangent: Self::Vector,
        spare: Option<Self::Vector>,
        theta_bar: &mut Self::Vector,
    ) -> Result<(Self::Vector, Option<Self::Vector>), FieldError> {
        let mut z_bar = spare.unwrap_or_else(|| cotangent.alloc_uninit_like());
        z_bar.set_zero();
        self.vjp(&tape, theta, &cotangent, &mut z_bar, theta_bar)?;
        Ok((z_bar, Some(cotangent)))
    }

    /// Bytes that `tape` keeps alive.
    fn tape_bytes(&self, tape: &Self::Tape) -> usize;
}
