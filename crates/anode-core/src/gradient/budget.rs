//! The schedule that fits a byte budget: of all that fit, the one that takes the fewest steps.

use crate::ode::{DifferentiableField, Pass, SolveError, Vector, Workspace};

use super::schedule::expect_steps;
use super::{AdaptiveStorage, Adjoint, Argument, Block, GradientError, Ledger, METHODS, Method};

/// What a gradient is about: L blocks of Nt steps, with the bytes of a state and of the tapes of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Blocks L, at least 1.
    pub blocks: usize,
    /// Steps Nt of each block, at least 1.
    pub steps: usize,
    /// Bytes of one state.
    pub state_bytes: usize,
    /// Bytes of the tapes of one step, all stages together.
    pub step_tape_bytes: usize,
}

impl<F: DifferentiableField> Block<'_, F> {
    /// The sizes of this block. Measures the tapes on the first step from `z0`: one taped step of [`Pass::Replay`],
    /// which no ledger of the caller counts.
    ///
    /// # Errors
    /// Those of the field and of [`ButcherTableau::check`](crate::ode::ButcherTableau::check).
    pub fn extent(&self, z0: &F::Vector, theta: &F::Vector) -> Result<Extent, SolveError> {
        self.tableau.check()?;
        let (ledger, steps) = (Ledger::new(), self.grid.steps());
        if steps > 0 {
            let first = self.grid.forward(0, Pass::Replay);
            self.taped_stages(first, &mut Workspace::lazy(), z0, theta, &ledger)?;
        }
        Ok(Extent { blocks: 1, steps, state_bytes: z0.bytes(), step_tape_bytes: ledger.cost().peak_bytes })
    }
}

impl Extent {
    /// What `method` keeps alive at most: O(L Nt) for full storage, O(L) + O(Nt) for ANODE, O(L) for reversed time
    /// (ANODE, section 5). Saturates.
    pub fn bound_bytes(&self, method: Method) -> usize {
        method.peak_bytes(self)
    }

    /// Bytes of so many states of each block, and of the tapes of so many steps of one. Saturates.
    pub fn bytes(&self, states_per_block: usize, taped_steps: usize) -> usize {
        let states = self.blocks.saturating_mul(states_per_block).saturating_mul(self.state_bytes);
        states.saturating_add(taped_steps.saturating_mul(self.step_tape_bytes))
    }

    /// The exact method that stays within `budget` bytes with the fewest steps taken, and of those the one with the
    /// fewest bytes.
    ///
    /// ```
    /// use anode_core::gradient::{Extent, Method};
    /// let extent = Extent { blocks: 1, steps: 100, state_bytes: 1000, step_tape_bytes: 2000 };
    /// assert_eq!(extent.within(1_000_000), Ok(Method::Full));
    /// assert!(matches!(extent.within(20_000), Ok(Method::Revolve(_))));
    /// let refused = extent.within(2_000).unwrap_err();
    /// assert_eq!(refused.to_string(), "2000 bytes are too few; the least that works is 3000, with revolve:1");
    /// ```
    ///
    /// # Errors
    /// [`GradientError::Memory`] for a budget that no schedule fits, with the least that works.
    /// [`SolveError::Argument`] for more than 2^32 - 1 steps.
    pub fn within(&self, budget: usize) -> Result<Method, GradientError> {
        expect_steps(self.steps)?;
        let fitting = self.candidates().filter(|m| self.bound_bytes(*m) <= budget);
        let best = fitting.min_by_key(|m| (m.steps_taken(self.steps), self.bound_bytes(*m)));
        best.ok_or_else(|| {
            let least = self.candidates().map(|m| self.bound_bytes(m)).min().unwrap_or(0);
            let smallest = self.candidates().filter(|m| self.bound_bytes(*m) == least);
            let with = smallest.min_by_key(|m| m.steps_taken(self.steps)).unwrap_or(Method::Full);
            GradientError::Memory { budget, least, with: with.to_string() }
        })
    }

    /// The registered exact methods on the steps of the tableau, with each number of snapshots, in the order of the
    /// registry, which decides between equals. Schedules that place snapshots while the number of steps is unknown are
    /// left out: for a known number others take fewer steps.
    fn candidates(&self) -> impl Iterator<Item = Method> {
        let most = self.steps.max(1);
        let all = METHODS.iter().flat_map(move |descriptor| {
            let numbered = descriptor.argument == Argument::Snapshots;
            let count = match descriptor.argument {
                Argument::None => 1,
                Argument::Snapshots => most,
                Argument::Bytes => 0,
            };
            (1..=count).filter_map(move |number| Method::named(descriptor.name, numbered.then_some(number)))
        });
        let online = |m: &Method| matches!(m.adaptive_storage(), Some(AdaptiveStorage::Snapshots(_)));
        all.filter(move |m| m.is_exact() && m.uses_tableau_steps() && !online(m))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidates_are_the_exact_schedules_for_a_known_number_of_steps() {
        use Method::*;
        let extent = Extent { blocks: 1, steps: 2, state_bytes: 1, step_tape_bytes: 1 };
        let found: Vec<Method> = extent.candidates().collect();
        for method in [Full, Anode, Uniform(1), Uniform(2), Revolve(1), Revolve(2)] {
            assert!(found.contains(&method), "{method}");
        }
        for method in [Online(1), Within(1), ReverseTime, StoredAdjoint, InterpolatedAdjoint, Leapfrog, Reversible] {
            assert!(!found.contains(&method), "{method}");
        }
    }

    #[test]
    fn blocks_of_too_many_steps_are_refused_before_schedules_are_compared() {
        let extent = Extent { blocks: 1, steps: 1 << 40, state_bytes: 1, step_tape_bytes: 1 };
        let refused = extent.within(usize::MAX).unwrap_err().to_string();
        assert!(refused.contains("1099511627776 steps are too many; allowed: 4294967295"), "{refused}");
    }

    #[test]
    fn a_larger_budget_never_takes_more_steps_and_never_is_overdrawn() {
        for (blocks, state, tape) in [(1, 100, 200), (4, 100, 50), (16, 7, 300)] {
            for steps in [1, 2, 7, 32, 100] {
                let extent = Extent { blocks, steps, state_bytes: state, step_tape_bytes: tape };
                let Err(GradientError::Memory { budget: 1, least, with }) = extent.within(1) else {
                    panic!("{extent:?}")
                };
                let budget = least - 1;
                assert_eq!(extent.within(budget), Err(GradientError::Memory { budget, least, with }));
                assert_eq!(extent.within(least).map(|m| extent.bound_bytes(m)), Ok(least), "the least that is named");
                assert!(least <= extent.bound_bytes(Method::Revolve(1)));
                let mut before = usize::MAX;
                for budget in (least..3 * blocks * steps * (state + tape)).step_by(37) {
                    let method = extent.within(budget).unwrap();
                    assert!(extent.bound_bytes(method) <= budget && method.steps_taken(steps) <= before, "{method}");
                    before = method.steps_taken(steps);
                }
                assert_eq!(before, steps, "with enough memory nothing is computed twice");
            }
        }
    }
}
