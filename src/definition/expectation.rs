//! The serde types of what an experiment expects: requirements, checks and their rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::filter::Filter;
use super::types::{Source, SourceTag};

/// What makes a claim hold: all checks must.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The rule in words, for the reader.
    pub text: String,
    /// What has to hold before the checks decide anything. Until then the verdict is inconclusive: neither confirmed
    /// nor contradicted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
    /// The rule for the program.
    pub checks: Vec<Check>,
    /// How the rule, or its evaluation, was changed after first results were seen, in the order of the changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<RuleChange>,
}

/// A change of a rule after results were seen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleChange {
    /// Day of the change: `2026-11-27`.
    pub date: String,
    /// What was changed and why.
    pub change: String,
    /// The verdict before the change; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Decision>,
}

/// A verdict that a rule gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The rule held.
    Confirmed,
    /// The rule did not hold.
    Contradicted,
    /// The evidence was not sufficient.
    Inconclusive,
}

/// A condition that has to hold before an experiment decides anything, such as sufficient training.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Name of the condition, for the reader: `ResNet-4, baseline`.
    pub name: String,
    /// The table that the rows come from.
    #[serde(default)]
    pub source: Source,
    /// Only rows with these values; there must be at least one.
    #[serde(default, rename = "where")]
    pub filter: Filter,
    /// The column whose mean over the selected rows is judged.
    pub column: String,
    /// What the mean has to be.
    pub need: Need,
}

/// What the mean of a column has to be.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Need {
    /// At most `below` less than a number of the paper.
    Reported {
        /// The paper's number.
        value: f64,
        /// How it is known: `S` or `F`.
        source: SourceTag,
        /// How far below it the mean may be, at least 0.
        below: f64,
    },
    /// At least this number.
    AtLeast(f64),
    /// At most this number.
    AtMost(f64),
}

/// One condition on the rows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What holds when the check passes.
    pub name: String,
    /// The table that the rows come from. Of the steps, only those count that have a value in every column of the rule,
    /// and every epoch that `where` selects must have one.
    #[serde(default, skip_serializing_if = "is_rows")]
    pub source: Source,
    /// Only rows with these values.
    #[serde(default, rename = "where")]
    pub filter: Filter,
    /// The condition.
    pub rule: Rule,
    /// Judge this check even if `requires` is not met, as bit identity can be. The experiment stays inconclusive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub regardless: bool,
    /// The verdict when it does not hold.
    #[serde(default)]
    pub otherwise: Otherwise,
}

fn is_rows(source: &Source) -> bool {
    *source == Source::Rows
}

/// The verdict of a check that does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// The claim is contradicted.
    #[default]
    Contradicted,
    /// The experiment is inconclusive.
    Inconclusive,
}

/// A condition on the selected rows. An empty cell is no evidence: a rule that meets one is inconclusive.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rule {
    /// Every selected row has `column` in the closed interval.
    Within {
        /// The column.
        column: String,
        /// Lower end; absent: no bound.
        min: Option<f64>,
        /// Upper end; absent: no bound.
        max: Option<f64>,
    },
    /// At least a share of the selected rows has `column` in the closed interval. If every row has a different seed,
    /// the check is inconclusive unless the 95 % interval of the share (Clopper and Pearson) is above or below
    /// `at_least`. With `at_least` 1, and for rows without seeds or with common ones, the share alone decides.
    Share {
        /// The column.
        column: String,
        /// Lower end; absent: no bound.
        min: Option<f64>,
        /// Upper end; absent: no bound.
        max: Option<f64>,
        /// The smallest share, above 0 and at most 1.
        at_least: f64,
    },
    /// Every selected row has exactly this value in `column`.
    Equals {
        /// The column.
        column: String,
        /// The value.
        value: Value,
    },
    /// The log-log slope of y against x, fitted to the rows of each `series` by least squares, lies in the interval.
    Slope {
        /// Column of x.
        x: String,
        /// Column of y.
        y: String,
        /// Closed range of x that the fit uses.
        over: [f64; 2],
        /// Columns that separate one fit from another.
        #[serde(default)]
        series: Vec<String>,
        /// Expected interval.
        min: f64,
        /// Expected interval.
        max: f64,
    },
    /// The mean of `column` over rows with `greater` exceeds the mean over rows with `than` by at least `by`, for every
    /// group of rows that agree in the columns `per`. The check is inconclusive if both sides share fewer than two
    /// seeds, or if the 95 % interval of the paired difference (Student's t) does not support the answer: a difference
    /// of at least `by` must exclude values below 0 (below `by` if that is negative), a smaller one values above `by`
    /// (above 0 if `by` is negative). Rows without seeds decide without an interval.
    Exceeds {
        /// The column.
        column: String,
        /// Selects the rows that should be greater.
        greater: Filter,
        /// Selects the rows that should be smaller.
        than: Filter,
        /// The smallest difference.
        by: f64,
        /// Columns that pair the groups.
        #[serde(default)]
        per: Vec<String>,
        /// Level of confidence, above 0 and below 1. With it the rule is stricter: the two sides are paired by seed,
        /// and it holds if the whole confidence interval of the mean difference (Student's t) is at least `by`;
        /// if only a part is, or fewer than two seeds are shared, the check is inconclusive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
    },
    /// The gap of `column`, its mean over rows with `greater` minus its mean over rows with `than`, is at most a
    /// multiple of the gap of `reference`, for every group of rows that agree in the columns `per`. The check is
    /// inconclusive unless the gap of `reference` is positive and both sides share two or more seeds. It is also
    /// inconclusive if the 95 % interval (Student's t) of that multiple less the gap of `column`, seed by seed,
    /// contains 0. Rows without seeds decide without an interval.
    GapRatio {
        /// The column whose gap should be small.
        column: String,
        /// The column whose gap it is compared with.
        reference: String,
        /// Selects the rows of the greater side.
        greater: Filter,
        /// Selects the rows of the smaller side.
        than: Filter,
        /// The largest ratio of the two gaps.
        at_most: f64,
        /// Columns that pair the groups.
        #[serde(default)]
        per: Vec<String>,
    },
    /// Rows that agree in the columns `per` have identical values in `columns`: bit for bit.
    Identical {
        /// The columns compared.
        columns: Vec<String>,
        /// Columns that pair the rows.
        per: Vec<String>,
    },
}

impl Rule {
    /// The columns whose values the rule judges.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Within { column, .. }
            | Self::Share { column, .. }
            | Self::Equals { column, .. }
            | Self::Exceeds { column, .. } => vec![column],
            Self::Slope { x, y, .. } => vec![x, y],
            Self::GapRatio { column, reference, .. } => vec![column, reference],
            Self::Identical { columns, .. } => columns.iter().map(String::as_str).collect(),
        }
    }

    /// The filters of its sides; none if the rule has no sides.
    pub fn sides(&self) -> Vec<&Filter> {
        match self {
            Self::Exceeds { greater, than, .. } | Self::GapRatio { greater, than, .. } => vec![greater, than],
            _ => vec![],
        }
    }
}
