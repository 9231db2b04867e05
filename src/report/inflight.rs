//! Unfinished training runs that were handed on: how far they are, and their curves.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::record::{Budget, RecordError, Row, STEPS, Unfinished, inflight, read_at_most, run_folders, thin_within};

use super::results::{as_number, short};
use super::verdict::quantity::value;

/// Largest log that is read, in bytes.
const MOST: u64 = 1 << 24;

/// An unfinished run.
pub struct InFlight {
    /// Id, settings and inputs of the run.
    pub header: Unfinished,
    /// Settings and seed as columns.
    pub settings: Row,
    /// Log of its steps so far, thinned.
    pub steps: Vec<Row>,
    /// Steps taken.
    taken: usize,
    /// Epochs completed.
    epochs: usize,
}

/// Damaged files, and what is wrong with each.
pub type Damaged = Vec<(PathBuf, String)>;

/// The headers of the runs of an experiment in `inflight/` of a results folder, and those that are damaged or belong to
/// another place. Folders without a header are left out.
///
/// # Errors
/// A folder or a header that cannot be read.
pub fn headers(results: &Path, experiment: &str) -> Result<(Vec<Unfinished>, Damaged), RecordError> {
    let (mut found, mut damaged) = (vec![], vec![]);
    for (own, _, folder) in run_folders(&results.join(crate::record::INFLIGHT))? {
        if own != experiment {
            continue;
        }
        match Unfinished::read_own(&folder) {
            Ok(header) => found.extend(header),
            Err(RecordError::Damaged { path, why }) => damaged.push((path, why)),
            Err(error) => return Err(error),
        }
    }
    Ok((found, damaged))
}

impl InFlight {
    /// Reads the log of an unfinished run with this header; `settings` are its settings and seed as columns. The values
    /// that are kept are taken from `budget`.
    ///
    /// # Errors
    /// A log that is missing, damaged or too large.
    pub fn read(results: &Path, header: Unfinished, settings: Row, budget: &mut Budget) -> Result<Self, RecordError> {
        let path = inflight(results, &header.experiment, &header.run).join(STEPS);
        let damaged = |why: String| RecordError::Damaged { path: path.clone(), why };
        let bytes =
            read_at_most(&path, MOST)?.ok_or_else(|| damaged("the log of an unfinished run is missing".into()))?;
        let (steps, taken) = thin_within(&bytes, settings.len(), budget).map_err(damaged)?;
        let epochs = steps.iter().filter(|row| as_number(row.get("test_loss")).is_some()).count();
        Ok(Self { header, settings, steps, taken, epochs })
    }

    /// `13 of 40 epochs`.
    pub fn progress(&self) -> String {
        let total = self.header.settings.get("epochs").and_then(Value::as_u64);
        let total = total.map_or("an unknown number of".into(), |total| total.to_string());
        format!("{} of {total} epochs", self.epochs)
    }

    /// Describes its progress, accuracy and loss in one line. `name` identifies the run.
    pub fn line(&self, name: &str) -> String {
        let last = |column: &str| self.steps.iter().rev().find_map(|row| as_number(row.get(column)));
        let standing = match (last("test_accuracy"), last("loss")) {
            (Some(accuracy), Some(loss)) => {
                format!(
                    ", test accuracy {} at the end of the last epoch, loss of the last batch {}",
                    value("test_accuracy", accuracy),
                    short(loss)
                )
            }
            (None, Some(loss)) => format!(", loss of the last batch {}", short(loss)),
            _ => String::new(),
        };
        format!("{name}: {} ({} steps){standing}", self.progress(), self.taken)
    }
}
