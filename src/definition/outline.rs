//! The outline of the report, `experiments/outline.json`: its findings, and the order of its experiments.
//!
//! A finding is a sentence with placeholders. The report fills them from the records, so no number is written by hand.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;

use super::choices::{Choice, load_choices};
use super::load::{LIMIT, parse};
use super::{DefinitionError, Filter, Profile, Source};

/// Name of the file next to the experiments.
pub const OUTLINE: &str = "outline.json";

/// Findings and chapters of the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outline {
    /// The figure that follows the findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
    /// Answers to the questions that a reader has first: `topic` is the question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Finding>,
    /// The findings, in the order in which they are read.
    pub findings: Vec<Finding>,
    /// Summary tables with their experiments in order. Experiments that no chapter lists follow in one of their own.
    pub chapters: Vec<Chapter>,
    /// Experiments that evaluate the runs of another one: their id -> that of the other. They are counted once.
    #[serde(default)]
    pub same_runs: BTreeMap<String, String>,
    /// Choices that the papers leave unspecified: `choices.json` beside the outline.
    #[serde(skip)]
    pub choices: Vec<Choice>,
}

impl Outline {
    /// Whether an answer, a finding or the story takes numbers from an experiment.
    pub fn mentions(&self, experiment: &str) -> bool {
        let quantities = self.sentences().flat_map(|(_, finding)| finding.quantities.values());
        let panels = self.story.iter().flat_map(|story| &story.panels).flat_map(StoryPanel::choices);
        let named = quantities.map(|quantity| &quantity.experiment).chain(panels.map(|panel| &panel.experiment));
        named.into_iter().any(|id| id == experiment)
    }

    /// The answers, then the findings, each with its JSON path.
    pub fn sentences(&self) -> impl Iterator<Item = (String, &Finding)> {
        let answers = self.answers.iter().enumerate().map(|(i, answer)| (format!("answers[{i}]"), answer));
        answers.chain(self.findings.iter().enumerate().map(|(i, finding)| (format!("findings[{i}]"), finding)))
    }

    /// The panels of the story and what is drawn instead of them, each with its JSON path.
    pub fn panels(&self) -> impl Iterator<Item = (String, &StoryPanel)> {
        let panels = self.story.iter().flat_map(|story| &story.panels).enumerate();
        panels.flat_map(|(i, panel)| {
            panel.choices().enumerate().map(move |(depth, panel)| (Self::panel_path(i, depth), panel))
        })
    }

    /// The JSON path of a panel of the story, or of what is drawn after `depth` others without records.
    pub fn panel_path(panel: usize, depth: usize) -> String {
        format!("story.panels[{panel}]{}", ".otherwise".repeat(depth))
    }

    /// Whether an experiment belongs to the report on the papers: a chapter lists it, or there are no chapters.
    pub fn publishes(&self, experiment: &str) -> bool {
        self.chapters.is_empty() || self.chapters.iter().any(|c| c.experiments.iter().any(|id| id == experiment))
    }
}

/// A figure of a few panels, each taken from a line chart of an experiment: the argument of the report in one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// Heading.
    pub title: String,
    /// The panels, from left to right and then down. A panel without records is left out.
    pub panels: Vec<StoryPanel>,
}

/// A panel of the story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoryPanel {
    /// What the panel shows.
    pub title: String,
    /// Id of the experiment.
    pub experiment: String,
    /// Id of its figure, which draws lines. Its panels become one.
    pub figure: String,
    /// The profile; absent: the largest that has records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Selects rows, in addition to those that the figure selects.
    #[serde(default, rename = "where")]
    pub filter: Filter,
    /// Drawn instead if there are no records to draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Box<StoryPanel>>,
}

impl StoryPanel {
    /// The panel, then what is drawn instead of it, in order.
    pub fn choices(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |panel| panel.otherwise.as_deref())
    }
}

/// A finding: one or two sentences with numbers from the records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The topic, in a few words.
    pub topic: String,
    /// The sentence. `{name}` is replaced by the quantity of that name.
    pub text: String,
    /// The profile whose records the sentence is about; absent: the largest that has records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The quantities.
    #[serde(default)]
    pub quantities: BTreeMap<String, Quantity>,
    /// Ids of the experiments that the finding rests on.
    pub see: Vec<String>,
}

/// A number taken from the rows of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// Id of the experiment.
    pub experiment: String,
    /// Selects the rows.
    #[serde(default, rename = "where")]
    pub filter: Filter,
    /// The table. Of the steps, those with an empty cell are left out, and each seed counts once, with its mean.
    #[serde(default)]
    pub source: Source,
    /// The column.
    pub column: String,
    /// A column that is subtracted, row by row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minus_column: Option<String>,
    /// Rows that are subtracted: the mean of each seed from the mean of the same seed.
    #[serde(default, rename = "minus", skip_serializing_if = "Option::is_none")]
    pub minus: Option<Filter>,
    /// A second difference that is subtracted from the first, seed by seed; requires `minus`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minus_gap: Option<Gap>,
    /// How the rows are reduced.
    pub take: Take,
    /// How the number is printed.
    #[serde(default)]
    pub format: Format,
}

/// A difference between rows, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Selects the rows.
    #[serde(rename = "where")]
    pub filter: Filter,
    /// Rows that are subtracted: the mean of each seed from the mean of the same seed.
    pub minus: Filter,
}

/// How the cells of a column become a number. Rows with an empty cell are an error, not a zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The mean.
    Mean,
    /// The median.
    Median,
    /// Smallest to largest.
    Range,
    /// The mean with the half-width of its 95 % confidence interval (Student's t) over at least two rows, and n.
    Interval,
    /// The number of seeds: `1 seed`, `3 seeds`.
    Seeds,
    /// How many cells are at least this value, of how many: `18 of 30`.
    AtLeast(f64),
}

/// How a number is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Up to four significant digits.
    #[default]
    Number,
    /// Times 100, with one decimal, without the sign.
    Percent,
    /// Times 100, to a whole number, without the sign.
    WholePercent,
    /// Bytes, as MiB.
    Mebibytes,
}

/// A summary table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chapter {
    /// Heading.
    pub title: String,
    /// Ids of experiments, in the order of the paper.
    pub experiments: Vec<String>,
}

/// Reads the outline of a folder of experiments and its choices; empty if there is none.
///
/// # Errors
/// Those of [`load_choices`]; a file that is malformed, a placeholder without a quantity, a quantity without a
/// placeholder, an experiment that two chapters list.
pub fn load_outline(folder: &Path) -> Result<Outline, DefinitionError> {
    let (file, choices) = (folder.join(OUTLINE), load_choices(folder)?);
    let fault = |at: String, why: String| DefinitionError::new(&file, &at, &why);
    let text = match files::read_text(&file, LIMIT) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Outline { choices, ..Outline::default() }),
        Err(e) => return Err(fault(".".into(), e.to_string())),
    };
    let outline = Outline { choices, ..parse(&file, &text)? };
    for (place, finding) in outline.sentences() {
        let at = |field: &str| format!("{place}.{field}");
        if finding.see.is_empty() {
            return Err(fault(at("see"), "empty; name at least one experiment".into()));
        }
        let mentioned: HashSet<&str> = placeholders(&finding.text).collect();
        if let Some(name) = mentioned.iter().find(|name| !finding.quantities.contains_key(**name)) {
            return Err(fault(at("text"), format!("`{{{name}}}` has no entry in quantities")));
        }
        if let Some(name) = finding.quantities.keys().find(|name| !mentioned.contains(name.as_str())) {
            return Err(fault(at("quantities"), format!("`{name}` does not occur in the text")));
        }
        let lacks = |q: &Quantity| q.minus_gap.is_some() && q.minus.is_none();
        if let Some((name, _)) = finding.quantities.iter().find(|(_, quantity)| lacks(quantity)) {
            return Err(fault(at(&format!("quantities.{name}.minus_gap")), "`minus` is missing".into()));
        }
    }
    let mut seen = HashSet::new();
    for (i, chapter) in outline.chapters.iter().enumerate() {
        if let Some(id) = chapter.experiments.iter().find(|id| !seen.insert(id.as_str())) {
            return Err(fault(format!("chapters[{i}].experiments"), format!("`{id}` is listed twice")));
        }
    }
    Ok(outline)
}

/// The names between braces in a text.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Outline, DefinitionError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(OUTLINE), text).unwrap();
        load_outline(folder.path())
    }

    #[test]
    fn placeholders_and_quantities_must_match() {
        let finding = |text: &str, name: &str| {
            format!(
                r#"{{"findings": [{{"topic": "t", "text": "{text}", "see": ["e"], "quantities": {{"{name}":
                {{"experiment": "e", "column": "c", "take": "mean"}}}}}}], "chapters": []}}"#
            )
        };
        assert!(load(&finding("rho is {rho}", "rho")).is_ok());
        assert!(load(&finding("rho is {tau}", "rho")).unwrap_err().why.contains("{tau}"));
        assert!(load(&finding("rho is large", "rho")).unwrap_err().why.contains("does not occur"));
        let gap = finding("{rho}", "rho").replace(r#""c","#, r#""c", "minus_gap": {"where": {}, "minus": {}},"#);
        assert_eq!(load(&gap).unwrap_err().at, "findings[0].quantities.rho.minus_gap");
        let chapter = |title: &str| format!(r#"{{"title": "{title}", "experiments": ["x"]}}"#);
        let twice = &format!(r#"{{"findings": [], "chapters": [{}, {}]}}"#, chapter("a"), chapter("b"));
        assert_eq!(load(twice).unwrap_err().at, "chapters[1].experiments");
    }
}
