//! `anode schema`: the JSON schemas of what commands print.

use crate::nearest::nearest_in_words;

use super::arguments::Common;
use super::error::CliError;
use super::json::{DOCUMENTS, named, schema as of};
use super::output::{print, print_table};

/// `anode schema NAME`
///
/// # Errors
/// An unknown name.
pub fn schema(common: &Common, name: Option<&str>) -> Result<(), CliError> {
    let Some(name) = name else {
        if common.json {
            return Err(CliError::Usage("name a schema; `anode schema` without --json lists them".into()));
        }
        let row = |entry: &super::json::Entry| {
            vec![entry.name.to_owned(), entry.version.to_string(), entry.commands.join(", "), entry.about.to_owned()]
        };
        print_table(&["schema", "version", "commands", "content"], &DOCUMENTS.iter().map(row).collect::<Vec<_>>());
        return Ok(());
    };
    let Some(entry) = named(name) else {
        let names: Vec<&str> = DOCUMENTS.iter().map(|entry| entry.name).collect();
        let near = nearest_in_words(name, names.iter().copied());
        return Err(CliError::Usage(format!("no schema `{name}`; there are {}{near}", names.join(", "))));
    };
    print(&format!("{:#}", of(entry)));
    Ok(())
}
