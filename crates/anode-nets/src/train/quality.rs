//! How good the reverse-time gradient is on the network that is being trained.

use crate::gradient::{Ledger, Method};
use crate::net::{Solve, Steps};

use super::engine::Engine;
use super::learner::StepError;
use super::trainer::{TrainError, Trainer};

/// Most snapshots of a block while the exact gradient of adaptive steps is measured: their tapes can be hundreds.
const SNAPSHOTS: usize = 8;

/// The reverse-time gradient against the exact one, on the batch that the next step will see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// |reverse-time - exact| / |exact|; infinite where the reverse solve leaves the finite.
    pub relative_error: f64,
    /// Cosine of the angle between them; NaN there.
    pub cosine: f64,
    /// The largest reversibility error rho of an ODE block; 0 without ODE blocks.
    pub reversal_error: f64,
}

impl Trainer {
    /// Measures at the present parameters. The training run stays bit-identical to one without the measurement.
    ///
    /// # Errors
    /// A network that cannot be solved forwards.
    pub fn quality(&mut self) -> Result<Quality, TrainError> {
        let statistics = self.engine.statistics();
        let measured = self.measure();
        self.engine.set_statistics(&statistics)?;
        measured
    }

    fn measure(&mut self) -> Result<Quality, TrainError> {
        let (images, labels) = self.next_batch();
        let gradient = |engine: &mut dyn Engine, method| {
            let (solve, ledger) = (Solve { method, ..self.recipe.solve }, Ledger::new());
            engine.gradient(images.clone(), &labels, solve, &ledger).map(|_| engine.last())
        };
        let exact = match self.recipe.solve.steps {
            Steps::Fixed(_) => Method::Anode,
            Steps::Adaptive(_) => Method::Online(SNAPSHOTS),
        };
        let exact = gradient(&mut *self.engine, exact)?;
        let reversal_errors = self.engine.reversal_errors(images.clone(), self.recipe.solve);
        let reversal_error = reversal_errors.map_err(StepError::from)?.into_iter().fold(0.0, f64::max);
        let reversed = match gradient(&mut *self.engine, Method::ReverseTime) {
            Ok(reversed) => reversed,
            Err(StepError::Backward { source, .. }) if source.is_divergence() => {
                return Ok(Quality { relative_error: f64::INFINITY, cosine: f64::NAN, reversal_error });
            }
            Err(error) => return Err(error.into()),
        };
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let difference: Vec<f32> = reversed.iter().zip(&exact).map(|(r, e)| r - e).collect();
        let (size, cross) = (dot(&exact, &exact).sqrt(), dot(&reversed, &exact));
        Ok(Quality {
            relative_error: dot(&difference, &difference).sqrt() / size,
            cosine: cross / (size * dot(&reversed, &reversed).sqrt()),
            reversal_error,
        })
    }
}
