//! Definitions, files and options made to do harm: sizes that no machine has, devices and pipes, more faults than a
//! reader reads.

use crate::common;

use std::path::Path;

use anode::definition::settings::Settings;
use anode::definition::{Definition, Profile, StudyKind, load, load_all};
use anode::study::estimate::{MOST_BYTES, estimate, memory_of_this_machine};
use common::{Workplace, gradient, reversal, training};
use serde_json::{Value, json};

/// A definition of `study` with these settings.
fn of(id: &str, study: &str, fixed: Value) -> Value {
    let mut definition = reversal(id);
    definition["study"] = json!(study);
    definition["fixed"] = fixed;
    definition["figures"] = json!([]);
    let column = match study {
        "memory" => "peak_bytes",
        "network-cost" => "parameters",
        "coupled-gradient" => "error_w0",
        "kernel-evolution" => "mass",
        "schedules" => "plain_steps",
        _ => "error_W",
    };
    definition["metrics"] = json!([{ "column": column, "label": column }]);
    definition["expectation"]["checks"][0]["rule"]["within"]["column"] = json!(column);
    definition
}

fn changed(mut definition: Value, pointer: &str, value: Value) -> Value {
    *definition.pointer_mut(pointer).expect(pointer) = value;
    definition
}

fn memory() -> Value {
    of(
        "memory",
        "memory",
        json!({
        "blocks": 2, "steps": [2], "method": "anode", "solver": "euler", "channels": 2, "size": 4 }),
    )
}

fn network_cost() -> Value {
    of(
        "cost",
        "network-cost",
        json!({
        "net": "resnet4", "width": 4, "solver": "euler", "steps": 2, "method": "anode", "batch": 2 }),
    )
}

fn coupled() -> Value {
    of(
        "coupled",
        "coupled-gradient",
        json!({
        "channels": 1, "kernel": 3, "size": 4, "weights_std": 0.3, "initial_std": 1.0, "coefficients_std": 0.1,
        "activation": "tanh", "terms": "rda", "sigma": "tanh", "configuration": { "kind": "matching",
        "weight_steps": 2 },
        "solver": "euler", "steps": [2], "methods": ["anode"], "dtype": "f64" }),
    )
}

fn kernels() -> Value {
    of(
        "kernels",
        "kernel-evolution",
        json!({
        "kernel": 3, "deviation": 1.0, "terms": "rda", "coefficients": { "d": 0.1, "ux": 0.1, "uy": 0.1, "r": 0.1 },
        "sigma": "identity", "solver": "rk4", "steps": [10], "frames": 2 }),
    )
}

fn schedules() -> Value {
    of("schedules", "schedules", json!({ "steps": [10], "snapshots": 3, "schedule": "revolve" }))
}

/// Sizes that are within their setting's own bounds, but that no machine of today has the memory for.
fn too_large() -> Vec<Value> {
    const MOST: u64 = 10_000_000;
    vec![
        changed(gradient("dense"), "/fixed/field/n", json!(1_000_000)),
        changed(memory(), "/fixed/channels", json!(MOST)),
        changed(memory(), "/fixed/size", json!(MOST)),
        changed(network_cost(), "/fixed/width", json!(1_000_000)),
        changed(network_cost(), "/fixed/batch", json!(MOST)),
        changed(coupled(), "/fixed/channels", json!(MOST)),
        changed(coupled(), "/fixed/size", json!(MOST)),
        changed(training("train"), "/fixed/width", json!(MOST)),
        of(
            "conv",
            "gradient-error",
            json!({
            "field": { "kind": "convolution", "channels": 1, "kernel": 3, "size": MOST,
                       "weights": { "normal": { "std": 1.0 } }, "initial": { "normal": { "std": 1.0 } } },
            "activation": "tanh", "solver": "euler", "steps": [1], "methods": ["anode"], "dtype": "f32",
            "reference_tolerance": 1e-3 }),
        ),
    ]
}

#[test]
fn a_run_that_cannot_fit_is_recorded_as_failed_and_the_rest_goes_on() {
    let place = Workplace::new();
    for (i, mut definition) in too_large().into_iter().enumerate() {
        definition["id"] = json!(format!("large-{i}"));
        place.define(&definition);
    }
    place.define(&reversal("sound"));
    let text = place.expect(1, &["reproduce", "--yes"]);
    let failed = too_large().len();
    assert!(text.contains("1 runs finished") && text.contains(&format!("{failed} failed")), "{text}");
    for i in 0..failed {
        let line = text.lines().find(|line| line.contains(&format!("large-{i} : failed: ")));
        let line = line.unwrap_or_else(|| panic!("large-{i} in {text}"));
        assert!(line.contains(", this machine has") || line.contains("multiply-adds; allowed: at most"), "{line}");
    }
    assert!(text.contains("sound") && text.contains("confirmed"), "{text}");
    assert!(text.contains("large-0 : failed: memory: needs 80 TB, this machine has"), "{text}");
}

#[test]
fn what_no_machine_can_do_is_refused_by_check() {
    const MOST: u64 = 10_000_000;
    let both = |definition: Value, first: &str, second: &str| {
        changed(changed(definition, first, json!(MOST)), second, json!(MOST))
    };
    for definition in [
        both(memory(), "/fixed/channels", "/fixed/blocks"),
        both(memory(), "/fixed/channels", "/fixed/size"),
        both(coupled(), "/fixed/channels", "/fixed/size"),
        both(network_cost(), "/fixed/width", "/fixed/batch"),
        changed(changed(memory(), "/fixed/blocks", json!(MOST)), "/fixed/steps", json!([MOST])),
        changed(both(training("train"), "/fixed/width", "/fixed/steps"), "/fixed/epochs", json!(MOST)),
    ] {
        let place = Workplace::new();
        let text = place.define(&definition).expect(1, &["check"]);
        assert!(text.contains("more than any machine can address") || text.contains("allowed: at most 1e"), "{text}");
    }
    // Beyond the bounds of the settings themselves, whatever the study.
    for huge in [json!(1u64 << 63), json!(u64::MAX)] {
        for (definition, pointer) in [
            (changed(reversal("x"), "/fixed/stepping/steps/0", huge.clone()), "fixed.stepping.steps[0]"),
            (changed(gradient("x"), "/fixed/steps/0", huge.clone()), "fixed.steps[0]"),
            (changed(gradient("x"), "/fixed/field/n", huge.clone()), "fixed.field.n"),
            (changed(memory(), "/fixed/steps/0", huge.clone()), "fixed.steps[0]"),
            (changed(memory(), "/fixed/blocks", huge.clone()), "fixed.blocks"),
            (changed(schedules(), "/fixed/steps/0", huge.clone()), "fixed.steps[0]"),
            (changed(schedules(), "/fixed/snapshots", huge.clone()), "fixed.snapshots"),
            (changed(kernels(), "/fixed/steps/0", huge.clone()), "fixed.steps[0]"),
            (changed(kernels(), "/fixed/frames", huge.clone()), "fixed.frames"),
            (changed(coupled(), "/fixed/steps/0", huge.clone()), "fixed.steps[0]"),
            (changed(coupled(), "/fixed/configuration/weight_steps", huge.clone()), "fixed.configuration.weight_steps"),
            (changed(network_cost(), "/fixed/steps", huge.clone()), "fixed.steps"),
            (changed(network_cost(), "/fixed/batch", huge.clone()), "fixed.batch"),
            (changed(training("x"), "/fixed/steps", huge.clone()), "fixed.steps"),
            (changed(training("x"), "/fixed/width", huge.clone()), "fixed.width"),
            (changed(training("x"), "/fixed/batch", huge.clone()), "fixed.batch"),
            (changed(training("x"), "/fixed/epochs", huge.clone()), "fixed.epochs"),
            (changed(training("x"), "/fixed/train_images", huge.clone()), "fixed.train_images"),
        ] {
            let faults = faults_of(&definition);
            assert!(faults.iter().any(|f| f.starts_with(pointer) && f.contains("allowed: ")), "{pointer}: {faults:?}");
        }
    }
}

fn faults_of(definition: &Value) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{}.json", definition["id"].as_str().unwrap()));
    std::fs::write(&file, definition.to_string()).unwrap();
    load(&file).err().unwrap_or_default().iter().map(|fault| format!("{}: {}", fault.at, fault.why)).collect()
}

#[test]
fn every_committed_run_is_estimated_and_the_quick_ones_fit_a_small_machine() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let (loaded, faults) = load_all(&folder);
    assert!(faults.is_empty(), "{faults:?}");
    for Definition { id, study, profiles, .. } in loaded.iter().map(|l| &l.definition) {
        for profile in profiles.keys() {
            let definition = &loaded.iter().find(|l| l.definition.id == *id).unwrap().definition;
            for point in definition.resolve(*profile).unwrap().points() {
                let needed = estimate(*study, &Settings::parse(*study, &point.settings).unwrap()).unwrap();
                assert_eq!(needed.impossible(), None, "{id}");
                assert!(needed.bytes > 0.0 && needed.multiply_adds > 0.0, "{id}: {needed:?}");
                let most = if *profile == Profile::Quick { 2e9 } else { 80e9 };
                assert!(needed.bytes < most, "{id} {}: {needed:?}", profile.name());
            }
        }
    }
}

#[test]
fn an_estimate_is_close_to_what_the_study_counts() {
    // The committed rows of the memory study: peak bytes counted by the ledger, beside the estimate of the whole run.
    let settings = json!({ "blocks": 4, "steps": [32], "method": "full", "solver": "rk4", "channels": 8, "size": 16 });
    let typed = Settings::parse(StudyKind::Memory, settings.as_object().unwrap()).unwrap();
    let needed = estimate(StudyKind::Memory, &typed).unwrap();
    // Full storage keeps the state and the pre-activation of each stage of each step of each block.
    let tapes = 4.0 * 32.0 * 4.0 * 2.0 * (8.0 * 16.0 * 16.0) * 4.0;
    assert!((1.0..1.2).contains(&(needed.bytes / tapes)), "{}", needed.bytes / tapes);
    // ANODE keeps the tapes of one block, but full storage is computed beside it.
    let anode = json!({ "blocks": 4, "steps": [32], "method": "anode", "solver": "rk4", "channels": 8, "size": 16 });
    let anode = Settings::parse(StudyKind::Memory, anode.as_object().unwrap()).unwrap();
    assert_eq!(estimate(StudyKind::Memory, &anode).unwrap().bytes, needed.bytes);
    assert!(memory_of_this_machine().is_none_or(|here| here < MOST_BYTES));
}

#[test]
fn many_faults_are_counted_and_the_first_are_listed() {
    let mut definition = reversal("many");
    definition["fixed"]["stepping"]["steps"] = json!(vec![-1; 300_000]);
    let faults = faults_of(&definition);
    assert_eq!(faults.len(), 51);
    assert!(faults[0].starts_with("fixed.stepping.steps[0]: "), "{}", faults[0]);
    assert!(faults[50].contains("299950 more faults"), "{}", faults[50]);
    // A value as long as the file is not printed whole, and no terminal obeys it.
    let long = changed(reversal("many"), "/fixed/solver", json!(format!("\u{1b}[2J{}", "x".repeat(500_000))));
    let faults = faults_of(&long);
    assert!(faults.len() == 1 && faults[0].len() < 2_000 && !faults[0].contains('\u{1b}'), "{faults:?}");
}

#[test]
fn a_grid_is_not_made_before_it_is_counted_nor_held_at_once() {
    // 98 kB of JSON: 30,000 points, each with a list of 10,000 counts.
    let counts: Vec<u64> = (1..=10_000).collect();
    let mut definition = reversal("grid");
    definition["fixed"].as_object_mut().unwrap().remove("stepping");
    definition["fixed"].as_object_mut().unwrap().remove("dtype");
    let rate = |i: usize| json!({ "kind": "scalar-linear", "rate": i });
    definition["fixed"].as_object_mut().unwrap().remove("problem");
    definition["grid"] = json!([{ "stepping": [{ "kind": "fixed", "steps": counts }], "dtype": ["f32", "f64"],
                                  "problem": (0..1_500).map(rate).collect::<Vec<_>>() }]);
    let faults = faults_of(&definition);
    assert!(faults.len() == 1 && faults[0].contains("values in the settings of all runs; at most"), "{faults:?}");
    let mut definition = reversal("grid");
    definition["seeds"] = json!((0..50_000).collect::<Vec<u64>>());
    definition["fixed"].as_object_mut().unwrap().remove("dtype");
    definition["grid"] = json!([{ "dtype": ["f32", "f64", "f32"] }]);
    let faults = faults_of(&definition);
    assert!(faults.len() == 1 && faults[0].contains("150000 runs; at most 100000"), "{faults:?}");
    // A product that no integer holds.
    let axis = |n: usize| json!(vec!["f64"; n]);
    definition["grid"] =
        json!([{ "a": axis(9000), "b": axis(9000), "c": axis(9000), "d": axis(9000), "e": axis(9000) }]);
    assert!(faults_of(&definition).iter().any(|f| f.contains("points; at most 100000")));
}

#[test]
fn names_with_a_leading_dot_are_ignored_and_a_byte_order_mark_is_skipped() {
    let place = Workplace::new();
    place.define(&reversal("sound"));
    place.write("experiments/anode/.sound.json", "{").write("experiments/.git/x.json", "{");
    let marked = format!("\u{feff}{}", reversal("marked"));
    place.write("experiments/anode/marked.json", marked);
    place.write("experiments/not-run.json", "\u{feff}[]").write("experiments/choices.json", "\u{feff}[]");
    place.write("experiments/outline.json", "\u{feff}{ \"findings\": [], \"chapters\": [] }");
    let text = place.expect(0, &["check"]);
    assert!(text.contains("2 definitions are sound"), "{text}");
    place.expect(0, &["check", "--write-schema"]);
    let schema = std::fs::read_to_string(place.path("experiments/schema.json")).unwrap();
    place.write("experiments/schema.json", format!("\u{feff}{schema}")).expect(0, &["check"]);
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_refused_at_once() {
    use std::os::unix::fs::symlink;
    let pipe = |path: &Path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    for (name, sound) in [
        ("anode/a.json", false),
        ("choices.json", false),
        ("not-run.json", false),
        ("outline.json", false),
        ("schema.json", true),
    ] {
        for device in [true, false] {
            let place = Workplace::new();
            place.define(&reversal("sound"));
            let path = place.path("experiments").join(name);
            if device {
                symlink("/dev/zero", &path).unwrap()
            } else {
                pipe(&path)
            }
            let text = place.expect(if sound { 3 } else { 1 }, &["check"]);
            assert!(text.contains(name) && text.contains("allowed: regular files"), "{text}");
        }
    }
    // Files that a definition names, and data sets.
    let place = Workplace::new();
    let file = |name: &str| json!({ "file": name });
    let picture = |name: &str| {
        json!({ "kind": "convolution", "activation": "relu", "std": 0.3, "kernel": 3,
        "picture": { "file": name } })
    };
    place.define(&changed(gradient("device"), "/fixed/field/weights", file("/dev/zero")));
    place.define(&changed(gradient("pipe"), "/fixed/field/initial", file("pipe.csv")));
    place.define(&changed(reversal("picture"), "/fixed/problem", picture("pipe.npy")));
    place.define(&changed(training("images"), "/fixed/data", json!({ "cifar-folder": "pipe.tar.gz" })));
    place.define(&changed(training("cifar"), "/fixed/data", json!("cifar10-jpeg")));
    for name in
        ["experiments/anode/pipe.csv", "experiments/anode/pipe.npy", "data/pipe.tar.gz", "data/cifar10-jpeg.tar.xz"]
    {
        pipe(&place.path(name));
    }
    for id in ["device", "pipe", "picture", "images", "cifar"] {
        let text = place.expect(1, &["run", id]);
        assert!(text.contains("allowed: regular files"), "{id}: {text}");
    }
}

#[test]
fn more_threads_and_jobs_than_processors_are_clamped_with_a_word() {
    let place = Workplace::new();
    place.define(&reversal("sound"));
    let here = std::thread::available_parallelism().unwrap().get();
    let text = place.expect(0, &["reproduce", "--threads", "65535", "--jobs", "65535"]);
    for option in ["--threads", "--jobs"] {
        assert!(text.contains(&format!("{option} 65535: this machine has {here} processors")), "{text}");
    }
    let record = std::fs::read_to_string(place.run_folder("sound").join("run.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["environment"]["threads"], json!(here));
    let text = place.expect(0, &["reproduce", "--threads", "1", "--quiet", "--jobs", "65535"]);
    assert!(text.is_empty(), "{text}");
}
