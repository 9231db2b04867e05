//! Every column that a study writes is declared and described, and a definition names no other.

use crate::common;

use std::path::Path;

use anode::definition::columns::{self, Column, Planned, Values, When, Written, written};
use anode::definition::{Profile, StudyKind, load_all};
use anode::record::{Budget, Row, read_archive, read_run_thinned};
use serde_json::{Map, Value};

/// Whether a run with these settings writes a column.
fn writes(when: When, run: &Run) -> bool {
    let settings = &run.flat;
    match when {
        When::Always => true,
        When::Has(setting) => settings.contains_key(setting),
        When::Is(setting, any) => {
            settings.get(setting).and_then(Value::as_str).is_some_and(|value| any.contains(&value))
        }
        When::Lists(setting, value) => {
            let list = run.settings.get(setting).and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|one| one == value))
        }
        When::All(conditions) => conditions.iter().all(|condition| writes(*condition, run)),
    }
}

/// Whether a cell that is not empty has a declared value.
fn fits(values: Values, cell: &Value, settings: &Map<String, Value>) -> bool {
    let text = cell.as_str();
    match values {
        Values::Numbers => cell.is_number() || text.is_some_and(|t| ["inf", "-inf", "NaN"].contains(&t)),
        Values::Flags => cell.is_boolean(),
        Values::Words(words) => text.is_some_and(|t| words.contains(&t)),
        Values::Listed(setting) => {
            let same = |one: &Value| one == cell || one.as_f64().is_some_and(|x| cell.as_f64() == Some(x));
            settings.get(setting).and_then(Value::as_array).is_some_and(|list| list.iter().any(same))
        }
        Values::Data => text.is_some_and(|t| settings["data"].as_str() == Some(t)),
        Values::Text => text.is_some_and(|t| !t.is_empty()),
    }
}

/// Faults of a table against its declaration. Declared columns that were written are added to `seen`.
fn table(declared: &[Column], rows: &[Row], run: &Run, seen: &mut Vec<&'static str>) -> Vec<String> {
    let mut faults = vec![];
    for row in rows {
        for (name, cell) in row {
            let Some(column) = declared.iter().find(|column| column.is(name)) else {
                faults.push(format!("{}: `{name}` is not declared", run.name));
                continue;
            };
            if !seen.contains(&column.name) {
                seen.push(column.name);
            }
            if cell.is_null() {
                continue;
            }
            if !writes(column.when, run) {
                faults.push(format!("{}: `{name}` has a value in spite of {:?}", run.name, column.when));
            }
            if !fits(column.values, cell, run.settings) {
                faults.push(format!("{}: `{name}` is {cell}; declared {:?}", run.name, column.values));
            }
        }
    }
    // Records of an earlier version of the numerics may lack a column that came later.
    for column in declared.iter().filter(|column| run.current && writes(column.when, run)) {
        if !rows.is_empty() && !rows.iter().any(|row| row.keys().any(|name| column.is(name))) {
            faults.push(format!("{}: `{}` is declared and not written", run.name, column.name));
        }
    }
    faults
}

struct Run<'a> {
    name: String,
    current: bool,
    settings: &'a Map<String, Value>,
    flat: Row,
}

#[test]
fn the_committed_records_have_exactly_the_declared_columns() {
    let (loaded, _) = load_all(Path::new("experiments"));
    let (mut faults, mut studies) = (vec![], vec![]);
    let mut seen: Vec<&'static str> = vec![];
    for definition in loaded.iter().map(|one| &one.definition) {
        let archive = Path::new("results/records").join(format!("{}.{}.tar.xz", definition.id, Profile::Quick.name()));
        let Written { rows, steps, images } = written(definition.study);
        for record in read_archive(&archive).expect("an archive") {
            let settings = &record.record.settings;
            let run = Run {
                name: format!("{}, run {}", definition.id, record.record.run),
                current: record.record.is_current(),
                settings,
                flat: columns::flat(settings, record.record.seed),
            };
            faults.extend(table(rows, &record.rows, &run, &mut seen));
            faults.extend(table(steps, &record.steps, &run, &mut seen));
            for image in &record.images {
                if !images.iter().any(|(name, _)| columns::is(name, &image.name)) {
                    faults.push(format!("{}: the image `{}` is not declared", run.name, image.name));
                }
            }
            studies.push(definition.study);
        }
    }
    faults.truncate(20);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let missing: Vec<_> = StudyKind::ALL.iter().filter(|study| !studies.contains(study)).collect();
    assert!(missing.is_empty(), "run an experiment of {missing:?} and commit its quick records");
    assert!(seen.contains(&"segment#.conv#.reaction") && seen.contains(&"back_steps"), "{seen:?}");
}

/// The committed records of the quick profile have no such run, so a small one is made.
#[test]
fn measurements_at_the_end_of_an_epoch_have_the_declared_columns() {
    let place = common::Workplace::new();
    let mut definition = common::training("train");
    let fixed = definition["fixed"].as_object_mut().expect("settings");
    fixed.insert("epochs".into(), 1.into());
    fixed.insert("train_images".into(), 16.into());
    fixed.insert("evaluations".into(), serde_json::json!(["test-batch", "recalibrated", "per-evaluation"]));
    fixed.insert("block_reversal".into(), true.into());
    place.define(&definition);
    place.expect(0, &["run", "train"]);
    let found = read_run_thinned(&place.run_folder("train"), &mut Budget::of_an_experiment());
    let found = found.expect("sound").expect("a record");
    let settings = &found.record.settings;
    let run = Run { name: "train".into(), current: true, settings, flat: columns::flat(settings, 0) };
    let (Written { rows, steps, .. }, mut seen) = (written(StudyKind::Training), vec![]);
    let faults = [table(rows, &found.rows, &run, &mut seen), table(steps, &found.steps, &run, &mut seen)].concat();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen.contains(&"test_accuracy_per_evaluation") && seen.contains(&"reversal_error_block_#"), "{seen:?}");
}

#[test]
fn every_declared_column_is_described_once() {
    for &study in StudyKind::ALL {
        let Written { rows, steps, images } = written(study);
        for list in [rows, steps] {
            for (i, column) in list.iter().enumerate() {
                assert!(column.about.len() > 3, "{study:?}: `{}` has no description", column.name);
                assert!(list[..i].iter().all(|other| other.name != column.name), "{study:?}: `{}` twice", column.name);
            }
        }
        assert!(images.iter().all(|(_, about)| about.len() > 3), "{study:?}");
    }
}

#[test]
fn planned_values_agree_by_value() {
    let mut planned = Planned::default();
    let settings = serde_json::json!({ "a": { "b": 2.0 }, "list": [1, 2], "none": null });
    planned.add(settings.as_object().expect("an object"), &[7]);
    let names: Vec<&str> = planned.names().collect();
    assert_eq!(names, ["a.b", "seed"]);
    assert!(
        planned.values("a.b").is_some_and(|v| v.contains("2")) && planned.listed("list").is_some_and(|l| l.len() == 2)
    );
    assert!(!planned.some_lack("a.b") && planned.some_lack("none"));
    planned.add(&Map::new(), &[7]);
    assert!(planned.some_lack("a.b") && !planned.some_lack("seed"));
}
