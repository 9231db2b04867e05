//! What one gradient of an ODE block needs, by method.

use crate::definition::settings::{MethodName, SolverName, Tolerances};
use crate::gradient::{Adjoint, Extent, Method};
use crate::ode::Controller;
use crate::study::StudyError;
use crate::study::parts::solver;

/// Steps that an adaptive solve of a problem counts as.
pub const ADAPTIVE: f64 = 100.0;

/// Steps that an adaptive solve of a network's ODE block counts as: the error estimate of a solver of order q falls
/// with h^q. MATLAB's controller takes at most a tenth of the span per step.
///
/// In recorded training runs with Dormand-Prince, a block takes 2.5 to 4 steps on average at a tolerance of 1e-2 or
/// 1e-3 and 7 to 23 at 1e-6; with MATLAB's controller 11 at 1e-2.
pub fn adaptive_steps(tolerances: &Tolerances, name: &SolverName) -> Result<f64, StudyError> {
    let tolerance = tolerances.rtol.max(tolerances.atol).min(1.0);
    let least = if tolerances.norm == Controller::Matlab { 11.0 } else { 1.0 };
    let steps = tolerance.powf(-1.0 / solver(name)?.order as f64).max(least);
    Ok(steps.ceil().min(tolerances.max_steps as f64))
}

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
        // A step works on its stages forward and backward, and on a few states.
        kept + (2.0 * self.stages + 4.0) * self.state
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adaptive_steps_are_about_those_of_recorded_runs() {
        let steps = |tolerance: f64, norm, max_steps| {
            let tolerances = Tolerances { rtol: tolerance, atol: tolerance, norm, max_steps };
            let name = serde_json::from_str("\"dormand-prince\"").expect("a name");
            adaptive_steps(&tolerances, &name).expect("a solver")
        };
        let torchdiffeq = |tolerance| steps(tolerance, Controller::Torchdiffeq, 1000);
        assert_eq!([1e-2, 1e-3, 1e-6].map(torchdiffeq), [3.0, 4.0, 16.0]);
        assert_eq!(steps(1e-2, Controller::Matlab, 1000), 11.0);
        assert_eq!(steps(1e-30, Controller::Torchdiffeq, 100), 100.0);
    }
}
