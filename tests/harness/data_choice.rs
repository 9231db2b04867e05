//! Data as a list in order of preference: the first set that is present is used, under the id of a run that names it
//! alone.

use crate::common;

use anode::definition::{Loaded, Profile, load};
use anode::plan::{Run, Skipped, plan};
use anode::study::STUDIES;
use common::training;
use serde_json::{Value, json};

/// The plan of a training run with this data.
fn planned(data: Value, folder: Option<&std::path::Path>) -> (Vec<Run>, Vec<Skipped>) {
    let place = tempfile::tempdir().expect("a folder");
    let mut definition = training("train");
    definition["fixed"]["data"] = data;
    let file = place.path().join("train.json");
    std::fs::write(&file, definition.to_string()).expect("written");
    let definition = load(&file).expect("a sound definition");
    plan(&[Loaded { file, definition }], Profile::Quick, "cpu", folder, STUDIES)
}

#[test]
fn the_first_set_that_is_present_is_recorded_under_the_id_of_a_run_that_names_it_alone() {
    let data = tempfile::tempdir().expect("a folder");
    let (alone, _) = planned(json!("synthetic"), Some(data.path()));
    for list in [
        json!(["synthetic"]),
        json!(["cifar10", "cifar10-jpeg", "synthetic"]),
        json!([{ "image-folder": "none" }, { "cifar-folder": "none" }, "synthetic", "cifar10"]),
    ] {
        let (runs, skipped) = planned(list.clone(), Some(data.path()));
        assert!(skipped.is_empty(), "{list}: {skipped:?}");
        assert_eq!((&runs[0].id, &runs[0].settings), (&alone[0].id, &alone[0].settings), "{list}");
        assert_eq!(runs[0].inputs, alone[0].inputs, "{list}");
    }
}

#[test]
fn without_any_of_the_sets_one_message_says_where_each_was_looked_for() {
    let data = tempfile::tempdir().expect("a folder");
    let (runs, skipped) = planned(json!(["cifar10", "cifar10-jpeg"]), Some(data.path()));
    assert!(runs.is_empty() && skipped.len() == 1);
    for words in ["none of 2 data sets", "anode data fetch cifar10", "cannot be downloaded", "cifar10-jpeg.tar.xz"] {
        assert!(skipped[0].why.contains(words), "{}", skipped[0].why);
    }
    let (_, skipped) = planned(json!(["cifar10", "cifar10-jpeg"]), None);
    assert!(skipped[0].why.contains("--data"), "{}", skipped[0].why);
}

#[test]
fn a_list_is_refused_where_a_name_would_be() {
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("train.json");
    for (data, at, words) in [
        (json!([]), "fixed.data", "empty"),
        (json!(["synthetic", "cifar11"]), "fixed.data[1]", "cifar11"),
        (json!(["synthetic", "synthetic"]), "fixed.data[1]", "twice"),
        (json!("cifar11"), "fixed.data", "cifar10-jpeg"),
    ] {
        let mut definition = training("train");
        definition["fixed"]["data"] = data.clone();
        std::fs::write(&file, definition.to_string()).expect("written");
        let faults = load(&file).expect_err("a fault");
        assert!(faults.iter().any(|f| f.at == at && f.why.contains(words)), "{data}: {faults:?}");
    }
}
