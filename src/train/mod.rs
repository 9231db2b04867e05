//! Training a network: the recipe, one step at a time, with checkpoints.
//!
//! This room knows networks and data. It knows nothing of experiments, records or reports.

mod border;
mod checkpoint;
mod trainer;

pub use border::{Gradient, Learner, StepError};
pub use checkpoint::{CheckpointError, remove, resume, save};
pub use trainer::{Recipe, StepMetrics, TrainError, Trainer};
