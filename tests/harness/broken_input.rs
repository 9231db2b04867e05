//! Broken input: each kind gives an error that names the place and the cure, and loses nothing.

use crate::common;

use common::{Workplace, gradient, reversal, training, tree};
use serde_json::json;

fn refused(definition: &serde_json::Value, parts: &[&str]) {
    let place = Workplace::new();
    let text = place.define(definition).expect(1, &["check"]);
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}

#[test]
fn an_unknown_solver_is_refused_with_the_solvers_there_are() {
    let mut wrong = reversal("wrong");
    wrong["fixed"]["solver"] = json!("rk5");
    refused(&wrong, &["wrong.json", "fixed.solver", "`rk5`", "euler, midpoint, heun"]);
    let mut wrong = reversal("wrong");
    wrong["fixed"].as_object_mut().unwrap().remove("solver");
    wrong["grid"] = json!([{ "solver": ["rk4"] }, { "solver": ["rk4", "heun", "rk5"] }]);
    refused(&wrong, &["grid[1].solver[2]", "rk5"]);
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let mut wrong = gradient("wrong");
    wrong["fixed"]["steps"] = json!([1, -2]);
    refused(&wrong, &["fixed.steps[1]", "-2"]);
    wrong["fixed"]["steps"] = json!([0]);
    refused(&wrong, &["fixed.steps", "0; allowed: 1 to"]);
    let mut wrong = training("wrong");
    wrong["fixed"]["steps"] = json!(-3);
    refused(&wrong, &["fixed.steps", "-3"]);
    let mut wrong = training("wrong");
    wrong["profiles"]["quick"] = json!({ "fixed": { "momentum": 1.5 } });
    refused(&wrong, &["profiles.quick.fixed.momentum", "1.5; allowed: 0 to below 1"]);
}

#[test]
fn nan_in_a_definition_is_refused() {
    let place = Workplace::new();
    let text = reversal("wrong").to_string().replace("-1.0", "NaN");
    place.write("experiments/anode/wrong.json", text);
    let said = place.expect(1, &["check"]);
    assert!(said.contains("wrong.json") && said.contains("JSON has no `NaN`"), "{said}");
}

#[test]
fn unknown_fields_wrong_types_and_empty_axes_are_refused() {
    let mut wrong = reversal("wrong");
    wrong["colour"] = json!("blue");
    refused(&wrong, &["unknown field `colour`", "expected one of"]);
    let mut wrong = reversal("wrong");
    wrong["fixed"]["tempo"] = json!(3);
    refused(&wrong, &["unknown field `tempo`"]);
    let mut wrong = reversal("wrong");
    wrong["seeds"] = json!("one");
    refused(&wrong, &["seeds", "`\"one\"`; expected a list"]);
    let mut wrong = reversal("wrong");
    wrong["grid"] = json!([{ "dtype": [] }]);
    refused(&wrong, &["grid[0].dtype", "empty"]);
    let mut wrong = reversal("wrong");
    wrong["grid"] = json!([{ "dtype": ["f32"] }]);
    refused(&wrong, &["grid[0].dtype", "fixed at `fixed.dtype` too"]);
    let mut wrong = reversal("wrong");
    wrong["claim"]["reported"] = json!([{ "label": "steps", "metric": "steps", "value": 11, "source": "M" }]);
    refused(&wrong, &["claim.reported[0].source", "a source that was read (S) or a figure (F)"]);
}

#[test]
fn impossible_combinations_are_refused() {
    let mut wrong = reversal("wrong");
    wrong["fixed"]["stepping"] = json!({ "kind": "adaptive", "rtol": 1e-3, "atol": 1e-6, "norm": "matlab" });
    refused(&wrong, &["fixed.solver", "`rk4` has no error estimate", "dormand-prince"]);
    let mut wrong = training("wrong");
    wrong["fixed"]["method"] = json!("dfdx-tape");
    refused(&wrong, &["fixed.method", "dense fields"]);
    let mut wrong = gradient("wrong");
    wrong["fixed"]["methods"] = json!(["revolve:0"]);
    refused(&wrong, &["fixed.methods[0]", "revolve:0", "revolve:M"]);
}

#[test]
fn a_duplicate_id_is_refused() {
    let place = Workplace::new();
    place.define(&reversal("twice")).write("experiments/anodev2/twice.json", reversal("twice").to_string());
    let text = place.expect(1, &["check"]);
    assert!(text.contains("anodev2/twice.json") && text.contains("is taken by"), "{text}");
    let place = Workplace::new();
    place.write("experiments/anode/other.json", reversal("name").to_string());
    assert!(place.expect(1, &["check"]).contains("`name`, but the file is called `other.json`"));
}

#[test]
fn broken_data_files_are_told_from_missing_ones() {
    let place = Workplace::new();
    let mut definition = training("cifar");
    definition["fixed"]["data"] = json!("cifar10");
    place.define(&definition);
    let text = place.expect(1, &["run", "cifar"]);
    assert!(text.contains("CIFAR-10") && text.contains("was not found; looked in"), "{text}");
    // `reproduce` does what it can, writes the report, and says what it could not.
    let text = place.define(&reversal("sound")).expect(1, &["reproduce"]);
    assert!(text.contains("not run: cifar") && text.contains("sound") && text.contains("confirmed"), "{text}");

    let record = [&[3u8][..], &[128; 3072]].concat();
    for n in 1..=5 {
        place.write(&format!("data/data_batch_{n}.bin"), record.repeat(4));
    }
    place.write("data/test_batch.bin", &record.repeat(2)[..5000]);
    let text = place.expect(1, &["run", "cifar"]);
    assert!(text.contains("test_batch.bin: 5000 bytes; expected a whole number of records"), "{text}");
    let text = place.write("data/test_batch.bin", [&[10u8][..], &[0; 3072]].concat()).expect(1, &["run", "cifar"]);
    assert!(text.contains("label 10 in record 0; expected labels from 0 to 9"), "{text}");
    // Sound files that are not CIFAR-10 never pass for it.
    let text = place.write("data/test_batch.bin", &record).expect(1, &["run", "cifar"]);
    assert!(text.contains("`cifar10-altered`, not CIFAR-10"), "{text}");
}

#[test]
fn a_digit_file_with_a_wrong_magic_number_is_refused() {
    let place = Workplace::new();
    let mut definition = reversal("digit");
    definition["fixed"]["problem"] =
        json!({ "kind": "convolution", "activation": "relu", "std": 0.3, "kernel": 3, "picture": { "mnist": 1 } });
    place.define(&definition);
    place.write("data/mnist/t10k-images-idx3-ubyte", [&2049u32.to_be_bytes()[..], &[0; 12]].concat());
    let text = place.expect(1, &["run", "digit"]);
    assert!(text.contains("t10k-images-idx3-ubyte: magic number 2049; expected an IDX file with 2051"), "{text}");
    // Without the file the program draws a digit.
    std::fs::remove_file(place.path("data/mnist/t10k-images-idx3-ubyte")).unwrap();
    place.expect(0, &["reproduce"]);
    let table = place.read("results/tables/digit.quick.csv");
    assert!(table.contains("drawn digit"), "{table}");
}

#[test]
fn a_user_can_name_arrays_and_is_told_when_they_do_not_fit() {
    let place = Workplace::new();
    let mut definition = gradient("mine");
    definition["fixed"]["field"] = json!({
        "kind": "dense", "n": 2, "weights": { "file": "w.csv" }, "initial": { "file": "z.csv" }
    });
    definition["expectation"]["checks"][0] = json!({ "name": "loss", "where": { "Nt": 1, "method": "full" },
        "rule": { "within": { "column": "norm_z0", "min": 0.1 } } });
    place.define(&definition).write("experiments/anode/w.csv", "0.5, 1\n-1, 0.25\n");
    let text = place.expect(1, &["run", "mine"]);
    assert!(text.contains("z.csv"), "{text}");
    let text = place.write("experiments/anode/z.csv", "1\nx\n").expect(1, &["run", "mine"]);
    assert!(text.contains("`x` in line 2; expected a number"), "{text}");
    let text = place.write("experiments/anode/z.csv", "1\n2\n3\n").expect(1, &["run", "mine"]);
    assert!(text.contains("shape (3, 1); expected shape (2,), or a flat row of 2 numbers"), "{text}");
    place.write("experiments/anode/z.csv", "1\n-2\n").expect(0, &["reproduce"]);
    // Heun, Nt = 1, by hand.
    let (w, z) = ([[0.5, 1.0], [-1.0, 0.25]], [1.0f64, -2.0]);
    let f = |z: [f64; 2]| w.map(|row| (row[0] * z[0] + row[1] * z[1]).tanh());
    let k1 = f(z);
    let k2 = f([z[0] + k1[0], z[1] + k1[1]]);
    let z1 = [z[0] + (k1[0] + k2[0]) / 2.0, z[1] + (k1[1] + k2[1]) / 2.0];
    let loss = (z1[0] * z1[0] + z1[1] * z1[1]) / 2.0;
    let table = place.read("results/tables/mine.quick.csv");
    let line = table.lines().nth(1).unwrap().split(',').collect::<Vec<_>>();
    let column = table.lines().next().unwrap().split(',').position(|c| c == "loss").unwrap();
    assert!((line[column].parse::<f64>().unwrap() - loss).abs() < 1e-14, "{table}");
}

#[test]
fn results_that_cannot_be_written_are_told() {
    let place = Workplace::new();
    place.define(&reversal("sound")).write("file", "not a folder");
    let text = place.expect(3, &["reproduce", "--results", "file/results"]);
    assert!(text.contains("file/results") && text.contains("in the place of a folder"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_cleanly_and_the_next_call_goes_on() {
    let place = Workplace::new();
    place.define(&training("train"));
    // A limit on the size of files stands in for a full disk: a write in the middle of a checkpoint fails.
    let program = env!("CARGO_BIN_EXE_anode");
    let script = format!("ulimit -f 4; exec {program} reproduce --data data --jobs 1");
    let limited = std::process::Command::new("sh").args(["-c", &script]).current_dir(place.path("")).output().unwrap();
    let text = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert_eq!(limited.status.code(), Some(3), "{text}");
    assert!(text.contains("checkpoint.safetensors") && text.contains("results are kept"), "{text}");
    let folder = place.run_folder("train");
    assert!(!folder.join("run.json").exists() && !folder.join("checkpoint.safetensors").exists());
    place.expect(0, &["reproduce"]);
    let other = Workplace::new();
    other.define(&training("train")).expect(0, &["reproduce"]);
    assert!(tree(&place.path("results/tables")) == tree(&other.path("results/tables")));
}

#[test]
fn a_damaged_record_is_kept_aside_and_made_again() {
    let place = Workplace::new();
    place.define(&reversal("sound")).expect(0, &["reproduce"]);
    let tables = tree(&place.path("results/tables"));
    let folder = place.run_folder("sound");
    for (file, damage) in [("rows.csv", "steps,rho\n4,0\n"), ("run.json", "{\"format\": 1,"), ("run.json", "{}")] {
        std::fs::write(folder.join(file), damage).unwrap();
        let text = place.expect(3, &["report"]);
        assert!(text.contains(file), "{text}");
        let text = place.expect(0, &["reproduce"]);
        assert!(text.contains("warning") && text.contains("damaged-"), "{text}");
        assert!(tree(&place.path("results/tables")) == tables);
    }
    // A table that is none, with its own digest.
    let rows = std::fs::read_to_string(folder.join("rows.csv")).unwrap() + "4,1\n";
    std::fs::write(folder.join("rows.csv"), &rows).unwrap();
    let mut record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap();
    record["files"]["rows.csv"] = anode::digest::sha256(rows.as_bytes()).into();
    std::fs::write(folder.join("run.json"), record.to_string()).unwrap();
    let text = place.expect(3, &["report"]);
    assert!(text.contains("rows.csv") && text.contains("compute the run again with `anode run`"), "{text}");
    assert!(place.expect(0, &["reproduce"]).contains("damaged-"));
    assert!(tree(&place.path("results/tables")) == tables);
    let kept = std::fs::read_dir(folder.parent().unwrap()).unwrap().flatten();
    assert_eq!(kept.filter(|e| e.file_name().to_string_lossy().contains(".damaged-")).count(), 4, "nothing is lost");
}

#[test]
fn a_record_of_a_newer_version_is_refused_and_left_where_it_is() {
    let place = Workplace::new();
    place.define(&reversal("sound")).expect(0, &["run", "sound"]);
    let path = place.run_folder("sound").join("run.json");
    let sound: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let (mut later, mut wider, mut nested) = (sound.clone(), sound.clone(), sound);
    (later["format"], later["seed"]) = (json!(2), json!({ "value": 0 }));
    wider["colour"] = json!("red");
    nested["environment"]["weather"] = json!("fine");
    for (record, told) in [(later, "`format`: 2"), (wider, "`colour`"), (nested, "`weather`")] {
        std::fs::write(&path, record.to_string()).unwrap();
        for arguments in [&["run", "sound"][..], &["report"]] {
            let said = place.expect(3, arguments);
            assert!(said.contains(told) && said.contains("newer version of this program"), "{said}");
        }
        assert_eq!(place.run_folder("sound").join("run.json"), path);
        assert_eq!(std::fs::read(&path).unwrap(), record.to_string().into_bytes());
    }
}

#[test]
fn what_an_interrupted_write_left_is_swept_away() {
    let place = Workplace::new();
    place.define(&reversal("sound")).expect(0, &["reproduce"]);
    let (tables, folder) = (tree(&place.path("results/tables")), place.run_folder("sound"));
    std::fs::remove_file(folder.join("run.json")).unwrap();
    std::fs::write(folder.join("rows.csv"), "steps,rh").unwrap();
    std::fs::write(folder.join(".partial-x1y2"), "half").unwrap();
    let text = place.expect(0, &["reproduce"]);
    assert!(text.contains("1 runs finished"), "{text}");
    assert!(!folder.join(".partial-x1y2").exists());
    assert!(tree(&place.path("results/tables")) == tables);
}

#[test]
fn the_command_line_says_what_it_does_not_have() {
    let place = Workplace::new();
    place.define(&reversal("sound"));
    assert!(place.expect(2, &["reproduce", "--only", "nothing*"]).contains("there are sound"));
    assert!(place.expect(2, &["run", "other"]).contains("no experiment `other`; there are sound"));
    let text = place.expect(2, &["reproduce", "--device", "cuda"]);
    assert!(text.contains("use --device cpu"), "{text}");
    assert!(cfg!(feature = "cuda") || text.contains("docs/cuda.md"), "{text}");
    assert!(place.expect(2, &["reproduce", "--jobs", "0"]).contains("jobs"));
    assert!(place.expect(0, &["clean"]).contains("no records"));
    place.expect(0, &["reproduce"]);
    assert!(place.expect(2, &["clean"]).contains("say --yes"), "there is no one to ask");
    place.expect(0, &["clean", "--yes"]);
    assert!(place.expect(0, &["list"]).contains("0/1"));
}

#[test]
fn what_is_no_results_folder_is_refused_by_name() {
    let place = Workplace::new();
    place.define(&reversal("sound")).write("notes.md", "no results");
    let told = "notes.md is a file; allowed: a results folder";
    for arguments in [
        &["merge", "notes.md"][..],
        &["merge", "results", "--results", "notes.md"],
        &["status", "--results", "notes.md"],
        &["plan", "--results", "notes.md"],
    ] {
        let text = place.expect(2, arguments);
        assert!(text.contains(told) && !text.contains(".lock"), "{arguments:?}: {text}");
    }
    assert!(!place.path("results").exists());
    assert!(place.expect(2, &["status", "--results", "nowhere"]).contains("nowhere: no such results folder"));
    place.expect(0, &["status"]);
}

#[test]
fn the_command_line_names_what_is_missing_or_meant() {
    let place = Workplace::new();
    let text = place.expect(2, &["new", "own"]);
    assert!(text.contains("--like <EXPERIMENT>|--study <STUDY>"), "{text}");
    place.expect(2, &["new", "own", "--like", "a", "--study", "memory"]);
    for verb in ["fetch", "verify"] {
        let text = place.expect(2, &[verb, "cifar10"]);
        assert!(text.contains(&format!("'data {verb}'")) && !text.contains("watch"), "{text}");
    }
}

#[test]
fn a_fault_is_no_result() {
    // A kernel of which every tap but one lies outside the image: it may be refused or fail, but shows nothing.
    for stepping in [
        json!({ "kind": "fixed", "steps": [4] }),
        json!({ "kind": "search", "target": 0.1, "max_steps": 4 }),
        json!({ "kind": "adaptive", "rtol": 1e-3, "atol": 1e-6, "norm": "matlab" }),
    ] {
        let mut definition = reversal("fault");
        definition["fixed"] = json!({
            "problem": { "kind": "convolution", "activation": "relu", "std": 1.0, "kernel": 5,
            "picture": { "file": "one.csv" } },
            "solver": "dormand-prince", "stepping": stepping, "dtype": "f64"
        });
        // Holds for rho = inf, which a fault must not give.
        definition["expectation"]["checks"][0]["rule"] = json!({ "within": { "column": "rho", "min": 1.0 } });
        let place = Workplace::new();
        place.define(&definition).write("experiments/anode/one.csv", "0.5\n");
        let output = place.run(&["run", "fault"]);
        assert_eq!(output.status.code(), Some(1), "{stepping}: the run failed, or was refused");
        // A search writes no rho, so this definition is refused as a whole.
        let refused = place.run(&["check"]).status.code() != Some(0);
        assert_eq!(refused, stepping["kind"] == "search");
        if !refused {
            place.expect(0, &["report"]);
            let report = place.read("results/REPORT.md");
            assert!(!report.contains("✓ confirmed"), "{stepping}: {report}");
        }
    }
}
