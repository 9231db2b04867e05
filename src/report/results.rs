//! The results of one experiment under one profile: its records, in the order of its definition, as one table.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::definition::{Definition, Filter, Profile, typed_settings};
use crate::record::{Loaded, PARTIAL, RecordError, Row, Status, read_archive, read_record, thin};

/// Everything that is known of an experiment under a profile.
pub struct Results<'a> {
    /// The experiment.
    pub definition: &'a Definition,
    /// The profile.
    pub profile: Profile,
    /// The runs that have a record, in the order of the definition.
    pub runs: Vec<RunResult>,
    /// Number of runs that the definition asks for.
    pub asked: usize,
    /// Settings that differ between runs, as columns.
    pub varying: Vec<String>,
}

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Those of `runs/` and those of `records/`.
    Everywhere,
    /// Those of `records/`, which is what a repository holds.
    Archives,
}

/// The archive of an experiment's records.
pub fn archive(results: &Path, experiment: &str, profile: Profile) -> PathBuf {
    results.join("records").join(format!("{experiment}.{}.tar.gz", profile.name()))
}

/// A recorded run with its settings as columns.
pub struct RunResult {
    /// The record.
    pub loaded: Loaded,
    /// Settings and seed, flat: `problem.c`, `solver`, `seed`.
    pub settings: Row,
}

impl<'a> Results<'a> {
    /// Reads the records that belong to `definition` as it is now; records of other settings are left alone.
    ///
    /// # Errors
    /// A damaged record.
    pub fn read(definition: &'a Definition, profile: Profile, results: &Path, from: From) -> Result<Self, RecordError> {
        let mut found = Self { definition, profile, runs: vec![], asked: 0, varying: vec![] };
        let Some(resolved) = definition.resolve(profile) else { return Ok(found) };
        let mut records = read_archive(&archive(results, &definition.id, profile))?;
        let folder = results.join("runs").join(profile.name()).join(&definition.id);
        let names = if from == From::Everywhere { names(&folder)? } else { vec![] };
        for name in names {
            if !name.contains(".damaged-")
                && !name.starts_with(PARTIAL)
                && let Some(loaded) = read_record(&folder.join(name))?
            {
                records.push(loaded);
            }
        }
        let mut wanted: Vec<(Map<String, Value>, u64)> = vec![];
        for point in resolved.points() {
            let Ok(settings) = typed_settings(definition.study, &point.settings) else { continue };
            for &seed in &point.seeds {
                if !wanted.iter().any(|(s, k)| *k == seed && *s == settings) {
                    wanted.push((settings.clone(), seed));
                }
            }
        }
        found.asked = wanted.len();
        let flat: Vec<Row> = wanted.iter().map(|(settings, seed)| flatten(settings, *seed)).collect();
        found.varying = varying(&flat);
        for ((settings, seed), flat) in wanted.iter().zip(flat) {
            // Files that a definition names may have changed since: of several records the latest sound one counts.
            let age = |r: &Loaded| {
                (!matches!(r.record.status, Status::Failed { .. }), r.record.environment.finished_at.clone())
            };
            let fitting = records.iter().filter(|r| r.record.seed == *seed && r.record.settings == *settings);
            // Of equals the last counts: a run's own folder, not the archive.
            if let Some(loaded) = fitting.max_by_key(|r| age(r)) {
                // Thinned here, so that a chart is the same whether drawn from a folder or from an archive.
                let mut loaded = loaded.clone();
                loaded.steps = thin(loaded.steps);
                found.runs.push(RunResult { loaded, settings: flat });
            }
        }
        Ok(found)
    }

    /// The rows of all runs: settings, seed, then the study's own columns.
    pub fn rows(&self) -> Vec<Row> {
        self.expand(|run| &run.loaded.rows)
    }

    /// The steps of all runs, likewise.
    pub fn steps(&self) -> Vec<Row> {
        self.expand(|run| &run.loaded.steps)
    }

    fn expand(&self, of: impl Fn(&RunResult) -> &Vec<Row>) -> Vec<Row> {
        let join = |run: &RunResult, row: &Row| run.settings.clone().into_iter().chain(row.clone()).collect::<Row>();
        self.runs.iter().flat_map(|run| of(run).iter().map(|row| join(run, row)).collect::<Vec<_>>()).collect()
    }

    /// The columns of the table: varying settings, seed, and the study's own in the order in which they first appear.
    pub fn columns(&self) -> Vec<String> {
        let mut columns = self.varying.clone();
        columns.push("seed".into());
        for row in self.runs.iter().flat_map(|run| &run.loaded.rows) {
            columns.extend(row.keys().filter(|k| !columns.contains(k)).cloned().collect::<Vec<_>>());
        }
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

    /// What varies in a run, on one line.
    pub fn name(&self, run: &RunResult) -> String {
        let shown =
            self.varying.iter().filter_map(|c| run.settings.get(c).map(|v| format!("{c}={}", crate::record::cell(v))));
        shown.chain([format!("seed={}", run.loaded.record.seed)]).collect::<Vec<_>>().join(" ")
    }
}

fn names(folder: &Path) -> Result<Vec<String>, RecordError> {
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let entries = std::fs::read_dir(folder).map_err(RecordError::io(folder))?;
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Settings as columns with dotted names. Lists are left out: a study gives their values in its rows.
fn flatten(settings: &Map<String, Value>, seed: u64) -> Row {
    fn walk(prefix: &str, value: &Value, row: &mut Row) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    walk(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, value, row);
                }
            }
            Value::Array(_) | Value::Null => {}
            other => {
                row.insert(prefix.to_owned(), other.clone());
            }
        }
    }
    let mut row = Row::new();
    walk("", &Value::Object(settings.clone()), &mut row);
    row.insert("seed".into(), seed.into());
    row
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

/// Whether a row has the values of a filter. Numbers agree by value, a list means any of its values.
pub fn matches(row: &Row, filter: &Filter) -> bool {
    filter.iter().all(|(column, wanted)| match wanted {
        Value::Array(any) => any.iter().any(|w| same(row.get(column), w)),
        one => same(row.get(column), one),
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

/// A number for a reader: four significant digits, powers of ten where they are shorter.
pub fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
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
