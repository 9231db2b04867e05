//! Vector fields given by closures: the shortest way to a solve or a gradient of one's own.

use super::{At, DifferentiableField, FieldError, VectorField};

/// A field given by a closure f(t, z, dz), without parameters.
///
/// ```
/// use anode_core::ode::{Closure, Grid, integrate, solver};
/// let decay = Closure(|_t, z: &[f64], dz: &mut [f64]| dz[0] = -z[0]);
/// let mut z = vec![1.0];
/// integrate(&decay, solver("rk4").unwrap(), &Grid::unit(100), &mut z, &vec![]).unwrap();
/// assert!((z[0] - (-1.0f64).exp()).abs() < 1e-10);
/// ```
pub struct Closure<C>(pub C);

impl<C: Fn(f64, &[f64], &mut [f64])> VectorField for Closure<C> {
    type Vector = Vec<f64>;

    fn eval(&self, at: At, z: &Vec<f64>, _: &Vec<f64>, dz: &mut Vec<f64>) -> Result<(), FieldError> {
        (self.0)(at.t, z, dz);
        Ok(())
    }
}

/// A field with parameters given by two closures: f(t, z, theta, dz) writes the derivative, and
/// vjp(t, z, theta, cotangent, z_bar, theta_bar) adds (df/dz)^T cotangent and (df/dtheta)^T cotangent.
///
/// The tape of an evaluation is its time and state. Test the vjp with [`vjp_error`](super::vjp_error()).
///
/// ```
/// use anode_core::gradient::{Block, Method};
/// use anode_core::ode::{solver, ClosureField, Grid};
/// // dz/dt = theta z: z(1) = exp(theta) z0, and for J = z(1) both gradients are known.
/// let field = ClosureField(
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
pub struct ClosureField<E, V>(pub E, pub V);

impl<E, V> VectorField for ClosureField<E, V>
where
    E: Fn(f64, &[f64], &[f64], &mut [f64]),
{
    type Vector = Vec<f64>;

    fn eval(&self, at: At, z: &Vec<f64>, theta: &Vec<f64>, dz: &mut Vec<f64>) -> Result<(), FieldError> {
        (self.0)(at.t, z, theta, dz);
        Ok(())
    }
}

impl<E, V> DifferentiableField for ClosureField<E, V>
where
    E: Fn(f64, &[f64], &[f64], &mut [f64]),
    V: Fn(f64, &[f64], &[f64], &[f64], &mut [f64], &mut [f64]),
{
    type Tape = (f64, Vec<f64>);

    fn eval_taped(&self, at: At, z: &Vec<f64>, theta: &Vec<f64>, dz: &mut Vec<f64>) -> Result<Self::Tape, FieldError> {
        self.eval(at, z, theta, dz)?;
        Ok((at.t, z.clone()))
    }

    fn vjp(
        &self,
        (t, z): &Self::Tape,
        theta: &Vec<f64>,
        cotangent: &Vec<f64>,
        z_bar: &mut Vec<f64>,
        theta_bar: &mut Vec<f64>,
    ) -> Result<(), FieldError> {
        (self.1)(*t, z, theta, cotangent, z_bar, theta_bar);
        Ok(())
    }

    fn tape_bytes(&self, (_, z): &Self::Tape) -> usize {
        size_of_val(&z[..]) + size_of::<f64>()
    }
}
