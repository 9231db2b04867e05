//! A longer training run continues a shorter or unfinished one, and ends bit-identical to a run from scratch.

use crate::common;

use std::path::{Path, PathBuf};

use anode::record::{LoadedRecord, read_record};
use common::Workplace;
use serde_json::{Value, json};

/// A training run of 12 steps per epoch.
fn experiment(id: &str, epochs: u64, drops: Value) -> Value {
    let mut definition = common::training(id);
    definition["fixed"]["epochs"] = json!(epochs);
    definition["fixed"]["drops"] = drops;
    definition
}

/// Four epochs, the rate of the last two a tenth of that of the first two.
fn long() -> Value {
    experiment("long", 4, json!([0.5]))
}

/// Its first two epochs, as a run with another setting of drops, saved as often as by default.
fn short() -> Value {
    let mut definition = experiment("short", 2, json!([]));
    definition["fixed"].as_object_mut().unwrap().remove("checkpoint_every");
    definition
}

fn read(place: &Workplace, id: &str) -> LoadedRecord {
    read_record(&place.run_folder(id)).unwrap().expect("a record")
}

fn file(place: &Workplace, id: &str, name: &str) -> String {
    std::fs::read_to_string(place.run_folder(id).join(name)).unwrap()
}

/// Every number of the long run's record but times.
fn numbers(place: &Workplace) -> (String, Value) {
    let mut row = read(place, "long").rows.remove(0);
    assert!(row.remove("seconds").is_some() && row.contains_key("parameters_sha256"));
    (file(place, "long", "steps.csv"), row.into())
}

/// The long run from scratch.
fn from_scratch() -> (String, Value) {
    let place = Workplace::new();
    place.define(&long()).expect(0, &["run", "long"]);
    assert_eq!(read(&place, "long").record.continued, None);
    let text = std::fs::read_to_string(place.run_folder("long").join("run.json")).unwrap();
    assert!(!text.contains("continued"), "{text}");
    numbers(&place)
}

/// A workplace with the short run, finished, and the definition of the long one.
fn after_short() -> (Workplace, String) {
    let place = Workplace::new();
    place.define(&short()).expect(0, &["run", "short"]);
    place.define(&long());
    let id = read(&place, "short").record.run;
    (place, id)
}

/// Turns the record of the short run into the folder `to` of an unfinished run without a header, as older versions left
/// it.
fn bare(place: &Workplace, to: &str) -> PathBuf {
    let (from, to) = (place.run_folder("short"), place.path(to));
    std::fs::create_dir_all(&to).unwrap();
    for name in ["steps.csv", "times.csv", "checkpoint.safetensors"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    std::fs::remove_dir_all(place.path("results/runs/quick/short")).unwrap();
    to
}

fn first_lines(text: &str, count: usize) -> Vec<&str> {
    text.lines().take(count).collect()
}

#[test]
fn a_longer_run_continues_a_finished_one_and_is_bit_identical_to_a_run_from_scratch() {
    let (place, id) = after_short();
    let times = file(&place, "short", "times.csv");
    let kept: Vec<String> = names(&place.run_folder("short"));
    assert!(kept.contains(&"checkpoint.safetensors".to_owned()) && !kept.contains(&"unfinished.json".to_owned()));
    assert!(!kept.iter().any(|name| name.contains("previous")), "{kept:?}");
    place.expect(0, &["run", "long"]);
    assert_eq!(read(&place, "long").record.continued.as_deref(), Some(&*id));
    assert_eq!(numbers(&place), from_scratch());
    let again = file(&place, "long", "times.csv");
    assert_eq!(first_lines(&again, 25), first_lines(&times, 25), "24 steps were not computed twice");
    assert_eq!(again.lines().count(), 49);
    assert_eq!(place.expect(0, &["run", "long"]).matches("1 were done before").count(), 1);
}

#[test]
fn unfinished_runs_without_a_header_are_recognised_wherever_they_stand_and_the_furthest_one_wins() {
    let expected = from_scratch();
    for to in ["results/inflight/elsewhere", "results/runs/standard/elsewhere"] {
        let (place, id) = after_short();
        bare(&place, &format!("{to}/{id}"));
        // One epoch only, finished.
        place.define(&experiment("first", 1, json!([]))).expect(0, &["run", "first"]);
        // What is saved how often changes no bit.
        let mut longer = long();
        longer["fixed"]["checkpoint_every"] = json!(7);
        place.define(&longer).expect(0, &["run", "long"]);
        assert_eq!(read(&place, "long").record.continued.as_deref(), Some(&*id), "{to}");
        assert_eq!(numbers(&place), expected, "{to}");
    }
}

#[test]
fn what_is_only_observed_begins_where_the_other_run_ended_and_changes_no_step() {
    let (place, id) = after_short();
    bare(&place, &format!("results/inflight/long/{id}"));
    let mut observed = long();
    observed["fixed"]["evaluations"] = json!(["test-batch", "per-evaluation"]);
    observed["fixed"]["block_reversal"] = json!(true);
    place.define(&observed).expect(0, &["run", "long"]);
    assert_eq!(read(&place, "long").record.continued.as_deref(), Some(&*id));
    let (found, expected) = (read(&place, "long"), from_scratch());
    let (row, scratch) = (&found.rows[0], &expected.1);
    assert_eq!(row["parameters_sha256"], scratch["parameters_sha256"]);
    let plain: Vec<&str> = expected.0.lines().next().unwrap().split(',').collect();
    let observed: Vec<&str> = vec!["test_loss_per_evaluation", "test_accuracy_test_batch", "reversal_error_block_1"];
    assert!(observed.iter().all(|column| row[*column].is_number()), "{row:?}");
    let scratch = anode::record::csv_to_rows(expected.0.as_bytes()).unwrap();
    for (own, other) in found.steps.iter().zip(&scratch) {
        assert!(plain.iter().all(|column| own[*column] == other[*column]), "{own:?}");
        let step = own["step"].as_u64().unwrap();
        let due = step >= 24 && step % 12 == 11;
        assert!(observed.iter().all(|column| own[*column].is_null() != due), "{own:?}");
    }
    assert!(!place.path("results/inflight").exists(), "the run that was handed on is continued and recorded");
    // `anode repeat` compares what both have.
    place.expect(0, &["report"]);
    let said = place.expect(0, &["repeat", "long", "--steps", "30"]);
    assert!(said.contains("identical to the last bit"), "{said}");
}

#[test]
fn a_run_that_another_machine_began_says_so_and_is_not_expected_to_repeat_bit_by_bit() {
    let other = json!([{ "from_step": 0, "processor": "Other (AVX-1024)", "system": "os x", "version": "0.9.9" }]);
    let mut long_name = other.clone();
    long_name[0]["processor"] = json!("w".repeat(1000));
    let cases = [
        (Some(other.to_string()), "Other (AVX-1024)"),
        (Some(long_name.to_string()), "an unknown processor"),
        (None, "an unknown processor"),
    ];
    for (origins, processor) in cases {
        let (place, _) = after_short();
        common::save_again(&place.run_folder("short").join("checkpoint.safetensors"), |metadata| {
            assert!(metadata.remove("origins").unwrap().contains("processor"));
            metadata.extend(origins.map(|text| ("origins".to_owned(), text)));
        });
        let said = place.expect(0, &["run", "long"]);
        let told = format!("steps 0 to 23 were computed on {processor}; those from step 24 on");
        assert!(said.contains("warning") && said.contains(&told), "{said}");
        let found = read(&place, "long").record;
        let places: Vec<_> = found.origins.iter().map(|o| (o.from_step, o.processor.as_str())).collect();
        assert_eq!(places, [(0, processor), (24, found.environment.processor.as_str())]);
        assert_eq!(numbers(&place), from_scratch(), "this machine computed all steps, whatever the checkpoint states");

        place.expect(0, &["report"]);
        let report = place.read("results/REPORT.md");
        assert!(report.contains(&format!("steps 0 to 23 by {processor}")), "{report}");
        let repeated = place.run(&["repeat", "long", "--steps", "5", "--json"]).stdout;
        let repeated: Value = serde_json::from_slice(&repeated).unwrap();
        assert_eq!(repeated["data"]["same_instructions"], json!(false));
        assert_eq!(repeated["data"]["origins"][0]["processor"], json!(processor));
        assert_eq!(repeated["data"]["origins"].as_array().unwrap().len(), 1, "of the steps that are compared");
        let said = place.expect(0, &["repeat", "long", "--steps", "5"]);
        assert!(said.contains(&format!("archived, from step 0: {processor}")), "{said}");
    }
    // A run that one machine computed in parts is as one that it computed at once.
    let (place, _) = after_short();
    assert!(!place.expect(0, &["run", "long"]).contains("warning"));
    assert_eq!(read(&place, "long").record.origins, []);
    let record = place.run_folder("long").join("run.json");
    let mut changed: Value = serde_json::from_str(&std::fs::read_to_string(&record).unwrap()).unwrap();
    changed["origins"] = other;
    changed["origins"][0]["from_step"] = json!(3);
    std::fs::write(&record, changed.to_string()).unwrap();
    let damage = read_record(&place.run_folder("long")).unwrap_err().to_string();
    assert!(damage.contains("`from_step` of `origins` must begin at 0"), "{damage}");
}

#[test]
fn a_finished_run_is_evaluated_in_other_modes_without_a_step() {
    let (place, id) = after_short();
    let mut modes = short();
    modes["id"] = json!("modes");
    modes["fixed"]["evaluations"] = json!(["test-batch"]);
    place.define(&modes).expect(0, &["run", "modes"]);
    let found = read(&place, "modes");
    assert_eq!(found.record.continued.as_deref(), Some(&*id));
    assert!(found.rows[0]["test_loss_test_batch"].is_number(), "{:?}", found.rows[0]);
    assert_eq!(file(&place, "modes", "times.csv"), file(&place, "short", "times.csv"));
}

#[test]
fn a_copy_of_an_unfinished_run_is_resumed_and_an_interrupted_run_keeps_what_it_continued() {
    let (place, id) = after_short();
    place.expect(0, &["run", "long"]);
    let (expected, own) = (numbers(&place), read(&place, "long").record.run);
    // The state after two epochs, under the long run's id and with its header.
    let folder = place.run_folder("long");
    let record: Value = serde_json::from_str(&file(&place, "long", "run.json")).unwrap();
    let mut header = json!({ "device": "cpu", "continued": id });
    for name in ["format", "run", "experiment", "profile", "study", "settings", "seed", "inputs"] {
        header[name] = record[name].clone();
    }
    place.write(&format!("results/inflight/long/{own}/unfinished.json"), header.to_string());
    let to = place.path(&format!("results/inflight/long/{own}"));
    for name in ["steps.csv", "checkpoint.safetensors"] {
        std::fs::copy(folder.join(name), to.join(name)).unwrap();
    }
    std::fs::remove_dir_all(place.path("results/runs")).unwrap();
    place.expect(0, &["run", "long"]);
    assert_eq!(read(&place, "long").record.continued.as_deref(), Some(&*id));
    assert_eq!(numbers(&place), expected);
    assert_eq!(file(&place, "long", "times.csv"), "step,seconds\n", "all 48 steps were there");
    let found = read(&place, "long");
    let all_parts = found.rows[0]["seconds"].as_f64().unwrap();
    assert!(found.record.environment.seconds >= all_parts, "{:?}", found.record.environment);
}

#[test]
fn a_run_with_another_learning_rate_on_the_way_or_another_setting_is_not_continued() {
    let expected = from_scratch();
    let mut other = short();
    other["fixed"]["momentum"] = json!(0.8);
    let mut seeded = short();
    seeded["seeds"] = json!([1]);
    // Drops after its first epoch; the long run drops after its second.
    let rate = experiment("short", 2, json!([0.5]));
    for before in [rate, other, seeded, experiment("short", 8, json!([]))] {
        let place = Workplace::new();
        place.define(&before).expect(0, &["run", "short"]);
        let text = place.define(&long()).expect(0, &["run", "long"]);
        assert!(!text.contains("warning"), "{text}");
        assert_eq!(read(&place, "long").record.continued, None);
        assert_eq!(numbers(&place), expected);
    }
}

#[test]
fn damaged_states_are_passed_over_with_a_warning() {
    let expected = from_scratch();
    let cut = |text: &str, lines: usize| text.lines().take(lines).map(|line| format!("{line}\n")).collect::<String>();
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let damage: [Damage; 6] = [
        ("one bit", &|folder| flip(&folder.join("checkpoint.safetensors"))),
        ("no header of tensors", &|folder| std::fs::write(folder.join("checkpoint.safetensors"), "[]").unwrap()),
        ("a folder", &|folder| {
            std::fs::remove_file(folder.join("checkpoint.safetensors")).unwrap();
            std::fs::create_dir(folder.join("checkpoint.safetensors")).unwrap();
        }),
        ("a short log", &|folder| rewrite(&folder.join("steps.csv"), &|text| cut(text, 20))),
        ("a step twice", &|folder| rewrite(&folder.join("steps.csv"), &|text| text.replace("\n7,", "\n6,"))),
        ("no text", &|folder| std::fs::write(folder.join("steps.csv"), [0xff; 40]).unwrap()),
    ];
    for (name, damage) in damage {
        let (place, id) = after_short();
        damage(&bare(&place, &format!("results/inflight/short/{id}")));
        let text = place.expect(0, &["run", "long"]);
        assert!(text.contains("warning") && text.contains("not continued") && text.contains(&id), "{name}: {text}");
        assert_eq!(read(&place, "long").record.continued, None, "{name}");
        assert_eq!(numbers(&place), expected, "{name}");
    }
}

#[test]
fn a_state_with_a_damaged_header_is_recognised_by_the_name_of_its_folder() {
    let expected = from_scratch();
    let large = " ".repeat(2 << 20);
    for damage in ["{", "{}", &large, "other settings", "an older format", "no run"] {
        let (place, id) = after_short();
        let record = read(&place, "short").record;
        let device = record.environment.device;
        let anode::record::Record { format, run, experiment, profile, study, settings, seed, inputs, .. } = record;
        let mut header = anode::record::Unfinished {
            format,
            run,
            experiment,
            profile,
            study,
            settings,
            seed,
            inputs,
            device,
            continued: None,
        };
        let folder = bare(&place, &format!("results/inflight/short/{id}"));
        match damage {
            "other settings" => drop(header.settings.insert("momentum".into(), json!(0.1))),
            "an older format" => header.format = 0,
            "no run" => header.continued = Some("../..".into()),
            _ => {}
        }
        header.write(&folder).unwrap();
        if damage.starts_with(['{', ' ']) {
            std::fs::write(folder.join("unfinished.json"), damage).unwrap();
        }
        let said = place.expect(0, &["run", "long"]);
        let told = ["unfinished.json", "the run is recognised by the name of its folder", &id];
        assert!(told.iter().all(|text| said.contains(text)), "{damage:.20}: {said}");
        assert_eq!(read(&place, "long").record.continued.as_deref(), Some(&*id), "{damage:.20}");
        assert_eq!(numbers(&place), expected, "{damage:.20}");
    }
}

#[test]
fn a_run_says_why_its_own_state_cannot_be_used() {
    let expected = from_scratch();
    let (place, id) = after_short();
    place.expect(0, &["run", "long"]);
    let (own, folder) = (read(&place, "long").record.run, place.run_folder("long"));
    let state = bare(&place, "state");
    let begin = |damage: &dyn Fn(&Path)| {
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["steps.csv", "checkpoint.safetensors"] {
            std::fs::copy(state.join(name), folder.join(name)).unwrap();
        }
        common::save_again(&folder.join("checkpoint.safetensors"), |metadata| {
            metadata.insert("run".into(), own.clone());
        });
        damage(&folder);
        place.expect(0, &["run", "long"])
    };
    assert!(!begin(&|_| {}).contains("warning"));
    assert_eq!(file(&place, "long", "times.csv").lines().count(), 25, "24 of 48 steps were there");
    let damage: [&dyn Fn(&Path); 3] = [
        &|folder| flip(&folder.join("checkpoint.safetensors")),
        &|folder| std::fs::remove_file(folder.join("steps.csv")).unwrap(),
        &|folder| rewrite(&folder.join("steps.csv"), &|text| text.replace("\n3,0", "\n3,7")),
    ];
    for damage in damage {
        let said = begin(damage);
        assert!(said.contains("its own state cannot be used") && said.contains("again from step 0"), "{said}");
        assert_eq!(numbers(&place), expected);
    }
    // A sound state elsewhere is continued.
    let elsewhere = place.path(&format!("results/inflight/long/{id}"));
    std::fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    std::fs::rename(&state, &elsewhere).unwrap();
    std::fs::create_dir_all(&state).unwrap();
    for name in ["steps.csv", "checkpoint.safetensors"] {
        std::fs::copy(elsewhere.join(name), state.join(name)).unwrap();
    }
    let said = begin(damage[0]);
    assert!(said.contains("its own state cannot be used") && said.contains("it continues"), "{said}");
    assert_eq!(numbers(&place), expected);
}

#[test]
fn what_only_one_of_two_runs_logged_is_no_difference() {
    let observed = |mut definition: Value| {
        definition["fixed"]["evaluations"] = json!(["test-batch"]);
        definition["fixed"]["evaluate_every"] = json!(3);
        definition
    };
    let place = Workplace::new();
    // The short run evaluates after its last epoch, the second, where the long one does not.
    place.define(&observed(short())).define(&observed(long()));
    place.expect(0, &["run", "long", "--results", "scratch"]);
    place.expect(0, &["run", "short"]);
    place.expect(0, &["run", "long"]);
    assert!(read(&place, "long").record.continued.is_some());
    place.expect(0, &["report"]);
    let said = place.expect(0, &["repeat", "long", "--steps", "30"]);
    assert!(said.contains("identical to the last bit"), "{said}");
    let said = place.expect(0, &["compare", "scratch", "results"]);
    assert!(said.contains("1 pairs of runs should be bit-identical and are"), "{said}");
    // Steps that one side lacks are a difference.
    let folder = place.run_folder("long");
    rewrite(&folder.join("steps.csv"), &|text| text.lines().take(40).map(|line| format!("{line}\n")).collect());
    let digest = anode::digest::sha256(&std::fs::read(folder.join("steps.csv")).unwrap());
    rewrite(&folder.join("run.json"), &|text| {
        let mut record: Value = serde_json::from_str(text).unwrap();
        record["files"]["steps.csv"] = json!(digest);
        record["continued"] = Value::Null;
        record.to_string()
    });
    std::fs::remove_dir_all(place.path("results/records")).unwrap();
    let said = place.expect(1, &["compare", "scratch", "results"]);
    assert!(said.contains("bit-identical and are not"), "{said}");
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn rewrite(path: &Path, change: &dyn Fn(&str) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, change(&text)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect()
}
