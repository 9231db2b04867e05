//! A run's id names everything that decides its numbers, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anode::definition::settings::Settings;
use anode::definition::{Loaded, Profile, StudyKind};
use anode::plan::{Run, plan, run_id};
use anode::study::{Context, Ending, Estimate, Place, STUDIES, Study, StudyError};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A study that is planned, not run; it lacks the inputs of `resnet4` with width 13,
/// and counts how often it reads them.
#[derive(Default)]
struct Planned(AtomicUsize);

impl Study for Planned {
    fn kind(&self) -> StudyKind {
        StudyKind::Training
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        anode::study::estimate(self.kind(), settings)
    }

    fn inputs(&self, _: &Place, settings: &Settings) -> Result<Map<String, Value>, StudyError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match settings["width"].as_u64() {
            Some(13) => Err(StudyError::failed("inputs", "width 13 has none")),
            _ => Ok(Map::from_iter([("set".to_owned(), json!("digest"))])),
        }
    }

    fn input_settings(&self, settings: &Settings) -> Value {
        settings["width"].clone()
    }

    fn run(&self, _: &Context<'_>) -> Result<Ending, StudyError> {
        Err(StudyError::failed("test", "planned only"))
    }
}

fn loaded(change: impl FnOnce(&mut Value)) -> Loaded {
    let mut definition = json!({
        "id": "train", "title": "t", "paper": "anode", "analysis": "a", "claim": { "text": "c", "source": "S" },
        "study": "training", "grid": [{ "solver": ["euler", "rk4"], "method": ["full", "anode"] }],
        "fixed": {
            "net": "resnet4", "data": "synthetic", "steps": 2, "epochs": 1, "batch": 50, "learning_rate": 0.1,
            "drops": [0.5], "momentum": 0.9, "weight_decay": 0.0, "augment": false
        },
        "seeds": [0, 1], "profiles": { "quick": {}, "standard": {} },
        "metrics": [], "expectation": { "text": "e", "checks": [] }
    });
    change(&mut definition);
    Loaded { file: PathBuf::from("experiments/x/train.json"), definition: serde_json::from_value(definition).unwrap() }
}

fn planned(loaded: &Loaded, profile: Profile, device: &str) -> Vec<Run> {
    let (runs, skipped) = plan(std::slice::from_ref(loaded), profile, device, None, &[&Planned::default()]);
    assert!(skipped.is_empty());
    runs
}

fn ids(change: impl FnOnce(&mut Value)) -> Vec<String> {
    planned(&loaded(change), Profile::Quick, "cpu").into_iter().map(|run| run.id).collect()
}

#[test]
fn a_plan_is_the_product_of_axes_and_seeds_in_the_order_of_the_file() {
    let runs = planned(&loaded(|_| {}), Profile::Quick, "cpu");
    let points: Vec<_> = runs
        .iter()
        .map(|run| (run.settings["method"].as_str().unwrap(), run.settings["solver"].as_str().unwrap(), run.seed))
        .collect();
    let expected: Vec<_> = ["full", "anode"]
        .into_iter()
        .flat_map(|m| ["euler", "rk4"].into_iter().flat_map(move |s| [0, 1].map(|seed| (m, s, seed))))
        .collect();
    assert_eq!(points, expected);
    assert_eq!(runs[0].settings["checkpoint_every"], 50, "defaults are filled in");
    let folder = runs[0].folder(Path::new("results"));
    assert_eq!(folder, Path::new("results/runs/quick/train").join(&runs[0].id));
    assert!(runs[0].id.len() == 16 && runs[0].id.bytes().all(|b| b.is_ascii_hexdigit()));
}

#[test]
fn a_grid_with_an_axis_seed_has_those_seeds_and_the_ids_of_the_same_runs_elsewhere() {
    let split = loaded(|d| {
        d["grid"] = json!([
            { "method": ["full"], "solver": ["euler"] },
            { "method": ["anode"], "solver": ["euler"], "seed": [1, 5] },
        ]);
        d["seeds"] = json!([0]);
    });
    let runs = planned(&split, Profile::Quick, "cpu");
    let found: Vec<_> = runs.iter().map(|run| run.label.as_str()).collect();
    let expected =
        ["method=full solver=euler seed=0", "method=anode solver=euler seed=1", "method=anode solver=euler seed=5"];
    assert_eq!(found, expected);
    let shared = |seed: u64| {
        move |run: &&Run| run.settings["method"] == "anode" && run.settings["solver"] == "euler" && run.seed == seed
    };
    let all = planned(&loaded(|_| {}), Profile::Quick, "cpu");
    assert_eq!(runs[1].id, all.iter().find(shared(1)).unwrap().id);
    assert!(!runs[1].settings.contains_key("seed"));
}

#[test]
fn ids_do_not_depend_on_names_profiles_or_spelling() {
    let first = ids(|_| {});
    assert_eq!(first, ids(|d| d["id"] = json!("other")));
    assert_eq!(first, ids(|d| d["fixed"]["checkpoint_every"] = json!(50)), "a default that is spelt out");
    assert_eq!(first, ids(|d| d["fixed"]["width"] = Value::Null));
    assert_eq!(first, ids(|d| d["fixed"]["weight_decay"] = json!(0)), "0 and 0.0");
    let standard = planned(&loaded(|_| {}), Profile::Standard, "cpu");
    assert_eq!(first, standard.into_iter().map(|run| run.id).collect::<Vec<_>>());
    let cuda = planned(&loaded(|_| {}), Profile::Quick, "cuda");
    assert!(cuda.iter().all(|run| !first.contains(&run.id)), "another device rounds otherwise");
}

#[test]
fn a_study_that_stays_on_the_cpu_is_the_same_run_whatever_device_is_asked_for() {
    let schedules = loaded(|d| {
        d["study"] = json!("schedules");
        d["grid"] = json!([{ "schedule": ["revolve", "online"] }]);
        d["fixed"] = json!({ "snapshots": 2, "steps": [4] });
    });
    let runs = |device| plan(std::slice::from_ref(&schedules), Profile::Quick, device, None, STUDIES).0;
    let (cpu, cuda) = (runs("cpu"), runs("cuda"));
    assert_eq!(cpu.len(), 4);
    assert!(cpu.iter().zip(&cuda).all(|(a, b)| a.id == b.id && b.device == "cpu"));
    assert!(planned(&loaded(|_| {}), Profile::Quick, "cuda").iter().all(|run| run.device == "cuda"));
}

#[test]
fn points_that_come_twice_are_run_once() {
    let first = ids(|_| {});
    assert_eq!(first, ids(|d| d["grid"][0]["solver"] = json!(["euler", "rk4", "euler"])));
    assert_eq!(first, ids(|d| d["seeds"] = json!([0, 1, 1])));
    let twice = ids(|d| {
        let grid = d["grid"][0].clone();
        d["grid"] = json!([grid, grid]);
    });
    assert_eq!(first, twice);
}

#[test]
fn runs_without_inputs_are_told_and_the_others_planned() {
    let loaded = loaded(|d| d["grid"] = json!([{ "solver": ["rk4"], "method": ["full", "anode"], "width": [8, 13] }]));
    let study = Planned::default();
    let (runs, skipped) = plan(&[loaded], Profile::Quick, "cpu", None, &[&study]);
    assert_eq!(runs.len(), 4);
    assert_eq!(study.0.into_inner(), 2, "points with the same inputs share one reading");
    assert_eq!(skipped.len(), 2);
    assert!(skipped[0].why.contains("width 13 has none") && skipped[0].label.contains("width=13"));
    assert!(plan(&[], Profile::Quick, "cpu", None, &[&Planned::default()]).0.is_empty());
}

/// JSON like settings: small trees of numbers, texts and lists.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6f64).prop_map(Value::from),
        "[a-z\"\\\\é]{0,6}".prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,4}", inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn settings() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::hash_map("[a-z]{1,4}", tree(), 1..6).prop_map(|m| m.into_iter().collect())
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().rev().map(|(k, v)| (k.clone(), reversed(v))).collect()),
        Value::Array(list) => Value::Array(list.iter().map(reversed).collect()),
        other => other.clone(),
    }
}

fn id(settings: &Map<String, Value>) -> String {
    run_id(StudyKind::Training, settings, 7, &Map::new(), "cpu")
}

proptest! {
    #[test]
    fn the_order_of_keys_does_not_matter(settings in settings()) {
        let Value::Object(other) = reversed(&Value::Object(settings.clone())) else { unreachable!() };
        prop_assert_eq!(id(&settings), id(&other));
    }

    #[test]
    fn any_two_settings_that_differ_have_different_ids(a in settings(), b in settings()) {
        prop_assert_eq!(id(&a) == id(&b), reversed(&Value::Object(a)) == reversed(&Value::Object(b)));
    }

    #[test]
    fn changing_one_setting_changes_the_id(settings in settings(), at in any::<prop::sample::Index>(),
        value in tree()) {
        let key = at.get(&settings.keys().cloned().collect::<Vec<_>>()).clone();
        let mut other = settings.clone();
        let before = other.insert(key.clone(), value.clone());
        prop_assert_eq!(id(&settings) == id(&other), before == Some(value));
        other.shift_remove(&key);
        prop_assert_ne!(id(&settings), id(&other));
    }

    #[test]
    fn resolved_settings_are_a_fixed_point(rate in prop::num::f64::NORMAL, whole in -1000i64..1000) {
        let settings = |rate: Value| match json!({
            "problem": { "kind": "scalar-linear", "rate": rate }, "solver": "rk4",
            "stepping": { "kind": "fixed", "steps": [4] }, "dtype": "f64"
        }) {
            Value::Object(map) => map,
            _ => unreachable!(),
        };
        let once = Settings::parse(StudyKind::Reversibility, &settings(json!(rate))).unwrap();
        let text = serde_json::to_string(once.json()).unwrap();
        let read: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let twice = Settings::parse(StudyKind::Reversibility, &read).unwrap();
        prop_assert_eq!(id(&once), id(&twice), "through a file: {}", text);
        let integer = Settings::parse(StudyKind::Reversibility, &settings(json!(whole))).unwrap();
        let float = Settings::parse(StudyKind::Reversibility, &settings(json!(whole as f64))).unwrap();
        prop_assert_eq!(id(&integer), id(&float));
    }
}
