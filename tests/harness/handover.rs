//! Unfinished runs handed on with the repository: written, shown in the report without a verdict, continued, removed.

use crate::common;

use std::path::{Path, PathBuf};

use anode::record::read_record;
use common::{Workplace, training};
use serde_json::{Value, json};

/// A workplace whose only run has taken 24 of 48 steps, and the run's id. Its state after 48 steps is in
/// `last.safetensors` with its log, `last.csv`.
fn half_way() -> (Workplace, String) {
    let place = Workplace::new();
    let mut long = training("train");
    long["fixed"]["drops"] = json!([]);
    let mut short = long.clone();
    short["fixed"]["epochs"] = json!(2);
    long["figures"] = json!([{ "id": "loss", "title": "Loss", "draw": { "lines": {
        "source": "steps", "x": { "column": "step", "label": "step" }, "y": { "column": "loss", "label": "loss" },
        "series": ["seed"]
    } } }]);
    place.define(&short).expect(0, &["run", "train"]);
    let state = place.run_folder("train");
    let half: Vec<(&str, Vec<u8>)> = ["steps.csv", "times.csv", "checkpoint.safetensors"]
        .map(|name| (name, std::fs::read(state.join(name)).unwrap()))
        .into();
    place.define(&long).expect(0, &["run", "train"]);
    let runs = place.path("results/runs/quick/train");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&runs).unwrap().flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| *folder != state);
    let folder = folders.remove(0);
    let record = serde_json::to_value(read_record(&folder).unwrap().unwrap().record).unwrap();
    let mut header = json!({ "device": "cpu" });
    for name in ["format", "run", "experiment", "profile", "study", "settings", "seed", "inputs", "continued"] {
        header[name] = record[name].clone();
    }
    std::fs::write(folder.join("unfinished.json"), header.to_string()).unwrap();
    std::fs::rename(folder.join("checkpoint.safetensors"), place.path("last.safetensors")).unwrap();
    std::fs::rename(folder.join("steps.csv"), place.path("last.csv")).unwrap();
    for (name, bytes) in half {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let run = record["run"].as_str().unwrap().to_owned();
    common::save_again(&folder.join("checkpoint.safetensors"), |metadata| {
        metadata.insert("run".into(), run);
    });
    for name in ["run.json", "rows.csv", "model.safetensors"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    std::fs::remove_dir_all(state).unwrap();
    (place, record["run"].as_str().unwrap().to_owned())
}

/// Puts the state after 48 steps with its log into the folder of the run.
fn to_the_end(place: &Workplace, folder: &Path) {
    std::fs::copy(place.path("last.safetensors"), folder.join("checkpoint.safetensors")).unwrap();
    std::fs::copy(place.path("last.csv"), folder.join("steps.csv")).unwrap();
}

#[test]
fn an_unfinished_run_is_handed_on_shown_without_a_verdict_and_removed_once_it_is_recorded() {
    let (place, id) = half_way();
    let text = place.expect(0, &["handover"]);
    let folder = place.path(&format!("results/inflight/train/{id}"));
    assert!(text.contains(&id), "{text}");
    for name in ["checkpoint.safetensors", "steps.csv", "times.csv", "unfinished.json"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    // A fresh copy of the repository has no `runs`.
    std::fs::remove_dir_all(place.path("results/runs")).unwrap();
    assert!(place.expect(0, &["handover"]).contains("nothing to hand over"));
    assert!(folder.is_dir(), "nothing is lost");

    place.expect(0, &["report"]);
    let report = place.read("results/REPORT.md");
    assert!(report.contains("2 of 4 epochs (24 steps)") && report.contains("1 unfinished"), "{report}");
    assert!(
        report.contains("Unfinished runs: ") && report.contains(": 2 of 4 epochs"),
        "a note of the chart: {report}"
    );
    assert!(report.contains("not run") && !report.contains("? inconclusive"), "{report}");
    let svg = place.read("figures/train-loss.quick.svg");
    assert!(svg.contains("<polyline") || svg.contains("<path"), "its curve");
    place.expect(0, &["report", "--verify"]);
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    assert!(place.expect(1, &["report", "--verify"]).contains("notes.txt: belongs to nothing"));
    std::fs::remove_file(folder.join("notes.txt")).unwrap();
    let log = folder.join("steps.csv");
    let steps = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, steps.lines().take(13).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert!(place.expect(1, &["report", "--verify"]).contains("REPORT.md"), "it is part of what is verified");
    std::fs::write(&log, steps).unwrap();

    place.expect(0, &["run", "train"]);
    assert!(!place.path("results/inflight").exists(), "it is recorded");
    place.expect(0, &["report"]);
    place.expect(0, &["report", "--verify"]);
}

#[test]
fn a_run_that_is_merged_once_it_is_recorded_elsewhere_is_no_longer_in_flight() {
    let (place, _) = half_way();
    place.expect(0, &["handover"]);
    assert!(place.path("results/inflight").exists());
    let elsewhere = place.path("elsewhere");
    place.expect(0, &["run", "train", "--results", elsewhere.to_str().unwrap()]);
    place.expect(0, &["merge", elsewhere.to_str().unwrap()]);
    assert!(!place.path("results/inflight").exists(), "it is recorded");
    place.expect(0, &["report"]);
    place.expect(0, &["report", "--verify"]);
}

#[test]
fn a_damaged_header_is_named_and_too_much_is_refused() {
    let (place, id) = half_way();
    place.expect(0, &["handover", "train"]);
    assert!(place.expect(2, &["handover", "other"]).contains("no experiment `other`"));
    let header = format!("results/inflight/train/{id}/unfinished.json");
    let sound = std::fs::read_to_string(place.path(&header)).unwrap();
    let mut other: Value = serde_json::from_str(&sound).unwrap();
    other["run"] = json!("0123456789abcdef");
    // The curve of other settings would be shown.
    let mut changed: Value = serde_json::from_str(&sound).unwrap();
    changed["settings"]["learning_rate"] = json!(0.123);
    let fields = changed.as_object().unwrap().values().cloned().collect::<Vec<_>>();
    for damage in ["{", "{\"format\": 1}", &other.to_string(), &changed.to_string(), &json!(fields).to_string()] {
        place.write(&header, damage);
        let said = place.expect(0, &["report"]);
        assert!(said.contains("not shown: ") && said.contains("unfinished.json: "), "{damage}: {said}");
        let said = place.expect(1, &["report", "--verify"]);
        assert!(said.contains("unfinished.json: header or log of an unfinished run, damaged"), "{damage}: {said}");
    }
    place.write(&header, &sound);
    // Nor does a missing log, or the header of a run that was not handed over, stop the others.
    let log = place.path(&format!("results/inflight/train/{id}/steps.csv"));
    std::fs::rename(&log, place.path("steps.csv")).unwrap();
    assert!(place.expect(0, &["report"]).contains("steps.csv: the log of an unfinished run is missing"));
    std::fs::rename(place.path("steps.csv"), &log).unwrap();
    let own = place.run_folder("train").join("unfinished.json");
    std::fs::write(&own, changed.to_string()).unwrap();
    let said = place.expect(0, &["handover"]);
    assert!(said.contains("not handed over: ") && said.contains("unfinished.json: its id is"), "{said}");
    let said = place.expect(0, &["merge", "results", "--results", "other"]);
    assert!(said.contains("not merged: ") && said.contains("0 runs copied"), "{said}");
    std::fs::write(&own, &sound).unwrap();
    // What is there already counts, and what is larger than everything together is not read.
    for (name, bytes) in [("results/inflight/train/0123456789abcdef/steps.csv", 9_990_000), ("steps.csv", 20_000_000)] {
        let path = if name.contains('/') { place.path(name) } else { place.run_folder("train").join(name) };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::options().create(true).append(true).open(&path).unwrap().set_len(bytes).unwrap();
        let text = place.expect(2, &["handover"]);
        assert!(text.contains("at most 10000000") && text.contains("train"), "{text}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_failed_run_with_a_checkpoint_is_listed_and_handed_over() {
    let (place, id) = half_way();
    let folder = place.run_folder("train");
    let header: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("unfinished.json")).unwrap()).unwrap();
    let mut record = header;
    record.as_object_mut().unwrap().retain(|name, _| name != "device" && name != "continued");
    record["status"] = json!({ "kind": "failed", "at": "step 24", "why": "no such luck" });
    record["files"] = json!({});
    record["numerics"] =
        json!(anode::record::numerics(anode::definition::StudyKind::Training, record["settings"].as_object().unwrap()));
    record["environment"] = json!({
        "device": "cpu", "processor": "", "threads": 1, "version": "", "commit": null, "dirty": null, "rustc": "",
        "system": "", "finished_at": "", "seconds": 0.0
    });
    std::fs::write(folder.join("run.json"), record.to_string()).unwrap();
    let said = place.expect(0, &["status"]);
    assert!(said.lines().any(|line| line.starts_with("failed") && line.contains(&id)), "{said}");
    assert!(place.expect(0, &["handover"]).contains(&id));
    assert!(place.path(&format!("results/inflight/train/{id}/checkpoint.safetensors")).is_file());
    let said = place.expect(2, &["clean", "train"]);
    assert!(said.contains("say --yes to remove 1 record"), "{said}");
}

#[cfg(unix)]
#[test]
fn everyone_who_may_read_the_results_may_read_a_checkpoint() {
    use std::os::unix::fs::PermissionsExt;
    let place = Workplace::new();
    place.define(&training("train")).expect(0, &["run", "train"]);
    let about = std::fs::metadata(place.run_folder("train").join("checkpoint.safetensors")).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o644);
}

#[test]
fn clean_counts_unfinished_runs_and_leaves_what_was_set_aside() {
    let (place, id) = half_way();
    let folder = place.run_folder("train");
    let aside = folder.with_file_name(format!("{id}.damaged-1"));
    std::fs::create_dir(&aside).unwrap();
    let said = place.expect(2, &["clean", "train"]);
    assert!(said.contains("say --yes to remove 1 unfinished run"), "{said}");
    assert!(place.expect(0, &["clean", "train", "--yes", "--quiet"]).is_empty());
    assert!(!folder.exists() && aside.exists());
}

#[test]
fn the_state_of_a_run_stays_although_an_archive_has_a_failed_record_of_it() {
    let (place, id) = half_way();
    place.expect(0, &["handover"]);
    let folder = place.path(&format!("results/inflight/train/{id}"));
    let header: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("unfinished.json")).unwrap()).unwrap();
    // A state that is further is not replaced, however long the log of the other one is.
    let (state, log) = (folder.join("checkpoint.safetensors"), place.run_folder("train").join("steps.csv"));
    to_the_end(&place, &folder);
    let steps = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, format!("{steps}{}", "24,0\n".repeat(50))).unwrap();
    let said = place.expect(0, &["handover"]);
    assert!(said.contains("nothing to hand over") && said.contains("more steps"), "{said}");
    assert!(std::fs::read(&state).unwrap() == std::fs::read(place.path("last.safetensors")).unwrap());
    std::fs::write(&log, steps).unwrap();
    // A state without its log is none.
    std::fs::write(folder.join("steps.csv"), "step,loss\n").unwrap();
    place.expect(0, &["handover"]);
    assert!(std::fs::read(&state).unwrap() != std::fs::read(place.path("last.safetensors")).unwrap());

    std::fs::remove_dir_all(place.path("results/runs")).unwrap();
    let mut record = header;
    for name in ["device", "continued"] {
        record.as_object_mut().unwrap().remove(name);
    }
    record["status"] = json!({ "kind": "failed", "at": "step 30", "why": "no memory" });
    record["files"] = json!({});
    record["environment"] = serde_json::to_value(anode::record::environment("cpu", 1, 1.0)).unwrap();
    let record = serde_json::from_value(record).unwrap();
    let loaded = anode::record::LoadedRecord { record, rows: vec![], steps: vec![], images: vec![] };
    let archive = anode::record::archive_of(vec![(&loaded, true)]).unwrap();
    place.write("results/records/train.quick.tar.xz", archive);
    let said = place.expect(0, &["handover"]);
    assert!(folder.join("checkpoint.safetensors").is_file() && !said.contains("removed"), "{said}");
}

#[test]
fn only_a_folder_with_the_header_of_its_own_run_is_handed_on_or_merged() {
    let (place, id) = half_way();
    let folder = place.run_folder("train");
    let sound = std::fs::read_to_string(folder.join("unfinished.json")).unwrap();
    let changed = |field: &str, value: Value| {
        let mut header: Value = serde_json::from_str(&sound).unwrap();
        header[field] = value;
        std::fs::write(folder.join("unfinished.json"), header.to_string()).unwrap();
    };
    let refused = || {
        for arguments in [&["handover"][..], &["merge", "results", "--results", "other"]] {
            let said = place.expect(0, arguments);
            assert!(said.contains("warning: not ") && said.contains("unfinished.json"), "{said}");
        }
        assert!(!place.path("results/inflight").exists() && !place.path("other/runs").exists());
    };
    changed("seed", json!(77));
    refused();
    changed("experiment", json!("other"));
    refused();
    changed("experiment", json!("\u{1b}[2J"));
    refused();
    std::fs::remove_file(folder.join("unfinished.json")).unwrap();
    refused();
    std::fs::write(folder.join("unfinished.json"), &sound).unwrap();
    // A model that no record names is left where it is.
    std::fs::write(folder.join("model.safetensors"), "large").unwrap();
    let said = place.expect(0, &["merge", "results", "--results", "other"]);
    assert!(said.starts_with("1 runs copied, 1 of which are to be finished"), "{said}");
    let copy = place.path(&format!("other/runs/quick/train/{id}"));
    assert!(copy.join("checkpoint.safetensors").is_file() && !copy.join("model.safetensors").exists());
}

#[test]
fn the_newest_sound_checkpoint_is_handed_on() {
    let (place, id) = half_way();
    let (folder, to) = (place.run_folder("train"), place.path(&format!("results/inflight/train/{id}")));
    let [newest, previous] = anode::record::CHECKPOINTS.map(|name| folder.join(name));
    let sound = std::fs::read(&newest).unwrap();
    std::fs::rename(&newest, &previous).unwrap();
    let last = std::fs::read(place.path("last.safetensors")).unwrap();
    // Of the last state the log lacks 24 steps.
    for damage in [None, Some(&b"no checkpoint"[..]), Some(&last)] {
        damage.into_iter().for_each(|bytes| std::fs::write(&newest, bytes).unwrap());
        place.expect(0, &["handover"]);
        assert!(std::fs::read(to.join("checkpoint.safetensors")).unwrap() == sound);
        std::fs::remove_dir_all(&to).unwrap();
    }
    std::fs::write(&previous, &sound).unwrap();
    std::fs::remove_file(&newest).unwrap();
    common::save_again(&previous, |metadata| drop(metadata.insert("run".into(), "0123456789abcdef".into())));
    let said = place.expect(0, &["handover"]);
    assert!(said.contains("no checkpoint in it can be used") && said.contains(&id) && !to.exists(), "{said}");
}

#[test]
fn of_interrupted_runs_the_further_one_is_merged() {
    let (place, id) = half_way();
    let inside = format!("runs/quick/train/{id}");
    let state = |results: &str| std::fs::read(place.path(results).join(&inside).join("checkpoint.safetensors")).ok();
    std::fs::create_dir_all(place.path("other").join(&inside)).unwrap();
    let merged = |into: &str, from: &str| place.expect(0, &["merge", from, "--results", into]);
    assert!(merged("other", "results").starts_with("1 runs copied"), "a folder without a state is not kept");
    let half = state("results").unwrap();
    assert!(state("other") == Some(half.clone()));
    let last = std::fs::read(place.path("last.safetensors")).unwrap();
    // Without its log, a state cannot be continued.
    std::fs::write(place.path("other").join(&inside).join("checkpoint.safetensors"), &last).unwrap();
    assert!(merged("results", "other").starts_with("0 runs copied") && state("results") == Some(half));
    to_the_end(&place, &place.path("other").join(&inside));
    assert!(merged("other", "results").starts_with("0 runs copied") && state("other") == Some(last.clone()));
    assert!(merged("results", "other").starts_with("1 runs copied") && state("results") == Some(last));
    // A record of an ended run takes the place of a folder without a usable header.
    std::fs::write(place.path("results").join(&inside).join("unfinished.json"), "{").unwrap();
    place.expect(0, &["run", "train", "--results", "done"]);
    assert!(merged("results", "done").starts_with("1 runs copied, 0 of which"));
}

#[test]
fn a_header_that_names_a_run_with_other_steps_removes_nothing() {
    let (place, id) = half_way();
    place.expect(0, &["handover"]);
    let header: Value =
        serde_json::from_str(&place.read(&format!("results/inflight/train/{id}/unfinished.json"))).unwrap();
    // Another run, which claims to have continued the one in flight.
    let mut other = training("train");
    other["fixed"]["momentum"] = json!(0.8);
    place.define(&other);
    std::fs::remove_dir_all(place.path("results/runs")).unwrap();
    let plan = place.run(&["plan", "--json"]).stdout;
    let plan = crate::documents::data(&plan, "plan");
    let own = plan[0]["run"].as_str().unwrap().to_owned();
    let mut claim = header;
    claim["settings"]["drops"] = json!([0.5]);
    claim["settings"]["momentum"] = json!(0.8);
    (claim["run"], claim["continued"]) = (json!(own), json!(id));
    let folder = format!("results/runs/quick/train/{own}");
    place.write(&format!("{folder}/unfinished.json"), claim.to_string());
    to_the_end(&place, &place.path(&folder));
    common::save_again(&place.path(&format!("{folder}/checkpoint.safetensors")), |metadata| {
        metadata.insert("run".into(), own);
    });
    let said = place.expect(0, &["handover"]);
    assert!(!said.contains("removed") && place.path(&format!("results/inflight/train/{id}")).exists(), "{said}");
    place.expect(0, &["run", "train"]);
    let record = read_record(&place.run_folder("train")).unwrap().unwrap();
    assert_eq!((record.record.continued, record.steps.len()), (None, 48), "its own state is used");
    assert_eq!(
        std::fs::read(place.run_folder("train").join("steps.csv")).ok(),
        std::fs::read(place.path("last.csv")).ok()
    );
    assert!(place.path(&format!("results/inflight/train/{id}")).exists(), "no other run took its steps");
}
