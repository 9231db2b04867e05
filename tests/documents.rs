//! What the documents show is what the program does.

mod common;

/// Where the worked examples would stand: they find `crate::ode` and `crate::gradient` as they would inside the crate.
mod ode {
    pub use anode::ode::*;
}
mod gradient {
    pub use anode::gradient::*;
}

#[path = "worked_example/from_start.rs"]
mod from_start;
#[path = "worked_example/heun3.rs"]
mod heun3;

use std::path::{Path, PathBuf};

use anode::cli::Cli;
use anode::definition::{Definition, Source, load};
use clap::Parser;
use common::Workplace;
use gradient::{Adjoint, Block, Descriptor, ForwardSteps, METHODS, Method};
use ode::{ButcherTableau, Closure, Controller, ControllerDescriptor, Grid, SOLVERS, integrate};

/// The code blocks of a language in a Markdown text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(opening.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_worked_example_of_a_solver_compiles_and_has_its_order() {
    let shown = blocks(include_str!("../CONTRIBUTING.md"), "rust");
    assert_eq!(shown[0], include_str!("worked_example/heun3.rs"), "the notes show the file that is compiled");
    let table = &heun3::TABLEAU;
    assert!(SOLVERS.iter().all(|t| t.name != table.name), "it is an example, not a registered solver");
    let error = |steps| {
        let field = Closure::new(|t: f64, z: &[f64], dz: &mut [f64]| dz[0] = t.cos() * z[0]);
        let mut z = vec![1.0];
        integrate(&field, table, &Grid::unit(steps), &mut z, &vec![]).unwrap();
        (z[0] - 1f64.sin().exp()).abs()
    };
    let order = (error(32) / error(64)).log2();
    assert!((order - 3.0).abs() < 0.1, "{order}");
}

#[test]
fn the_worked_example_of_a_gradient_method_compiles_and_is_exact() {
    let shown = blocks(include_str!("../CONTRIBUTING.md"), "rust");
    assert_eq!(shown[1], include_str!("worked_example/from_start.rs"), "the notes show the file that is compiled");
    assert!(
        METHODS.iter().all(|descriptor| descriptor.name != from_start::DESCRIPTOR.name),
        "it is an example, not registered"
    );
    let field = anode::problems::Dense::<f64>::new(3, anode::kernels::Activation::Tanh, 1.0);
    let (z0, w) = (vec![0.5, -0.2, 0.1], (0..9).map(|i| f64::from(i).sin()).collect::<Vec<_>>());
    for steps in [1, 2, 7] {
        let block = Block { field: &field, tableau: anode::ode::solver("heun").unwrap(), grid: Grid::unit(steps) };
        let full = Method::Full.gradient(&block, &z0, &w, |end| end.clone()).unwrap();
        let own = from_start::FromStart.gradient(&block, &z0, &w, |end| end.clone()).unwrap();
        assert_eq!((&own.z0, &own.theta), (&full.z0, &full.theta));
        let extent = block.extent(&z0, &w).unwrap();
        assert_eq!(own.cost.peak_bytes, Adjoint::peak_bytes(from_start::FromStart, &extent));
        let taken = own.cost.forward_steps + own.cost.replayed_steps;
        assert_eq!(taken as usize, Adjoint::steps_taken(from_start::FromStart, steps));
        // `evaluations` of the example, for the two stages of Heun's method.
        assert_eq!(own.cost.function_evaluations as usize, 2 * steps * (steps + 3) / 2);
    }
}

/// What `docs/gradients.md` says of each method is what the program knows of it.
#[test]
fn the_table_of_gradient_methods_is_that_of_the_registry() {
    let text = include_str!("../docs/gradients.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let rows = &rows[..METHODS.len().min(rows.len())];
    let expected: Vec<String> = METHODS
        .iter()
        .map(|descriptor| {
            let Descriptor { memory, evaluations, source, .. } = descriptor;
            let exact = match (descriptor.exact, descriptor.steps) {
                (true, ForwardSteps::Tableau) => "exact",
                (true, _) => "exact to a measured drift",
                (false, _) => "continuous adjoint",
            };
            format!("| `{}` | {exact} | {memory} | {evaluations} | {source} |", descriptor.pattern())
        })
        .collect();
    assert_eq!(rows, expected, "the rows of docs/gradients.md should be:\n{}", expected.join("\n"));
    for descriptor in METHODS {
        let advice =
            format!("`{}`: {}", descriptor.name, descriptor.advice).split_whitespace().collect::<Vec<_>>().join(" ");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&advice), "docs/gradients.md lacks: {advice}");
    }
}

#[test]
fn the_table_of_solvers_is_that_of_the_registry() {
    let rows = SOLVERS.iter().map(|tableau| {
        let ButcherTableau { name, order, source, advice, .. } = tableau;
        let stages = format!("{}{}", tableau.stages(), if tableau.first_same_as_last() { ", FSAL" } else { "" });
        let estimate = tableau.embedded.as_ref().map_or("none".to_owned(), |pair| format!("order {}", pair.order));
        format!("| `{name}` | {order} | {stages} | {estimate} | {source} | {advice} |")
    });
    let rows: Vec<String> = rows.collect();
    let text = include_str!("../docs/gradients.md");
    assert!(text.contains(&rows.join("\n")), "the rows of docs/gradients.md should be:\n{}", rows.join("\n"));
}

#[test]
fn the_table_of_controllers_is_that_of_the_registry() {
    let rows = Controller::ALL.iter().map(|controller| {
        let ControllerDescriptor { name, norm, source, advice, .. } = controller.descriptor();
        assert_eq!(serde_json::to_value(controller).unwrap(), *name, "as definitions spell it");
        format!("| `{name}` | {} | {source} | {advice} |", norm.replace('|', "\\|"))
    });
    let rows: Vec<String> = rows.collect();
    let text = include_str!("../docs/gradients.md");
    assert!(text.contains(&rows.join("\n")), "the rows of docs/gradients.md should be:\n{}", rows.join("\n"));
}

/// The lines that CONTRIBUTING shows of an existing study stand in its files.
#[test]
fn the_study_that_the_notes_show_is_one_of_the_program() {
    let shown = blocks(include_str!("../CONTRIBUTING.md"), "rust");
    let files = [include_str!("../src/definition/settings/schedules.rs"), include_str!("../src/study/schedules.rs")];
    for (shown, file) in shown[2..].iter().zip(files) {
        for part in shown.split("    // ...\n") {
            assert!(file.contains(part), "no file has:\n{part}");
        }
    }
    assert_eq!(shown.len(), 4);
    for (line, file) in [
        ("Schedules: SchedulesSettings in schedules,", include_str!("../src/definition/settings/mod.rs")),
        ("&schedules::Schedules,", include_str!("../src/study/mod.rs")),
    ] {
        assert!(include_str!("../CONTRIBUTING.md").contains(line) && file.contains(line), "{line}");
    }
}

#[test]
fn the_first_experiment_of_the_documents_runs() {
    let shown = blocks(include_str!("../docs/experiments.md"), "json");
    let place = Workplace::new();
    place.write("experiments/anode/my-grad.json", shown[0]);
    let text = place.expect(0, &["reproduce", "--only", "my-grad"]);
    assert!(text.contains("my-grad") && text.contains("confirmed"), "{text}");
    assert!(place.path("results/tables/my-grad.quick.csv").is_file());
}

/// Every document with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("docs").flatten().map(|e| e.path());
    let docs = docs.filter(|path| path.extension().is_some_and(|e| e == "md"));
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md"].map(|name| root.join(name)).into_iter().chain(docs).collect();
    found.sort();
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("a text"))).collect()
}

#[test]
fn every_command_that_is_shown_is_one_that_the_program_takes() {
    let mut seen = 0;
    for (path, text) in documents() {
        let lines = blocks(&text, "sh").into_iter().flat_map(str::lines).map(str::to_owned);
        let inline = text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("anode ")).map(str::to_owned);
        for line in lines.chain(inline) {
            let command = line.split(['#', '>']).next().unwrap_or_default().trim();
            let Some(arguments) = command.strip_prefix("anode ").or(command.strip_prefix("cargo run --release -- "))
            else {
                continue;
            };
            seen += 1;
            let words = std::iter::once("anode").chain(arguments.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{}: `{line}`: {error}", path.display());
            }
        }
    }
    assert!(seen > 15, "{seen} commands");
}

#[test]
fn the_commands_that_need_no_results_run_as_they_are_shown() {
    let place = Workplace::new();
    place.write("experiments/anode/my-grad.json", blocks(include_str!("../docs/experiments.md"), "json")[0]);
    let shown: String = documents().into_iter().map(|(_, text)| text).collect();
    for command in [
        "anode schedule revolve:3 --steps 10",
        "anode schedule --memory 512MiB --state 16MiB --tape 64MiB --steps 32",
        "anode describe resnet18",
        "anode data list",
        "anode plan --shard 2/8",
        "anode check",
    ] {
        assert!(shown.contains(command), "`{command}` is shown nowhere");
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        place.expect(0, &arguments);
    }
    let plan = "anode plan --slurm --profile standard --shards 16 --time 04:00:00 --mem 4G --cpus 2";
    assert!(shown.contains(plan));
    let quick = plan.replace("standard", "quick");
    let arguments: Vec<&str> = quick.split(' ').skip(1).collect();
    assert!(place.expect(0, &arguments).starts_with("#!/usr/bin/env bash"));
}

#[test]
fn links_between_documents_lead_somewhere() {
    for (path, text) in documents() {
        let folder = path.parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                assert!(folder.join(file).exists(), "{}: there is no {file}", path.display());
            }
        }
    }
}

#[test]
fn the_readme_says_the_verdicts_that_the_results_have() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/tables/summary.standard.csv");
    let mut reader = csv::Reader::from_path(path).expect("a summary");
    let headers = reader.headers().expect("headers").clone();
    let at = |name: &str| headers.iter().position(|h| h == name).expect("a column");
    let (id, verdict) = (at("experiment"), at("verdict"));
    let found: Vec<(String, String)> =
        reader.records().map(|r| r.expect("a row")).map(|r| (r[id].to_owned(), r[verdict].to_owned())).collect();
    let mut seen = 0;
    for row in include_str!("../README.md").lines().filter(|line| line.starts_with("| [")) {
        let id = row.split("REPORT.md#").nth(1).and_then(|rest| rest.split(')').next()).expect("an anchor");
        let said = row.trim_end_matches([' ', '|']).rsplit('|').next().expect("a verdict").trim();
        let (_, verdict) = found.iter().find(|(other, _)| other == id).expect("an experiment");
        assert_eq!(said, verdict, "README.md on {id}");
        seen += 1;
    }
    assert!(seen > 8, "{seen} rows");
}

#[test]
fn the_published_curve_is_compared_at_its_own_epochs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/anode/anode-sqnxt-c10-curve.json");
    let reported = load(&file).expect("a definition").claim.reported;
    assert_eq!(reported.len(), 8);
    for number in reported {
        let on = number.on.unwrap_or_default();
        let epoch: u64 = on.rsplit(' ').next().and_then(|epoch| epoch.parse().ok()).expect("an epoch, from 1");
        let found = number.filter.get("epoch").map(|wanted| serde_json::to_value(wanted).expect("JSON"));
        assert_eq!((number.table, found), (Source::Steps, Some(serde_json::json!(epoch - 1))), "{on}");
    }
}

/// The sentences of a text, each without its full stop.
fn sentences(text: &str) -> Vec<String> {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    flat.split(". ").map(|sentence| sentence.trim_end_matches('.').to_owned()).filter(|s| !s.is_empty()).collect()
}

#[test]
fn the_readme_quotes_findings_of_the_report() {
    let report = include_str!("../results/REPORT.md").replace('\\', "");
    let section = report.split("## Findings").nth(1).and_then(|rest| rest.split("<a id").next()).expect("findings");
    // Title, and the sentences without the links at the end.
    let findings: Vec<(&str, Vec<String>)> = section
        .lines()
        .filter_map(|line| line.split_once(". **")?.1.split_once(".** "))
        .map(|(title, text)| (title, sentences(text.split(" ([").next().unwrap_or_default())))
        .collect();
    let readme = include_str!("../README.md");
    let quoted =
        readme.split("## What we found").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let mut seen = 0;
    for entry in quoted.split("\n- **").skip(1) {
        let (title, text) = entry.split("\n\n").next().unwrap_or_default().split_once(".** ").expect("a title");
        let of_report = findings.iter().find(|(other, _)| *other == title);
        let (_, of_report) = of_report.unwrap_or_else(|| panic!("the report has no finding `{title}`"));
        for sentence in sentences(text) {
            assert!(of_report.contains(&sentence), "README.md, `{title}`: the report does not say `{sentence}`");
        }
        seen += 1;
    }
    assert!((3..=5).contains(&seen), "{seen} findings");
    // The answers above them are those of the report.
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for answer in report.lines().filter(|line| line.starts_with("**") && line.contains("?** ")) {
        assert!(flat(readme).contains(&flat(answer)), "README.md lacks the answer: {answer}");
    }
}

#[test]
fn every_definition_says_what_could_overturn_its_verdict() {
    let (loaded, faults) = anode::definition::load_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments"));
    assert!(faults.is_empty());
    // One's own experiments need not.
    let outline = anode::definition::load_outline(&Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")).unwrap();
    assert!(!outline.chapters.is_empty());
    let published = |id: &String| outline.chapters.iter().any(|chapter| chapter.experiments.contains(id));
    for one in loaded.into_iter().filter(|one| published(&one.definition.id)) {
        let Definition { id, overturn, .. } = one.definition;
        let said = overturn.is_some_and(|text| text.len() > 80);
        assert!(said, "{id}: say in `overturn`, in more than 80 characters, what would change the verdict");
    }
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
    for word in [
        "list",
        "plan",
        "run",
        "reproduce",
        "repeat",
        "figures",
        "report",
        "check",
        "clean",
        "completions",
        "man",
        "130",
    ] {
        assert!(help.contains(word), "{word}");
    }
    assert!(run(&["man"]).contains(".TH anode 1"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run(&["completions", shell]).contains("reproduce"), "{shell}");
    }
    place.write("experiments/anode/my-grad.json", blocks(include_str!("../docs/experiments.md"), "json")[0]);
    for verb in [&["list"][..], &["plan"], &["check"]] {
        let output = place.run(&[verb, &["--json"]].concat());
        assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok(), "{verb:?}");
    }
}
