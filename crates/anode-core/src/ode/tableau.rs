//! Explicit Runge-Kutta methods as data: Butcher tableaus.

use super::SolveError;

/// The Butcher tableau of an explicit Runge-Kutta method.
///
/// For dz/dt = f(t, z) a step of size h is k_i = f(t + c_i h, z + h sum_j a_ij k_j) and
/// z' = z + h sum_i b_i k_i (Hairer, Norsett, Wanner, *Solving ODEs I*, II.1).
///
/// A tableau of your own is a `static`, and needs no registration. Check its order of convergence by halving the steps,
/// as here for Fehlberg's pair of orders 1 and 2, which takes 3 stages:
///
/// ```
/// use anode_core::gradient::{AdaptiveBlock, Method};
/// use anode_core::ode::{Adaptive, ButcherTableau, ClosureField, Embedded, Grid, integrate};
/// static FEHLBERG: ButcherTableau = ButcherTableau {
///     name: "fehlberg-1-2",
///     aliases: &[],
///     source: "Fehlberg 1969",
///     advice: "Use it to show how a tableau is given.",
///     order: 2,
///     a: &[&[], &[0.5], &[1.0 / 256.0, 255.0 / 256.0]],
///     b: &[1.0 / 512.0, 255.0 / 256.0, 1.0 / 512.0],
///     c: &[0.0, 0.5, 1.0],
///     embedded: Some(Embedded { order: 1, b: &[1.0 / 256.0, 255.0 / 256.0, 0.0], torchdiffeq: None }),
/// };
/// let growth = ClosureField::new(
///     |_t, z: &[f64], theta: &[f64], dz: &mut [f64]| dz[0] = theta[0] * z[0],
///     |_t, z: &[f64], theta: &[f64], c: &[f64], z_bar: &mut [f64], theta_bar: &mut [f64]| {
///         z_bar[0] += theta[0] * c[0];
///         theta_bar[0] += z[0] * c[0];
///     },
/// );
/// let error = |steps| {
///     let mut z = vec![1.0];
///     integrate(&growth, &FEHLBERG, &Grid::unit(steps), &mut z, &vec![1.0]).unwrap();
///     (z[0] - 1.0f64.exp()).abs()
/// };
/// let order = (error(40) / error(80)).log2();
/// assert!((order - 2.0).abs() < 0.05, "{order}");
/// // With adaptive steps. The embedded solution only estimates the error; `b` gives the solution.
/// let control = Adaptive::new(1e-6, 1e-6);
/// let block = AdaptiveBlock { field: &growth, tableau: &FEHLBERG, control, span: (0.0, 1.0) };
/// let found = Method::Anode.gradient_adaptive(&block, &vec![1.0], &vec![1.0], |_| vec![1.0]).unwrap();
/// assert!((found.end[0] - 1.0f64.exp()).abs() < 1e-3 && (found.theta[0] - 1.0f64.exp()).abs() < 1e-2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ButcherTableau {
    /// The name in definitions, tables and charts.
    pub name: &'static str,
    /// Other names of the same method.
    pub aliases: &'static [&'static str],
    /// Publication of the coefficients.
    pub source: &'static str,
    /// When to use it, and when not. All methods here are explicit, so none of them suits stiff fields.
    pub advice: &'static str,
    /// Order of convergence of the solution `b`.
    pub order: usize,
    /// Row i holds a_i0 .. a_i(i-1); as many rows as stages, the first one empty.
    pub a: &'static [&'static [f64]],
    /// Weights of the solution.
    pub b: &'static [f64],
    /// Nodes.
    pub c: &'static [f64],
    /// The embedded solution that estimates the local error, for adaptive steps.
    pub embedded: Option<Embedded>,
}

/// The second solution of an embedded pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// Order of the embedded solution.
    pub order: usize,
    /// Weights of the embedded solution, one per stage.
    pub b: &'static [f64],
    /// The weights with which torchdiffeq estimates the error of this pair, if they are others: Shampine's
    /// (*Some practical Runge-Kutta formulas*, 1986) for Dormand-Prince.
    pub torchdiffeq: Option<&'static [f64]>,
}

impl ButcherTableau {
    /// Checks that the tableau is that of a consistent explicit method: the lengths of its fields agree, its numbers
    /// are finite, its first stage is evaluated at the start of the step, the weights of each solution sum to 1 and
    /// each row of `a` to its node (to 1e-10), the embedded solution differs from `b`, and no order is 0 or above the
    /// number of stages.
    ///
    /// Every solve and every gradient of this crate starts with this check. It does not check orders above 1.
    ///
    /// # Errors
    /// [`SolveError::Argument`] with the field, and what is allowed in it.
    pub fn check(&self) -> Result<(), SolveError> {
        let stages = self.b.len();
        let refused = |what: String| Err(SolveError::Argument(format!("the tableau `{}` {what}", self.name)));
        let finite = |numbers: &[f64]| numbers.iter().all(|x| x.is_finite());
        let is = |sum: f64, wanted: f64| (sum - wanted).abs() <= 1e-10;
        if self.solution_stages() == 0 || !finite(self.b) {
            return refused(format!("has the weights b = {:?}; allowed: finite numbers, not all zero", self.b));
        }
        if self.c.len() != stages || self.c[0] != 0.0 || !finite(self.c) {
            return refused(format!("has the nodes c = {:?}; allowed: {stages} finite numbers, first 0", self.c));
        }
        if self.a.len() != stages {
            return refused(format!("has {} rows in a; allowed: {stages}, one per stage", self.a.len()));
        }
        if let Some((i, row)) = self.a.iter().enumerate().find(|(i, row)| row.len() != *i || !finite(row)) {
            return refused(format!("has row {i} of a = {row:?}; allowed: {i} finite numbers (explicit methods only)"));
        }
        if !is(self.b.iter().sum(), 1.0) {
            return refused(format!(
                "has weights b = {:?} that sum to {}; allowed: 1",
                self.b,
                self.b.iter().sum::<f64>()
            ));
        }
        let wrong_sum = |(row, c): &(&&[f64], &f64)| !is(row.iter().sum(), **c);
        if let Some((i, (row, c))) = self.a.iter().zip(self.c).enumerate().find(|(_, pair)| wrong_sum(pair)) {
            let sum: f64 = row.iter().sum();
            return refused(format!("has row {i} of a = {row:?} that sums to {sum}; allowed: {c}, its node in c"));
        }
        if !(1..=stages).contains(&self.order) {
            return refused(format!("has order {}; allowed: 1 to {stages}, its number of stages", self.order));
        }
        let Some(Embedded { order, b, torchdiffeq }) = &self.embedded else { return Ok(()) };
        if stages < 2 {
            return refused("has an embedded solution with a single stage; allowed: 2 stages or more".into());
        }
        for (field, weights) in [("b", *b), ("torchdiffeq", torchdiffeq.unwrap_or(b))] {
            if weights.len() != stages || !finite(weights) {
                return refused(format!("has embedded.{field} = {weights:?}; allowed: {stages} finite numbers"));
            }
            if !is(weights.iter().sum(), 1.0) {
                let sum: f64 = weights.iter().sum();
                return refused(format!("has embedded.{field} = {weights:?} that sum to {sum}; allowed: 1"));
            }
            if weights == self.b {
                return refused(format!(
                    "has embedded.{field} equal to b; allowed: others, whose difference is the error"
                ));
            }
        }
        if !(1..=stages).contains(order) {
            return refused(format!("has embedded.order = {order}; allowed: 1 to {stages}, its number of stages"));
        }
        Ok(())
    }

    /// Number of stages.
    pub fn stages(&self) -> usize {
        self.b.len()
    }

    /// Number of leading stages that the solution needs: a trailing stage that only the error estimate
    /// uses is not evaluated on a fixed grid.
    pub fn solution_stages(&self) -> usize {
        self.b.iter().rposition(|&b| b != 0.0).map_or(0, |last| last + 1)
    }

    /// Whether the last stage is the first of the next step (FSAL): a_s = b and c_s = 1.
    pub fn first_same_as_last(&self) -> bool {
        let s = self.stages();
        let ends = (self.a.last(), self.c.last());
        s > 1 && self.b[s - 1] == 0.0 && ends == (Some(&&self.b[..s - 1]), Some(&1.0))
    }
}
