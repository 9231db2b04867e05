//! `anode export`: results as one table in long format, with a dictionary of its columns.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Profile;
use crate::export::{dictionary, dictionary_csv, long, long_csv};
use crate::record::write_atomically;
use crate::report::{From as Source, ReportError, Results, RunResult};

use super::arguments::{Common, ProfileName};
use super::complete;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};
use super::select;
use super::subject::Subject;

/// What is exported, and where to.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// Ids of experiments; `*` and `?` allowed [default: all]
    #[arg(value_name = "ID", add = complete::ids())]
    pub ids: Vec<String>,
    /// Size of the experiments [default: every size that has records]
    #[arg(long, value_enum)]
    pub profile: Option<ProfileName>,
    /// Only experiments whose id matches, `*` and `?` allowed
    #[arg(long, value_name = "GLOB", add = complete::ids())]
    pub only: Option<String>,
    /// Only runs with this setting, or seed=N; repeatable
    #[arg(long = "where", value_name = "NAME=VALUE", add = complete::conditions())]
    pub only_where: Vec<String>,
    /// Include the training steps; logs have at most 1,000 steps besides those with an evaluation
    #[arg(long)]
    pub steps: bool,
    /// Also write a Parquet file
    #[arg(long)]
    pub parquet: bool,
    /// Folder of the files
    #[arg(long, value_name = "DIR", default_value = "export")]
    pub to: PathBuf,
}

/// The files that were written.
#[derive(Serialize, JsonSchema)]
pub struct Exported {
    /// Runs in them.
    runs: usize,
    /// Values in them: rows of the table.
    values: usize,
    /// The files: the table and its dictionary.
    written: Vec<PathBuf>,
}

document!(Exported, "export", 1);

/// `anode export`
///
/// # Errors
/// See [`CliError`]; a build without Parquet that is asked for it.
pub fn export(common: &Common, arguments: &ExportArguments) -> Result<(), CliError> {
    if arguments.parquet && !cfg!(feature = "parquet") {
        return Err(CliError::Usage(
            "--parquet: this build lacks Parquet; build it with `cargo build --release --features parquet`, or leave \
             the option out and read results.csv"
                .into(),
        ));
    }
    let loaded = select::chosen(common, &arguments.ids, arguments.only.as_deref())?;
    let subject = Subject::these(common, &loaded)?;
    let contents = subject.contents(common);
    let asked = arguments.profile.map(Profile::from);
    let mut runs: Vec<(String, Profile, RunResult)> = vec![];
    for definition in contents.experiments {
        for profile in Profile::ALL.into_iter().filter(|profile| asked.is_none_or(|asked| asked == *profile)) {
            let found = Results::read(definition, profile, contents, Source::Everywhere).map_err(ReportError::from)?;
            runs.extend(found.runs.into_iter().map(|run| (definition.id.clone(), profile, run)));
        }
    }
    for condition in &arguments.only_where {
        runs = select::only_where(runs, condition, |(_, _, run)| {
            let record = &run.loaded.record;
            (&record.settings, record.seed)
        })?;
    }
    let values: Vec<_> = runs.iter().flat_map(|(id, profile, run)| long(id, *profile, run, arguments.steps)).collect();
    let studies: BTreeMap<_, _> = contents.experiments.iter().map(|one| (one.id.clone(), one.study)).collect();
    let csv = |error: csv::Error| CliError::Io { path: arguments.to.clone(), source: error.into() };
    let mut files = vec![
        ("results.csv", long_csv(&values).map_err(csv)?),
        ("dictionary.csv", dictionary_csv(&dictionary(&values, &studies)).map_err(csv)?),
    ];
    #[cfg(feature = "parquet")]
    if arguments.parquet {
        let bytes = crate::export::write_parquet(&values);
        let failed = |error| CliError::Io { path: arguments.to.clone(), source: std::io::Error::other(error) };
        files.push(("results.parquet", bytes.map_err(failed)?));
    }
    let io = |source| CliError::Io { path: arguments.to.clone(), source };
    std::fs::create_dir_all(&arguments.to).map_err(io)?;
    let mut written = vec![];
    for (name, bytes) in files.drain(..) {
        let path = arguments.to.join(name);
        write_atomically(&path, &bytes).map_err(ReportError::from)?;
        written.push(path);
    }
    if common.json {
        print_json(&Exported { runs: runs.len(), values: values.len(), written });
    } else if !common.quiet {
        let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
        print(&format!("{} values of {} runs written to {}", values.len(), runs.len(), names.join(", ")));
    }
    Ok(())
}
