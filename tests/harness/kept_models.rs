//! The trained network of a finished run: kept, committed by the report, evaluated again to the same numbers.

use crate::common;

use anode::record::{MODEL, read_record};
use common::{Workplace, training};
use serde_json::{Value, json};

/// Every evaluation but that with running statistics.
const MODES: [&str; 5] =
    ["recalibrated-augmented", "per-evaluation-augmented", "test-batch", "recalibrated", "per-evaluation"];

/// A workplace with a recorded training run of a profile whose networks are kept, and the run's id.
fn trained() -> (Workplace, String) {
    let place = Workplace::new();
    let mut definition = training("train");
    definition["fixed"]["epochs"] = json!(1);
    definition["fixed"]["norm_per_step"] = json!(true);
    definition["fixed"]["evaluations"] = json!(MODES);
    definition["profiles"] = json!({ "quick": {}, "standard": {} });
    place.define(&definition).expect(0, &["reproduce", "--profile", "standard"]);
    let runs = std::fs::read_dir(place.path("results/runs/standard/train")).unwrap();
    let folders: Vec<_> = runs.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    let [folder] = &folders[..] else { panic!("{folders:?}") };
    let id = read_record(folder).unwrap().unwrap().record.run;
    (place, id)
}

fn evaluated(place: &Workplace, file: &str, statistics: &str) -> Value {
    place.json(0, &["evaluate", file, "--json", "--images", "images", "--statistics", statistics])
}

#[test]
fn a_kept_model_and_the_last_checkpoint_give_the_recorded_loss_and_accuracy_again() {
    let (place, id) = trained();
    let folder = place.path(&format!("results/runs/standard/train/{id}"));
    let loaded = read_record(&folder).unwrap().unwrap();
    let row = &loaded.rows[0];
    let model = format!("results/models/train.{id}.safetensors");
    let own = std::fs::read(folder.join(MODEL)).unwrap();
    assert!(own == std::fs::read(place.path(&model)).unwrap());
    assert_eq!(loaded.record.model.unwrap().bytes, own.len() as u64);
    let checkpoint = format!("results/runs/standard/train/{id}/checkpoint.safetensors");
    place.write("elsewhere.safetensors", std::fs::read(place.path(&checkpoint)).unwrap());
    for file in [&*model, &*checkpoint, "elsewhere.safetensors"] {
        let found = evaluated(&place, file, "running");
        let numbers = (&found["run"], &found["loss"], &found["accuracy"], &found["images"]);
        assert_eq!(numbers, (&json!(id), &row["test_loss"], &row["test_accuracy"], &json!(50)), "{file}");
    }
    for mode in MODES {
        let (found, column) = (evaluated(&place, &model, mode), mode.replace('-', "_"));
        let recorded = (&row[&format!("test_loss_{column}")], &row[&format!("test_accuracy_{column}")]);
        assert_eq!((&found["loss"], &found["accuracy"]), recorded, "{mode}");
        assert_ne!(found["loss"], row["test_loss"], "{mode}");
    }
    assert_eq!(std::fs::read(place.path("images/train.bin")).unwrap().len(), 96 * 3073);
    assert!(place.expect(2, &["evaluate", &model, "--statistics", "none"]).contains("per-evaluation"));
    assert_eq!(std::fs::read(place.path("images/test.bin")).unwrap().len(), 50 * 3073);
    assert!(place.expect(0, &["evaluate", &model]).contains("recorded: test loss"));
    assert!(
        place.expect(0, &["evaluate", &model, "--reversal", "back.svg"]).contains("ODE block 1: relative round-trip")
    );
    let drawn = place.read("back.svg");
    assert!(drawn.contains("recovered") && drawn.contains("ODE block 1, channel"), "{drawn}");
    // Neither the folder of images nor the chart can be written below a file.
    for option in ["--images", "--reversal"] {
        place.expect(3, &["evaluate", &model, option, "back.svg/below"]);
    }
    // Without its definition the settings of a bare checkpoint are unknown.
    std::fs::remove_file(place.path("experiments/anode/train.json")).unwrap();
    place.define(&common::reversal("other"));
    let text = place.expect(2, &["evaluate", "elsewhere.safetensors"]);
    assert!(text.contains(&id) && text.contains("--experiments"), "{text}");
}

#[test]
fn committed_models_are_verified_and_damage_is_refused() {
    let (place, id) = trained();
    place.expect(0, &["report", "--verify"]);
    let model = place.path(&format!("results/models/train.{id}.safetensors"));
    let sound = std::fs::read(&model).unwrap();
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&model, &flipped).unwrap();
    assert!(place.expect(1, &["report", "--verify"]).contains("differs"));
    let file = model.display().to_string();
    assert!(place.expect(2, &["evaluate", &file]).contains("the file was changed"));
    std::fs::write(&model, &sound[..sound.len() / 2]).unwrap();
    assert!(place.expect(2, &["evaluate", &file]).contains("not a safetensors file"));
    std::fs::remove_file(&model).unwrap();
    assert!(place.expect(1, &["report", "--verify"]).contains("missing"));
    place.expect(0, &["report"]);
    assert!(std::fs::read(&model).unwrap() == sound, "written again from the run's folder");
    // A copy of the repository has the committed file alone.
    std::fs::remove_dir_all(place.path("results/runs")).unwrap();
    place.expect(0, &["report"]);
    place.expect(0, &["report", "--verify"]);
    let peer = "experiment,run,net,method,statistics,loss,difference,accuracy,images_apart\n\
        train,0,resnet4,anode,running,2.5,1e-7,0.1,1\n";
    place.write("results/peer/models.csv", peer).expect(1, &["report", "--verify"]);
    place.expect(0, &["report"]);
    let report = place.read("results/REPORT.md");
    for found in [
        "The largest relative difference of test losses is 1e-7.",
        "The number of correctly classified images differs by at most 1. Not compared: train (1 network).",
    ] {
        assert!(report.contains(found), "{report}");
    }
    place.write("results/peer/models.csv", "experiment\ntrain\n");
    assert!(place.expect(3, &["report"]).contains("models.csv"));
    std::fs::remove_dir_all(place.path("results/peer")).unwrap();
    place.expect(0, &["report"]);
    place.write("results/models/train.0123456789abcdef.safetensors", &sound);
    assert!(place.expect(1, &["report", "--verify"]).contains("0123456789abcdef"));
}

#[test]
fn experiments_that_share_a_run_share_its_model() {
    let (place, id) = trained();
    let models = || {
        let names = std::fs::read_dir(place.path("results/models")).unwrap().map(|e| e.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
    };
    let own = format!("train.{id}.safetensors");
    let mut same: Value =
        serde_json::from_slice(&std::fs::read(place.path("experiments/anode/train.json")).unwrap()).unwrap();
    same["id"] = json!("again");
    place.define(&same).expect(0, &["reproduce", "--profile", "standard"]);
    assert_eq!(models(), std::slice::from_ref(&own));
    place.expect(0, &["report", "--verify"]);
    // Earlier versions wrote one for each.
    let bytes = std::fs::read(place.path(&format!("results/models/{own}"))).unwrap();
    place.write(&format!("results/models/again.{id}.safetensors"), &bytes).expect(1, &["report", "--verify"]);
    place.expect(0, &["report"]);
    assert_eq!(models().len(), 1);
    place.expect(0, &["report", "--verify"]);
}

/// The bytes of a model with other settings in its metadata, which its digest does not cover.
fn with_settings(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let settings = &mut header["__metadata__"]["settings"];
    let mut changed: Value = serde_json::from_str(settings.as_str().unwrap()).unwrap();
    change(&mut changed);
    *settings = changed.to_string().into();
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes(), &header[..], &bytes[8 + length..]].concat()
}

#[test]
fn settings_that_a_model_or_a_header_claims_are_checked() {
    let (place, id) = trained();
    let folder = format!("results/runs/standard/train/{id}");
    let model = std::fs::read(place.path(&folder).join(MODEL)).unwrap();
    for (name, value, words) in [
        ("width", json!(1_000_000), ["needs", "this machine has"]),
        ("steps", json!(1_000_000_000), ["steps", "allowed"]),
        ("batch", json!(0), ["batch", "allowed"]),
        ("solver", json!("eule"), ["solver", "euler"]),
    ] {
        place.write("hostile.safetensors", with_settings(&model, |settings| settings[name] = value));
        let said = place.expect(2, &["evaluate", "hostile.safetensors"]);
        assert!(words.iter().all(|word| said.contains(word)), "{name}: {said}");
    }
    let hostile = with_settings(&model, |settings| {
        for (name, value) in [("width", 256), ("steps", 1_500), ("train_images", 4_000)] {
            settings[name] = json!(value);
        }
    });
    let said = place.write("hostile.safetensors", hostile).expect(2, &["evaluate", "hostile.safetensors"]);
    assert!(said.contains("hours on this machine"), "{said}");
    // A record whose settings were changed is passed over for the definition that plans the run.
    let record = place.path(&folder).join("run.json");
    let text = std::fs::read_to_string(&record).unwrap().replacen("\"test_images\": 50", "\"test_images\": 10", 1);
    assert!(text.contains("\"test_images\": 10"));
    std::fs::write(&record, text).unwrap();
    assert_eq!(evaluated(&place, &format!("{folder}/checkpoint.safetensors"), "running")["images"], 50);
}
