//! How far a training run is, from the logs that it appends to while it is computed.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::files;

use super::limits::limit;
use super::write::{STEPS, TIMES};
use super::{Row, thin_csv};

/// Steps over which the time of a step is averaged.
const RECENT: usize = 50;

/// How far a training run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Ongoing {
    /// Steps done.
    pub steps: u64,
    /// Epoch of the last step, from 0.
    pub epoch: u64,
    /// Steps of an epoch, once the first one has ended.
    pub steps_per_epoch: Option<u64>,
    /// Training loss of the last step.
    pub loss: Option<f64>,
    /// Training accuracy of the last step.
    pub accuracy: Option<f64>,
    /// Test accuracy after the last epoch.
    pub test_accuracy: Option<f64>,
    /// Mean time of the last steps.
    pub seconds_per_step: Option<f64>,
}

impl Ongoing {
    /// Reads the logs in a run's folder; `None` if there is no step yet. A line that is only half written does not
    /// count.
    pub fn read(folder: &Path) -> Option<Self> {
        let bytes = whole_lines(&folder.join(STEPS), STEPS)?;
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let header = reader.headers().ok()?.clone();
        let place = |name: &str| header.iter().position(|column| column == name);
        let (epoch, test) = (place("epoch")?, place("test_accuracy"));
        let (mut found, mut first, mut last) = (Self::default(), 0, csv::StringRecord::new());
        for record in reader.records() {
            let record = record.ok()?;
            found.steps += 1;
            found.epoch = record.get(epoch)?.parse().ok()?;
            first += u64::from(found.epoch == 0);
            if let Some(accuracy) = test.and_then(|i| record.get(i)?.parse().ok()) {
                found.test_accuracy = Some(accuracy);
            }
            last = record;
        }
        let number = |name: &str| place(name).and_then(|i| last.get(i)?.parse::<f64>().ok());
        found.loss = number("loss");
        found.accuracy = number("accuracy");
        found.steps_per_epoch = (found.epoch > 0 && first > 0).then_some(first);
        found.seconds_per_step = pace(folder);
        (found.steps > 0).then_some(found)
    }

    /// Time to the end of `epochs` epochs.
    pub fn seconds_left(&self, epochs: u64) -> Option<f64> {
        let all = self.steps_per_epoch?.checked_mul(epochs)?;
        Some(all.saturating_sub(self.steps) as f64 * self.seconds_per_step?)
    }
}

/// Mean time of the last steps.
fn pace(folder: &Path) -> Option<f64> {
    let bytes = whole_lines(&folder.join(TIMES), TIMES)?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let times: Vec<f64> =
        text.lines().rev().take(RECENT).filter_map(|line| line.rsplit(',').next()?.parse().ok()).collect();
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    (mean.is_finite() && mean >= 0.0).then_some(mean)
}

/// The steps of a run that is being computed, thinned as in a record.
pub fn ongoing_steps(folder: &Path) -> Option<Vec<Row>> {
    thin_csv(&whole_lines(&folder.join(STEPS), STEPS)?).ok()
}

/// A log without what stands behind its last line end.
fn whole_lines(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut bytes = files::read(path, limit(name)).ok()?;
    let end = bytes.iter().rposition(|b| *b == b'\n')? + 1;
    bytes.truncate(end);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(Ongoing::read(folder.path()), None);
        write(STEPS, "step,epoch,loss,accuracy,test_accuracy\n");
        assert_eq!(Ongoing::read(folder.path()), None, "no step yet");
        write(STEPS, "step,epoch,loss,accuracy,test_accuracy\n0,0,2.5,0.1,\n1,0,2.0,0.2,0.3\n2,1,1.5,0.4,\n3,1,1.");
        write(TIMES, "step,seconds\n0,9.0\n1,0.5\n2,0.7\n3,0.6");
        let found = Ongoing::read(folder.path()).unwrap();
        assert_eq!((found.steps, found.epoch, found.steps_per_epoch), (3, 1, Some(2)));
        assert_eq!((found.loss, found.accuracy, found.test_accuracy), (Some(1.5), Some(0.4), Some(0.3)));
        assert_eq!(found.seconds_per_step, Some((9.0 + 0.5 + 0.7) / 3.0));
        assert_eq!(found.seconds_left(4), Some(5.0 * found.seconds_per_step.unwrap()));
        assert_eq!(ongoing_steps(folder.path()).unwrap().len(), 3);
        write(TIMES, "step,seconds\n0,NaN\n");
        assert_eq!(Ongoing::read(folder.path()).unwrap().seconds_per_step, None);
        write(STEPS, "step,epoch,loss\n0,3,1.0\n");
        assert_eq!(Ongoing::read(folder.path()).unwrap().steps_per_epoch, None, "the log lacks the first epoch");
        write(STEPS, "step,epoch,loss\n0,x,1.0\n");
        assert_eq!(Ongoing::read(folder.path()), None, "not a log");
    }
}
