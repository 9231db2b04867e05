//! `anode figures`: the charts from the records.

use clap::Args;

use crate::definition::Profile;
use crate::report::{self, Contents, Summary};

use super::arguments::{Common, FIGURES, ProfileName};
use super::complete;
use super::error::CliError;
use super::report::tell;
use super::select;
use super::subject::{OWN, Subject};

/// Which charts are drawn.
#[derive(Debug, Args)]
pub struct FiguresArguments {
    /// Ids of experiments; `*` and `?` allowed [default: all]
    #[arg(value_name = "ID", add = complete::ids())]
    pub ids: Vec<String>,
    /// Size of the experiments [default: the largest that has records, for each experiment]
    #[arg(long, value_enum)]
    pub profile: Option<ProfileName>,
    /// Only experiments whose id matches, `*` and `?` allowed
    #[arg(long, value_name = "GLOB", add = complete::ids())]
    pub only: Option<String>,
    /// Only runs with this setting, or seed=N. May be repeated; if a name is given several values,
    /// runs with any of these values are selected. Needs --figures, since such charts would
    /// replace those of all runs
    #[arg(long = "where", value_name = "NAME=VALUE", add = complete::conditions())]
    pub only_where: Vec<String>,
    /// Also write each chart as a PNG file
    #[arg(long)]
    pub png: bool,
}

/// `anode figures`
///
/// # Errors
/// See [`CliError`].
pub fn figures(common: &Common, arguments: &FiguresArguments) -> Result<(), CliError> {
    select::refuse_missing(&common.results)?;
    let FiguresArguments { ids, profile, only, only_where, png } = arguments;
    let profile = profile.map(Profile::from);
    let figures = common.figures();
    let published =
        [FIGURES.into(), common.default_figures(), common.results.join(OWN).join("figures")].contains(&figures);
    if !only_where.is_empty() && published {
        return Err(CliError::Usage(format!(
            "charts of some runs would replace the charts of all runs in {}; name another folder with --figures DIR",
            figures.display()
        )));
    }
    let subjects = Subject::of(common, ids, only.as_deref())?;
    let runs = Subject::shown(&subjects, common, profile, only_where)?;
    let mut summary = Summary::default();
    for subject in &subjects {
        let contents = subject.contents(common);
        // The charts of own experiments have a folder inside the results.
        let contents = if runs.is_some() { Contents { figures: &figures, ..contents } } else { contents };
        summary = summary.and(report::figures(contents, profile, runs.as_ref(), *png)?);
    }
    tell(common, &summary, "charts", !summary.written.is_empty());
    Ok(())
}
