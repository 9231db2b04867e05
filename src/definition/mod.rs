//! Experiment definitions: what an experiment file says, and whether it makes sense.
//!
//! The names of solvers, gradient methods and networks come from the modules that register them. Independent of how
//! runs are executed.

mod choices;
pub mod columns;
mod error;
mod expectation;
mod filter;
mod ids;
mod labels;
mod load;
mod not_run;
mod outline;
mod points;
mod probe;
mod reference;
mod schema;
pub mod settings;
mod types;
mod unique;
mod validate;
pub(crate) mod wording;

pub use choices::{CHOICES, Choice, load_choices};
pub use error::{DefinitionError, printable};
pub use expectation::*;
pub use filter::*;
pub use ids::{id_fault, is_name};
pub use labels::{
    ColumnLabel, Heading, all_labels, assignment, column_label, heading, run_label, style_label, value_label,
};
pub use load::{LIMIT, Loaded, SCHEMA, load, load_all};
pub use not_run::{NOT_RUN, NotRun, load_not_run};
pub use outline::{
    Chapter, Finding, Format, Gap, OUTLINE, Outline, Quantity, Story, StoryPanel, Take, load_outline, placeholders,
};
pub use points::{Point, Resolved};
pub use reference::reference;
pub use schema::schema;
pub use settings::StudyKind;
pub use types::*;
pub use validate::{outline_faults, unknown_experiments};
