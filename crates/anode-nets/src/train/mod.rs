//! Training a network: the recipe, one step at a time, with checkpoints.
//!
//! Independent of experiments, reports and records.

mod batches;
mod capture;
mod carry;
mod checkpoint;
mod dfdx_bridge;
mod engine;
mod evaluate;
mod learner;
mod model;
mod quality;
mod random_error;
mod rate;
mod tensors;
mod trainer;

pub use batches::BatchImages;
pub use capture::CaptureState;
pub use carry::Saved;
pub use checkpoint::{CHECKPOINTS, CheckpointError, PastSteps, keep_newest, remove, resume, save};
pub use dfdx_bridge::{HostTensors, TrainingDevice};
pub use evaluate::{EVALUATION_BATCH, RECALIBRATION_IMAGES, evaluate, recalibration_images};
pub use learner::{Gradient, Learner, StepError};
pub use model::Model;
pub use quality::Quality;
pub use random_error::RandomError;
pub use rate::Rate;
pub use trainer::{Recipe, StepMetrics, TrainError, Trainer};
