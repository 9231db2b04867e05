//! The serde types of an experiment file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expectation::Expectation;
use super::filter::Filter;
use super::settings::{MethodName, StudyKind};

/// One experiment of a paper: `experiments/<paper>/<id>.json`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Path or address of the JSON schema, for editors. Not interpreted.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The experiment's name; equals the file's name without `.json`.
    pub id: String,
    /// One line for tables and headings.
    pub title: String,
    /// The paper the claim is from.
    pub paper: Paper,
    /// Why this experiment exists and what to look for in its results; printed above the numbers.
    pub analysis: String,
    /// What the paper claims.
    pub claim: Claim,
    /// What kind of computation a run is.
    pub study: StudyKind,
    /// The runs: the union of these grids, each the product of its axes. An axis `seed` replaces the seeds for its
    /// grid.
    pub grid: Vec<SettingsGrid>,
    /// Settings that all runs share.
    #[serde(default)]
    pub fixed: Map<String, Value>,
    /// Master seeds; every point of a grid without an axis `seed` runs once with each.
    pub seeds: Vec<u64>,
    /// What each profile changes. A profile that is missing here has no runs.
    pub profiles: BTreeMap<Profile, Override>,
    /// The columns of the study's rows that the report's table shows, in order.
    pub metrics: Vec<Metric>,
    /// Charts.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// What makes the claim hold.
    pub expectation: Expectation,
    /// Limitations: which experiment or number would change the verdict, and what these runs cannot show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overturn: Option<String>,
}

/// The axes of a grid: setting name, or `seed` -> the values it takes.
pub type SettingsGrid = BTreeMap<String, Vec<Value>>;

/// The paper an experiment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Paper {
    /// Gholami, Keutzer, Biros 2019, arXiv 1902.10298.
    Anode,
    /// Zhang et al. 2019, arXiv 1906.04596.
    Anodev2,
}

/// How well a statement about a paper is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceTag {
    /// Stated in a source that we read.
    S,
    /// Read off the pixels of a published figure.
    F,
    /// From memory; not confirmed in any text that we could read.
    M,
    /// Derived mathematically.
    D,
    /// Computed independently.
    C,
    /// Inferred.
    I,
    /// Unknown.
    U,
}

/// What a paper claims.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The claim in one or two sentences.
    pub text: String,
    /// How well it is known that the paper says so.
    pub source: SourceTag,
    /// Numbers that the paper gives. Only those tagged S or F are ever printed as the paper's.
    #[serde(default)]
    pub reported: Vec<Reported>,
}

/// A number that a paper gives.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// What the number is, for the reader.
    pub label: String,
    /// The metric that it is compared with.
    pub metric: String,
    /// The table of these rows; `steps` for a number of a certain epoch, which `where` names.
    #[serde(default, skip_serializing_if = "is_rows")]
    pub table: Source,
    /// The rows that it is compared with: column -> value.
    #[serde(default, rename = "where")]
    pub filter: Filter,
    /// What it was measured on, for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The number, in the metric's unit; a mean if the paper also gives minimum and maximum. Absent: not
    /// available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Minimum of several runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Maximum of several runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// `S` (printed as "reported"), `F` (printed as "digitised from the figure"), or `U` where there is no number.
    pub source: SourceTag,
}

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Minutes on two cores, embedded data.
    Quick,
    /// Hours on a CPU, real data.
    Standard,
    /// The papers' full settings, for a GPU.
    Paper,
}

/// What a profile changes in the definition.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Replaces the whole grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Vec<SettingsGrid>>,
    /// Replaces or adds these fixed settings.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fixed: Map<String, Value>,
    /// Replaces the seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Vec<u64>>,
}

/// A column that the report shows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name of the column in the study's rows.
    pub column: String,
    /// Heading for the reader; absent: the program's own name for the column, in its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Unit of the numbers in the column, with a `label`; absent: the program's own unit for the column, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// The column of a figure that is in no file: how far a training step is, in epochs. For `x`, with the source `steps`.
pub const EPOCHS_DONE: &str = "epochs_done";

/// The table that a figure's points or a check's rows come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The rows a run ends with.
    #[default]
    Rows,
    /// The metrics of every training step (`steps.csv`), each with the run's settings.
    Steps,
}

fn is_rows(source: &Source) -> bool {
    *source == Source::Rows
}

/// A chart.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Ends the file name: `<experiment>-<id>.<profile>.svg`.
    pub id: String,
    /// Heading; states what is shown.
    pub title: String,
    /// What is drawn.
    pub draw: FigureKind,
}

/// What a figure draws.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
// One value per figure of a definition: its size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum FigureKind {
    /// Lines with markers, at most six per panel; seeds become a mean with error bars or a band (minimum to maximum).
    Lines(Lines),
    /// Grey images in a table: one row per run, the named images as columns.
    Images(Images),
    /// Checkpoint schedules over time, with the lifetime of each snapshot. Needs no runs.
    Schedules(Schedules),
}

/// A chart of checkpoint schedules, side by side.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedules {
    /// Steps Nt, 1 to 100.
    pub steps: usize,
    /// The schedules: `full`, `anode`, `uniform:M`, `revolve:M`, `online:M`.
    pub methods: Vec<MethodName>,
}

/// A line chart.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// Where the points come from.
    #[serde(default)]
    pub source: Source,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Columns whose values together name a line.
    pub series: Vec<String>,
    /// Column with one panel per value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<String>,
    /// Panels by the rows that they show, for each value of `panel` if there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panels: Vec<PanelRows>,
    /// Whether each panel has its own vertical scale; absent: all share one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_y: bool,
    /// Draws the share of seeds whose y is in a range, in percent, instead of y.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Column of the value that theory predicts for y, drawn as a thin line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theory: Option<String>,
    /// Thresholds on y, drawn across each panel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
    /// Points of a published curve, drawn with the lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference: Vec<ReferencePoint>,
    /// Only rows with these values.
    #[serde(default, rename = "where")]
    pub filter: Filter,
    /// Print the slope of a log-log fit next to each line's name, over x in this closed range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slope_over: Option<[f64; 2]>,
}

/// A panel by the rows that it shows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PanelRows {
    /// Title of the panel.
    pub title: String,
    /// Only rows with these values.
    #[serde(default, rename = "where", skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    /// Column on the vertical axis, of the same quantity as that of `y`, which it replaces. Points of the paper belong
    /// to that of `y` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

/// A closed range of y. At each x the chart shows how many percent of the seeds are in it, with the 95 % interval of
/// Clopper and Pearson. `y.label` then names the share, and thresholds are in percent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Lower end; absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Upper end; absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Share {
    /// Whether a value is in the range.
    pub fn contains(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

/// A threshold on y.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The value, in the unit of the column; in percent for a share.
    pub y: f64,
    /// Meaning of the threshold.
    pub label: String,
}

/// A point of a published curve.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferencePoint {
    /// The line that it belongs to: its settings.
    pub series: Filter,
    /// Place on the horizontal axis.
    pub x: f64,
    /// Value, in the unit of the column of y.
    pub y: f64,
    /// `S` or `F`.
    pub source: SourceTag,
}

/// An axis of a chart.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Column of the rows.
    pub column: String,
    /// Label with unit; absent: the program's own name for the column, in its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Scale.
    #[serde(default)]
    pub scale: Scale,
}

/// Scale of an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Linear.
    #[default]
    Linear,
    /// Logarithmic, base 10. Points at or below zero are not drawn, and counted in a note.
    Log,
}

/// A table of images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Names of the images a run leaves, as columns from left to right.
    pub columns: Vec<ImageColumn>,
    /// Columns whose values together name a row.
    pub series: Vec<String>,
    /// Columns printed beside each row.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Only runs with these values.
    #[serde(default, rename = "where")]
    pub filter: Filter,
}

/// A column of images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageColumn {
    /// Name of the image in the record.
    pub image: String,
    /// Heading.
    pub label: String,
}
