//! The committed experiments: sound, and as the committed schema says.

use std::path::Path;

use anode::definition::{Profile, load_all, load_not_run, schema};
use serde_json::Value;

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn committed_experiments_are_sound_and_have_a_quick_profile() {
    let (loaded, faults) = load_all(Path::new("experiments"));
    assert!(faults.is_empty(), "{faults:?}");
    assert!(loaded.len() >= 6);
    for one in loaded {
        assert!(one.definition.resolve(Profile::Quick).is_some(), "{}", one.file.display());
        let folder = one.file.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned();
        assert_eq!(serde_json::to_value(one.definition.paper).unwrap(), Value::String(folder), "folder and paper");
    }
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let committed = json(Path::new("experiments/schema.json"));
    assert!(committed == schema(), "write it again: cargo run --release -- check --write-schema");
}

#[test]
fn committed_experiments_match_the_schema_and_broken_ones_do_not() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let (loaded, _) = load_all(Path::new("experiments"));
    for one in &loaded {
        let errors: Vec<String> =
            validator.iter_errors(&json(&one.file)).map(|e| format!("{}: {e}", e.instance_path)).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", one.file.display());
    }
    let scalar = json(Path::new("experiments/anode/anode-scalar.json"));
    let breaks: [fn(&mut Value); 6] = [
        |d| d["colour"] = "blue".into(),
        |d| d["grid"][0]["solver"] = serde_json::json!(["rk5"]),
        |d| d["grid"][0]["solver"] = serde_json::json!([]),
        |d| d["grid"][0]["tempo"] = serde_json::json!([1]),
        |d| d["fixed"] = serde_json::json!({ "dtype": "f16" }),
        |d| d["study"] = "astrology".into(),
    ];
    for (i, damage) in breaks.iter().enumerate() {
        let mut broken = scalar.clone();
        damage(&mut broken);
        assert!(!validator.is_valid(&broken), "break {i} passes the schema");
    }
}

/// Every experiment of the two papers, by the names that this project gives them.
const OF_THE_PAPERS: [&str; 21] = [
    "anode-fig1",
    "anode-scalar",
    "anode-matrix",
    "anode-fig7",
    "anode-grad",
    "anode-sqnxt-c10-euler",
    "anode-sqnxt-c10-rk2",
    "anode-resnet-c10-euler",
    "anode-resnet-c100-euler",
    "anode-rk45-diverge",
    "anode-memory",
    "anode-readme-table",
    "v2-table-neuralode",
    "v2-table-main",
    "v2-table-nt",
    "v2-params",
    "v2-activation",
    "v2-flops",
    "v2-fig-config",
    "v2-fig-kernels",
    "v2-fig-curves",
];

#[test]
fn no_experiment_of_the_papers_is_passed_over() {
    let (loaded, _) = load_all(Path::new("experiments"));
    let not_run = load_not_run(Path::new("experiments")).unwrap();
    for id in OF_THE_PAPERS {
        let defined = loaded.iter().any(|l| l.definition.id == id);
        assert!(defined || not_run.iter().any(|e| e.id == id), "{id} has neither a definition nor a reason");
    }
    for entry in not_run {
        assert!(OF_THE_PAPERS.contains(&entry.id.as_str()), "{} is no experiment of the papers", entry.id);
    }
}
