//! Sound inputs of every target.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anode::data::synthetic;
use anode::definition::settings::Settings;
use anode::definition::{Definition, Profile, StudyKind};
use anode::gradient::Method;
use anode::net::{Form, Network, Solve, Steps, network};
use anode::ode::solver;
use anode::plan;
use anode::record::{
    FORMAT, Image, Outcome, Record, Row, Status, environment, number, read_record, row, to_archive, write_record,
};
use anode::report::Inputs;
use anode::train::{PastSteps, Rate, Recipe, Trainer, resume, save};
use serde_json::{Map, Value, json};

use super::containers::{Member, join, repack};
use super::picture;
use crate::files::tarred;

/// Id of the experiment of all records.
pub const EXPERIMENT: &str = "fuzzed";

/// The committed experiments, and a small one of every study.
pub fn definitions() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut files: Vec<PathBuf> = ["anode", "anodev2"]
        .iter()
        .flat_map(|paper| std::fs::read_dir(folder.join(paper)).unwrap().flatten().map(|e| e.path()))
        .collect();
    files.sort();
    let renamed = |text: Vec<u8>| {
        let mut value: Value = serde_json::from_slice(&text).unwrap();
        value["id"] = json!("fuzz");
        serde_json::to_vec(&value).unwrap()
    };
    let mut own = serde_json::to_value(definition()).unwrap();
    own["id"] = json!("fuzz");
    files.iter().map(|file| renamed(std::fs::read(file).unwrap())).chain([own.to_string().into_bytes()]).collect()
}

/// The experiment of all records.
pub fn definition() -> Definition {
    let axis = |column: &str, scale: &str| json!({ "column": column, "label": column, "scale": scale });
    let lines = |id: &str, source: &str, x: &str, y: &str, scale: &str, series: &[&str]| {
        json!({ "id": id, "title": id, "draw": { "lines": {
            "source": source, "x": axis(x, scale), "y": axis(y, scale), "series": series, "panel": "ended" } } })
    };
    serde_json::from_value(json!({
        "id": EXPERIMENT, "title": "A test", "paper": "anode", "analysis": "Why.",
        "claim": { "text": "A claim.", "source": "S" },
        "study": "reversibility", "grid": [{}], "seeds": [0], "profiles": { "quick": {} }, "fixed": settings(),
        "metrics": [{ "column": "rho", "label": "rho" }, { "column": "last_states", "label": "the last states" }],
        "figures": [
            lines("log", "rows", "steps", "rho", "log", &["ended"]),
            lines("linear", "rows", "evaluations", "rho", "linear", &["last_states", "z1_sign"]),
            { "id": "images", "title": "images", "draw": { "images": {
                "columns": [{ "image": "input", "label": "input" }, { "image": "output", "label": "output" }],
                "series": ["ended"], "notes": ["rho"] } } }
        ],
        "expectation": { "text": "It holds.", "checks": [
            { "name": "rho", "rule": { "within": { "column": "rho", "min": 0.0 } } },
            { "name": "slope", "rule": { "slope": { "x": "steps", "y": "rho", "over": [1.0, 100.0], "min": -9.0,
                "max": 9.0 } } },
            { "name": "same", "rule": { "identical": { "columns": ["rho"], "per": ["steps"] } } }
        ] }
    }))
    .expect("a sound definition")
}

fn settings() -> Value {
    json!({ "problem": { "kind": "scalar-linear", "rate": -1.0 }, "solver": "rk4",
            "stepping": { "kind": "fixed", "steps": [4, 8, 16] }, "dtype": "f64" })
}

fn resolved() -> Map<String, Value> {
    Settings::parse(StudyKind::Reversibility, settings().as_object().unwrap()).unwrap().json().clone()
}

/// The id of the run of all records.
pub fn run_id() -> String {
    plan::run_id(StudyKind::Reversibility, &resolved(), 0, &Map::new(), "cpu")
}

/// Runs that read no files.
#[derive(Debug)]
pub struct NoInputs;

impl Inputs for NoInputs {
    fn digests(&self, _: &Definition, _: &Map<String, Value>, _: bool) -> Option<Map<String, Value>> {
        Some(Map::new())
    }
}

/// A record with steps and images.
pub fn records() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let line = |i: u64| -> Row {
        row([
            ("steps", (4 << i).into()),
            ("evaluations", (16 << i).into()),
            ("rho", number(0.1 / (i + 1) as f64)),
            ("ended", "both ways".into()),
            ("z1_sign", "positive".into()),
            ("last_states", format!("z(0.{i}) = 1e-3; z(1) = 2").into()),
        ])
    };
    let image = |name: &str| Image {
        name: name.into(),
        height: 2,
        width: 3,
        pixels: vec![Some(0.5), None, Some(1.0), Some(0.0), None, Some(2.0)],
    };
    let images = vec![image("input"), image("output")];
    let outcome = Outcome { rows: (0..4).map(line).collect(), images, ..Outcome::default() };
    std::fs::write(folder.path().join("steps.csv"), "step,loss,test_loss\n0,1.5,\n1,0.5,0.25\n2,inf,\n").unwrap();
    let mut found = vec![];
    for status in [
        Status::Finished,
        Status::Diverged { step: 2, loss: "NaN".into(), gradient_norm: "inf".into(), cause: Some("a cause".into()) },
        Status::Failed { at: "here".into(), why: "there".into() },
    ] {
        let record = Record {
            format: FORMAT,
            numerics: plan::numerics(StudyKind::Reversibility, &resolved()),
            continued: None,
            model: None,
            run: run_id(),
            experiment: EXPERIMENT.into(),
            profile: Profile::Quick,
            study: StudyKind::Reversibility,
            settings: resolved(),
            seed: 0,
            inputs: Map::new(),
            status,
            environment: environment("cpu", 2, 1.5),
            origins: vec![],
            files: Map::new(),
        };
        write_record(folder.path(), &record, &outcome).unwrap();
        let part = |name: &str| (name.to_owned(), std::fs::read(folder.path().join(name)).unwrap());
        found.push(join(&["run.json", "rows.csv", "steps.csv", "images.json"].map(part)));
    }
    found
}

/// Archives of one and of two records.
pub fn archives() -> Vec<Vec<u8>> {
    let load = |input: &Vec<u8>| {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in super::parts(input) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        read_record(folder.path()).unwrap().unwrap()
    };
    let one: Vec<_> = records().iter().take(1).map(load).collect();
    vec![to_archive(&one).unwrap(), to_archive(&[]).unwrap()]
}

thread_local! {
    static TRAINER: RefCell<Option<Trainer>> = const { RefCell::new(None) };
}

fn trainer() -> Trainer {
    let mut set = synthetic();
    set.train.truncate(8);
    set.test.truncate(4);
    let solve = Solve { tableau: solver("euler").unwrap(), steps: Steps::Fixed(1), method: Method::Anode };
    let recipe = Recipe {
        solve,
        epochs: 4,
        batch: 4,
        learning_rate: 0.05,
        rate: Rate::Drops(vec![]),
        momentum: 0.9,
        weight_decay: 0.0,
        momentum_restart: false,
        augment: false,
        random_error: None,
        seed: 7,
    };
    Trainer::new(Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 1, 10)), Arc::new(set), recipe).unwrap()
}

/// Checkpoints of a small network, before and after a step.
pub fn checkpoints() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer();
    (0..2)
        .map(|_| {
            trainer.step().unwrap();
            let past = PastSteps { seconds: 1.5, log: Some("a digest".into()), origins: Some("[]".into()) };
            save(&trainer, folder.path(), "run", &past).unwrap();
            std::fs::read(folder.path().join("checkpoint.safetensors")).unwrap()
        })
        .collect()
}

/// What a trainer makes of the checkpoint in a folder.
pub fn resumed(folder: &Path) -> String {
    TRAINER.with_borrow_mut(|kept| {
        let trainer = kept.get_or_insert_with(trainer);
        let past = resume(trainer, folder, "run", |step, _| step < 8);
        let taken = past.map(|_| {
            assert!(trainer.next_step() < 8);
            trainer.step().map(|m| m.step).map_err(|e| e.to_string())
        });
        format!("{taken:?}")
    })
}

/// NPY and CSV files.
pub fn arrays() -> Vec<Vec<u8>> {
    let npy = |kind: &str, shape: &str, body: &[u8]| {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), body].concat()
    };
    let doubles: Vec<u8> = [1.5f64, -2.0, 0.25, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    vec![
        npy("<f8", "(2, 2)", &doubles),
        npy("<f4", "(8,)", &doubles),
        npy("<f8", "(4, 1, 1)", &doubles),
        npy("<f8", "(1000000000000, 1000000000000)", &doubles),
        b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec(),
        b"1, 2.5,-3e-2\n4,5,6\n".to_vec(),
        b"\xef\xbb\xbf1\n2\n3\n".to_vec(),
    ]
}

/// IDX files of images and of labels, plain and gzipped.
pub fn idx() -> Vec<Vec<u8>> {
    let file = |magic: u32, sizes: &[u32], body: &[u8]| -> Vec<u8> {
        let head = [&[magic], sizes].concat();
        head.iter().flat_map(|n| n.to_be_bytes()).chain(body.iter().copied()).collect()
    };
    let images = file(2051, &[2, 2, 3], &[0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]);
    vec![crate::files::gzipped(&images), images, file(2049, &[3], &[7, 0, 9]), file(2051, &[1, 0, 0], &[])]
}

/// Archives of pictures and of CIFAR records, with PAX headers and links.
pub fn tars() -> Vec<Vec<u8>> {
    let (picture, record) = (picture(), [&[0, 1][..], &[7; 3072]].concat());
    let pax = |text: &[u8]| Member { kind: b'x', ..Member::file("pax", text.to_vec()) };
    let long = repack(&[
        pax(b"35 path=cifar-100-binary/train.bin\n"),
        Member::file("short", record.clone()),
        Member { kind: b'g', ..Member::file("global", b"14 comment=a\nb\n".to_vec()) },
        Member::file("cifar-100-binary/test.bin", record.clone()),
        Member { kind: b'2', ..Member::file("link", vec![]) },
    ]);
    vec![
        tarred([("data_batch_1/00000_6.jpg", &picture[..]), ("test_batch/00001_9.jpg", &picture)]),
        tarred([("cifar-100-binary/train.bin", &record[..]), ("cifar-100-binary/test.bin", &record)]),
        long,
    ]
}
