//! What commands print with `--json` is valid against the schemas that `anode schema` prints.

use crate::common;
use crate::documents;

use std::collections::BTreeSet;

use anode::cli::json::{DOCUMENTS, schema};
use common::{Workplace, reversal, training};
use documents::data;
use serde_json::{Value, json};

/// A workplace with one fast experiment, a training run of two profiles, and results of both.
fn place() -> Workplace {
    let place = Workplace::new();
    let mut train = training("train");
    train["fixed"]["epochs"] = json!(1);
    train["fixed"]["train_images"] = json!(16);
    train["profiles"] = json!({ "quick": {}, "standard": {} });
    place.define(&reversal("sound")).define(&train);
    place
}

/// Runs a command with `--json` and checks what it prints on standard output.
fn printed(place: &Workplace, code: i32, command: &str, name: &str) -> Value {
    let arguments: Vec<&str> = command.split(' ').chain(["--json"]).collect();
    let output = place.run(&arguments);
    assert_eq!(output.status.code(), Some(code), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    data(&output.stdout, name)
}

#[test]
fn every_document_is_valid_against_its_schema() {
    let place = place();
    let mut seen = BTreeSet::new();
    let mut check = |code, command: &str, name: &'static str| {
        seen.insert(name);
        printed(&place, code, command, name)
    };
    assert_eq!(check(0, "check", "check")["sound"], 2);
    check(0, "list", "list");
    assert!(check(0, "plan sound", "plan")[0]["forecast"].is_object());
    assert_eq!(check(0, "run sound train --profile standard", "run")["finished"], 1);
    assert_eq!(check(0, "reproduce", "run")["experiments"][0]["verdict"], "confirmed");
    assert!(check(0, "plan sound", "plan")[0]["forecast"].is_null());
    assert_eq!(check(0, "show sound train", "show")[0]["profiles"][0]["recorded"], 1);
    assert!(check(0, "report", "report")["written"].is_array());
    assert!(check(0, "figures", "report")["written"].is_array());
    assert!(check(0, "export --steps", "export")["values"].as_u64() > Some(10));
    assert_eq!(check(0, "report --verify", "report-verify")["differences"], json!([]));
    assert_eq!(check(0, "compare sound sound", "compare")["comparisons"][0]["comparison"]["runs"], json!([1, 1]));
    assert_eq!(check(0, "repeat sound", "repeat")["identical"], true);
    assert_eq!(check(0, "status", "status")["runs"], json!([]));
    assert_eq!(check(0, "handover", "handover")["written"], json!([]));
    assert_eq!(check(0, "merge results --results other", "merge")["copied"], 3);
    assert_eq!(check(0, "init fresh", "init")["written"].as_array().map(Vec::is_empty), Some(false));
    assert_eq!(check(0, "new own --study reversibility", "new")["id"], "own");
    assert!(check(0, "describe resnet4", "describe")["layers"][0]["macs"].is_u64());
    assert!(check(0, "data list", "data-list")[0]["urls"].is_array());
    assert_eq!(check(0, "data verify", "data-verify")[0]["state"], "not here");
    let folder = std::fs::read_dir(place.path("results/runs/standard/train")).unwrap().flatten().next().unwrap();
    let model = format!("evaluate {}", folder.path().join("model.safetensors").display());
    assert_eq!(check(0, &model, "evaluate")["images"], 50);
    check(0, "schedule revolve:2 --steps 5", "schedule");
    assert_eq!(check(0, "clean sound --yes", "clean")["removed"].as_array().map(Vec::len), Some(2));
    assert_eq!(check(0, "clean sound --yes", "clean")["removed"], json!([]));
    // Errors, the self-test and downloads have tests of their own.
    let all: BTreeSet<&str> = DOCUMENTS.iter().map(|entry| entry.name).collect();
    let missing: Vec<&&str> = all.difference(&seen).collect();
    assert_eq!(missing, [&"data-fetch", &"doctor", &"error"]);
}

#[test]
fn a_schedule_is_structured() {
    let place = Workplace::new();
    let shown = printed(&place, 0, "schedule revolve:2 --steps 5 --blocks 3", "schedule");
    assert_eq!((&shown["steps"], &shown["blocks"], &shown["exact"]), (&json!(5), &json!(3), &json!(true)));
    let work = shown["timeline"]["work"].as_array().unwrap();
    let of = |kind: &str| work.iter().filter(|part| part["kind"] == kind).collect::<Vec<_>>();
    // Every step is taped and reversed once, the last one first.
    let reversed: Vec<u64> = of("reverse").iter().map(|part| part["to"].as_u64().unwrap()).collect();
    assert_eq!(reversed, [4, 3, 2, 1, 0]);
    assert_eq!(of("tape").len(), 5);
    assert_eq!(shown["timeline"]["most_snapshots"], 2);
    let length = |part: &&Value| part["from"].as_u64().unwrap().abs_diff(part["to"].as_u64().unwrap());
    let total: u64 = work.iter().map(|part| length(&part)).sum();
    assert_eq!(shown["timeline"]["duration"], total);
    assert!(printed(&place, 0, "schedule leapfrog", "schedule")["timeline"].is_null());
    assert!(printed(&place, 0, "schedule anode --steps 20000", "schedule")["timeline"].is_null());
}

/// The error that a command prints as the last line of standard error.
fn failure(place: &Workplace, code: i32, arguments: &[&str]) -> Value {
    let output = place.run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    let found = data(errors.lines().last().unwrap_or_default().as_bytes(), "error");
    assert_eq!(found["code"], code);
    found
}

#[test]
fn errors_are_documents_too() {
    let place = place();
    let unknown = failure(&place, 2, &["show", "sonud", "--json"]);
    assert_eq!(unknown["kind"], "usage");
    assert!(unknown["message"].as_str().unwrap().contains("did you mean `sound`"), "{unknown}");
    let option = failure(&place, 2, &["plan", "--json", "--prfile", "quick"]);
    assert!(option["message"].as_str().unwrap().contains("--prfile"), "{option}");
    let output = place.run(&["plan", "--prfile", "quick"]);
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "), "text without --json");

    let verify = failure(&place, 1, &["report", "--verify", "--json"]);
    assert_eq!((&verify["kind"], &verify["differences"][0]["what"]), (&json!("unverified"), &json!("missing")));
    let mut wrong = reversal("wrong");
    wrong["fixed"]["dtype"] = json!("f16");
    place.define(&wrong);
    let faults = failure(&place, 1, &["check", "--json"]);
    assert_eq!((&faults["kind"], &faults["faults"][0]["path"]), (&json!("definitions"), &json!("fixed.dtype")));
    let mut nowhere = training("wrong");
    nowhere["fixed"]["data"] = json!("cifar10");
    nowhere["fixed"]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["train_images", "test_images"].contains(&name.as_str()));
    place.define(&nowhere);
    let missing = failure(&place, 1, &["run", "wrong", "--json"]);
    assert_eq!(missing["kind"], "incomplete");
    assert!(missing["missing"][0][0].as_str().unwrap().contains("wrong"), "{missing}");
}

#[test]
fn schemas_are_printed_by_name() {
    let place = Workplace::new();
    let list = place.expect(0, &["schema"]);
    for entry in DOCUMENTS {
        assert!(list.contains(entry.name) && list.contains(entry.about), "{}: {list}", entry.name);
        let printed: Value = serde_json::from_slice(&place.run(&["schema", entry.name]).stdout).unwrap();
        assert_eq!(printed, schema(entry));
        assert!(jsonschema::meta::is_valid(&printed), "{}", entry.name);
        // A document of another name, another version or with other fields is refused.
        let validator = jsonschema::validator_for(&printed).unwrap();
        for other in [
            json!({ "schema": "other", "version": entry.version, "data": {} }),
            json!({ "schema": entry.name, "version": 0, "data": {} }),
            json!({ "schema": entry.name, "version": entry.version }),
            json!({ "schema": entry.name, "version": entry.version, "data": 1 }),
        ] {
            assert!(!validator.is_valid(&other), "{}: {other}", entry.name);
        }
    }
    assert!(
        place.expect(2, &["schema", "plann"]).contains("did you mean `plan`") || {
            place.expect(2, &["schema", "plann"]).contains("`plan`")
        }
    );
}

#[test]
fn the_page_on_json_lists_every_schema() {
    let page = include_str!("../../docs/json.md");
    for entry in DOCUMENTS {
        let row = format!("| `{}` | {} | ", entry.name, entry.version);
        assert!(page.contains(&row), "docs/json.md lacks `{row}`");
    }
}
