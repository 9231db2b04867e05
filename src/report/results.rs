//! The results of one experiment under one profile: its records, in the order of its definition, as one table.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::definition::columns::flat;
use crate::definition::settings::Settings;
use crate::definition::{Definition, Filter, Profile, Range, Resolved, Source, Wanted};
use crate::record::{Budget, LoadedRecord, RecordError, Row, Status, canonical};

use super::Contents;
use super::alternatives::{self, PlannedRun};
use super::found::{self, Found, Places};

use super::inflight::{self, Damaged, InFlight};

/// The records of an experiment under a profile, and what is missing.
pub struct Results<'a> {
    /// The experiment.
    pub definition: &'a Definition,
    /// The profile.
    pub profile: Profile,
    /// The runs that have a record, in the order of the definition.
    pub runs: Vec<RunResult>,
    /// Number of runs that the definition asks for.
    pub asked: usize,
    /// Settings and seed, as columns, of the planned runs without a record.
    pub missing: Vec<Row>,
    /// Settings that differ between runs, as columns.
    pub varying: Vec<String>,
    /// Archived records that no run shows.
    pub kept: Vec<LoadedRecord>,
    /// Ids of the shown records that the archive of records that no run showed contains.
    pub(super) returned: HashSet<String>,
    /// Ids of all records that no run shows, archived or not.
    pub unshown: Vec<String>,
    /// Runs for which nothing but a convention chose one of several records, with the one that is shown.
    pub unsure: Vec<String>,
    /// Unfinished runs that were handed on and cannot be shown: the damaged file and what is wrong with it.
    pub damaged: Damaged,
    /// Unfinished runs that were handed on. No verdict takes them into account.
    pub inflight: Vec<InFlight>,
    /// The result of [`Self::rows`], computed by its first call.
    rows: OnceCell<Vec<Row>>,
}

/// The column of [`Results::of`] that tells the steps of one run from those of another.
pub const RUN_COLUMN: &str = "run";

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordSource {
    /// The records in `runs/` and in `records/`.
    Everywhere,
    /// The records in `records/` only, which are committed.
    Archives,
}

/// A recorded run with its settings as columns.
pub struct RunResult {
    /// The record.
    pub loaded: LoadedRecord,
    /// Settings and seed, flat: `problem.c`, `solver`, `seed`.
    pub settings: Row,
}

impl<'a> Results<'a> {
    /// Results without records.
    pub fn none(definition: &'a Definition, profile: Profile) -> Self {
        Self {
            definition,
            profile,
            runs: vec![],
            asked: 0,
            missing: vec![],
            varying: vec![],
            kept: vec![],
            returned: HashSet::new(),
            unshown: vec![],
            unsure: vec![],
            damaged: vec![],
            inflight: vec![],
            rows: OnceCell::new(),
        }
    }

    /// Reads the records of `definition`, and chooses those of its runs as it is now.
    ///
    /// # Errors
    /// A damaged record.
    pub fn read(
        definition: &'a Definition,
        profile: Profile,
        contents: Contents<'_>,
        from: RecordSource,
    ) -> Result<Self, RecordError> {
        let mut found = Self::none(definition, profile);
        let records = found::all(definition, profile, contents.results, from)?;
        let places = Places::new(records.iter().map(|found| (&found.loaded.record.settings, found.loaded.record.seed)));
        let wanted = wanted(definition, profile);
        found.asked = wanted.len();
        let (headers, damaged) = inflight::headers(contents.results, &definition.id)?;
        found.damaged = damaged;
        let begun = Places::new(headers.iter().map(|header| (&header.settings, header.seed)));
        let header_of = |settings: &Map<String, Value>, seed: u64| {
            begun.of(settings, seed).iter().map(|&i| &headers[i]).find(|h| h.settings == *settings)
        };
        let wanted = alternatives::settle(wanted, |settings, seed| {
            let records = places.of(settings, seed).iter().map(|&i| &records[i].loaded.record);
            records.filter(|r| r.is_current()).any(|r| r.settings == *settings) || header_of(settings, seed).is_some()
        });
        let flat: Vec<Row> = wanted.iter().map(|(settings, seed)| flat(settings, *seed)).collect();
        found.varying = varying(&flat);
        let choose = |(settings, seed): &(Map<String, Value>, u64)| {
            found::choose(&records, &places, definition, (settings, *seed), contents.inputs, contents.device)
        };
        let chosen: Vec<Option<(usize, bool)>> = wanted.iter().map(choose).collect();
        let mut records: Vec<Option<Found>> = records.into_iter().map(Some).collect();
        let (mut shown, mut budget): (HashMap<usize, usize>, _) = (HashMap::new(), Budget::of_an_experiment());
        for (((settings, seed), flat), chosen) in wanted.iter().zip(flat).zip(chosen) {
            let Some((place, unsure)) = chosen else {
                found.missing.push(flat.clone());
                if let Some(header) = header_of(settings, *seed) {
                    match InFlight::read(contents.results, header.clone(), flat, &mut budget) {
                        Ok(run) => found.inflight.push(run),
                        Err(RecordError::Damaged { path, why }) => found.damaged.push((path, why)),
                        Err(error) => return Err(error),
                    }
                }
                continue;
            };
            let loaded = match (records[place].take(), shown.get(&place)) {
                (Some(Found { loaded, in_kept, .. }), _) => {
                    if in_kept {
                        found.returned.insert(loaded.record.run.clone());
                    }
                    loaded
                }
                (None, Some(&run)) => found.runs[run].loaded.clone(),
                (None, None) => continue,
            };
            shown.insert(place, found.runs.len());
            found.runs.push(RunResult { loaded, settings: flat });
            if unsure {
                let run = found
                    .runs
                    .last()
                    .map(|run| format!("{} {}: run {}", definition.id, found.name(run), run.loaded.record.run));
                found.unsure.extend(run);
            }
        }
        let records: Vec<Found> = records.into_iter().flatten().collect();
        found.unshown = records.iter().map(|found| found.loaded.record.run.clone()).collect();
        let kept = records.into_iter().filter(|found| found.archived);
        found.kept = kept.map(|found| found.loaded).collect();
        Ok(found)
    }

    /// Leaves only runs with these ids, and no unfinished ones.
    pub fn keep(&mut self, runs: &HashSet<String>) {
        self.runs.retain(|run| runs.contains(&run.loaded.record.run));
        self.inflight.clear();
        self.rows.take();
    }

    /// The rows of all runs: settings, seed, then the study's own columns.
    pub fn rows(&self) -> &[Row] {
        self.rows.get_or_init(|| self.expand(|run| &run.loaded.rows, false))
    }

    /// Like [`Self::rows`], without a copy.
    pub fn into_rows(self) -> Vec<Row> {
        self.rows();
        self.rows.into_inner().unwrap_or_default()
    }

    /// The training steps of all runs: settings, seed, then the columns of `steps.csv`.
    pub fn steps(&self) -> Vec<Row> {
        self.expand(|run| &run.loaded.steps, false)
    }

    /// The steps of all runs, for charts, and those of unfinished runs of which no other seed is recorded: a mean over
    /// seeds is over the same ones at every step.
    pub fn steps_drawn(&self) -> Vec<Row> {
        let mut steps = self.steps();
        for run in self.unfinished_drawn() {
            steps.extend(
                run.steps.iter().map(|row| run.settings.clone().into_iter().chain(row.clone()).collect::<Row>()),
            );
        }
        steps
    }

    /// The unfinished runs of which no other seed is recorded.
    pub fn unfinished_drawn(&self) -> impl Iterator<Item = &InFlight> {
        let recorded = |run: &&InFlight| self.runs.iter().any(|r| r.loaded.record.settings == run.header.settings);
        self.inflight.iter().filter(move |run| !recorded(run))
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.inflight.is_empty()
    }

    /// The unfinished runs, with what varies in them, and how far they are.
    pub fn unfinished(&self) -> Vec<String> {
        self.inflight.iter().map(|run| run.line(&self.named(&run.settings, run.header.seed))).collect()
    }

    /// The rows of a table, those of the steps with the run's id in the column `RUN_COLUMN`.
    pub fn of(&self, source: Source) -> Cow<'_, [Row]> {
        match source {
            Source::Rows => Cow::Borrowed(self.rows()),
            Source::Steps => Cow::Owned(self.expand(|run| &run.loaded.steps, true)),
        }
    }

    fn expand(&self, of: impl Fn(&RunResult) -> &Vec<Row>, named: bool) -> Vec<Row> {
        let mut rows = vec![];
        for run in &self.runs {
            let name = named.then(|| (RUN_COLUMN.to_owned(), run.loaded.record.run.clone().into()));
            let beside: Row = name.into_iter().chain(run.settings.clone()).collect();
            rows.extend(of(run).iter().map(|row| beside.clone().into_iter().chain(row.clone()).collect::<Row>()));
        }
        rows
    }

    /// The columns of the table: varying settings, seed, and the study's own in the order in which they first appear.
    pub fn columns(&self) -> Vec<String> {
        let mut columns = self.varying.clone();
        columns.push("seed".into());
        let mut seen: HashSet<&str> = self.varying.iter().map(String::as_str).chain(["seed"]).collect();
        let own = self.runs.iter().flat_map(|run| &run.loaded.rows).flat_map(Row::keys);
        columns.extend(own.filter(|column| seen.insert(column)).cloned());
        columns
    }

    /// Runs that failed, with what varies in them, where and why.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.runs.iter().filter_map(|run| match &run.loaded.record.status {
            Status::Failed { at, why } => Some(format!("{}: {at}: {why}", self.name(run))),
            _ => None,
        });
        failed.collect()
    }

    /// Runs that diverged.
    pub fn diverged(&self) -> usize {
        self.runs.iter().filter(|r| matches!(r.loaded.record.status, Status::Diverged { .. })).count()
    }

    /// The settings and the seed that tell a run from the others, on one line.
    pub fn name(&self, run: &RunResult) -> String {
        self.named(&run.settings, run.loaded.record.seed)
    }

    fn named(&self, settings: &Row, seed: u64) -> String {
        let shown =
            self.varying.iter().filter_map(|c| settings.get(c).map(|v| format!("{c}={}", crate::record::cell(v))));
        shown.chain([format!("seed={seed}")]).collect::<Vec<_>>().join(" ")
    }
}

/// The runs of a definition under a profile, each once: settings and seed.
pub(super) fn wanted(definition: &Definition, profile: Profile) -> Vec<PlannedRun> {
    let mut wanted: Vec<PlannedRun> = vec![];
    let mut known: HashSet<(String, u64)> = HashSet::new();
    for point in definition.resolve(profile).iter().flat_map(Resolved::points) {
        let Ok(settings) = Settings::parse(definition.study, &point.settings) else { continue };
        let text = canonical(&Value::Object(settings.json().clone()));
        for &seed in &point.seeds {
            if known.insert((text.clone(), seed)) {
                wanted.push((settings.json().clone(), seed));
            }
        }
    }
    wanted
}

fn varying(rows: &[Row]) -> Vec<String> {
    let mut columns: Vec<&String> = vec![];
    for key in rows.iter().flat_map(Row::keys) {
        if key != "seed" && !columns.contains(&key) {
            columns.push(key);
        }
    }
    columns.retain(|c| rows.iter().any(|row| row.get(*c) != rows[0].get(*c)));
    columns.into_iter().cloned().collect()
}

/// A cell as a number; texts such as `inf` count.
pub fn as_number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Whether a cell is missing or null. An empty cell is no evidence.
pub fn is_empty(value: Option<&Value>) -> bool {
    matches!(value, None | Some(Value::Null))
}

/// Whether a row has the values of a filter. Numbers agree by value, a list means any of its values.
pub fn matches(row: &Row, filter: &Filter) -> bool {
    filter.iter().all(|(column, wanted)| match wanted {
        Wanted::Range(Range { from, to }) => as_number(row.get(column)).is_some_and(|x| (*from..=*to).contains(&x)),
        Wanted::Any(any) => any.iter().any(|w| same(row.get(column), w)),
        Wanted::One(one) => same(row.get(column), one),
    })
}

fn same(found: Option<&Value>, wanted: &Value) -> bool {
    match (found, wanted) {
        (Some(Value::Number(a)), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (None | Some(Value::Null), Value::Null) => true,
        (Some(found), wanted) => found == wanted,
        (None, _) => false,
    }
}

/// A number with this many decimal places. What rounds to zero has no minus sign.
pub fn fixed(x: f64, places: usize) -> String {
    let text = format!("{x:.places$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|b| b == b'0' || b == b'.') => digits.to_owned(),
        _ => text,
    }
}

/// A number for a reader: four significant digits, powers of ten where they are shorter. Zero has no minus sign.
pub fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return x.to_string();
    }
    let size = x.abs();
    if !(1e-3..1e6).contains(&size) {
        let text = format!("{x:.2e}");
        return match text.split_once('e') {
            Some((digits, power)) => format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.')),
            None => text,
        };
    }
    if x.fract() == 0.0 {
        return format!("{x}");
    }
    let digits = (3 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{x:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A cell for a reader.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::Number(n)) => n.as_f64().map_or_else(|| n.to_string(), short),
        Some(Value::Bool(true)) => "yes".into(),
        Some(Value::Bool(false)) => "no".into(),
        None | Some(Value::Null) => "–".into(),
        Some(Value::String(text)) if is_digest(text) => format!("{}…", &text[..12]),
        Some(other) => crate::record::cell(other),
    }
}

/// Whether a text is a SHA-256, of which a reader needs the beginning alone.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_no_minus_sign() {
        assert_eq!((short(-0.0), short(0.0), short(-0.25)), ("0".to_owned(), "0".to_owned(), "-0.25".to_owned()));
        for (x, places, text) in [
            (-0.04, 1, "0.0"),
            (-0.0, 0, "0"),
            (-0.4, 0, "0"),
            (-0.06, 1, "-0.1"),
            (0.04, 1, "0.0"),
            (-10.0, 0, "-10"),
            (f64::NEG_INFINITY, 1, "-inf"),
            (f64::NAN, 1, "NaN"),
        ] {
            assert_eq!(fixed(x, places), text);
        }
    }
}
