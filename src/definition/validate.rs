//! Whether a definition makes sense: every fault with its place, what was found and what is allowed.

mod figures;
mod rules;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use serde_json::Value;

use super::columns::{self, Planned};
use super::error::LISTED;
use super::points::{Point, SEED_AXIS};
use super::probe;
use super::schema::setting_names;
use super::settings::{Settings, alternatives};
use super::unique::repetitions;
use crate::nearest::{nearest_in_words, with_suggestion};

use super::{CHOICES, Choice, Definition, DefinitionError, Loaded, NotRun, Outline, SourceTag, StudyKind, id_fault};

/// More points, or more runs, than this are refused: an axis too many is a mistake, not an experiment.
const MOST_POINTS: usize = 100_000;
/// More values than this in the settings of all runs together are refused: a plan holds them all.
const MOST_VALUES: usize = 4_000_000;

/// The faults of a definition that was read from `file`; those beyond [`LISTED`] are counted in the last entry.
pub(super) fn faults(definition: &Definition, file: &Path) -> Vec<DefinitionError> {
    let mut faults = Faults::new(file, vec![]);
    head(definition, file, &mut faults);
    reported(definition, &mut faults);
    rules::expectation(&definition.expectation, &mut faults);
    figures::figures(definition, &mut faults);
    let (before, mut planned) = (faults.seen.len(), Planned::default());
    for profile in definition.profiles.keys() {
        runs(definition, *profile, &mut planned, &mut faults);
    }
    // Columns of settings are known only if every point is sound.
    let settings = (planned.is_empty() || faults.seen.len() > before).then(|| setting_names(definition.study));
    for (at, why) in columns::faults(definition, &planned, settings.as_deref()) {
        faults.add(at, why);
    }
    faults.finish()
}

/// Columns, values and figures that an outline names for the experiments of `loaded` and that no planned run of them
/// can write, the first 50 listed. `loaded` are sound definitions; other experiments are passed over.
pub fn outline_faults(outline: &Outline, file: &Path, loaded: &[Loaded]) -> Vec<DefinitionError> {
    let mut faults = Faults::new(file, vec![]);
    for Loaded { definition, file } in loaded.iter().filter(|l| outline.mentions(&l.definition.id)) {
        let mut none = Faults::new(file, vec![]);
        let mut planned = Planned::default();
        for profile in definition.profiles.keys() {
            runs(definition, *profile, &mut planned, &mut none);
        }
        for (at, why) in columns::outline_faults(outline, definition, &planned) {
            faults.add(at, why);
        }
    }
    faults.finish()
}

/// Ids in an outline that no experiment has, with the nearest ones, the first 50 listed. An outline belongs to the
/// definitions next to it: numbers and panels come from `loaded`; links and tables may also name experiments that are
/// listed as not run.
pub fn unknown_experiments(
    outline: &Outline,
    file: &Path,
    loaded: &[Loaded],
    not_run: &[NotRun],
) -> Vec<DefinitionError> {
    let mut faults = Faults::new(file, unmeasured(outline, file, loaded));
    let defined: Vec<&str> = loaded.iter().map(|l| l.definition.id.as_str()).collect();
    let listed: Vec<&str> = defined.iter().copied().chain(not_run.iter().map(|entry| entry.id.as_str())).collect();
    let remedy = "define it in this folder, or take it out of the outline";
    let mut check = |id: &str, known: &[&str], at: String, what: &str| {
        if !known.contains(&id) {
            let nearest = nearest_in_words(id, known.iter().copied());
            faults.add(at, format!("`{id}`: {what}; {remedy}{nearest}"));
        }
    };
    let (none, nowhere) = ("no experiment has this id", "no experiment has this id, and not-run.json does not list it");
    for (at, panel) in outline.panels() {
        check(&panel.experiment, &defined, format!("{at}.experiment"), none);
    }
    for (at, finding) in outline.sentences() {
        for (name, quantity) in &finding.quantities {
            check(&quantity.experiment, &defined, format!("{at}.quantities.{name}.experiment"), none);
        }
        for (i, id) in finding.see.iter().enumerate() {
            check(id, &listed, format!("{at}.see[{i}]"), nowhere);
        }
    }
    for (i, chapter) in outline.chapters.iter().enumerate() {
        for (n, id) in chapter.experiments.iter().enumerate() {
            check(id, &listed, format!("chapters[{i}].experiments[{n}]"), nowhere);
        }
    }
    for (id, other) in &outline.same_runs {
        check(id, &listed, "same_runs".into(), nowhere);
        check(other, &listed, format!("same_runs.{id}"), nowhere);
    }
    faults.finish()
}

/// Choices measured by an experiment or a check that there is not, or not yet.
fn unmeasured(outline: &Outline, beside: &Path, loaded: &[Loaded]) -> Vec<DefinitionError> {
    let file = beside.with_file_name(CHOICES);
    let definition = |id: &str| loaded.iter().map(|l| &l.definition).find(|d| d.id == id);
    let measured = |(i, choice): (usize, &Choice)| {
        let measured = choice.measured.as_ref()?;
        let Some(definition) = definition(&measured.experiment) else {
            let nearest = nearest_in_words(&measured.experiment, loaded.iter().map(|l| l.definition.id.as_str()));
            let why = format!("`{}`: no experiment has this id{nearest}", measured.experiment);
            return Some(DefinitionError::new(&file, &format!("[{i}].measured.experiment"), &why));
        };
        let name = measured.check.as_ref()?;
        let checks = || definition.expectation.checks.iter().map(|check| check.name.as_str());
        if checks().any(|check| check.starts_with(name)) {
            return None;
        }
        let why = format!("`{name}`: no check of {} starts so{}", definition.id, nearest_in_words(name, checks()));
        Some(DefinitionError::new(&file, &format!("[{i}].measured.check"), &why))
    };
    outline.choices.iter().enumerate().filter_map(measured).take(LISTED).collect()
}

struct Faults<'a> {
    file: &'a Path,
    found: Vec<DefinitionError>,
    /// Digests of all faults, those that are not listed among them.
    seen: HashSet<u64>,
    more: usize,
}

impl<'a> Faults<'a> {
    fn new(file: &'a Path, found: Vec<DefinitionError>) -> Self {
        Self { file, found, seen: HashSet::new(), more: 0 }
    }

    fn add(&mut self, at: impl Into<String>, why: impl Into<String>) {
        let (at, why) = (at.into(), why.into());
        let mut hasher = DefaultHasher::new();
        (&at, &why).hash(&mut hasher);
        // A bad value of an axis stands in many points; it is one fault.
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        if self.found.len() < LISTED {
            self.found.push(DefinitionError::new(self.file, &at, &why));
        } else {
            self.more += 1;
        }
    }

    /// The faults; those that are not listed are counted in the last one.
    fn finish(mut self) -> Vec<DefinitionError> {
        if self.more > 0 {
            let why = format!("{} more faults, not listed; correct these first", self.more);
            self.found.push(DefinitionError::new(self.file, ".", &why));
        }
        self.found
    }
}

fn head(definition: &Definition, file: &Path, faults: &mut Faults) {
    let id = &definition.id;
    if let Some(why) = id_fault(id) {
        faults.add("id", why);
    }
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if *id != stem {
        faults.add("id", format!("`{id}`, but the file is called `{stem}.json`; the two must agree"));
    }
    for (field, text) in [
        ("title", &definition.title),
        ("analysis", &definition.analysis),
        ("claim.text", &definition.claim.text),
        ("expectation.text", &definition.expectation.text),
    ] {
        if text.trim().is_empty() {
            faults.add(field, "empty; a reader needs it");
        }
    }
    let labels = definition
        .metrics
        .iter()
        .enumerate()
        .filter_map(|(i, metric)| Some((format!("metrics[{i}].label"), metric.label.as_deref()?, 200)));
    let heads = [("title", &definition.title, 300), ("claim.text", &definition.claim.text, 5_000)];
    for (field, text, most) in
        heads.map(|(field, text, most)| (field.into(), text.as_str(), most)).into_iter().chain(labels)
    {
        let length = text.chars().count();
        if length > most {
            faults.add(field, format!("{length} characters; at most {most}"));
        }
    }
    if definition.overturn.as_ref().is_some_and(|text| text.trim().is_empty()) {
        faults.add("overturn", "empty; leave it out, or say what would change the verdict");
    }
    if definition.profiles.is_empty() {
        faults.add("profiles", "empty; name at least one of quick, standard, paper");
    }
    if definition.metrics.is_empty() {
        faults.add("metrics", "empty; name at least one column to show");
    }
}

fn reported(definition: &Definition, faults: &mut Faults) {
    for (i, number) in definition.claim.reported.iter().enumerate() {
        let at = |field: &str| format!("claim.reported[{i}].{field}");
        let numbers = [number.min, number.value, number.max];
        let given: Vec<f64> = numbers.into_iter().flatten().collect();
        let source = number.source;
        if given.is_empty() && source != SourceTag::U {
            faults
                .add(at("value"), format!("no number, from the source {source:?}; a row without one has the source U"));
        }
        if !given.is_empty() && !matches!(source, SourceTag::S | SourceTag::F) {
            let why = format!("{source:?}; a reported number comes from a source that was read (S) or a figure (F)");
            faults.add(at("source"), why);
        }
        if number.value.is_none() && !given.is_empty() {
            faults.add(at("value"), "absent beside a least or greatest one; name the mean too");
        }
        if !given.is_sorted() {
            faults.add(at("value"), format!("{given:?}; allowed: min at most value, value at most max"));
        }
    }
}

fn runs(definition: &Definition, profile: super::Profile, planned: &mut Planned, faults: &mut Faults) {
    let Some(resolved) = definition.resolve(profile) else { return };
    if resolved.grid.is_empty() {
        faults.add(&resolved.grid_path, "empty; name at least one grid, `[{}]` for a single run");
    }
    for (number, grid) in resolved.grid.iter().enumerate() {
        for (axis, values) in grid {
            let at = format!("{}[{number}].{axis}", resolved.grid_path);
            if values.is_empty() {
                faults.add(&at, "empty; an axis needs at least one value");
            }
            for i in repetitions(values) {
                faults.add(format!("{at}[{i}]"), format!("{}; named twice", values[i]));
            }
            if let Some((_, _, path)) = resolved.fixed.iter().find(|(key, ..)| *key == axis) {
                faults.add(&at, format!("the setting is fixed at `{path}` too; name it once"));
            }
        }
    }
    let own = definition.profiles.get(&profile).is_some_and(|over| over.seeds.is_some());
    let at = if own { format!("profiles.{}.seeds", profile.name()) } else { "seeds".to_owned() };
    if resolved.seeds.is_empty() {
        faults.add(&at, "empty; name at least one seed");
    }
    let seeds: Vec<Value> = resolved.seeds.iter().map(|seed| Value::from(*seed)).collect();
    for i in repetitions(&seeds) {
        faults.add(format!("{at}[{i}]"), format!("{}; named twice", seeds[i]));
    }
    for (count, what, most) in [
        (resolved.point_count(), "points", MOST_POINTS),
        (resolved.run_count(), "runs", MOST_POINTS),
        (resolved.value_count(), "values in the settings of all runs", MOST_VALUES),
    ] {
        if count > most {
            faults.add(&resolved.grid_path, format!("{count} {what}; at most {most}"));
            return;
        }
    }
    let bad = alone(definition.study, &resolved, faults);
    for point in resolved.points() {
        // What is wrong alone was said; a point that has it says no more.
        if point.origin.values().any(|origin| bad.contains(origin)) {
            continue;
        }
        match Settings::parse(definition.study, &point.settings) {
            Ok(settings) => alternatives(&settings).iter().for_each(|one| planned.add(one, &point.seeds)),
            Err(found) => found.into_iter().for_each(|(setting, why)| faults.add(place(&point, &setting), why)),
        }
    }
}

/// Faults of each setting alone. Returns the paths of those that have one.
fn alone(study: StudyKind, resolved: &super::Resolved, faults: &mut Faults) -> HashSet<Value> {
    let fixed = resolved.fixed.iter().map(|(key, value, path)| ((*key).as_str(), *value, path.clone()));
    let axes = resolved.grid.iter().enumerate().flat_map(|(number, grid)| {
        grid.iter().flat_map(move |(axis, values)| {
            let path = move |i: usize| format!("{}[{number}].{axis}[{i}]", resolved.grid_path);
            values.iter().enumerate().map(move |(i, value)| (axis.as_str(), value, path(i)))
        })
    });
    let mut bad = HashSet::new();
    for (key, value, path) in fixed.chain(axes) {
        if key == SEED_AXIS && path.starts_with(&resolved.grid_path) {
            if value.as_u64().is_none() {
                faults.add(path, format!("{value}; allowed: whole numbers from 0"));
            }
            continue;
        }
        for (inside, why) in probe::faults(value, &|part| (study.settings().refusal)(&probe::alone(key, part))) {
            faults.add(format!("{path}{inside}"), with_suggestion(&why));
            bad.insert(Value::String(path.clone()));
        }
    }
    bad
}

/// JSON path of a setting named like `stepping.steps[0]` at a point.
fn place(point: &Point, setting: &str) -> String {
    let head = setting.split(['.', '[']).next().unwrap_or_default();
    match point.origin.get(head).and_then(Value::as_str) {
        Some(origin) => format!("{origin}{}", &setting[head.len()..]),
        None => point.grid.clone(),
    }
}
