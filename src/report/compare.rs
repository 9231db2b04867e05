//! Two sets of results side by side: rows with the same settings, their differences, and whether results that should be
//! bit-identical are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::definition::columns::{Values, written};
use crate::definition::{Definition, Profile};
use crate::gradient::Method;
use crate::record::{Record, Row, canonical, is_timing};

use super::results::{RecordSource, Results, RunResult, as_number};
use super::seeds::CONFIDENCE;
use super::statistics::{mean, mean_interval, welch};
use super::{Contents, ReportError};

/// Columns that say where in a table a row belongs, besides those that a definition lists.
const PLACES: [&str; 6] = ["Nt", "dt", "t", "row", "snapshots", "method"];
/// Columns of what a gradient cost, which checkpoint schedules do not share. Everything else they do.
const COSTS: [&str; 3] = ["bytes", "evaluations", "vjps"];

/// One side of a comparison.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The experiments and the results folder that this side is read from.
    pub contents: Contents<'a>,
    /// The experiment.
    pub definition: &'a Definition,
    /// The profile.
    pub profile: Profile,
    /// Only this run.
    pub run: Option<&'a str>,
}

/// Two sets of results side by side.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Comparison {
    /// Settings that all runs of a side share and that differ between the sides, the seed among them.
    pub settings: Vec<Differing>,
    /// Rows with the same settings, a line for each column.
    pub lines: Vec<Line>,
    /// Rows (over all seeds) that only one side has. A setting that varies on a side tells its rows apart. A run
    /// without the setting has the default.
    pub unmatched: [usize; 2],
    /// Runs of each side.
    pub runs: [usize; 2],
    /// Pairs of runs whose results should be bit-identical.
    pub expected_identical: usize,
    /// Cells that were compared in them.
    pub cells: usize,
    /// Cells in them that differ.
    pub broken: Vec<Broken>,
    /// Pairs of runs with the same id that were computed with different vector instructions or devices, or of which a
    /// part has an unknown origin.
    pub other_instructions: usize,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Differing {
    /// Name of the setting.
    pub setting: String,
    /// The value on each side; null if a side lacks the setting.
    pub values: [Value; 2],
}

/// One column of matching rows.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Line {
    /// What says which row this is: settings that vary, and the place in the table.
    pub row: Row,
    /// The column.
    pub column: String,
    /// The value on both sides: the mean where there are several seeds. Where the sides have some seeds in common, only
    /// those count.
    pub values: [Value; 2],
    /// The seeds that count, on both sides.
    pub seeds: [usize; 2],
    /// The second value minus the first.
    pub difference: Option<f64>,
    /// Half the width of the 95 % confidence interval of the difference: of the mean of the differences by seed where
    /// both sides have seeds in common, else by Welch's method.
    pub half: Option<f64>,
    /// Whether the values are bit-identical in every seed in common.
    pub identical: bool,
}

/// A cell that should be bit-identical and is not.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Broken {
    /// The runs.
    pub runs: [String; 2],
    /// `rows.csv` or `steps.csv`.
    pub table: &'static str,
    /// Number of the row in `rows.csv`, from 0, or of the step.
    pub row: usize,
    /// The column; `the whole row` if one side lacks it.
    pub column: String,
    /// The values.
    pub values: [Value; 2],
}

/// Compares two sets of results.
///
/// # Errors
/// A damaged record.
pub fn compare(a: Side, b: Side) -> Result<Comparison, ReportError> {
    let read = |side: Side| -> Result<Vec<RunResult>, ReportError> {
        let mut runs = Results::read(side.definition, side.profile, side.contents, RecordSource::Everywhere)?.runs;
        runs.retain(|run| side.run.is_none_or(|id| run.loaded.record.run == id));
        Ok(runs)
    };
    let runs = [read(a)?, read(b)?];
    let mut found = Comparison { runs: [runs[0].len(), runs[1].len()], ..Comparison::default() };
    if runs.iter().any(Vec::is_empty) {
        return Ok(found);
    }
    found.settings = settings(&runs);
    let places = places(&runs, [a.definition, b.definition]);
    let ((order, first), (_, second)) = (grouped(&runs[0], &places), grouped(&runs[1], &places));
    let tables = [first, second];
    let has = |side: usize, column: &str| {
        tables[side].values().flat_map(BTreeMap::values).any(|row| row.get(column).is_some_and(|v| !v.is_null()))
    };
    let columns: Vec<&str> = a.definition.metrics.iter().map(|m| m.column.as_str()).collect();
    let columns: Vec<&str> = columns.into_iter().filter(|c| !places.contains(*c) && has(0, c) && has(1, c)).collect();
    for key in &order {
        let Some(first) = tables[0].get(key) else { continue };
        let Some(second) = tables[1].get(key) else {
            found.unmatched[0] += 1;
            continue;
        };
        found.lines.extend(columns.iter().filter_map(|column| line(&places, column, first, second)));
    }
    found.unmatched[1] = tables[1].keys().filter(|key| !tables[0].contains_key(*key)).count();
    bits(&runs, &mut found);
    Ok(found)
}

/// Settings that are the same in all runs of a side and differ between the sides.
fn settings(runs: &[Vec<RunResult>; 2]) -> Vec<Differing> {
    let names: BTreeSet<&String> = runs.iter().flatten().flat_map(|run| run.loaded.record.settings.keys()).collect();
    let shared = |side: &[RunResult], name: &String| {
        let of = |run: &RunResult| run.loaded.record.settings.get(name).cloned().unwrap_or_default();
        let first = side.first().map(of)?;
        side.iter().all(|run| of(run) == first).then_some(first)
    };
    let differing = |name: &&String| {
        let values = [shared(&runs[0], name)?, shared(&runs[1], name)?];
        (values[0] != values[1]).then(|| Differing { setting: (*name).clone(), values })
    };
    let mut found: Vec<Differing> = names.iter().filter_map(differing).collect();
    let seeds = runs.each_ref().map(|side| side.iter().map(|run| run.loaded.record.seed).collect::<BTreeSet<u64>>());
    if let [Some(a), Some(b)] = seeds.each_ref().map(|side| side.first().filter(|_| side.len() == 1))
        && a != b
    {
        found.push(Differing { setting: "seed".into(), values: [(*a).into(), (*b).into()] });
    }
    found
}

/// The columns that say which row of one side belongs to which of the other.
fn places(runs: &[Vec<RunResult>; 2], definitions: [&Definition; 2]) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for side in runs {
        let names: BTreeSet<&String> = side.iter().flat_map(|run| run.settings.keys()).collect();
        let varies = |name: &&&String| side.iter().any(|run| run.settings.get(**name) != side[0].settings.get(**name));
        places.extend(names.iter().filter(varies).map(|name| (*name).clone()));
    }
    for column in definitions.iter().flat_map(|definition| written(definition.study).rows) {
        let place = matches!(column.values, Values::Listed(_)) || PLACES.contains(&column.name);
        places.extend(place.then(|| column.name.to_owned()));
    }
    let adaptive = |run: &RunResult| run.settings.get("stepping.kind").is_some_and(|kind| kind != "fixed");
    if !runs.iter().flatten().any(adaptive) {
        places.insert("steps".into());
    }
    places.remove("seed");
    // A column of the tables that a side lacks cannot tell its rows apart. A setting can: a run without it has the
    // default.
    let set = |name: &String| runs.iter().flatten().any(|run| run.settings.contains_key(name));
    let has = |run: &RunResult, name: &String| run.loaded.rows.iter().any(|row| row.contains_key(name));
    places.retain(|name| set(name) || runs.iter().all(|side| side.iter().any(|run| has(run, name))));
    places
}

/// The place of a row, with a number for rows of a run in the same place.
type Key = (Vec<String>, usize);

/// A row, and the settings of its run.
#[derive(Clone, Copy)]
struct Placed<'a> {
    settings: &'a Row,
    row: &'a Row,
}

impl<'a> Placed<'a> {
    fn get(&self, column: &str) -> Option<&'a Value> {
        self.row.get(column).or_else(|| self.settings.get(column))
    }
}

/// Rows by place and seed.
type Groups<'a> = BTreeMap<Key, BTreeMap<u64, Placed<'a>>>;

/// Rows by place and seed, and the places in the order of the records.
fn grouped<'a>(runs: &'a [RunResult], places: &BTreeSet<String>) -> (Vec<Key>, Groups<'a>) {
    let mut groups = Groups::new();
    let (mut order, mut numbers): (_, HashMap<(Vec<String>, u64), usize>) = (vec![], HashMap::new());
    for run in runs {
        for row in &run.loaded.rows {
            let row = Placed { settings: &run.settings, row };
            let text = |name: &String| row.get(name).map(text).unwrap_or_default();
            let place: Vec<String> = places.iter().map(text).collect();
            let seed = run.loaded.record.seed;
            let next = numbers.entry((place.clone(), seed)).or_default();
            let key = (place, *next);
            *next += 1;
            if !groups.contains_key(&key) {
                order.push(key.clone());
            }
            groups.entry(key).or_default().insert(seed, row);
        }
    }
    (order, groups)
}

/// A value as a text that is equal for equal numbers. An option that is off equals one that is absent.
fn text(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        value => value.as_f64().map_or_else(|| value.to_string(), |x| x.to_string()),
    }
}

fn line(
    places: &BTreeSet<String>,
    column: &str,
    first: &BTreeMap<u64, Placed>,
    second: &BTreeMap<u64, Placed>,
) -> Option<Line> {
    // Runs with the same seed are not independent samples, even if one side has more seeds.
    let paired = first.keys().any(|seed| second.contains_key(seed));
    let cells = |side: &BTreeMap<u64, Placed>, other: &BTreeMap<u64, Placed>| -> Vec<Value> {
        let counting = side.iter().filter(|(seed, _)| !paired || other.contains_key(seed));
        counting.map(|(_, row)| row.get(column).cloned().unwrap_or_default()).collect()
    };
    let cells = [cells(first, second), cells(second, first)];
    if cells.iter().all(|side| side.iter().all(Value::is_null)) {
        return None;
    }
    let numbers = |side: &[Value]| side.iter().map(|v| as_number(Some(v))).collect::<Option<Vec<f64>>>();
    let (mut values, mut difference, mut half) = ([Value::Null, Value::Null], None, None);
    if let (Some(a), Some(b)) = (numbers(&cells[0]), numbers(&cells[1])) {
        values = [crate::record::number(mean(&a)), crate::record::number(mean(&b))];
        if paired {
            let each: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
            difference = Some(mean(&each));
            half = mean_interval(&each, CONFIDENCE).map(|i| i.half);
        } else {
            difference = Some(mean(&b) - mean(&a));
            half = welch(&a, &b, CONFIDENCE);
        }
    } else {
        for (value, side) in values.iter_mut().zip(&cells) {
            let mut texts: Vec<String> = side.iter().map(crate::record::cell).collect();
            texts.sort();
            texts.dedup();
            *value = texts.join(" or ").into();
        }
    }
    let row = first.values().next()?;
    let row = places.iter().filter_map(|name| Some((name.clone(), row.get(name)?.clone()))).collect();
    let identical = paired && cells[0] == cells[1];
    let finite = |x: Option<f64>| x.filter(|x| x.is_finite());
    let seeds = cells.each_ref().map(Vec::len);
    Some(Line {
        row,
        column: column.into(),
        values,
        seeds,
        difference: finite(difference),
        half: finite(half),
        identical,
    })
}

/// Compares the runs whose results should be bit-identical: those with the same id, and trainings that differ in
/// nothing but the checkpoint schedule of an exact gradient.
fn bits(runs: &[Vec<RunResult>; 2], found: &mut Comparison) {
    let mut of_run: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut of_schedule: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, run) in runs[1].iter().enumerate() {
        of_run.entry(&run.loaded.record.run).or_default().push(place);
        if let Some(key) = but_for_the_schedule(&run.loaded.record) {
            of_schedule.entry(key).or_default().push(place);
        }
    }
    for a in &runs[0] {
        let first = &a.loaded.record;
        let scheduled = but_for_the_schedule(first).and_then(|key| of_schedule.get(&key));
        let others: BTreeSet<usize> =
            of_run.get(first.run.as_str()).into_iter().chain(scheduled).flatten().copied().collect();
        for b in others.into_iter().map(|place| &runs[1][place]) {
            let second = &b.loaded.record;
            let same = first.run == second.run;
            if !first.has_instructions_of_record(second) {
                found.other_instructions += 1;
                continue;
            }
            found.expected_identical += 1;
            let skip = |column: &str| {
                is_timing(column) || (!same && (column == "method" || COSTS.iter().any(|c| column.contains(c))))
            };
            // The first steps of a run that continued another one have what the other logged, which may be less or
            // more.
            let gaps = first.continued.is_some() || second.continued.is_some();
            let pair = Pair { runs: [&first.run, &second.run], gaps, skip: &skip };
            pair.compare_rows([&a.loaded.rows, &b.loaded.rows], found);
            pair.compare_steps([&a.loaded.steps, &b.loaded.steps], found);
        }
    }
}

/// What training runs share that differ in nothing but the checkpoint schedule of an exact gradient; `None` for other
/// runs.
fn but_for_the_schedule(record: &Record) -> Option<String> {
    let method: Method = record.settings.get("method")?.as_str()?.parse().ok()?;
    let training = record.study == crate::definition::StudyKind::Training;
    if !(training && method.is_exact() && method.uses_tableau_steps()) {
        return None;
    }
    let mut settings = record.settings.clone();
    settings.remove("method");
    let parts = [record.seed.into(), record.numerics.into(), Value::Object(record.inputs.clone()), settings.into()];
    Some(canonical(&Value::Array(parts.into())))
}

/// Two runs whose results should be bit-identical.
struct Pair<'a> {
    runs: [&'a String; 2],
    /// Whether cells that are empty on one side are left out.
    gaps: bool,
    /// Columns that may differ.
    skip: &'a dyn Fn(&str) -> bool,
}

impl Pair<'_> {
    /// Compares the rows of what the runs end with.
    fn compare_rows(&self, rows: [&Vec<Row>; 2], found: &mut Comparison) {
        for number in 0..rows[0].len().max(rows[1].len()) {
            self.compare("rows.csv", number, rows.map(|side| side.get(number)), found);
        }
    }

    /// Compares the steps. What is kept of a long log depends on the cells that are empty, so steps that one side lacks
    /// are left out where such cells are, if both logs are parts of longer ones.
    fn compare_steps(&self, steps: [&Vec<Row>; 2], found: &mut Comparison) {
        let keyed = steps.map(|side| -> BTreeMap<u64, &Row> {
            side.iter().filter_map(|row| Some((row.get("step")?.as_u64()?, row))).collect()
        });
        if keyed.iter().zip(steps).any(|(keyed, side)| keyed.len() < side.len()) {
            // A step that occurs twice, or has no number.
            for number in 0..steps[0].len().max(steps[1].len()) {
                self.compare("steps.csv", number, steps.map(|side| side.get(number)), found);
            }
            return;
        }
        let is_part =
            |side: &BTreeMap<u64, &Row>| side.keys().next_back().is_some_and(|&last| last >= side.len() as u64);
        let lenient = self.gaps && keyed.iter().all(is_part);
        let numbers: BTreeSet<u64> = keyed.iter().flat_map(BTreeMap::keys).copied().collect();
        for number in numbers {
            let both = keyed.each_ref().map(|side| side.get(&number).copied());
            if !(lenient && both.contains(&None)) {
                self.compare("steps.csv", number as usize, both, found);
            }
        }
    }

    fn compare(&self, table: &'static str, number: usize, rows: [Option<&Row>; 2], found: &mut Comparison) {
        let mut broken = |column: &str, values: [Value; 2]| {
            let runs = self.runs.map(String::clone);
            found.broken.push(Broken { runs, table, row: number, column: column.into(), values });
        };
        let [Some(a), Some(b)] = rows else {
            found.cells += 1;
            return broken("the whole row", rows.map(|row| row.map_or(Value::Null, |_| "present".into())));
        };
        let columns: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for column in columns.into_iter().filter(|c| !(self.skip)(c)) {
            let values = [a, b].map(|row| row.get(column).cloned().unwrap_or_default());
            if self.gaps && values.contains(&Value::Null) {
                continue;
            }
            found.cells += 1;
            if values[0] != values[1] {
                broken(column, values);
            }
        }
    }
}
