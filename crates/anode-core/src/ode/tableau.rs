//! Explicit Runge-Kutta methods as data: Butcher tableaus.

use super::SolveError;

/// The Butcher tableau of an explicit Runge-Kutta method.
///
/// For dz/dt = f(t, z) a step of size h is k_i = f(t + c_i h, z + h sum_j a_ij k_j) and
/// z' = z + h sum_i b_i k_i (Hairer, Norsett, Wanner, *Solving ODEs I*, II.1).
#[derive(Debug)]
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
#[derive(Debug)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::{AdaptiveBlock, Block, Method};
    use crate::ode::{Adaptive, Closure, ClosureField, Grid, SOLVERS, integrate, integrate_adaptive, integrate_back};

    /// A tableau of two stages, with the fields that a test changes.
    const RIGHT: ButcherTableau = ButcherTableau {
        name: "own",
        aliases: &[],
        source: "",
        advice: "",
        order: 2,
        a: &[&[], &[1.0]],
        b: &[0.5, 0.5],
        c: &[0.0, 1.0],
        embedded: Some(Embedded { order: 1, b: &[1.0, 0.0], torchdiffeq: None }),
    };

    const SINGLE: ButcherTableau =
        ButcherTableau { order: 1, a: &[&[]], b: &[1.0], c: &[0.0], embedded: None, ..RIGHT };

    const fn pair(b: &'static [f64], torchdiffeq: Option<&'static [f64]>) -> Option<Embedded> {
        Some(Embedded { order: 1, b, torchdiffeq })
    }

    static WRONG: [(ButcherTableau, &str); 12] = [
        (ButcherTableau { a: &[&[0.5]], c: &[0.5], ..SINGLE }, "c = [0.5]; allowed: 1 finite numbers, first 0"),
        (ButcherTableau { a: &[&[0.5]], ..SINGLE }, "row 0 of a = [0.5]; allowed: 0 finite numbers"),
        (ButcherTableau { b: &[], ..SINGLE }, "b = []; allowed: finite numbers, not all zero"),
        (ButcherTableau { b: &[0.0], ..SINGLE }, "b = [0.0]; allowed"),
        (ButcherTableau { b: &[f64::NAN], ..SINGLE }, "b = [NaN]; allowed"),
        (ButcherTableau { embedded: pair(&[0.5], None), ..SINGLE }, "allowed: 2 stages or more"),
        (ButcherTableau { c: &[0.0], ..RIGHT }, "c = [0.0]; allowed: 2 finite numbers"),
        (ButcherTableau { a: &[&[]], ..RIGHT }, "has 1 rows in a; allowed: 2"),
        (ButcherTableau { a: &[&[], &[1.0, 0.5]], ..RIGHT }, "row 1 of a = [1.0, 0.5]; allowed: 1 finite"),
        (ButcherTableau { a: &[&[], &[f64::INFINITY]], ..RIGHT }, "row 1 of a = [inf]"),
        (ButcherTableau { embedded: pair(&[1.0], None), ..RIGHT }, "embedded.b = [1.0]; allowed: 2 finite"),
        (ButcherTableau { embedded: pair(&[1.0, 0.0], Some(&[1.0])), ..RIGHT }, "embedded.torchdiffeq = [1.0]"),
    ];

    #[test]
    fn every_registered_tableau_passes_the_check() {
        for tableau in SOLVERS {
            assert_eq!(tableau.check(), Ok(()), "{}", tableau.name);
        }
        assert_eq!((RIGHT.check(), SINGLE.check()), (Ok(()), Ok(())));
    }

    #[test]
    fn every_solve_and_gradient_refuses_a_tableau_that_is_not_explicit_or_not_complete() {
        let decay = Closure::new(|_t, z: &[f64], dz: &mut [f64]| dz[0] = -z[0]);
        let field = ClosureField::new(
            |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = w[0] * z[0],
            |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
                z_bar[0] += w[0] * c[0];
                w_bar[0] += z[0] * c[0];
            },
        );
        let (z, w, grid, control) = (vec![f64::MAX], vec![3.0], Grid::unit(2), Adaptive::new(1e-3, 1e-6));
        for (tableau, expected) in &WRONG {
            let refused = tableau.check().unwrap_err();
            assert!(refused.to_string().contains(expected), "{refused} instead of {expected}");
            let _ = tableau.first_same_as_last();
            let block = Block { field: &field, tableau, grid: grid.clone() };
            let adaptive = AdaptiveBlock { field: &field, tableau, control, span: (0.0, 1.0) };
            for found in [
                integrate(&decay, tableau, &grid, &mut z.clone(), &vec![]).err(),
                integrate_back(&decay, tableau, &grid, &mut z.clone(), &vec![]).err(),
                integrate_adaptive(&decay, tableau, control, (0.0, 1.0), &z, &vec![]).err(),
                block.extent(&z, &w).err(),
            ] {
                assert_eq!(found, Some(refused.clone()));
            }
            for found in [
                Method::Anode.gradient(&block, &z, &w, |end| end.clone()).err(),
                Method::Leapfrog.gradient(&block, &z, &w, |end| end.clone()).err(),
                Method::Anode.gradient_adaptive(&adaptive, &z, &w, |end| end.clone()).err(),
            ] {
                assert_eq!(found, Some(refused.clone().into()));
            }
        }
    }
}
