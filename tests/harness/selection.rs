//! Selecting runs by their settings, and completing the words that select them in a shell.

use crate::common;

use common::{Workplace, reversal};
use serde_json::json;

/// A workplace with results of one experiment: two solvers, two seeds.
fn place() -> Workplace {
    let place = Workplace::new();
    let mut two = reversal("two");
    two["fixed"].as_object_mut().unwrap().remove("solver");
    two["grid"] = json!([{ "solver": ["euler", "rk4"] }]);
    two["seeds"] = json!([0, 1]);
    place.define(&two).expect(0, &["run", "two"]);
    place
}

#[test]
fn charts_of_some_runs_go_to_another_folder() {
    let place = place();
    place.expect(0, &["figures"]);
    let chart = |folder: &str| std::fs::read_to_string(place.path(folder).join("two-rho.quick.svg")).expect("a chart");
    let all = chart("figures");
    assert!(all.contains("Euler") && all.contains("RK4"), "both solvers");
    let refused = place.expect(2, &["figures", "--where", "solver=rk4"]);
    assert!(refused.contains("name another folder with --figures DIR"), "{refused}");
    place.expect(0, &["figures", "--where", "solver=rk4", "--where", "seed=1", "--figures", "some"]);
    assert!(!chart("some").contains("Euler"));
    assert_eq!(chart("figures"), all, "the charts of all runs stay");
    let wrong = place.expect(2, &["figures", "--where", "solver=rk5", "--figures", "some"]);
    assert!(wrong.contains("there are euler, rk4"), "{wrong}");
}

/// What bash is offered for the last word of a command line.
fn offered(place: &Workplace, words: &[&str]) -> Vec<String> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_anode"));
    command.current_dir(place.path("")).arg("--").arg("anode").args(words);
    let index = words.len().to_string();
    command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn shells_complete_ids_settings_values_and_runs() {
    let place = place();
    place.define(&reversal("third"));
    let offers = |words: &[&str]| offered(&place, words);
    assert_eq!(offers(&["run", "t"]), ["third", "two"]);
    assert_eq!(offers(&["show", "tw"]), ["two"]);
    assert_eq!(offers(&["clean", "--only", "th"]), ["third"]);
    assert_eq!(offers(&["plan", "--where", "solv"]), ["solver="]);
    assert_eq!(offers(&["figures", "--where", "solver="]), ["solver=euler", "solver=rk4"]);
    assert_eq!(offers(&["export", "--where", "stepping.k"]), ["stepping.kind="]);
    assert_eq!(offers(&["schema", "repo"]), ["report", "report-verify"]);
    let runs: Vec<String> = std::fs::read_dir(place.path("results/runs/quick/two"))
        .expect("runs")
        .map(|entry| entry.expect("a run").file_name().to_string_lossy().into_owned())
        .collect();
    let mut found = offers(&["watch", ""]);
    found.retain(|word| !word.starts_with('-'));
    assert_eq!((found.len(), runs.len()), (4, 4));
    assert!(runs.iter().all(|run| found.contains(run)), "{found:?}");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let word = std::ffi::OsStr::from_bytes(b"\xff");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_anode"));
        command.current_dir(place.path("")).args(["--", "anode", "run", "tw"]).arg(word);
        command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2").env("_CLAP_IFS", "\n");
        command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
        let output = command.output().expect("it starts");
        assert!(output.status.success() && output.stdout.starts_with(b"two"), "{output:?}");
    }
    // In another project, and where there is none.
    std::fs::rename(place.path("experiments"), place.path("elsewhere")).expect("moved");
    assert_eq!(offers(&["run", "tw"]), Vec::<String>::new());
    assert_eq!(offers(&["--experiments", "elsewhere", "run", "tw"]), ["two"]);
}

#[test]
fn shells_get_a_script_that_calls_the_program() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_anode")).env("COMPLETE", shell).output().unwrap();
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && script.contains("COMPLETE") && script.contains("anode"),
            "{shell}: {script}"
        );
    }
}
