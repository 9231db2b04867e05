//! The state of one run's training carried over to another run that takes the same steps.

use std::path::Path;

use crate::files;
use crate::net::Network;

use super::checkpoint::{CHECKPOINTS, CheckpointError, PastSteps, State, decode, fingerprint, largest, run_of, write};
use super::trainer::Trainer;

/// A checkpoint read back, apart from any trainer.
pub struct Saved {
    state: State,
    fingerprint: String,
}

impl Saved {
    /// The newest usable checkpoint of `network` in `folder` under the fingerprint of its run for which `accept` holds;
    /// `None` if there is none.
    ///
    /// # Errors
    /// Why the newest one cannot be used, if there are checkpoints and none is usable.
    pub fn read(
        folder: &Path,
        fingerprint: &str,
        network: &Network,
        accept: impl Fn(&Self) -> Result<(), String>,
    ) -> Result<Option<Self>, String> {
        let mut fault = None;
        let fits = |saved: Self| match saved.fits(network) {
            true => accept(&saved).map(|()| saved),
            false => Err("it belongs to another network".to_owned()),
        };
        for name in CHECKPOINTS {
            let path = folder.join(name);
            let bytes = match files::read(&path, largest(network)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                read => read.map_err(|error| error.to_string()),
            };
            let found = bytes.and_then(|bytes| decode(&bytes, fingerprint));
            let found = found.map(|state| Self { state, fingerprint: fingerprint.to_owned() });
            match found.and_then(fits) {
                Ok(saved) => return Ok(Some(saved)),
                Err(why) => drop(fault.get_or_insert(format!("{name}: {why}"))),
            }
        }
        fault.map_or(Ok(None), Err)
    }

    /// The checkpoint in `bytes`, of whatever run; `None` if the file is no checkpoint.
    ///
    /// # Errors
    /// It is one, and damaged.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, String> {
        let Some(fingerprint) = fingerprint(bytes) else { return Ok(None) };
        decode(bytes, &fingerprint).map(|state| Some(Self { state, fingerprint }))
    }

    /// The id of its run.
    pub fn run(&self) -> &str {
        run_of(&self.fingerprint)
    }

    /// Sets the parameters and running statistics of a trainer.
    ///
    /// # Errors
    /// It belongs to another network, or the trainer's device failed.
    pub fn load(&self, trainer: &mut Trainer) -> Result<(), String> {
        if !self.fits(&trainer.network) {
            return Err("the checkpoint belongs to another network".into());
        }
        trainer.set_state(&self.state.theta, &self.state.statistics).map_err(|e| e.to_string())
    }

    /// The next step, which is the number of steps taken.
    pub fn next_step(&self) -> u64 {
        self.state.step
    }

    /// What the checkpoint states about these steps.
    pub fn past(&self) -> &PastSteps {
        &self.state.past
    }

    /// Whether it holds as many numbers as `network` needs.
    pub fn fits(&self, network: &Network) -> bool {
        let parameters = network.parameter_count();
        (self.state.theta.len(), self.state.velocity.len(), self.state.statistics.len())
            == (parameters, parameters, network.statistics().len())
    }

    /// Writes it into `folder` as the checkpoint of the run with this fingerprint, whose log has the digest `log`.
    ///
    /// # Errors
    /// The folder cannot be written, or is full.
    pub fn write(&mut self, folder: &Path, fingerprint: &str, log: String) -> Result<(), CheckpointError> {
        self.state.past.log = Some(log);
        write(&self.state, folder, fingerprint)
    }
}
