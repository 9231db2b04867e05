//! What one gradient of an ODE block needs, by method.

use crate::definition::settings::{MethodName, SolverName};
use crate::gradient::{Adjoint, Extent, Method};
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
        let taken = method.steps_taken(self.steps as usize) as f64;
        // One vjp for each stage of a step.
        self.blocks * self.stages * (taken + self.steps)
    }
}

/// The stages that a step of a solver evaluates.
pub fn stages(name: &SolverName) -> Result<f64, StudyError> {
    Ok(solver(name)?.solution_stages() as f64)
}

/// A gradient method; `None` for dfdx's tape, which is none of ours.
pub fn method(name: &MethodName) -> Option<Method> {
    name.as_str().parse().ok()
}
