//! Whether explicit steps of a weight evolution are stable, and how many are needed.
//!
//! On a periodic kernel the centred differences have the eigenvalues lambda = -d s2 + r + i u . s1, known mode by mode.
//! A step of size h multiplies a mode by R(h lambda), R being the stability polynomial of the tableau. A step is stable
//! if
//! - its decay decays: |R(h Re lambda)| <= 1 where Re lambda <= 0; for Euler and pure diffusion the textbook h d s2 <=
//!   2;
//! - it grows at most by e a unit of time more than it should, von Neumann's condition with the constant 1:
//!   |R(h lambda)| <= max(1, exp(h Re lambda)) exp(h). The strict |R| <= 1 would refuse Euler with any advection at
//!   all.
//!
//! For a nonlinear sigma the bound is that of the linearisation at sigma's steepest slope; at walls, that of the cosine
//! modes.

use crate::ode::{ButcherTableau, FieldError, Real, SolveError};

use super::field::Group;
use super::modes::modes;
use super::{EvolutionError, Memory, Symbol, UnstableSteps, WeightField};

impl<R: Real> WeightField<R> {
    /// Refuses coefficients that steps of size `h` of `tableau` cannot step stably on t in [0, 1].
    ///
    /// # Errors
    /// The first unstable set of coefficients, with the bound and the least number of steps. Coefficients that are not
    /// finite.
    pub fn check_stability(&self, p: &[R], tableau: &ButcherTableau, h: f64) -> Result<(), EvolutionError> {
        if !(h.is_finite() && h > 0.0) {
            return Err(EvolutionError::Choice(format!("steps of size {h}; allowed: finite sizes above 0")));
        }
        if self.is_constant() {
            return Ok(());
        }
        for group in self.coefficients(p).map_err(field_error)? {
            if group.values.iter().any(|c| !c.is_finite()) {
                return Err(SolveError::NotFinite { step: 0, stage: 0, t: 0.0 }.into());
            }
            let rates = self.rates(&group);
            let stable = |h: f64| rates.iter().all(|&rate| is_stable(tableau, h, rate));
            if !stable(h) {
                let (piece, group, coefficients) = (group.piece, group.number, group.values);
                let steps = unstable(tableau, h, stable);
                return Err(EvolutionError::Unstable { piece, group, coefficients, steps });
            }
        }
        Ok(())
    }

    /// The eigenvalues of the linearisation at sigma's steepest slope.
    fn rates(&self, group: &Group) -> Vec<(f64, f64)> {
        let slope = self.law().sigma.steepest();
        let grid = self.pieces().nth(group.piece).map_or([0, 0], |piece| piece.grid);
        let modes = modes(grid, self.law().border, Symbol::Discrete);
        modes.iter().map(|mode| mode.rate(&group.values)).map(|(a, b)| (slope * a, slope * b)).collect()
    }
}

fn field_error(source: FieldError) -> SolveError {
    SolveError::Field { step: 0, stage: 0, t: 0.0, source }
}

/// Refuses an exponential memory that steps of size `h` cannot step stably.
pub(super) fn check_memory(memory: Memory, tableau: &ButcherTableau, h: f64) -> Result<(), EvolutionError> {
    let Memory::Exponential { rate, .. } = memory else { return Ok(()) };
    let stable = |h: f64| is_stable(tableau, h, (-rate, 0.0));
    if stable(h) {
        return Ok(());
    }
    Err(EvolutionError::UnstableMemory { rate, steps: unstable(tableau, h, stable) })
}

/// Finds the largest stable step below the unstable `h`, and the smallest stable number of steps.
fn unstable(tableau: &ButcherTableau, h: f64, stable: impl Fn(f64) -> bool) -> UnstableSteps {
    let mut low = h;
    let found = (0..60).any(|_| {
        low /= 2.0;
        stable(low)
    });
    let mut high = 2.0 * low;
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if stable(middle) { low = middle } else { high = middle }
    }
    let bound = if found { low } else { 0.0 };
    // The bisection ends a rounding below the bound: 1 / bound may be a hair above a whole number that is stable.
    let first = (1.0 / bound * (1.0 - 1e-9)).ceil();
    let least_steps = (found && first < 1e9)
        .then_some(first as usize)
        .and_then(|n| (n.max(1)..n + 1000).find(|n| stable(1.0 / *n as f64)));
    UnstableSteps { solver: tableau.name, h, bound, least_steps }
}

fn is_stable(tableau: &ButcherTableau, h: f64, (a, b): (f64, f64)) -> bool {
    let decays = a > 0.0 || amplification(tableau, (h * a, 0.0)) <= 1.0 + 1e-12;
    decays && amplification(tableau, (h * a, h * b)) <= (h * a).exp().max(1.0) * h.exp()
}

/// |R(z)| of dw/dt = z w over one step of size 1.
fn amplification(tableau: &ButcherTableau, z: (f64, f64)) -> f64 {
    let times = |(a, b): (f64, f64)| (z.0 * a - z.1 * b, z.0 * b + z.1 * a);
    let sum = |weights: &[f64], k: &[(f64, f64)]| {
        weights.iter().zip(k).fold((1.0, 0.0), |(re, im), (w, (a, b))| (re + w * a, im + w * b))
    };
    let mut k: Vec<(f64, f64)> = vec![];
    for row in &tableau.a[..tableau.solution_stages()] {
        k.push(times(sum(row, &k)));
    }
    let (re, im) = sum(tableau.b, &k);
    re.hypot(im)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::{Diffusion, Law, Piece, Sigma, Terms};
    use crate::ode::{SOLVERS, solver};

    #[test]
    fn the_stability_polynomial_is_that_of_the_exponential_to_the_solvers_order() {
        for tableau in SOLVERS {
            let error = |h: f64| (amplification(tableau, (-0.7 * h, 0.0)) - (-0.7 * h).exp()).abs();
            let order = (error(0.1) / error(0.05)).log2();
            assert!((order - (tableau.order + 1) as f64).abs() < 0.2, "{}: {order}", tableau.name);
        }
        assert_eq!(amplification(solver("euler").unwrap(), (0.0, 1.0)), 2.0f64.sqrt());
    }

    #[test]
    fn the_bound_of_diffusion_is_the_textbook_one_and_the_least_step_count_works() {
        let law = Law { sigma: Sigma::Identity, diffusion: Diffusion::Free, ..Law::new(Terms::Diffusion) };
        let field = WeightField::<f64>::new(law, 16, vec![Piece { range: 0..16, grid: [4, 4], groups: 1 }]).unwrap();
        // The highest mode of a 4 x 4 kernel has s2 = 8: h <= 2 / (8 d) for Euler, 2.785 / (8 d) for RK4.
        for (name, region) in [("euler", 2.0), ("midpoint", 2.0), ("rk4", 2.785_293_563_405_28)] {
            let tableau = solver(name).unwrap();
            let bound = region / (8.0 * 1.9);
            assert_eq!(field.check_stability(&[1.9], tableau, bound * 0.999_999), Ok(()));
            let text = field.check_stability(&[1.9], tableau, 0.5).unwrap_err().to_string();
            let least = (1.0 / bound).ceil() as usize;
            assert!(
                text.contains(&format!("the stability bound is {bound:.4}: take at least {least} steps")),
                "{text}"
            );
            assert_eq!(field.check_stability(&[1.9], tableau, 1.0 / least as f64), Ok(()));
            assert!(field.check_stability(&[1.9], tableau, 1.0 / (least - 1) as f64).is_err());
        }
        let text = field.check_stability(&[1.9e6], SOLVERS[0], 0.5).unwrap_err().to_string();
        assert!(!text.contains("bound is 0.0000") && text.contains("e-7: take at least"), "{text}");
        assert!(field.check_stability(&[f64::NAN], SOLVERS[0], 0.1).unwrap_err().is_divergence());
        assert!(matches!(
            field.check_stability(&[], SOLVERS[0], 0.1),
            Err(EvolutionError::Solve(SolveError::Field { .. }))
        ));
    }

    #[test]
    fn advection_with_euler_is_allowed_as_far_as_its_growth_is_bounded() {
        let law = Law { sigma: Sigma::Identity, ..Law::new(Terms::Advection) };
        let field = WeightField::<f64>::new(law, 9, vec![Piece { range: 0..9, grid: [3, 3], groups: 1 }]).unwrap();
        let euler = solver("euler").unwrap();
        assert_eq!(field.check_stability(&[1.0, 0.0], euler, 0.2), Ok(()));
        let text = field.check_stability(&[9.0, 0.0], euler, 0.2).unwrap_err().to_string();
        assert!(text.contains("u = (9, 0)") && text.contains("allow_unstable"), "{text}");
    }
}
