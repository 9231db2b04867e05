//! What a run leaves on disk, and reading it back.
//!
//! Independent of how a run is computed or shown.

mod adopt;
mod agreement;
mod archive;
mod archive_file;
mod environment;
mod folders;
mod handover;
mod identity;
mod limits;
mod merge;
mod numerics;
mod ongoing;
mod origin;
mod read;
mod step_log;
mod thin;
mod types;
mod unfinished;
mod write;

pub use adopt::adopt;
pub use agreement::{Agreement, ComparedRow, TOLERATED_STEPS, tolerance};
pub use archive::{archive_for, archive_of, read_archive, read_archive_thinned, read_archived_headers, to_archive};
pub use archive_file::{ARCHIVE_ENDS, archive_files, archive_path, kept_path};
pub use environment::environment;
pub use folders::{entries, folders, run_folders};
pub use handover::{
    HANDED_OVER, HandedOver, Handover, HandoverError, INFLIGHT, MOST_INFLIGHT, NewestState, hand_over, inflight,
    remove_inflight,
};
pub use identity::{canonical, run_id};
pub use limits::{Budget, LOG_STEPS, is_run_id};
pub use merge::{Conflict, MergeError, Merged, merge, restore};
pub use numerics::{FIRST_NUMERICS, numerics};
pub use ongoing::{Ongoing, ongoing_steps};
pub use origin::{Origin, change_of_instructions, origins, origins_text};
pub use read::{LoadedRecord, csv_to_rows, read_checked, read_header, read_record, read_run_thinned};
pub use step_log::StepLog;
pub use thin::{MOST_STEPS, thin, thin_csv, thin_within};
pub use types::*;
pub use unfinished::{UNFINISHED, Unfinished, read_at_most};
pub use write::*;
