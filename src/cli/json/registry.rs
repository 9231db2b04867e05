//! The documents that commands print, by name.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::super::{
    check, clean, compare, data, describe, error, evaluate, export, init, list, new, plan, repeat, report, run,
    schedule, show, status,
};
use super::Document;
use crate::doctor::Diagnosis;
use crate::record::{HandedOver, Merged};
use crate::report::Summary;

/// A document with its schema.
pub struct Entry {
    /// The name of the schema.
    pub name: &'static str,
    /// The version of the document.
    pub version: u32,
    /// What it holds, in a sentence.
    pub about: &'static str,
    /// The commands that print it on standard output.
    pub commands: &'static [&'static str],
    /// Adds the schema of its data to a generator.
    pub data: fn(&mut SchemaGenerator) -> Schema,
}

const fn entry<T: Document>(commands: &'static [&'static str], about: &'static str) -> Entry {
    Entry { name: T::NAME, version: T::VERSION, about, commands, data: subschema::<T> }
}

fn subschema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Every document.
pub const DOCUMENTS: &[Entry] = &[
    entry::<list::Experiments>(&["list"], "The experiments with the state of their results."),
    entry::<show::Shown>(&["show"], "Experiments with their definition, verdicts and rows."),
    entry::<init::Initialised>(&["init"], "The files that were written."),
    entry::<new::Created>(&["new"], "The definition that was written."),
    entry::<compare::Compared>(&["compare"], "Two sets of results side by side."),
    entry::<plan::Planned>(&["plan"], "The runs of a profile with their state and forecast."),
    entry::<run::Ran>(&["run", "reproduce"], "What became of the runs, and the verdicts of the report."),
    entry::<status::Status>(&["status"], "The process that writes the results folder, and runs without a record."),
    entry::<repeat::Repetition>(&["repeat"], "A repeated run next to its record."),
    entry::<Merged>(&["merge"], "Numbers of runs that were copied."),
    entry::<HandedOver>(&["handover"], "Folders of unfinished runs that were written and removed."),
    entry::<schedule::Schedule>(&["schedule"], "A checkpoint schedule: its work, its snapshots and its memory."),
    entry::<evaluate::Evaluated>(&["evaluate"], "Loss and accuracy of a trained network."),
    entry::<data::Known>(&["data list"], "The data sets."),
    entry::<data::FetchedFiles>(&["data fetch"], "The files that were downloaded, or were already there."),
    entry::<data::Verified>(&["data verify"], "The data sets compared with their checksums."),
    entry::<describe::Described>(&["describe"], "The layers of a network."),
    entry::<Diagnosis>(&["doctor"], "The self-test of this machine."),
    entry::<Summary>(&["figures", "report"], "The files that were written, and the verdicts."),
    entry::<export::Exported>(&["export"], "The files of a table in long format."),
    entry::<report::Verification>(&["report --verify"], "Published files compared with those of the archived records."),
    entry::<check::Checked>(&["check"], "Faults of definitions."),
    entry::<clean::Cleaned>(&["clean"], "Records that were removed."),
    entry::<error::Failure>(&[], "Why a command failed. Printed as the last line of standard error with --json."),
];

/// The document of this name.
pub fn named(name: &str) -> Option<&'static Entry> {
    DOCUMENTS.iter().find(|entry| entry.name == name)
}
