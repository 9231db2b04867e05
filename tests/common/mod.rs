//! A workplace for end-to-end tests: a folder with experiments, results and figures of its own.

#![allow(dead_code, reason = "not every test file uses every helper")]

pub mod files;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anode::digest::sha256_of_parts;
use safetensors::SafeTensors;
use serde_json::{Value, json};

/// A temporary folder with experiments.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    /// An empty workplace.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(folder.path().join("experiments/anode")).expect("its experiments");
        std::fs::create_dir_all(folder.path().join("data")).expect("its data");
        Self { folder }
    }

    /// A path inside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// Writes a definition under its id, or another file name.
    pub fn define(&self, definition: &Value) -> &Self {
        self.write(
            &format!("experiments/anode/{}.json", definition["id"].as_str().expect("an id")),
            definition.to_string(),
        )
    }

    /// Writes a file.
    pub fn write(&self, inside: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::create_dir_all(self.path(inside).parent().expect("a parent")).expect("a folder");
        std::fs::write(self.path(inside), content).expect("a file");
        self
    }

    /// Reads a file as text.
    pub fn read(&self, inside: &str) -> String {
        std::fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    /// The program with arguments, in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anode"));
        command.current_dir(self.folder.path()).args(arguments).args(["--data", "data"]);
        command.env("ANODE_CACHE", self.path(".cache"));
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs the program and expects an exit code; returns standard output and standard error together.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?} said:\n{text}");
        assert!(!text.contains("panicked"), "{text}");
        text
    }

    /// Runs the program and expects an exit code; returns the data of the document that it prints.
    pub fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["data"].clone()
    }

    /// The only run folder of an experiment under the quick profile.
    pub fn run_folder(&self, experiment: &str) -> PathBuf {
        let folder = self.path("results/runs/quick").join(experiment);
        let mut found: Vec<_> = std::fs::read_dir(&folder).expect("records").flatten().map(|e| e.path()).collect();
        found.retain(|p| !p.to_string_lossy().contains(".damaged-"));
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// Every file below a folder with its bytes, by relative path; locks, which name a process, apart.
pub fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if !entry.file_name().to_string_lossy().ends_with(".lock") {
                let name = entry.path().strip_prefix(folder).expect("inside").to_string_lossy().into_owned();
                found.push((name, std::fs::read(entry.path()).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

/// The tables of a results folder.
pub fn tables(place: &Workplace, results: &str) -> Vec<(String, Vec<u8>)> {
    tree(&place.path(results).join("tables"))
}

fn base(id: &str, study: &str, metric: &str) -> Value {
    json!({
        "id": id, "title": "A test", "paper": "anode", "analysis": "Why.",
        "claim": { "text": "A claim <with> \"markup\" & more.", "source": "S" },
        "study": study, "grid": [{}], "seeds": [0], "profiles": { "quick": {} },
        "metrics": [{ "column": metric, "label": metric }],
        "expectation": { "text": "It holds.", "checks": [
            { "name": "it is there", "rule": { "within": { "column": metric, "min": 0.0 } } }
        ] }
    })
}

/// A reversibility experiment of one fast run.
pub fn reversal(id: &str) -> Value {
    let mut definition = base(id, "reversibility", "rho");
    definition["fixed"] = json!({
        "problem": { "kind": "scalar-linear", "rate": -1.0 }, "solver": "rk4",
        "stepping": { "kind": "fixed", "steps": [4, 8, 16] }, "dtype": "f64"
    });
    definition["figures"] = json!([{ "id": "rho", "title": "Rho", "draw": { "lines": {
        "x": { "column": "steps", "label": "steps", "scale": "log" },
        "y": { "column": "rho", "label": "rho", "scale": "log" }, "series": ["solver"]
    } } }]);
    definition
}

/// A gradient-error experiment of one fast run.
pub fn gradient(id: &str) -> Value {
    let mut definition = base(id, "gradient-error", "error_W");
    definition["fixed"] = json!({
        "field": { "kind": "dense", "n": 6, "weights": { "normal": { "std": 0.4 } },
        "initial": { "normal": { "std": 1.0 } } },
        "activation": "tanh", "solver": "heun", "steps": [1, 2, 4], "dtype": "f64", "reference_tolerance": 1e-10,
        "methods": ["full", "anode", "revolve:2", "reverse-time", "stored-adjoint", "dfdx-tape"]
    });
    definition
}

/// A training experiment of one short run.
pub fn training(id: &str) -> Value {
    let mut definition = base(id, "training", "test_accuracy");
    definition["fixed"] = json!({
        "net": "resnet4", "width": 4, "data": "synthetic", "train_images": 96, "test_images": 50, "solver": "euler",
        "steps": 2,
        "method": "anode", "epochs": 4, "batch": 8, "learning_rate": 0.05, "drops": [0.5], "momentum": 0.9,
        "weight_decay": 5e-4, "augment": true, "checkpoint_every": 5
    });
    definition
}

/// Saves the checkpoint at `path` again with other texts in its header and the digest that belongs to them.
pub fn save_again(path: &Path, change: impl FnOnce(&mut HashMap<String, String>)) {
    let bytes = std::fs::read(path).expect("a checkpoint");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let mut metadata = header.metadata().clone().expect("metadata");
    change(&mut metadata);
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    let names = ["theta", "velocity", "statistics", "counters"];
    let parts = names.map(|name| (name, tensors.tensor(name).expect("a tensor")));
    let texts = ["steps_sha256", "origins"].map(|key| (key, metadata.get(key)));
    let texts = texts.iter().filter_map(|(key, text)| Some((*key, text.as_ref()?.as_bytes())));
    let digest = sha256_of_parts(parts.iter().map(|(name, view)| (*name, view.data())).chain(texts));
    metadata.insert("sha256".into(), digest);
    std::fs::write(path, safetensors::serialize(parts, Some(metadata)).expect("a checkpoint")).expect("written");
}
