//! What a training run measures at the end of an epoch: evaluations of the test images with a choice of batch norm's
//! statistics, and the reversibility error of each ODE block.

use serde_json::Value;

use crate::definition::settings::TrainingSettings;
use crate::net::{EvaluationMode, Network};
use crate::record::{Row, number};
use crate::train::Trainer;

use super::StudyError;

/// The measurements that a run asked for, beside the evaluation with running statistics.
pub(super) struct EpochEnd {
    modes: Vec<EvaluationMode>,
    /// Epochs between evaluations in these modes.
    every: u64,
    epochs: u64,
    /// ODE blocks that are reversed.
    blocks: usize,
}

impl EpochEnd {
    /// The measurements that the settings name, for a network.
    pub fn new(settings: &TrainingSettings, network: &Network) -> Self {
        Self {
            modes: settings.evaluations.clone(),
            every: settings.evaluate_every.unwrap_or(1) as u64,
            epochs: settings.epochs as u64,
            blocks: if settings.block_reversal { network.reversible_blocks() } else { 0 },
        }
    }

    /// The columns that they add, to `steps.csv` and to the run's row.
    pub fn columns(&self) -> Vec<String> {
        let evaluations = self.modes.iter().flat_map(|&mode| [loss(mode), accuracy(mode)]);
        evaluations.chain((1..=self.blocks).map(reversal)).collect()
    }

    /// Measures at the end of epoch `epoch`, from 0: the evaluation with running statistics and what is due.
    ///
    /// # Errors
    /// An evaluation that fails for another cause than numbers that left the finite.
    pub fn measure(&self, trainer: &Trainer, epoch: u64) -> Result<Row, StudyError> {
        let due = (epoch + 1).is_multiple_of(self.every) || epoch + 1 == self.epochs;
        let mut row = Row::new();
        if due {
            self.evaluate(trainer, &mut row)?;
        }
        self.reverse(trainer, &mut row)?;
        let (loss, accuracy) = trainer.evaluate().map_err(|e| StudyError::failed("evaluation", e))?;
        row.insert("test_loss".into(), number(loss));
        row.insert("test_accuracy".into(), number(accuracy));
        Ok(row)
    }

    /// The measurements for the run's row: those of the last line of `steps.csv` if that is the trainer's last step and
    /// has them, else measured now.
    ///
    /// # Errors
    /// See [`Self::measure`].
    pub fn at_the_end(&self, trainer: &Trainer, steps: &[Row]) -> Result<Row, StudyError> {
        let columns = self.columns();
        let is_last =
            |row: &&Row| row.get("step").and_then(Value::as_u64).map(|step| step + 1) == Some(trainer.next_step());
        let found = steps.last().filter(is_last);
        let found = found.and_then(|row| {
            columns.iter().map(|c| Some((c.clone(), row.get(c).filter(|cell| !cell.is_null())?.clone()))).collect()
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let mut row = Row::new();
        self.evaluate(trainer, &mut row)?;
        self.reverse(trainer, &mut row)?;
        Ok(row)
    }

    fn evaluate(&self, trainer: &Trainer, row: &mut Row) -> Result<(), StudyError> {
        for &mode in &self.modes {
            let failed = |e| StudyError::failed(format!("evaluation, {mode}"), e);
            let (found_loss, found_accuracy) = trainer.evaluate_in(mode).map_err(failed)?;
            row.insert(loss(mode), number(found_loss));
            row.insert(accuracy(mode), number(found_accuracy));
        }
        Ok(())
    }

    fn reverse(&self, trainer: &Trainer, row: &mut Row) -> Result<(), StudyError> {
        if self.blocks > 0 {
            let errors = trainer.block_reversal().map_err(|e| StudyError::failed("reversal of the blocks", e))?;
            row.extend(errors.into_iter().enumerate().map(|(i, rho)| (reversal(i + 1), number(rho))));
        }
        Ok(())
    }
}

/// `test_loss_test_batch` and its like.
fn loss(mode: EvaluationMode) -> String {
    format!("test_loss_{}", mode.name().replace('-', "_"))
}

fn accuracy(mode: EvaluationMode) -> String {
    format!("test_accuracy_{}", mode.name().replace('-', "_"))
}

/// Column of an ODE block's reversibility error; blocks count from 1, in the order of the network.
fn reversal(block: usize) -> String {
    format!("reversal_error_block_{block}")
}
