//! Checks the vjp of a user-defined vector field.

use super::{At, DifferentiableField, FieldError, Pass, Real, Vector, all_finite};

/// Number of random directions and cotangents. Each detects a wrong Jacobian with probability one.
const TRIALS: u64 = 4;

/// Returns the relative error of the vjp of `field` at time t, state `z` (n numbers) and parameters `theta` (any
/// number), compared with central differences of f along random directions: the largest of
/// |c . d - (vjp c) . u| / (|c| |d|), where d is the difference quotient of f along u, in all components of z and theta
/// together. The directions are the same in every call. The result has no unit. A vjp that is wrong only in a component
/// that hardly affects f has a small error.
///
/// A correct vjp has an error of about 1e-9 in `f64` and 1e-3 in `f32`, if f is smooth near z and theta: each number x
/// of them is moved by up to 6e-6 (1 + |x|) in `f64` and 5e-3 (1 + |x|) in `f32`. Choose units in which f changes
/// little over such distances. At a kink, such as that of ReLU, differences are meaningless; choose another z.
/// Evaluations are marked [`Pass::Replay`], so that fields with side effects do not act.
///
/// Use it in the tests of a field before you compute gradients with it.
///
/// # Errors
/// - A vjp that overwrites `z_bar` or `theta_bar` instead of adding to them.
/// - `eval_taped` and `eval` return different derivatives.
/// - f or its vjp is not finite, or the field refuses the vectors.
///
/// ```
/// use anode_core::ode::{ClosureField, vjp_error};
/// let field = |sign: f64| ClosureField::new(
///     |_t, z: &[f64], theta: &[f64], dz: &mut [f64]| dz.copy_from_slice(&[z[1], -theta[0] * z[0].sin()]),
///     move |_t, z: &[f64], theta: &[f64], c: &[f64], z_bar: &mut [f64], theta_bar: &mut [f64]| {
///         z_bar[0] -= c[1] * theta[0] * z[0].cos();
///         z_bar[1] += sign * c[0];
///         theta_bar[0] -= c[1] * z[0].sin();
///     });
/// let (z, theta) = (vec![1.0, 0.5], vec![9.81]);
/// assert!(vjp_error(&field(1.0), 0.0, &z, &theta).unwrap() < 1e-8);
/// assert!(vjp_error(&field(-1.0), 0.0, &z, &theta).unwrap() > 0.01);
/// ```
pub fn vjp_error<R: Real, F: DifferentiableField<Vector = Vec<R>>>(
    field: &F,
    t: f64,
    z: &Vec<R>,
    theta: &Vec<R>,
) -> Result<f64, FieldError> {
    let at = At { t, step: 0, stage: 0, pass: Pass::Replay };
    let (mut taped, mut plain) = (z.zeros_like(), z.zeros_like());
    let tape = field.eval_taped(at, z, theta, &mut taped)?;
    field.eval(at, z, theta, &mut plain)?;
    if taped != plain {
        return Err(FieldError::Other("eval_taped and eval return different derivatives, or f is NaN".into()));
    }
    // The error of central differences is of order h^2, that of rounding of order epsilon / h.
    let step = R::epsilon().f64().cbrt();
    let mut worst = 0.0f64;
    for trial in 0..TRIALS {
        let direction = |stream: u64, len: usize| -> Vec<R> { numbers(4 * trial + stream, len) };
        // Each number moves in proportion to 1 + its size, so that large and small ones may be mixed.
        let sized = |x: &[R], stream: u64| -> Vec<R> {
            let moves = direction(stream, x.len()).into_iter().zip(x);
            moves.map(|(u, x)| R::of(u.f64() * (1.0 + x.f64().abs()))).collect()
        };
        let (u, v, c) = (sized(z, 0), sized(theta, 1), direction(2, z.len()));
        let moved = |a: f64| -> Result<Vec<R>, FieldError> {
            let (mut z, mut theta, mut dz) = (z.clone(), theta.clone(), z.zeros_like());
            z.axpy(R::of(a), &u);
            theta.axpy(R::of(a), &v);
            field.eval(at, &z, &theta, &mut dz)?;
            Ok(dz)
        };
        let (ahead, behind) = (moved(step)?, moved(-step)?);
        let quotient: Vec<f64> = ahead.iter().zip(&behind).map(|(a, b)| (a.f64() - b.f64()) / (2.0 * step)).collect();
        let (mut z_bar, mut theta_bar) = (z.zeros_like(), theta.zeros_like());
        field.vjp(&tape, theta, &c, &mut z_bar, &mut theta_bar)?;
        if !(all_finite(&z_bar) && all_finite(&theta_bar)) {
            return Err(FieldError::Other("the vjp is not finite".into()));
        }
        adds(field, &tape, theta, &c, (&z_bar, &theta_bar))?;
        let expected: f64 = c.iter().zip(&quotient).map(|(c, d)| c.f64() * d).sum();
        let found = z_bar.dot(&u) + theta_bar.dot(&v);
        let size = c.norm() * quotient.iter().map(|d| d * d).sum::<f64>().sqrt();
        let error = (expected - found).abs() / if size > 0.0 { size } else { 1.0 };
        if !error.is_finite() {
            return Err(FieldError::Other("f is not finite".into()));
        }
        worst = worst.max(error);
    }
    Ok(worst)
}

/// Returns an error if the vjp does not add to its outputs.
fn adds<R: Real, F: DifferentiableField<Vector = Vec<R>>>(
    field: &F,
    tape: &F::Tape,
    theta: &Vec<R>,
    cotangent: &Vec<R>,
    (z_bar, theta_bar): (&Vec<R>, &Vec<R>),
) -> Result<(), FieldError> {
    let start = R::of(1.0 + 2.0 * largest(z_bar).max(largest(theta_bar)));
    let (mut z, mut theta_sum) = (vec![start; z_bar.len()], vec![start; theta_bar.len()]);
    field.vjp(tape, theta, cotangent, &mut z, &mut theta_sum)?;
    for (name, sum, part) in [("z_bar", &z, z_bar), ("theta_bar", &theta_sum, theta_bar)] {
        let tolerance = 1e3 * R::epsilon().f64() * start.f64();
        let added = |(sum, part): (&R, &R)| (sum.f64() - start.f64() - part.f64()).abs() <= tolerance;
        if !sum.iter().zip(part).all(added) {
            return Err(FieldError::Other(format!("the vjp overwrites {name} instead of adding to it")));
        }
    }
    Ok(())
}

/// Returns the largest absolute value.
fn largest<R: Real>(x: &[R]) -> f64 {
    x.iter().map(|x| x.f64().abs()).fold(0.0, f64::max)
}

/// Returns `len` numbers in [-1, 1), by SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
fn numbers<R: Real>(stream: u64, len: usize) -> Vec<R> {
    let mut state = stream.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        R::of(((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    };
    (0..len).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::VectorField;
    use super::*;

    /// f = (theta0 z0 z1, sin(t + z2), theta1 tanh(z0), exp(-z1)), with a fault in its vjp.
    struct Test<R> {
        fault: usize,
        kind: std::marker::PhantomData<R>,
    }

    impl<R: Real> VectorField for Test<R> {
        type Vector = Vec<R>;

        fn eval(&self, at: At, z: &Vec<R>, theta: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
            assert_eq!(at.pass, Pass::Replay);
            let f = [theta[0] * z[0] * z[1], (R::of(at.t) + z[2]).sin(), theta[1] * z[0].tanh(), (-z[1]).exp()];
            dz.copy_from_slice(&f);
            Ok(())
        }
    }

    impl<R: Real> DifferentiableField for Test<R> {
        type Tape = (R, Vec<R>);

        fn eval_taped(&self, at: At, z: &Vec<R>, theta: &Vec<R>, dz: &mut Vec<R>) -> Result<Self::Tape, FieldError> {
            self.eval(at, z, theta, dz)?;
            if self.fault == 1 {
                dz[3] = dz[3] + R::of(1.0);
            }
            Ok((R::of(at.t), z.clone()))
        }

        fn vjp(
            &self,
            (t, z): &Self::Tape,
            theta: &Vec<R>,
            c: &Vec<R>,
            z_bar: &mut Vec<R>,
            theta_bar: &mut Vec<R>,
        ) -> Result<(), FieldError> {
            let slope = R::of(1.0) - z[0].tanh() * z[0].tanh();
            let mut z_sum = [
                c[0] * theta[0] * z[1] + c[2] * theta[1] * slope,
                c[0] * theta[0] * z[0] - c[3] * (-z[1]).exp(),
                c[1] * (*t + z[2]).cos(),
                R::of(0.0),
            ];
            if self.fault == 2 {
                z_sum[2] = -z_sum[2];
            }
            let theta_sum = [c[0] * z[0] * z[1], if self.fault == 3 { R::of(0.0) } else { c[2] * z[0].tanh() }];
            for (i, x) in z_sum.into_iter().enumerate() {
                z_bar[i] = if self.fault == 4 { x } else { z_bar[i] + x };
            }
            for (i, x) in theta_sum.into_iter().enumerate() {
                theta_bar[i] = if self.fault == 5 { x } else { theta_bar[i] + x };
            }
            if self.fault == 6 {
                z_bar[1] = R::nan();
            }
            Ok(())
        }

        fn tape_bytes(&self, _: &Self::Tape) -> usize {
            5 * size_of::<R>()
        }
    }

    fn error<R: Real>(fault: usize) -> Result<f64, FieldError> {
        let of = |x: &[f64]| x.iter().map(|&x| R::of(x)).collect::<Vec<R>>();
        let field = Test { fault, kind: std::marker::PhantomData };
        vjp_error(&field, 0.3, &of(&[0.7, -0.4, 1.1, 2.0]), &of(&[1.5, -0.8]))
    }

    #[test]
    fn a_right_vjp_agrees_to_the_error_of_the_differences() {
        let (double, single) = (error::<f64>(0).unwrap(), error::<f32>(0).unwrap());
        assert!(double < 1e-9 && single < 1e-3, "{double:e} {single:e}");
    }

    #[test]
    fn state_and_parameters_of_other_sizes_are_moved_by_their_own_steps() {
        let field = Test { fault: 0, kind: std::marker::PhantomData };
        let error = vjp_error(&field, 0.3, &vec![0.7, -0.4, 1.1, 2.0], &vec![1.5e6, -0.8]).unwrap();
        assert!(error < 1e-9, "{error:e}");
        let why = vjp_error(&field, 0.3, &vec![0.7, -800.0, 1.1, 2.0], &vec![1.5, -0.8]).unwrap_err();
        assert!(why.to_string().contains("not finite") || why.to_string().contains("NaN"), "{why}");
    }

    /// Arrhenius' law: dz0/dt = -k0 exp(-k1 / z1) z0, dz1/dt = k2 k0 exp(-k1 / z1) z0, with a factor in its vjp.
    fn arrhenius_error(k0: f64, factor: f64) -> f64 {
        let field = crate::ode::ClosureField::new(
            |_t, z: &[f64], k: &[f64], dz: &mut [f64]| {
                let rate = k[0] * (-k[1] / z[1]).exp() * z[0];
                dz.copy_from_slice(&[-rate, k[2] * rate]);
            },
            move |_t, z: &[f64], k: &[f64], c: &[f64], z_bar: &mut [f64], k_bar: &mut [f64]| {
                let (speed, seed) = ((-k[1] / z[1]).exp(), k[2] * c[1] - c[0]);
                z_bar[0] += seed * k[0] * speed;
                z_bar[1] += factor * seed * k[0] * speed * z[0] * k[1] / (z[1] * z[1]);
                k_bar[0] += seed * speed * z[0];
                k_bar[1] -= seed * k[0] * speed * z[0] / z[1];
                k_bar[2] += c[1] * k[0] * speed * z[0];
            },
        );
        vjp_error(&field, 0.0, &vec![1e-3, 300.0], &vec![k0, 5000.0, 10.0]).unwrap()
    }

    #[test]
    fn numbers_of_mixed_sizes_are_moved_in_proportion() {
        for k0 in [1.0, 1e8] {
            let (right, wrong) = (arrhenius_error(k0, 1.0), arrhenius_error(k0, -1.0));
            assert!(right < 1e-6 && wrong > 1e-3, "{k0:e}: {right:e} {wrong:e}");
        }
    }

    #[test]
    fn every_fault_is_found() {
        for fault in [2, 3] {
            assert!(error::<f64>(fault).unwrap() > 0.01 && error::<f32>(fault).unwrap() > 0.01, "{fault}");
        }
        for (fault, words) in [(1, "eval_taped"), (4, "z_bar"), (5, "theta_bar"), (6, "not finite")] {
            let why = error::<f64>(fault).unwrap_err().to_string();
            assert!(why.contains(words), "{fault}: {why}");
        }
    }

    #[test]
    fn directions_are_spread_over_the_interval() {
        let x: Vec<f64> = numbers(3, 10_000);
        let (mean, square) = (x.iter().sum::<f64>() / 1e4, x.iter().map(|x| x * x).sum::<f64>() / 1e4);
        assert!(x.iter().all(|x| (-1.0..1.0).contains(x)) && mean.abs() < 0.03 && (square - 1.0 / 3.0).abs() < 0.02);
    }
}
