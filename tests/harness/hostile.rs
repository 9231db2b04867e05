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
    let place = Workplace::new();
    let long = changed(training("train"), "/fixed/epochs", json!(MOST));
    let text = place.define(&long).expect(1, &["check"]);
    assert!(text.contains("takes 1.2e8 steps of training; allowed: at most 2000000"), "{text}");
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
    definition["seeds"] = json!((0..75_000).collect::<Vec<u64>>());
    definition["fixed"].as_object_mut().unwrap().remove("dtype");
    definition["grid"] = json!([{ "dtype": ["f32", "f64"] }]);
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
    let schema = place.read("experiments/schema.json");
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

#[test]
fn clean_removes_only_what_is_in_the_folder_of_its_profile() {
    let place = Workplace::new();
    place.define(&reversal("small"));
    for name in ["...quick.tar.xz", "..quick.tar.gz", ".quick.tar.xz", "a b.quick.tar.xz"] {
        place.write(&format!("results/records/{name}"), "").write("results/runs/standard/small/notes", "mine");
        place.write("results/runs/quick/gone/0123456789abcdef/notes", "old");
        let said = place.expect(0, &["clean", "--profile", "quick", "--yes"]);
        assert!(said.contains("quick/gone") && !said.contains(".."), "{name}: {said}");
        assert!(place.path("results/runs/standard/small/notes").is_file(), "{name}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn results_that_cannot_be_read_are_an_error_and_not_without_records() {
    let place = Workplace::new();
    place.define(&reversal("small")).expect(0, &["reproduce"]);
    let tables = common::tree(&place.path("results/tables"));
    let runs = place.path("results/runs");
    let refused = |path: &Path| {
        place.expect(0, &["run", "small", "--results", "other"]);
        for arguments in [&["report"][..], &["clean", "--yes"], &["handover"], &["status"], &["merge", "other"]] {
            let said = place.expect(3, arguments);
            assert!(said.contains(&path.strip_prefix(place.path("")).unwrap().display().to_string()), "{said}");
        }
        assert_eq!(common::tree(&place.path("results/tables")), tables);
    };
    std::fs::rename(&runs, place.path("aside")).unwrap();
    std::os::unix::fs::symlink(place.path("nowhere"), &runs).unwrap();
    refused(&runs);
    std::fs::remove_file(&runs).unwrap();
    place.write("results/runs/quick", "a file");
    refused(&runs.join("quick"));
    std::fs::remove_dir_all(&runs).unwrap();
    // Archives, too.
    std::fs::rename(place.path("results/records"), place.path("records")).unwrap();
    std::os::unix::fs::symlink(place.path("nowhere"), place.path("results/records")).unwrap();
    assert!(place.expect(3, &["report", "--verify"]).contains("results/records: a symbolic link to a path that"));
}

/// A record whose commit, claim or label is a text that no one expects.
#[test]
fn texts_of_any_length_and_character_are_printed() {
    let place = Workplace::new();
    let mut definition = reversal("small");
    place.define(&definition).expect(0, &["reproduce"]);
    let record = place.run_folder("small").join("run.json");
    let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&record).unwrap()).unwrap();
    json["environment"]["commit"] = json!("0123456789a\u{e4}\u{f6}");
    json["environment"]["dirty"] = json!(false);
    json["environment"]["system"] = json!("\u{1b}[2J\u{9b}2J");
    std::fs::write(&record, json.to_string()).unwrap();
    place.expect(0, &["report"]);
    place.expect(0, &["report", "--verify"]);
    for arguments in [&["show", "small"][..], &["repeat", "small"], &["repeat", "small", "--json"]] {
        let said = place.expect(0, arguments);
        assert!(!said.contains(['\u{1b}', '\u{9b}']), "{said:?}");
    }
    let report = place.read("results/REPORT.md");
    assert!(report.contains("at commit 0123456789a\u{e4},"), "{report}");

    definition["claim"]["text"] = json!("c".repeat(70_000));
    definition["metrics"][0]["label"] = json!("m".repeat(70_000));
    definition["title"] = json!("t".repeat(70_000));
    let faults = faults_of(&definition);
    for field in ["title", "claim.text", "metrics[0].label"] {
        assert!(faults.iter().any(|f| f.contains(&format!("{field}: 70000 characters; at most "))), "{faults:?}");
    }
    definition["claim"]["text"] = json!("c".repeat(5_000));
    definition["metrics"][0]["label"] = json!("m".repeat(200));
    definition["title"] = json!("t".repeat(300));
    place.define(&definition);
    assert!(place.expect(0, &["list"]).contains(&"c".repeat(5_000)));
    assert!(place.expect(0, &["show", "small"]).contains(&"m".repeat(200)));
}

#[test]
fn an_id_is_short_enough_for_the_names_of_all_its_files() {
    let mut definition = reversal(&"a".repeat(101));
    definition["figures"][0]["id"] = json!("f".repeat(51));
    let faults = faults_of(&definition);
    assert!(faults.iter().any(|f| f.starts_with("id: ") && f.contains("at most 100")), "{faults:?}");
    assert!(faults.iter().any(|f| f.contains("figures[0].id") && f.contains("at most 50")), "{faults:?}");
    let id = "a".repeat(100);
    let mut definition = reversal(&id);
    definition["figures"][0]["id"] = json!("f".repeat(50));
    let place = Workplace::new();
    place.define(&definition).expect(0, &["reproduce"]);
    assert!(place.path(&format!("figures/{id}-{}.quick.svg", "f".repeat(50))).is_file());
}

#[test]
fn nothing_is_no_success() {
    let place = Workplace::new();
    assert!(place.expect(2, &["check"]).contains("no experiments in this folder"));
    let verify = place.command(&["data", "verify", "--data", "nowhere"]).output();
    assert_eq!(verify.unwrap().status.code(), Some(2), "two folders");
    std::fs::remove_dir_all(place.path("data")).unwrap();
    assert!(place.expect(2, &["data", "verify"]).contains("data: no such folder"));
    place.define(&reversal("sound")).expect(0, &["check"]);
    for (name, text) in [
        ("outline.json", r#"{ "findings": [], "chapters": [], "chapters": [] }"#),
        ("not-run.json", r#"[{ "id": "a", "id": "b" }]"#),
    ] {
        place.write(&format!("experiments/{name}"), text);
        assert!(place.expect(1, &["check"]).contains(name));
        std::fs::remove_file(place.path(&format!("experiments/{name}"))).unwrap();
    }
}

#[test]
fn sizes_that_no_number_holds_are_refused() {
    let place = Workplace::new();
    let most = u64::MAX.to_string();
    let said = place.expect(2, &["schedule", "anode", "--state", &most, "--tape", &most]);
    assert!(said.contains("more than 18446744073709551614 bytes"), "{said}");
    assert!(place.expect(2, &["schedule", "revolve"]).contains("did you mean `revolve:M`?"));
    let said = place.expect(2, &["schedule", "revolve:0"]);
    assert!(said.contains("`revolve:0`: M must be at least 1") && !said.contains("did you mean"), "{said}");
    // A budget as a method is that of `--memory`.
    for budget in [["within:1MiB", "--steps=10"], ["--memory=1MiB", "--steps=10"]] {
        let said = place.expect(2, &["schedule", budget[0], budget[1]]);
        assert!(said.contains("1048576 bytes are too few; the least that works is 3145728, with revolve:1"), "{said}");
        assert!(said.contains("bytes of a state: 1048576, bytes of the tapes of a step: 2097152"), "{said}");
    }
    let chosen = ["within:4MiB", "--memory=4MiB"].map(|budget| place.expect(0, &["schedule", budget, "--steps=10"]));
    assert!(chosen[0] == chosen[1] && chosen[0].contains("revolve:2: at most 4194304 bytes"), "{}", chosen[0]);
    place.write("results/runs/quick/train/0123456789abcdef/steps.csv", format!("step,epoch,loss\n0,{most},1.0\n"));
    assert!(place.expect(0, &["status"]).contains(&most));
}

/// More rectangles than pairs of them could be compared.
#[test]
fn an_image_of_many_pixels_is_drawn_at_once() {
    let place = Workplace::new();
    let mut definition = reversal("small");
    definition["figures"] = json!([{ "id": "seen", "title": "Seen", "draw": { "images": {
        "columns": [{ "image": "input", "label": "in" }], "series": [] } } }]);
    definition["fixed"]["problem"] = json!({ "kind": "convolution", "activation": "relu", "std": 0.3, "kernel": 3,
        "picture": { "mnist": 0 } });
    place.define(&definition).expect(0, &["run", "small"]);
    let folder = place.run_folder("small");
    let pixels: Vec<f64> = (0..300_000u32).map(|i| f64::from(i % 7)).collect();
    let images = json!([{ "name": "input", "height": 1, "width": pixels.len(), "pixels": pixels }]).to_string();
    std::fs::write(folder.join("images.json"), &images).unwrap();
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("run.json")).unwrap()).unwrap();
    record["files"]["images.json"] = json!(anode::digest::sha256(images.as_bytes()));
    std::fs::write(folder.join("run.json"), record.to_string()).unwrap();
    let clock = std::time::Instant::now();
    place.expect(0, &["report"]);
    assert!(clock.elapsed().as_secs() < 30, "{:?}", clock.elapsed());
}
