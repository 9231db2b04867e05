//! Vector fields given by closures: the shortest definition of a user's own field, in `f32` or `f64`.

use std::fmt;
use std::marker::PhantomData;

use super::{At, DifferentiableField, FieldError, Real, VectorField};

/// A field without parameters, given by a closure f(t, z, dz) that overwrites dz with the derivative.
///
/// `R` is `f32` or `f64`. It is inferred from the types of the closure's slices; the time is `f64` in both cases.
///
/// ```
/// use anode_core::ode::{Closure, Grid, integrate, solver};
/// let decay = Closure::new(|_t, z: &[f64], dz: &mut [f64]| dz[0] = -z[0]);
/// let mut z = vec![1.0];
/// integrate(&decay, solver("rk4").unwrap(), &Grid::unit(100), &mut z, &vec![]).unwrap();
/// assert!((z[0] - (-1.0f64).exp()).abs() < 1e-10);
/// ```
#[derive(Clone, Copy)]
pub struct Closure<R, C> {
    eval: C,
    real: PhantomData<fn() -> R>,
}

impl<R, C> Closure<R, C> {
    /// The field dz/dt = f(t, z) for `eval` = f. Annotate the slices, as in `|t, z: &[f32], dz: &mut [f32]|`.
    pub fn new(eval: C) -> Self
    where
        R: Real,
        C: Fn(f64, &[R], &mut [R]),
    {
        Self { eval, real: PhantomData }
    }
}

impl<R: Real, C> fmt::Debug for Closure<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closure").field("real", &R::NAME).finish_non_exhaustive()
    }
}

impl<R, C> VectorField for Closure<R, C>
where
    R: Real,
    C: Fn(f64, &[R], &mut [R]),
{
    type Vector = Vec<R>;

    fn eval(&self, at: At, z: &Vec<R>, _: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        (self.eval)(at.t, z, dz);
        Ok(())
    }
}

/// A field with parameters theta, given by two closures: f(t, z, theta, dz) overwrites dz with the derivative, and
/// vjp(t, z, theta, cotangent, z_bar, theta_bar) adds (df/dz)^T cotangent and (df/dtheta)^T cotangent to its last two
/// arguments.
///
/// `R` is `f32` or `f64`. It is inferred from the types of the closures' slices; the time is `f64` in both cases. The
/// tape of an evaluation is its time and state, so the vjp computes every intermediate result again. Implement
/// [`DifferentiableField`] for a field that keeps such results, or whose state is on a device. Test the vjp with
/// [`vjp_error`](super::vjp_error()).
///
/// The slices have the lengths of the state and the parameters that a solve is given. The closures cannot return an
/// error: too short a vector panics at the index that they use, and numbers at the end that they do not use stay
/// unnoticed, with a gradient of 0. Implement [`VectorField`] with [`expect_len`](super::expect_len) to refuse them.
///
/// ```
/// use anode_core::gradient::{Block, Method};
/// use anode_core::ode::{solver, ClosureField, Grid};
/// // dz/dt = theta z: z(1) = exp(theta) z0, and for J = z(1) both gradients are known.
/// let field = ClosureField::new(
///     |_t, z: &[f64], theta: &[f64], dz: &mut [f64]| dz[0] = theta[0] * z[0],
///     |_t, z: &[f64], theta: &[f64], c: &[f64], z_bar: &mut [f64], theta_bar: &mut [f64]| {
///         z_bar[0] += theta[0] * c[0];
///         theta_bar[0] += z[0] * c[0];
///     },
/// );
/// let block = Block { field: &field, tableau: solver("rk4").unwrap(), grid: Grid::unit(200) };
/// let found = Method::Anode.gradient(&block, &vec![2.0], &vec![0.5], |_| vec![1.0]).unwrap();
/// assert!((found.z0[0] - 0.5f64.exp()).abs() < 1e-10 && (found.theta[0] - 2.0 * 0.5f64.exp()).abs() < 1e-9);
/// ```
#[derive(Clone, Copy)]
pub struct ClosureField<R, E, V> {
    eval: E,
    vjp: V,
    real: PhantomData<fn() -> R>,
}

impl<R, E, V> ClosureField<R, E, V> {
    /// The field dz/dt = f(t, z, theta) for `eval` = f. Annotate the slices of both closures, for example as `&[f32]`
    /// and `&mut [f32]`.
    pub fn new(eval: E, vjp: V) -> Self
    where
        R: Real,
        E: Fn(f64, &[R], &[R], &mut [R]),
        V: Fn(f64, &[R], &[R], &[R], &mut [R], &mut [R]),
    {
        Self { eval, vjp, real: PhantomData }
    }
}

impl<R: Real, E, V> fmt::Debug for ClosureField<R, E, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosureField").field("real", &R::NAME).finish_non_exhaustive()
    }
}

impl<R, E, V> VectorField for ClosureField<R, E, V>
where
    R: Real,
    E: Fn(f64, &[R], &[R], &mut [R]),
{
    type Vector = Vec<R>;

    fn eval(&self, at: At, z: &Vec<R>, theta: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        (self.eval)(at.t, z, theta, dz);
        Ok(())
    }
}

impl<R, E, V> DifferentiableField for ClosureField<R, E, V>
where
    R: Real,
    E: Fn(f64, &[R], &[R], &mut [R]),
    V: Fn(f64, &[R], &[R], &[R], &mut [R], &mut [R]),
{
    type Tape = (f64, Vec<R>);

    fn eval_taped(&self, at: At, z: &Vec<R>, theta: &Vec<R>, dz: &mut Vec<R>) -> Result<Self::Tape, FieldError> {
        self.eval(at, z, theta, dz)?;
        Ok((at.t, z.clone()))
    }

    fn vjp(
        &self,
        (t, z): &Self::Tape,
        theta: &Vec<R>,
        cotangent: &Vec<R>,
        z_bar: &mut Vec<R>,
        theta_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        (self.vjp)(*t, z, theta, cotangent, z_bar, theta_bar);
        Ok(())
    }

    fn tape_bytes(&self, (_, z): &Self::Tape) -> usize {
        size_of_val(&z[..]) + size_of::<f64>()
    }
}
