//! The self-test: sound machines pass, faults are named.

mod common;
#[path = "common/documents.rs"]
mod documents;

use anode::doctor::{Adjoint, Comparison, Diagnosis, NoGpu};
use common::Workplace;

#[test]
fn this_machine_is_sound_with_or_without_a_gpu() {
    let place = Workplace::new();
    let text = place.expect(0, &["doctor"]);
    for expected in
        ["processor:", "ok    f32 conv", "ok    f64 conv, vjp of the weights", "the same bits with 1, 2", "GPU: "]
    {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    if cfg!(not(feature = "cuda")) {
        assert!(text.contains("--features cuda"), "it says what to do: {text}");
    }
    if let Err(why) = anode::doctor::usable_gpu("cuda") {
        place.define(&common::training("training"));
        let refused = place.expect(2, &["run", "training", "--device", "cuda"]);
        assert!(refused.contains(&format!("--device cuda: {why}")), "{refused}");
        let helps = ["--features cuda", "install", "CUDA_VISIBLE_DEVICES", "--device cpu"];
        assert!(helps.iter().any(|what| why.contains(what)), "it says what helps: {why}");
    }
    let found = documents::data(&place.run(&["--json", "doctor"]).stdout, "doctor");
    assert!(found["cpu"].as_array().unwrap().len() > 50 && found["threads"][1] == true, "{found}");
}

#[test]
fn faults_are_named() {
    let sound =
        Comparison { kernel: "conv", shape: "2 x 3".into(), dtype: "f32", error: 1e-7, bound: 1e-6, repeats: true };
    let adjoint = Adjoint { kernel: "vjp", shape: "2 x 3".into(), error: 0.0, bound: 1e-12 };
    let diagnosis = |cpu: &Comparison, adjoint: &Adjoint, same| Diagnosis {
        machine: vec![("processor", "a processor".into())],
        cpu: vec![sound.clone(), cpu.clone()],
        adjoints: vec![adjoint.clone()],
        threads: (vec![1, 2], same),
        gpu: Err(NoGpu::Absent("no device".into())),
    };
    assert!(diagnosis(&sound, &adjoint, true).is_sound());
    let faults = [
        diagnosis(&Comparison { error: 2e-6, ..sound.clone() }, &adjoint, true),
        diagnosis(&Comparison { error: f64::INFINITY, ..sound.clone() }, &adjoint, true),
        diagnosis(&Comparison { repeats: false, ..sound.clone() }, &adjoint, true),
        diagnosis(&sound, &Adjoint { error: 1e-3, ..adjoint.clone() }, true),
        diagnosis(&sound, &adjoint, false),
    ];
    for fault in faults {
        let text = fault.to_string();
        assert!(!fault.is_sound() && text.contains("WRONG") && text.contains("no device"), "{text}");
    }
}
