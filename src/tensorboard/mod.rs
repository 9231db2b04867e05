//! Event files for TensorBoard, made from the log of a training run.
//!
//! Independent of studies and of how runs are executed: reads `steps.csv` and writes a file next to it.

mod events;
mod log;
mod records;

pub use events::{Event, Scalar, Summary, What};
pub use log::{EventLog, EventsError};
pub use records::{RecordsError, frame, records};

/// The event file of a run. TensorBoard reads files whose names contain `tfevents`.
pub const EVENTS: &str = "events.out.tfevents.0.anode";
