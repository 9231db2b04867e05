//! Parameters that vary with time: theta(t) between values at knots, all of them unknowns.

use super::{At, DifferentiableField, FieldError, Real, VectorField, expect_len};

/// The rule that gives theta(t) from the values at the knots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeRule {
    /// The value at the last knot at or before t: a set of parameters for each stretch, as in a residual network. A
    /// knot counts as reached if t lies before it by rounding only, so step n of a uniform grid uses knot n if the
    /// knots are the times at which the steps start. A stage at the end of a step (of `heun` or `rk4`, say) uses the
    /// next knot, as does the start of a reverse step.
    Hold,
    /// Linear between neighbouring knots.
    Linear,
}

/// A field whose parameters theta(t) are given at knots: the new parameters are the values at all knots, one after
/// another. Before the first and after the last knot theta is constant.
///
/// ```
/// use anode_core::ode::{ClosureField, Grid, TimeParameters, TimeRule, integrate, solver};
/// // dz/dt = W(t) z with W(t) = t: z(1) = exp(1/2).
/// let inner = ClosureField::new(
///     |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = w[0] * z[0],
///     |_t: f64, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
///         z_bar[0] += w[0] * c[0];
///         w_bar[0] += z[0] * c[0];
///     },
/// );
/// let field = TimeParameters::new(inner, vec![0.0, 1.0], TimeRule::Linear).unwrap();
/// let mut z = vec![1.0f64];
/// integrate(&field, solver("rk4").unwrap(), &Grid::unit(50), &mut z, &vec![0.0f64, 1.0]).unwrap();
/// assert!((z[0] - 0.5f64.exp()).abs() < 1e-8);
/// ```
#[derive(Clone, Debug)]
pub struct TimeParameters<F> {
    field: F,
    knots: Vec<f64>,
    rule: TimeRule,
}

/// The tape of the inner field, and theta(t) with which it was evaluated.
#[derive(Clone, Debug)]
pub struct TimeTape<T, R> {
    tape: T,
    theta: Vec<R>,
    t: f64,
}

impl<F> TimeParameters<F> {
    /// `field` with parameters at these knots.
    ///
    /// # Errors
    /// No knots, or knots that are not finite and rising.
    pub fn new(field: F, knots: Vec<f64>, rule: TimeRule) -> Result<Self, FieldError> {
        let rising = knots.windows(2).all(|pair| pair[0] < pair[1]) && knots.iter().all(|t| t.is_finite());
        if knots.is_empty() || !rising {
            return Err(FieldError::Other("the knots must be one or more finite, rising times".into()));
        }
        Ok(Self { field, knots, rule })
    }

    /// Knots whose values theta(t) is made of, with their weights; the second weight may be zero.
    fn weights(&self, t: f64) -> [(usize, f64); 2] {
        let last = self.knots.len() - 1;
        let reached = match self.rule {
            // Step n of a uniform grid starts at t0 + n h, which may round to less than a knot at the same time.
            TimeRule::Hold => t + 8.0 * f64::EPSILON * t.abs().max(self.knots[0].abs()).max(self.knots[last].abs()),
            TimeRule::Linear => t,
        };
        let after = self.knots.partition_point(|&knot| knot <= reached);
        let i = after.max(1) - 1;
        if self.rule == TimeRule::Hold || after == 0 || i == last {
            return [(i, 1.0), (i, 0.0)];
        }
        let share = (t - self.knots[i]) / (self.knots[i + 1] - self.knots[i]);
        [(i, 1.0 - share), (i + 1, share)]
    }

    fn at<R: Real>(&self, t: f64, all: &[R]) -> Result<Vec<R>, FieldError> {
        let (found, knots) = (all.len(), self.knots.len());
        if !found.is_multiple_of(knots) {
            return Err(FieldError::Other(format!("parameters: length {found}, expected a multiple of {knots} knots")));
        }
        let length = found / knots;
        let [(i, wi), (j, wj)] = self.weights(t);
        let (a, b) = (&all[i * length..][..length], &all[j * length..][..length]);
        Ok(a.iter().zip(b).map(|(&a, &b)| R::of(wi) * a + R::of(wj) * b).collect())
    }
}

impl<R: Real, F: VectorField<Vector = Vec<R>>> VectorField for TimeParameters<F> {
    type Vector = Vec<R>;

    fn eval(&self, at: At, z: &Vec<R>, theta: &Vec<R>, dz: &mut Vec<R>) -> Result<(), FieldError> {
        self.field.eval(at, z, &self.at(at.t, theta)?, dz)
    }
}

impl<R: Real, F: DifferentiableField<Vector = Vec<R>>> DifferentiableField for TimeParameters<F> {
    type Tape = TimeTape<F::Tape, R>;

    fn eval_taped(&self, at: At, z: &Vec<R>, theta: &Vec<R>, dz: &mut Vec<R>) -> Result<Self::Tape, FieldError> {
        let theta = self.at(at.t, theta)?;
        let tape = self.field.eval_taped(at, z, &theta, dz)?;
        Ok(TimeTape { tape, theta, t: at.t })
    }

    fn vjp(
        &self,
        tape: &Self::Tape,
        _: &Vec<R>,
        cotangent: &Vec<R>,
        z_bar: &mut Vec<R>,
        theta_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        expect_len("parameter gradient", theta_bar.len(), tape.theta.len() * self.knots.len())?;
        let mut bar = vec![R::zero(); tape.theta.len()];
        self.field.vjp(&tape.tape, &tape.theta, cotangent, z_bar, &mut bar)?;
        for (i, weight) in self.weights(tape.t) {
            let knot = theta_bar[i * bar.len()..][..bar.len()].iter_mut();
            knot.zip(&bar).for_each(|(k, &b)| *k = *k + R::of(weight) * b);
        }
        Ok(())
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        self.field.tape_bytes(&tape.tape) + tape.theta.len() * size_of::<R>()
    }
}
