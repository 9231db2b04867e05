//! `anode export`: results as one table in long format, with a dictionary of its columns.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::{Profile, StudyKind};
#[cfg(feature = "parquet")]
use crate::export::LongParquet;
use crate::export::{Dictionary, Long, LongCsv, dictionary_csv, long};
use crate::paths::as_text;
use crate::record::{Draft, write_atomically};
use crate::report::{RecordSource, ReportError, Results};

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
    /// Only runs with this setting, or seed=N. May be repeated; if a name is given several values,
    /// runs with any of these values are selected
    #[arg(long = "where", value_name = "NAME=VALUE", add = complete::conditions())]
    pub only_where: Vec<String>,
    /// Include the training steps; logs have at most 1,000 steps besides those with an evaluation
    /// or another value that most steps lack
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
    #[serde(serialize_with = "as_text")]
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
    select::refuse_missing(&common.results)?;
    let loaded = select::chosen(common, &arguments.ids, arguments.only.as_deref())?;
    let subject = Subject::these(common, &loaded)?;
    let contents = subject.contents(common);
    let asked = arguments.profile.map(Profile::from);
    let chosen = Subject::shown(std::slice::from_ref(&subject), common, asked, &arguments.only_where)?;
    let mut files = Files::new(arguments)?;
    let mut runs = 0;
    for definition in contents.experiments {
        for profile in Profile::ALL.into_iter().filter(|profile| asked.is_none_or(|asked| asked == *profile)) {
            let mut found =
                Results::read(definition, profile, contents, RecordSource::Everywhere).map_err(ReportError::from)?;
            if let Some(chosen) = &chosen {
                found.keep(chosen);
            }
            runs += found.runs.len();
            for run in &found.runs {
                files.add(definition.study, long(&definition.id, profile, run, arguments.steps))?;
            }
        }
    }
    let (values, written) = files.finish()?;
    if common.json {
        print_json(&Exported { runs, values, written });
    } else if !common.quiet {
        let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
        print(&format!("{values} values of {runs} runs written to {}", names.join(", ")));
    }
    Ok(())
}

/// Values that are held before they are written.
const HELD: usize = 100_000;

/// The files of an export, written as values arrive, so that memory does not grow with their number.
struct Files {
    folder: PathBuf,
    held: Vec<Long>,
    values: usize,
    dictionary: Dictionary,
    csv: LongCsv<File>,
    drafts: Vec<(PathBuf, Draft)>,
    #[cfg(feature = "parquet")]
    parquet: Option<LongParquet<File>>,
}

impl Files {
    fn new(arguments: &ExportArguments) -> Result<Self, CliError> {
        let folder = arguments.to.clone();
        let mut drafts = vec![];
        let mut draft = |name: &str| -> Result<File, CliError> {
            let path = folder.join(name);
            let draft = Draft::new(&path).map_err(ReportError::from)?;
            let file = draft.file().try_clone().map_err(CliError::io(&path))?;
            drafts.push((path, draft));
            Ok(file)
        };
        let csv = LongCsv::new(draft("results.csv")?).map_err(Self::failed(&arguments.to))?;
        #[cfg(feature = "parquet")]
        let parquet = match arguments.parquet {
            true => Some(LongParquet::new(draft("results.parquet")?).map_err(Self::failed(&arguments.to))?),
            false => None,
        };
        Ok(Self {
            folder,
            held: vec![],
            values: 0,
            dictionary: Dictionary::default(),
            csv,
            drafts,
            #[cfg(feature = "parquet")]
            parquet,
        })
    }

    fn failed<E: Into<Box<dyn Error + Send + Sync>>>(folder: &Path) -> impl Fn(E) -> CliError {
        let path = folder.to_owned();
        move |error| CliError::io(&path)(std::io::Error::other(error))
    }

    fn add(&mut self, study: StudyKind, values: Vec<Long>) -> Result<(), CliError> {
        self.dictionary.add(study, &values);
        self.held.extend(values);
        if self.held.len() < HELD { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), CliError> {
        let held = std::mem::take(&mut self.held);
        self.values += held.len();
        self.csv.write(&held).map_err(Self::failed(&self.folder))?;
        #[cfg(feature = "parquet")]
        if let Some(parquet) = self.parquet.as_mut().filter(|_| !held.is_empty()) {
            parquet.write(&held).map_err(Self::failed(&self.folder))?;
        }
        Ok(())
    }

    /// Puts the files in their places, and returns the number of values and the paths.
    fn finish(mut self) -> Result<(usize, Vec<PathBuf>), CliError> {
        self.write()?;
        self.csv.finish().map_err(Self::failed(&self.folder))?;
        #[cfg(feature = "parquet")]
        if let Some(parquet) = self.parquet {
            parquet.finish().map_err(Self::failed(&self.folder))?;
        }
        let mut written = vec![];
        for (path, draft) in self.drafts {
            draft.finish().map_err(ReportError::from)?;
            written.push(path);
        }
        let path = self.folder.join("dictionary.csv");
        let dictionary = dictionary_csv(&self.dictionary.terms()).map_err(Self::failed(&self.folder))?;
        write_atomically(&path, &dictionary).map_err(ReportError::from)?;
        written.insert(1, path);
        Ok((self.values, written))
    }
}
