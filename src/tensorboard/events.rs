//! The messages of an event file: the fields of TensorFlow's `event.proto` and `summary.proto` that scalars need.

use prost::{Message, Oneof};

/// An event: the version of the file, or the scalars of a training step.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// Training step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// The content.
    #[prost(oneof = "What", tags = "3, 5")]
    pub what: Option<What>,
}

/// The content of an event.
#[derive(Clone, PartialEq, Oneof)]
pub enum What {
    /// Version of the format; only in the first event of a file.
    #[prost(string, tag = "3")]
    FileVersion(String),
    /// Scalars.
    #[prost(message, tag = "5")]
    Summary(Summary),
}

impl Event {
    /// The first event of a file: the version that TensorBoard expects.
    pub fn file_version() -> Self {
        Self { wall_time: 0.0, step: 0, what: Some(What::FileVersion("brain.Event:2".into())) }
    }
}

/// The scalars of a step.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// One value for each column of the log that has a number.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Scalar>,
}

/// A number with its name.
#[derive(Clone, PartialEq, Message)]
pub struct Scalar {
    /// The name of the column.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The number, in single precision as TensorBoard stores it. Optional, so that a zero is written too.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
}
