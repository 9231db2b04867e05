//! Training on image files, through the program: the set that was used is named, and settings are obeyed.

use crate::common;

use std::path::Path;

use anode::data::data_folder;
use common::files::{file, jpeg, png};
use common::{Workplace, training};
use serde_json::{Value, json};

/// Two classes of flat pictures in the data folder.
fn pictures(data: &Path) {
    for i in 0..12u8 {
        for part in ["train", "test"] {
            file(data, &format!("flat/{part}/dark/{i}.jpg"), &jpeg(32, 32, [5 * i, 20, 40 + i]));
            let bright = [250 - 5 * i, 220, 200].repeat(1024);
            file(data, &format!("flat/{part}/bright/{i}.png"), &png(32, 32, png::ColorType::Rgb, &bright));
        }
    }
}

fn on(data: Value) -> Value {
    let mut definition = training("files");
    definition["fixed"]["data"] = data;
    for (name, value) in [("train_images", 16), ("test_images", 10), ("epochs", 2), ("batch", 4)] {
        definition["fixed"][name] = json!(value);
    }
    definition
}

/// The record and the rows of the only run.
fn record(place: &Workplace) -> (Value, String) {
    let folder = place.run_folder("files");
    let run = std::fs::read(folder.join("run.json")).unwrap();
    (serde_json::from_slice(&run).unwrap(), std::fs::read_to_string(folder.join("rows.csv")).unwrap())
}

#[test]
fn a_folder_of_pictures_is_trained_on() {
    let place = Workplace::new();
    pictures(&place.path("data"));
    place.define(&on(json!({ "image-folder": "flat" }))).expect(0, &["run", "files"]);
    let (run, rows) = record(&place);
    assert!(rows.contains("image-folder:flat"), "{rows}");
    let digest = run["inputs"]["image-folder:flat"].as_str().expect("a digest by name");
    assert_eq!(digest.len(), 64, "{run}");
    // Other pixels are another run.
    file(&place.path("data"), "flat/train/dark/3.jpg", &jpeg(32, 32, [0, 0, 0]));
    let text = place.expect(0, &["plan", "--only", "files"]);
    assert!(text.contains("to do") && !text.contains("done"), "{text}");
}

#[test]
fn normalisation_is_a_setting() {
    let parameters = |normalisation: Option<&str>| {
        let place = Workplace::new();
        pictures(&place.path("data"));
        let mut definition = on(json!({ "image-folder": "flat" }));
        if let Some(name) = normalisation {
            definition["fixed"]["normalisation"] = json!(name);
        }
        place.define(&definition).expect(0, &["run", "files"]);
        let (run, rows) = record(&place);
        assert_eq!(run["settings"].get("normalisation"), normalisation.map(|name| json!(name)).as_ref());
        rows
    };
    let all = [parameters(None), parameters(Some("cifar10")), parameters(Some("cifar100"))];
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);

    let place = Workplace::new();
    let mut definition = on(json!("synthetic"));
    definition["fixed"]["normalisation"] = json!("imagenet");
    let text = place.define(&definition).expect(1, &["check"]);
    assert!(text.contains("normalisation") && text.contains("cifar10"), "{text}");
}

#[test]
fn held_out_images_are_the_last_ones_of_training_and_replace_the_test_images() {
    let rows = |changes: Value| {
        let place = Workplace::new();
        pictures(&place.path("data"));
        let mut definition = on(json!({ "image-folder": "flat" }));
        definition["fixed"].as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        place.define(&definition).expect(0, &["run", "files"]);
        (record(&place), place.run_folder("files").join("model.safetensors").exists())
    };
    let cell = |rows: &str, column: &str| {
        let mut reader = csv::Reader::from_reader(rows.as_bytes());
        let at = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
        reader.records().next().unwrap().unwrap()[at].to_owned()
    };
    let ((_, first), kept) = rows(json!({ "train_images": 12, "test_images": 10 }));
    assert!(kept, "the trained network");
    let ((run, held_out), kept) = rows(json!({ "train_images": 16, "test_images": null, "held_out": 4 }));
    assert!(!kept, "no network of a search for a recipe");
    assert_eq!(run["settings"]["held_out"], json!(4));
    let trained = |rows: &str| cell(rows, "parameters_sha256");
    assert_eq!(trained(&first), trained(&held_out), "both are trained on the first 12 images");
    assert_ne!(cell(&first, "test_loss"), cell(&held_out, "test_loss"), "and evaluated on others");
}

#[test]
fn more_images_than_a_set_has_are_refused() {
    let place = Workplace::new();
    pictures(&place.path("data"));
    for (data, setting, number, told) in [
        (json!("synthetic"), "train_images", 4_001, "train_images: 4001; allowed for synthetic: at most 4000"),
        (json!("synthetic"), "test_images", 1_001, "test_images: 1001; allowed for synthetic: at most 1000"),
        (json!({ "image-folder": "flat" }), "train_images", 25, "25; allowed for image-folder:flat: at most 24"),
        (json!({ "image-folder": "flat" }), "test_images", 25, "25; allowed for image-folder:flat: at most 24"),
    ] {
        let mut definition = on(data);
        definition["fixed"][setting] = json!(number);
        place.define(&definition);
        assert!(place.expect(0, &["plan"]).contains(told), "{told}");
        assert!(place.expect(1, &["run", "files"]).contains(told), "{told}");
    }
    let mut all = on(json!("synthetic"));
    (all["fixed"]["train_images"], all["fixed"]["test_images"]) = (json!(4_000), json!(1_000));
    assert!(place.define(&all).expect(0, &["plan"]).contains("1 runs to compute"));
}

#[test]
fn a_part_of_cifar100_is_trained_on_under_its_own_name() {
    let Some(subset) = data_folder(None).map(|data| data.join("exact-subset")).filter(|folder| folder.is_dir()) else {
        println!("skipped: no exact-subset in the data folder (ANODE_DATA, data or ../shared/data)");
        return;
    };
    let subset = subset.canonicalize().unwrap();
    let place = Workplace::new();
    place.define(&on(json!({ "cifar100-folder": subset }))).expect(0, &["run", "files"]);
    let (_, rows) = record(&place);
    assert!(rows.contains("cifar100-subset"), "{rows}");
    // It does not pass for the whole.
    for (from, to) in [("cifar100_train.bin", "train.bin"), ("cifar100_test.bin", "test.bin")] {
        let bytes = std::fs::read(subset.join(from)).unwrap();
        place.write(&format!("data/cifar-100-binary/{to}"), bytes);
    }
    let text = place.define(&on(json!("cifar100"))).expect(1, &["run", "files"]);
    assert!(text.contains("these files are `cifar100-subset`, not CIFAR-100"), "{text}");
    assert!(text.contains("`cifar100-folder`"), "{text}");
}
