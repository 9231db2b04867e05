//! Studies on the CUDA device, emulated, against the CPU: the same code, row by row.

use std::sync::atomic::AtomicBool;

use crate::emulator;
use anode::definition::settings::Settings;
use anode::kernels::Cpu;
use anode::record::{Outcome, is_timing};
use anode::study::{
    AnyDevice, Context, CoupledGradient, Ending, GradientError, Memory, Place, Reversibility, STUDIES, Study, Training,
};
use anode::train::TrainingDevice;
use serde_json::{Map, Value, json};

const MEMORY: usize = 1 << 30;

/// What a study finds on a device.
fn found<D: TrainingDevice>(study: &(impl AnyDevice + Study), device: &D, settings: &Map<String, Value>) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place { definition: ".".into(), data: None };
    let settings = Settings::parse(study.kind(), settings).expect("sound settings");
    let context = Context {
        settings: &settings,
        seed: 3,
        place: &place,
        device: D::NAME,
        accelerator: None,
        folder: folder.path(),
        stop: &AtomicBool::new(false),
        progress: &|_| (),
    };
    match study.compute(device, &context).expect("a result") {
        Ending::Finished(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

/// Columns that are of the machine, not of the numbers.
const OWN: &[&str] = &[
    "process_peak_bytes",
    "process_over_counted",
    "seconds",
    "over_full_storage_seconds",
    "last_states",
    "parameters_sha256",
];

/// Every cell as on the CPU: numbers to `rounding`, of themselves and beside 1, all else alike; but for columns of the
/// machine's own, and
/// `others`.
fn agrees(study: &(impl AnyDevice + Study), settings: &Value, rounding: f64, others: &[&str]) {
    let Some(gpu) = emulator::device(11, MEMORY) else { return };
    let settings = settings.as_object().expect("settings");
    let (expected, there) = (found(study, &Cpu, settings), found(study, &gpu, settings));
    assert_eq!(expected.rows.len(), there.rows.len());
    let compared = |name: &str| ![OWN, others].concat().contains(&name) && !is_timing(name);
    for (expected, there) in expected.rows.iter().zip(&there.rows) {
        assert!(expected.keys().eq(there.keys()), "the same columns");
        for (name, cell) in expected.iter().filter(|(name, _)| compared(name)) {
            let close = match (cell.as_f64(), there[name].as_f64()) {
                (Some(a), Some(b)) => (a - b).abs() <= rounding * (1.0 + a.abs()),
                _ => *cell == there[name],
            };
            assert!(close, "{name}: {} on the device, {cell} on the CPU; {settings:?}", there[name]);
        }
    }
    assert_eq!(expected.images.len(), there.images.len());
    for (expected, there) in expected.images.iter().zip(&there.images) {
        let pairs = expected.pixels.iter().zip(&there.pixels);
        let off = pairs.map(|(a, b)| (a.expect("finite") - b.expect("finite")).abs()).fold(0.0, f64::max);
        assert!(off <= rounding, "{}: {off:e}", expected.name);
    }
    assert!(gpu.held().live < 1 << 20, "buffers are given back: {:?}", gpu.held());
}

#[test]
fn reversibility() {
    let fixed = json!({ "kind": "fixed", "steps": [1, 4, 16] });
    let search = json!({ "kind": "search", "target": 1e-3, "max_steps": 40 });
    let adaptive = |norm| json!({ "kind": "adaptive", "rtol": 1e-5, "atol": 1e-8, "norm": norm });
    let convolution = |activation| {
        json!({ "kind": "convolution", "activation": activation, "std": 0.3, "kernel": 3,
        "picture": "drawn" })
    };
    let matrix = json!({ "kind": "matrix-relu", "n": 10, "sign": -1, "normalise": "spectral" });
    for (problem, solver, stepping) in [
        (json!({ "kind": "scalar-linear", "rate": -2.0 }), "rk4", &search),
        (json!({ "kind": "scalar-relu", "c": 3.0 }), "midpoint", &search),
        (json!({ "kind": "scalar-relu", "c": 3.0 }), "dormand-prince", &adaptive("matlab")),
        (matrix.clone(), "heun", &fixed),
        (matrix, "dormand-prince", &adaptive("torchdiffeq")),
        (convolution("none"), "rk4", &fixed),
        (convolution("relu"), "euler", &fixed),
        (convolution("leaky-relu"), "heun", &fixed),
        (convolution("softplus"), "dormand-prince", &adaptive("proportional-integral")),
        (convolution("tanh"), "euler", &fixed),
    ] {
        for (dtype, rounding) in [("f64", 1e-10), ("f32", 1e-4)] {
            // Where a search ends, and how many steps a tolerance takes, hangs on the last bit.
            if dtype == "f64" || stepping["kind"] == "fixed" {
                let settings = json!({ "problem": problem, "solver": solver, "stepping": stepping, "dtype": dtype });
                agrees(&Reversibility, &settings, rounding, &[]);
            }
        }
    }
}

/// A state that overflows ends the way on a device too, though it is told only afterwards.
#[test]
fn a_way_that_overflows_has_no_end() {
    let Some(gpu) = emulator::device(0, MEMORY) else { return };
    let settings = json!({
        "problem": { "kind": "scalar-linear", "rate": 1e300 }, "solver": "euler",
        "stepping": { "kind": "fixed", "steps": [1, 8] }, "dtype": "f64"
    });
    for outcome in [
        found(&Reversibility, &Cpu, settings.as_object().expect("settings")),
        found(&Reversibility, &gpu, settings.as_object().expect("settings")),
    ] {
        let ended = |i: usize| outcome.rows[i]["ended"].as_str().expect("text").to_owned();
        assert_eq!((&outcome.rows[0]["rho"], &outcome.rows[1]["rho"]), (&json!("inf"), &Value::Null));
        assert!(ended(1).starts_with("forward: "), "{}", ended(1));
        assert!(ended(0).starts_with("reverse: "), "{}", ended(0));
    }
}

#[test]
fn gradient_error() {
    let normal = |std: f64| json!({ "normal": { "std": std } });
    let dense = json!({ "kind": "dense", "n": 6, "weights": normal(0.4), "initial": normal(1.0) });
    let convolution = json!({ "kind": "convolution", "channels": 2, "kernel": 3, "size": 4, "weights": normal(0.3),
        "initial": normal(1.0) });
    let methods = [
        "full",
        "anode",
        "revolve:2",
        "online:2",
        "reverse-time",
        "stored-adjoint",
        "interpolated-adjoint",
        "leapfrog",
        "reversible",
    ];
    for (field, tape) in [(dense, Some("dfdx-tape")), (convolution, None)] {
        let methods: Vec<&str> = methods.into_iter().chain(tape).collect();
        for (dtype, rounding) in [("f64", 1e-10), ("f32", 1e-3)] {
            let settings = json!({
                "field": field, "activation": "tanh", "solver": "heun", "steps": [1, 3], "methods": methods,
                "dtype": dtype, "reference_tolerance": if dtype == "f64" { 1e-9 } else { 1e-5 }
            });
            agrees(&GradientError, &settings, rounding, &[]);
        }
    }
}

#[test]
fn memory() {
    for method in ["full", "anode", "revolve:2", "reverse-time"] {
        let settings =
            json!({ "blocks": 2, "steps": [2, 5], "method": method, "solver": "euler", "channels": 3, "size": 6 });
        agrees(&Memory, &settings, 1e-6, &[]);
    }
    // What the arena counts is what the ledger counts, and what the sweep needs beside it.
    let Some(gpu) = emulator::device(0, MEMORY) else { return };
    let settings =
        json!({ "blocks": 4, "steps": [32], "method": "full", "solver": "euler", "channels": 4, "size": 32 });
    let row = &found(&Memory, &gpu, settings.as_object().expect("settings")).rows[0];
    let over = row["process_over_counted"].as_f64().expect("counted by the arena");
    assert!((1.0..1.2).contains(&over), "{over}");
}

#[test]
fn coupled_gradient() {
    let memory = |kind: &str| match kind {
        "none" => json!({ "kind": "none" }),
        "box" => json!({ "kind": "box", "width": 0.4, "history": "zero" }),
        _ => json!({ "kind": "exponential", "rate": 2.0, "history": "rest" }),
    };
    for (configuration, kind) in [
        (json!({ "kind": "together" }), "none"),
        (json!({ "kind": "together" }), "box"),
        (json!({ "kind": "matching", "weight_steps": 2 }), "exponential"),
        (json!({ "kind": "final", "weight_steps": 2 }), "none"),
    ] {
        // In single precision the differences are rounding alone.
        let settings = json!({
            "channels": 2, "kernel": 3, "size": 4, "weights_std": 0.3, "initial_std": 1.0, "coefficients_std": 0.2,
            "activation": "tanh", "terms": "rda", "sigma": "tanh", "memory": memory(kind),
            "configuration": configuration,
            "solver": "rk4", "steps": [2, 3], "methods": ["full", "anode", "revolve:2", "reverse-time"], "dtype": "f64"
        });
        agrees(&CoupledGradient, &settings, 1e-9, &[]);
    }
}

#[test]
fn training() {
    for form in ["ode", "baseline", "configuration-1", "configuration-2", "configuration-2-final"] {
        let mut settings = json!({
            "net": "resnet4", "form": form, "width": 4, "data": "synthetic", "train_images": 24, "test_images": 10,
            "solver": "euler", "steps": 2, "method": "anode", "epochs": 1, "batch": 8, "learning_rate": 0.02,
            "drops": [], "momentum": 0.9, "weight_decay": 5e-4, "augment": true, "checkpoint_every": 2,
            "evaluations": ["test-batch", "recalibrated", "per-evaluation"]
        });
        if form == "ode" {
            settings["quality_every"] = json!(2);
            settings["block_reversal"] = json!(true);
            settings["random_error"] = json!("per-tensor");
        }
        // A residual block's mask is as large as its numbers there.
        agrees(&Training, &settings, 2e-3, &["peak_bytes"]);
    }
}

/// What every study says of a run for which a GPU was asked.
#[test]
fn studies_without_work_for_a_device_stay_on_the_cpu() {
    for study in STUDIES {
        let name = serde_json::to_value(study.kind()).expect("a name");
        let host = ["schedules", "network-cost", "kernel-evolution"].contains(&name.as_str().expect("a name"));
        assert_eq!(study.device("cuda"), if host { "cpu" } else { "cuda" }, "{name}");
        assert_eq!(study.device("cpu"), "cpu");
    }
}
