//! What a run leaves on disk, and reading it back.
//!
//! This room knows definitions. It knows nothing of how a run is computed or shown.

mod types;

pub use types::*;
