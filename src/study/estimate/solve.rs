//! What one gradient of an ODE block needs, by method.

use crate::definition::settings::{MethodName, SolverName};
use crate::gradient::{Extent, Method};
use crate::study::StudyError;
use crate::study::parts::solver;

/// Steps that an adaptive solve counts as.
pub const ADAPTIVE: f64 = 100.0;

/// An ODE block that is solved and differentiated.
#[derive(Clone, Copy)]
pub struct Solved {
    /// Blocks of this kind.
    pub blocks: f64,
    /// Steps Nt.
    pub steps: f64,
    /// Stages of the solver.
    pub stages: f64,
    /// Bytes of a state.
    pub state: f64,
    /// Bytes of the tape of one evaluation.
    pub tape: f64,
}

impl Solved {
    /// Bytes that a method keeps for the backward sweep, and those of the vectors that a step works on.
    pub fn bytes(&self, method: Method) -> f64 {
        // Casts to integers saturate.
        let extent = Extent {
            blocks: self.blocks as usize,
            steps: self.steps as usize,
            state_bytes: self.state as usize,
            step_tape_bytes: (self.stages * self.tape) as usize,
        };
        let full = extent.bound_bytes(Method::Full) as f64;
        let kept = match method {
            Method::Within(_) => full.min(extent.bound_bytes(method) as f64),
            method => extent.bound_bytes(method) as f64,
        };
        kept + self.working_bytes()
    }

    /// Bytes of the vectors that a step works on: the stages forward and backward, and a few states.
    pub fn working_bytes(&self) -> f64 {
        (2.0 * self.stages + 4.0) * self.state
    }

    /// Evaluations and vector-Jacobian products of one gradient.
    pub fn evaluations(&self, method: Method) -> f64 {
        let steps = self.steps;
        // Steps that are taken, those of replays and of backward solves among them; then one vjp for each stage.
        let taken = match method {
            Method::Full => steps,
            Method::Revolve(m) | Method::Online(m) => steps + revolve(steps, m as f64),
            Method::Within(_) => steps + revolve(steps, 1.0),
            Method::Reversible => 4.0 * steps,
            _ => 2.0 * steps,
        };
        self.blocks * self.stages * (taken + steps)
    }
}

/// At most so many plain steps: r Nt, with r the smallest number for which Nt <= C(m + r, m).
fn revolve(steps: f64, snapshots: f64) -> f64 {
    if snapshots <= 1.0 {
        return steps * steps / 2.0;
    }
    let (mut repeats, mut reached) = (0.0, 1.0);
    while reached < steps {
        repeats += 1.0;
        reached *= (snapshots + repeats) / repeats;
    }
    repeats * steps
}

/// The stages that a step of a solver evaluates.
pub fn stages(name: &SolverName) -> Result<f64, StudyError> {
    Ok(solver(name)?.solution_stages() as f64)
}

/// A gradient method; `None` for dfdx's tape, which is none of ours.
pub fn method(name: &MethodName) -> Option<Method> {
    name.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::revolve_optimum;

    #[test]
    fn the_bound_on_plain_steps_is_one() {
        for (steps, snapshots) in [(1, 1), (10, 1), (10, 3), (100, 2), (100, 99), (1000, 7), (1000, 100_000)] {
            let (bound, exact) = (revolve(steps as f64, snapshots as f64), revolve_optimum(steps, snapshots));
            assert!(bound >= exact as f64 && bound <= 3.0 * exact as f64 + 2.0 * steps as f64, "{steps}, {snapshots}");
        }
    }
}
