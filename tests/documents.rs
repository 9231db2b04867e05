//! What the documents show is what the program does.

mod common;

/// Where the worked example would stand: it finds `crate::ode` as it would inside the crate.
mod ode {
    pub use anode::ode::*;
}

#[path = "worked_example/heun3.rs"]
mod heun3;

use common::Workplace;
use ode::{Closure, Grid, SOLVERS, integrate};

/// The code blocks of a language in a Markdown text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(opening.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_worked_example_of_a_solver_compiles_and_has_its_order() {
    let shown = blocks(include_str!("../CONTRIBUTING.md"), "rust");
    assert_eq!(shown, [include_str!("worked_example/heun3.rs")], "the notes show the file that is compiled");
    let table = &heun3::TABLEAU;
    assert!(SOLVERS.iter().all(|t| t.name != table.name), "it is an example, not a registered solver");
    let error = |steps| {
        let field = Closure(|t: f64, z: &[f64], dz: &mut [f64]| dz[0] = t.cos() * z[0]);
        let mut z = vec![1.0];
        integrate(&field, table, &Grid::unit(steps), &mut z, &vec![]).unwrap();
        (z[0] - 1f64.sin().exp()).abs()
    };
    let order = (error(32) / error(64)).log2();
    assert!((order - 3.0).abs() < 0.1, "{order}");
}

#[test]
fn the_experiment_of_the_readme_runs() {
    let shown = blocks(include_str!("../README.md"), "json");
    let place = Workplace::new();
    place.write("experiments/anode/my-grad.json", shown[0]);
    let text = place.expect(0, &["reproduce", "--only", "my-grad"]);
    assert!(text.contains("my-grad") && text.contains("confirmed"), "{text}");
    assert!(place.path("results/tables/my-grad.quick.csv").is_file());
}

#[test]
fn every_command_has_help_a_man_page_and_completions() {
    let place = Workplace::new();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_anode")).args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let help = run(&["--help"]);
    for word in ["list", "plan", "run", "reproduce", "figures", "report", "check", "clean", "completions", "man", "130"]
    {
        assert!(help.contains(word), "{word}");
    }
    assert!(run(&["man"]).contains(".TH anode 1"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run(&["completions", shell]).contains("reproduce"), "{shell}");
    }
    place.write("experiments/anode/my-grad.json", blocks(include_str!("../README.md"), "json")[0]);
    for verb in [&["list"][..], &["plan"], &["check"]] {
        let output = place.run(&[verb, &["--json"]].concat());
        assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok(), "{verb:?}");
    }
}
