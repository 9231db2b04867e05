//! What a report is about: experiments with their outline, their inputs and the folders of their files.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::definition::{Definition, Loaded, NotRun, Outline, Profile};
use crate::record::{archive_files, archive_path, kept_path};
use crate::report::{self, Contents};

use super::arguments::Common;
use super::error::CliError;
use super::inputs::InputsHere;
use super::select;

/// Folder of the report on experiments that are not published, inside the results folder.
pub const OWN: &str = "own";

/// The experiments of a report, with its folders.
pub struct Subject {
    /// Whether this is the report on the papers, as opposed to one on other experiments.
    pub published: bool,
    experiments: Vec<Definition>,
    others: Vec<String>,
    whole: bool,
    not_run: Vec<NotRun>,
    outline: Outline,
    inputs: InputsHere,
    output: PathBuf,
    figures: PathBuf,
}

impl Subject {
    /// The experiments that `ids` and a pattern choose, or all: those of the report on the papers, then those that no
    /// chapter of the outline lists. A part without experiments is left out.
    ///
    /// # Errors
    /// A definition that is wrong; none matches.
    pub fn of(common: &Common, ids: &[String], only: Option<&str>) -> Result<Vec<Self>, CliError> {
        let chosen = select::chosen(common, ids, only)?;
        let known: Vec<String> = select::all(common)?.into_iter().map(|one| one.definition.id).collect();
        let outline = select::outline(common)?;
        let (published, own): (Vec<_>, Vec<_>) =
            chosen.into_iter().partition(|one| outline.publishes(&one.definition.id));
        let mut subjects = vec![];
        for (is_published, loaded) in [(true, published), (false, own)] {
            if loaded.is_empty() {
                continue;
            }
            let experiments = select::definitions(&loaded);
            let chosen = |id: &String| experiments.iter().any(|one| one.id == *id);
            let others: Vec<String> = known.iter().filter(|id| !chosen(id)).cloned().collect();
            let whole = others.iter().all(|id| outline.publishes(id) != is_published);
            let own = common.results.join(OWN);
            let (output, figures) = match is_published {
                true => (common.results.clone(), common.figures()),
                false => (own.clone(), own.join("figures")),
            };
            subjects.push(Self {
                published: is_published,
                others,
                whole,
                not_run: if is_published { select::not_run(common, ids, only)? } else { vec![] },
                outline: if is_published { outline.clone() } else { Outline::default() },
                inputs: InputsHere::new(common, &loaded),
                experiments,
                output,
                figures,
            });
        }
        Ok(subjects)
    }

    /// The whole reports that contain an experiment that `ids` and a pattern choose: pages on some experiments would
    /// replace those on all.
    ///
    /// # Errors
    /// See [`Self::of`].
    pub fn around(common: &Common, ids: &[String], only: Option<&str>) -> Result<Vec<Self>, CliError> {
        let concerned: Vec<bool> = Self::of(common, ids, only)?.iter().map(|subject| subject.published).collect();
        let mut subjects = Self::of(common, &[], None)?;
        subjects.retain(|subject| concerned.contains(&subject.published));
        Ok(subjects)
    }

    /// These experiments, published or not, with the results folder of the command.
    ///
    /// # Errors
    /// A definition that is wrong.
    pub fn these(common: &Common, loaded: &[Loaded]) -> Result<Self, CliError> {
        let experiments = select::definitions(loaded);
        let others = select::definitions(&select::all(common)?).into_iter().map(|definition| definition.id);
        let others: Vec<String> = others.filter(|id| experiments.iter().all(|chosen| chosen.id != *id)).collect();
        let mut not_run = select::not_run(common, &[], None)?;
        not_run.retain(|entry| loaded.iter().any(|l| l.definition.id == entry.id));
        Ok(Self {
            published: true,
            whole: others.is_empty(),
            others,
            not_run,
            outline: select::outline(common)?,
            inputs: InputsHere::new(common, loaded),
            experiments,
            output: common.results.clone(),
            figures: common.figures(),
        })
    }

    /// The contents of a report on them.
    pub fn contents<'a>(&'a self, common: &'a Common) -> Contents<'a> {
        let Self { experiments, others, whole, not_run, outline, inputs, output, figures, .. } = self;
        Contents {
            experiments,
            not_run,
            outline,
            results: &common.results,
            output,
            figures,
            others,
            whole: *whole,
            inputs,
            device: None,
        }
    }

    /// Ids of the shown runs of these subjects that meet all conditions `NAME=VALUE`; `None` without conditions.
    ///
    /// # Errors
    /// A damaged record; a setting or value that no run has.
    pub fn shown(
        subjects: &[Self],
        common: &Common,
        profile: Option<Profile>,
        conditions: &[String],
    ) -> Result<Option<HashSet<String>>, CliError> {
        if conditions.is_empty() {
            return Ok(None);
        }
        let each = subjects.iter().map(|subject| report::shown_runs(subject.contents(common), profile));
        let mut runs = each.collect::<Result<Vec<_>, _>>()?.concat();
        runs = select::only_where(runs, conditions, |run| (&run.settings, run.seed))?;
        Ok(Some(runs.into_iter().map(|run| run.run).collect()))
    }

    /// Whether one of the experiments has records.
    pub fn is_recorded(&self, common: &Common) -> bool {
        let of = |id: &str, profile: Profile| {
            common.results.join("runs").join(profile.name()).join(id).is_dir()
                || [archive_path, kept_path]
                    .iter()
                    .any(|path| !archive_files(&path(&common.results, id, profile)).is_empty())
        };
        self.experiments.iter().any(|one| Profile::ALL.into_iter().any(|profile| of(&one.id, profile)))
    }
}
