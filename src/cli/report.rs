//! `anode report`: tables, charts and the report from the records; with `--verify`, published files that no record
//! gives.

use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Profile;
use crate::report::{self, Contents, Difference, Summary, UnshownRecords, Verdict};

use super::arguments::{Common, Selection};
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, skipped};
use super::select;
use super::subject::Subject;

document!(Summary, "report", 1);

/// Published files compared with those of the archived records.
#[derive(Serialize, JsonSchema)]
pub struct Verification {
    /// Files that agree.
    agree: usize,
    /// Files that do not.
    differences: Vec<Difference>,
}

document!(Verification, "report-verify", 1);

/// `anode report`
///
/// # Errors
/// See [`CliError`].
pub fn report(common: &Common, selection: &Selection, verify: bool) -> Result<(), CliError> {
    let (ids, only) = (&selection.ids, selection.only.as_deref());
    let profile = selection.profile.into();
    if verify {
        let subjects = Subject::of(common, ids, only)?;
        // Unless named, only the report on the papers, which is published.
        let named = !ids.is_empty() || only.is_some();
        let chosen = subjects.iter().filter(|subject| subject.published || named);
        return verify_each(common, &chosen.collect::<Vec<_>>(), profile);
    }
    let summary = write(common, &Subject::around(common, ids, only)?, profile, None)?;
    let shown = summary.experiments.iter().any(|row| row.verdict != Verdict::NotRun.word());
    tell(common, &summary, "files", shown);
    Ok(())
}

/// `anode report --verify`
///
/// # Errors
/// Files that differ; a damaged archive.
fn verify_each(common: &Common, subjects: &[&Subject], profile: Profile) -> Result<(), CliError> {
    let (mut agree, mut differences) = (0, vec![]);
    for subject in subjects {
        let (sound, others) = report::verify(subject.contents(common), profile)?;
        agree += sound;
        differences.extend(others);
    }
    if common.json {
        print_json(&Verification { agree, differences: differences.clone() });
    } else if !common.quiet {
        print(&format!("{agree} files are what the archived records give"));
    }
    if differences.is_empty() { Ok(()) } else { Err(CliError::Unverified(differences)) }
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
    let _lock = crate::runner::lock_report(&common.results)?;
    select::refuse_links(&common.results)?;
    let mut summary = Summary::default();
    for subject in subjects {
        summary = summary.and(report::write_all(Contents { device, ..subject.contents(common) }, profile)?);
    }
    Ok(summary)
}

/// Prints the summary of a command that wrote files, which are called `what` in its text form. `shown` is false if
/// there are no records to show.
pub fn tell(common: &Common, summary: &Summary, what: &str, shown: bool) {
    skipped("not shown", &summary.damaged);
    if common.json {
        print_json(summary);
    } else if !common.quiet {
        print(&format!("{} {what} written", summary.written.len()));
        if !shown {
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
    for UnshownRecords { experiment, profile, records } in &summary.kept {
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
