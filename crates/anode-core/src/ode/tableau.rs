//! Explicit Runge-Kutta methods as data: Butcher tableaus.

use super::SolveError;

/// The Butcher tableau of an explicit Runge-Kutta method.
///
/// For dz/dt = f(t, z) a step of size h is k_i = f(t + c_i h, z + h sum_j a_ij k_j) and
/// z' = z + h sum_i b_i k_i (Hairer, Norsett, Wanner, *Solving ODEs I*, II.1).
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
    /// Checks that the tableau is that of an explicit method: the lengths of its fields agree, its numbers are finite,
    /// and its first stage is evaluated at the start of the step.
    ///
    /// Every solve and every gradient of this crate starts with this check. It does not check orders of convergence.
    ///
    /// # Errors
    /// [`SolveError::Argument`] with the field, and what is allowed in it.
    pub fn check(&self) -> Result<(), SolveError> {
        let stages = self.b.len();
        let refused = |what: String| Err(SolveError::Argument(format!("the tableau `{}` {what}", self.name)));
        let finite = |numbers: &[f64]| numbers.iter().all(|x| x.is_finite());
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
        let Some(Embedded { b, torchdiffeq, .. }) = &self.embedded else { return Ok(()) };
        if stages < 2 {
            return refused("has an embedded solution with a single stage; allowed: 2 stages or more".into());
        }
        for (field, weights) in [("b", b), ("torchdiffeq", torchdiffeq.as_ref().unwrap_or(b))] {
            if weights.len() != stages || !finite(weights) {
                return refused(format!("has embedded.{field} = {weights:?}; allowed: {stages} finite numbers"));
            }
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
