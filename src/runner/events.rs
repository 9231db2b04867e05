//! TensorBoard event files of runs, extended while the runs are computed.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::tensorboard::{EventLog, EventsError};

/// Least time between two updates while a run is computed.
const PAUSE: Duration = Duration::from_secs(5);

/// The event file of one run.
pub struct Events(Mutex<(EventLog, Instant)>);

impl Events {
    /// The event file in the folder of a run.
    pub fn new(folder: &Path) -> Self {
        Self(Mutex::new((EventLog::new(folder), Instant::now())))
    }

    /// Appends the new steps if the last update is some seconds ago. Faults are reported at the end of the run.
    pub fn update_if_due(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.1.elapsed() >= PAUSE {
            let _ = state.0.update();
            state.1 = Instant::now();
        }
    }

    /// Appends all steps that are not in the file yet.
    ///
    /// # Errors
    /// See [`EventsError`].
    pub fn finish(&self) -> Result<(), EventsError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.update().map(|_| ())
    }
}
