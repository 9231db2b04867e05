//! `anode figures` and `anode report`: tables, charts and the report from the records.

use clap::Args;

use crate::definition::Profile;
use crate::report::{self, Contents, Kept, Summary};

use super::arguments::{Common, FIGURES, ProfileName, Selection};
use super::check;
use super::complete;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};
use super::subject::{OWN, Subject};

document!(Summary, "report", 1);

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
    tell(common, &summary, "charts");
    Ok(())
}

/// `anode report`
///
/// # Errors
/// See [`CliError`].
pub fn report(common: &Common, selection: &Selection, verify: bool) -> Result<(), CliError> {
    let subjects = Subject::of(common, &selection.ids, selection.only.as_deref())?;
    let profile = selection.profile.into();
    if verify {
        // Only the report on the papers is published.
        let published = subjects.iter().find(|subject| subject.published);
        return published.map_or(Ok(()), |subject| check::verify(common, subject.contents(common), profile));
    }
    let summary = write(common, &subjects, profile, None)?;
    tell(common, &summary, "files");
    Ok(())
}

/// Writes the reports on subjects. `device` is that of the records shown where there are several.
///
/// # Errors
/// See [`report::write_all`].
pub fn write(
    common: &Common,
    subjects: &[Subject],
    profile: Profile,
    device: Option<&str>,
) -> Result<Summary, CliError> {
    let mut summary = Summary::default();
    for subject in subjects {
        summary = summary.and(report::write_all(Contents { device, ..subject.contents(common) }, profile)?);
    }
    Ok(summary)
}

fn tell(common: &Common, summary: &Summary, what: &str) {
    if common.json {
        print_json(summary);
    } else if !common.quiet {
        print(&format!("{} {what} written", summary.written.len()));
        if summary.written.is_empty() {
            print("there are no records of this profile yet; make some with `anode reproduce`");
        }
        tell_of_records(summary);
    }
}

/// Which records a report does not show, and where nothing but a convention chose one of several.
pub fn tell_of_records(summary: &Summary) {
    for path in &summary.removed {
        let archive = path.parent().is_some_and(|folder| folder.ends_with("records"));
        let why = if archive { "its records are in another archive" } else { "no record makes it any more" };
        print(&format!("removed {}: {why}", path.display()));
    }
    for Kept { experiment, profile, records } in &summary.kept {
        let profile = profile.name();
        print(&format!(
            "{experiment} ({profile}): {records} records match no run of the definition as it is now, or are outdone \
            by others; they are kept until `anode clean --only {experiment} --profile {profile} --kept` removes them"
        ));
    }
    for run in &summary.unsure {
        print(&format!("several records of other inputs or devices have these settings; shown is {run}"));
    }
}
