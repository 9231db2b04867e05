//! The program as people and scripts meet it: JSON, pipes that close, disks that are full, help.

use crate::common;

use std::process::Stdio;

use common::{Workplace, reversal, training};
use serde_json::{Value, json};

#[test]
fn every_command_speaks_json() {
    let place = Workplace::new();
    place.define(&reversal("sound"));
    let list = place.json(0, &["list", "--json"]);
    assert_eq!(list[0]["id"], "sound");
    let counted = json!({ "profile": "quick", "recorded": 0, "runs": 1, "planned": 1, "skipped": 0 });
    assert_eq!(list[0]["profiles"][0], counted);
    let plan = place.json(0, &["plan", "--json"]);
    assert_eq!(plan[0]["done"], false);
    assert_eq!(plan[0]["settings"]["solver"], "rk4");

    let ran = place.json(0, &["run", "sound", "--json"]);
    assert_eq!((&ran["finished"], &ran["before"], &ran["written"]), (&json!(1), &json!(0), &json!([])));
    let folder = place.path("").join(plan[0]["folder"].as_str().unwrap());
    assert!(folder.join("run.json").exists(), "the plan told the folder");
    assert_eq!(place.json(0, &["plan", "--json"])[0]["done"], true);

    let made = place.json(0, &["reproduce", "--json"]);
    assert_eq!((&made["finished"], &made["before"]), (&json!(0), &json!(1)));
    assert_eq!(made["experiments"][0]["verdict"], "confirmed");
    for file in made["written"].as_array().unwrap() {
        assert!(place.path(file.as_str().unwrap()).exists(), "{file}");
    }
    for verb in ["report", "figures"] {
        assert!(!place.json(0, &[verb, "--json"])["written"].as_array().unwrap().is_empty());
    }

    assert_eq!(place.json(0, &["check", "--json"]), json!({ "sound": 1, "faults": [] }));
    let mut wrong = reversal("wrong");
    wrong["fixed"]["dtype"] = json!("f16");
    let faults = place.define(&wrong).json(1, &["check", "--json"]);
    assert_eq!(faults["sound"], 1);
    assert_eq!(faults["faults"][0]["path"], "fixed.dtype");
    assert!(faults["faults"][0]["file"].as_str().unwrap().ends_with("wrong.json"));
}

#[test]
fn checkpoint_schedules_are_shown_by_name_and_by_budget() {
    let place = Workplace::new();
    let shown = place.json(0, &["schedule", "revolve:2", "--steps", "3", "--json"]);
    assert!(shown["diagram"].as_str().unwrap().starts_with("o . . .  store 0\n"));
    let budget = ["schedule", "--memory", "20MiB", "--state", "1MiB", "--tape", "2MiB", "--steps", "100", "--json"];
    let chosen = place.json(0, &budget);
    assert!(chosen["method"].as_str().unwrap().starts_with("revolve:"), "{chosen}");
    assert!(chosen["bytes"].as_u64().unwrap() <= 20 << 20);

    let refused = |arguments: &[&str], says: &[&str]| {
        let output = place.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(says.iter().all(|s| text.contains(s)), "{text}");
    };
    refused(&["schedule", "--memory", "2MiB", "--steps", "50"], &["the least that works is 3145728", "revolve:1"]);
    refused(&["schedule", "--memory", "many"], &["`many`", "MiB"]);
    refused(&["schedule", "revolv:3"], &["`revolv:3`", "revolve:M"]);
    refused(&["schedule", "anode", "--steps", "500", "--svg", "a.svg"], &["500 steps", "100"]);
    refused(&["schedule", "leapfrog", "--svg", "a.svg"], &["leapfrog"]);

    assert!(place.run(&["schedule", "online:3", "--svg", "online.svg"]).status.success());
    let svg = place.read("online.svg");
    assert!(svg.starts_with("<svg") && svg.contains("Online, 3 snapshots"), "{}", &svg[..100]);
}

#[test]
fn quiet_says_nothing_but_errors() {
    let place = Workplace::new();
    place.define(&reversal("sound"));
    let output = place.run(&["reproduce", "--quiet"]);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());
    assert!(place.expect(2, &["run", "other", "--quiet"]).contains("no experiment `other`"));
}

#[test]
fn without_a_terminal_progress_is_a_line_a_run() {
    let place = Workplace::new();
    let mut three = reversal("three");
    three["seeds"] = json!([0, 1, 2]);
    let output = place.define(&three).run(&["reproduce", "--jobs", "1"]);
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[2].starts_with("[3/3] three") && lines[2].ends_with(": done"), "{text}");
    assert!(!text.contains('\u{1b}'), "no escape codes in a log file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() {
    let place = Workplace::new();
    let mut many = reversal("many");
    many["seeds"] = (0..5000).collect::<Vec<u32>>().into();
    place.define(&many);
    let shell = |script: &str| {
        let script = format!("{} {script}", env!("CARGO_BIN_EXE_anode"));
        let output = std::process::Command::new("bash").args(["-c", &script]).current_dir(place.path("")).output();
        let output = output.expect("bash is there");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (_, text) = shell("plan | head -n 1 >/dev/null; echo ${PIPESTATUS[0]} >&2");
    assert_eq!(text, "0\n");
    let (code, text) = shell("plan --json > /dev/full");
    assert_eq!(code, Some(3));
    assert!(text.contains("standard output"), "{text}");
    // Nowhere to complain is no reason to fail, nor to hide a failure.
    assert_eq!(shell("list 2> /dev/full").0, Some(0));
    assert_eq!(shell("run other 2> /dev/full").0, Some(2));
    assert_eq!(shell("reproduce --only nothing 2>&-").0, Some(2));
    place.define(&reversal("few"));
    assert_eq!(shell("run few 2> /dev/full").0, Some(0), "progress that nobody reads");
}

#[test]
fn charts_that_cannot_be_written_are_told_before_the_work() {
    let place = Workplace::new();
    place.define(&training("train")).write("file", "not a folder");
    let text = place.expect(3, &["reproduce", "--figures", "file/figures"]);
    assert!(text.contains("file/figures"), "{text}");
    assert!(!place.path("results/runs").exists());
}

#[test]
fn the_schema_is_written_on_request_and_compared_otherwise() {
    let place = Workplace::new();
    place.define(&reversal("sound")).expect(0, &["check", "--write-schema"]);
    place.expect(0, &["check"]);
    let schema: Value = serde_json::from_slice(&std::fs::read(place.path("experiments/schema.json")).unwrap()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&reversal("sound")));
    let text = place.write("experiments/schema.json", "{}").expect(1, &["check"]);
    assert!(text.contains("schema.json") && text.contains("--write-schema"), "{text}");
    let text = place.expect(2, &["check", "--write-schema", "--experiments", "typo"]);
    assert!(text.contains("typo: no such folder") && !place.path("typo").exists(), "{text}");
}

#[test]
fn a_report_without_records_and_a_plan_without_runs_say_so() {
    let place = Workplace::new();
    place.define(&reversal("sound"));
    assert!(place.expect(0, &["report", "--results", "typo"]).contains("there are no records of this profile yet"));
    let said = place.expect(0, &["run", "sound", "--profile", "paper"]);
    assert!(said.contains("none of these experiments has runs of profile paper"), "{said}");
    let mut command = place.command(&["run", "sound"]);
    let output = command.env("ANODE_PROGRESS_SECONDS", "abc").output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("ANODE_PROGRESS_SECONDS: `abc`; allowed: "), "{said}");
    assert!(!place.expect(0, &["report"]).contains("there are no records"));
}

#[test]
fn a_run_that_fails_is_told_and_fails_the_call() {
    let place = Workplace::new();
    let mut broken = training("broken");
    broken["fixed"]["data"] = json!({ "cifar-folder": "nowhere" });
    let mut sound = training("sound");
    sound["fixed"]["epochs"] = json!(1);
    place.define(&broken).define(&sound);
    let text = place.expect(1, &["run", "broken", "sound"]);
    assert!(text.contains("broken") && text.contains("nowhere"), "{text}");
    assert!(place.run_folder("sound").join("run.json").exists(), "the other one ran");
}

#[test]
fn help_man_page_and_completions_are_there() {
    let place = Workplace::new();
    for arguments in [&["--help"][..], &["man"]] {
        let text = place.expect(0, arguments);
        for part in ["130", "reproduce", "figures", "--threads"] {
            assert!(text.replace("\\-", "-").contains(part), "`{part}` in {arguments:?}: {text}");
        }
    }
    let page = place.expect(0, &["man"]).replace("\\-", "-");
    for part in ["EXIT STATUS", "\n.TP\n130\n", "OPTIONS OF ANODE REPRODUCE", "--only", "--write-schema", "anode clean"]
    {
        assert!(page.contains(part), "`{part}` in {page}");
    }
    let codes: Vec<&str> = page.split("EXIT STATUS\"\n").nth(1).expect("exit codes").split(".TP\n").skip(1).collect();
    let numbers: Vec<&str> = codes.iter().filter_map(|code| code.lines().next()).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "130"]);
    assert!(codes[1].contains("`compare`") && codes[1].contains("`doctor`"), "{page}");
    let help = place.expect(0, &["--help"]);
    assert!(help.contains("\n       `compare`, `merge` or `doctor` found"), "no line is wrapped: {help}");
    assert!(!page.contains("(1)\n"), "no page is named that does not exist: {page}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.expect(0, &["completions", shell]).contains("reproduce"), "{shell}");
    }
    assert!(place.expect(2, &["reproduce", "--profile", "fast"]).contains("standard"));
    place.expect(2, &[]);
}

#[cfg(unix)]
#[test]
fn a_second_request_to_stop_does_not_wait() {
    let place = Workplace::new();
    let mut long = reversal("long");
    // One solve of minutes, with no safe point inside.
    long["fixed"]["problem"] = json!({ "kind": "matrix-relu", "n": 100, "sign": -1, "normalise": "spectral" });
    long["fixed"]["stepping"] = json!({ "kind": "fixed", "steps": [10_000_000] });
    let command = place.define(&long).command(&["reproduce"]).stderr(Stdio::piped()).spawn();
    let mut child = command.expect("the program starts");
    let within = |seconds: u64, mut done: Box<dyn FnMut() -> bool + '_>| {
        let clock = std::time::Instant::now();
        while !done() && clock.elapsed().as_secs() < seconds {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        done()
    };
    assert!(within(60, Box::new(|| place.path("results/runs/quick/long").exists())), "the run begins");
    // Its matrix is drawn in milliseconds; then it solves.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let interrupt = |child: &std::process::Child| {
        let asked = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(asked.expect("kill is there").success());
    };
    interrupt(&child);
    let ended = within(1, Box::new(|| child.try_wait().expect("a child").is_some()));
    interrupt(&child);
    let ended_then = within(10, Box::new(|| child.try_wait().expect("a child").is_some()));
    if !ended_then {
        child.kill().expect("a kill");
    }
    let output = child.wait_with_output().unwrap();
    assert!(!ended, "the first request waits for a safe point");
    assert_eq!((ended_then, output.status.code()), (true, Some(130)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("once more to stop at once"));
    assert!(place.expect(0, &["list"]).contains("0/1"), "no half record");
}

#[test]
fn a_run_of_two_experiments_is_made_once() {
    let place = Workplace::new();
    let (mut one, mut two) = (training("one"), training("two"));
    one["fixed"]["epochs"] = json!(1);
    two["fixed"]["epochs"] = json!(1);
    two["fixed"].as_object_mut().unwrap().remove("method");
    two["grid"] = json!([{ "method": ["full", "anode"] }]);
    place.define(&one).define(&two);
    place.expect(0, &["run", "one"]);
    let text = place.expect(0, &["run", "two"]);
    assert!(text.contains("1 runs finished") && text.contains("1 were done before"), "{text}");
    // The same numbers, under the name of the other experiment.
    let id = std::fs::read_dir(place.path("results/runs/quick/one")).unwrap().next().unwrap().unwrap().file_name();
    let read = |experiment: &str, name: &str| {
        std::fs::read_to_string(place.path("results/runs/quick").join(experiment).join(&id).join(name)).unwrap()
    };
    for name in ["rows.csv", "steps.csv"] {
        assert_eq!(read("one", name), read("two", name));
    }
    let named = |experiment: &str| format!("\"experiment\": \"{experiment}\"");
    assert_eq!(read("one", "run.json").replace(&named("one"), &named("two")), read("two", "run.json"));
    place.expect(0, &["report"]);
    place.expect(0, &["report", "--verify"]);
}

#[test]
fn a_training_by_tolerance_is_logged_and_one_beyond_its_limits_is_a_result_with_its_cause() {
    let place = Workplace::new();
    let by = |id: &str, tolerances: Value| {
        let mut definition = training(id);
        let fixed = definition["fixed"].as_object_mut().unwrap();
        fixed.remove("steps");
        fixed.extend([("solver".to_owned(), json!("dormand-prince")), ("epochs".to_owned(), json!(1))]);
        fixed.insert("method".into(), json!("reverse-time"));
        fixed.insert("tolerances".into(), tolerances);
        definition
    };
    place.define(&by("sound", json!({ "rtol": 1e-2, "atol": 1e-2 })));
    place.define(&by("limited", json!({ "rtol": 1e-6, "atol": 1e-6, "norm": "matlab", "max_steps": 3 })));
    let text = place.expect(0, &["reproduce"]);
    assert!(text.contains("1 runs finished, 1 diverged"), "{text}");
    let read = |id: &str, name: &str| std::fs::read_to_string(place.run_folder(id).join(name)).unwrap();
    assert!(read("sound", "run.json").contains(r#""norm": "torchdiffeq""#), "defaults are filled in");
    let steps = read("sound", "steps.csv");
    assert!(
        steps
            .lines()
            .next()
            .unwrap()
            .ends_with("solver_steps,rejected_steps,back_steps,back_rejected,evaluations,vjps")
    );
    let count = |line: &str, from_end: usize| line.rsplit(',').nth(from_end).unwrap().parse::<u64>().unwrap();
    assert!(steps.lines().skip(1).all(|line| count(line, 5) > 0 && count(line, 3) > 0), "{steps}");
    for text in [read("limited", "run.json"), place.read("results/REPORT.md")] {
        assert!(text.contains("forward: 3 steps were attempted"), "{text}");
    }
    place.expect(0, &["report", "--verify"]);
}

#[test]
fn runs_are_chosen_by_their_settings() {
    let place = Workplace::new();
    let mut definition = training("some");
    definition["fixed"]["epochs"] = json!(1);
    definition["fixed"].as_object_mut().unwrap().remove("method");
    definition["grid"] = json!([{ "method": ["full", "anode"] }]);
    definition["seeds"] = json!([3, 4]);
    place.define(&definition);
    let text = place.expect(0, &["run", "some", "--where", "method=anode", "--where", "seed=4"]);
    assert!(text.contains("1 runs finished"), "{text}");
    for (condition, told) in
        [("method=euler", "there are anode, full"), ("colour=red", "no such setting"), ("x", "NAME=VALUE")]
    {
        let text = place.expect(2, &["run", "some", "--where", condition]);
        assert!(text.contains(condition) && text.contains(told), "{text}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_of_another_name_measures_its_memory_too() {
    let place = Workplace::new();
    let mut definition = training("memory");
    definition["study"] = json!("memory");
    definition["fixed"] =
        json!({ "blocks": 1, "method": "full", "steps": [2], "solver": "euler", "channels": 4, "size": 8 });
    definition["metrics"] = json!([{ "column": "peak_bytes", "label": "peak" }]);
    definition["expectation"]["checks"][0]["rule"]["within"]["column"] = json!("peak_bytes");
    place.define(&definition);
    let other = place.path("another-name");
    if std::fs::hard_link(env!("CARGO_BIN_EXE_anode"), &other).is_err() {
        std::fs::copy(env!("CARGO_BIN_EXE_anode"), &other).unwrap();
    }
    let output =
        std::process::Command::new(other).current_dir(place.path("")).args(["run", "memory"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = std::fs::read_to_string(place.run_folder("memory").join("rows.csv")).unwrap();
    let (names, values) = rows.split_once('\n').unwrap();
    let place = names.split(',').position(|name| name == "process_peak_bytes").unwrap();
    assert!(values.split(',').nth(place).unwrap().parse::<u64>().is_ok(), "{rows}");
}

#[test]
fn evaluations_add_columns_and_change_no_bit_of_a_run() {
    let place = Workplace::new();
    let plain = {
        let mut definition = training("plain");
        let fixed = definition["fixed"].as_object_mut().unwrap();
        fixed.extend([("epochs".to_owned(), json!(3)), ("method".to_owned(), json!("reverse-time"))]);
        definition
    };
    let mut measured = plain.clone();
    measured["id"] = json!("measured");
    measured["fixed"]["evaluations"] = json!(["test-batch", "recalibrated", "per-evaluation"]);
    measured["fixed"]["evaluate_every"] = json!(2);
    measured["fixed"]["block_reversal"] = json!(true);
    place.define(&plain);
    place.define(&measured);
    place.expect(0, &["run", "plain", "measured"]);
    let table = |id: &str, name: &str| -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(place.run_folder(id).join(name)).unwrap();
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let column = |table: &[Vec<String>], name: &str| -> Vec<String> {
        let place = table[0].iter().position(|c| c == name).unwrap_or_else(|| panic!("no {name} in {:?}", table[0]));
        table[1..].iter().map(|row| row[place].clone()).collect()
    };
    let steps = ["plain", "measured"].map(|id| table(id, "steps.csv"));
    for name in &steps[0][0] {
        assert_eq!(column(&steps[0], name), column(&steps[1], name), "{name}");
    }
    let rows = ["plain", "measured"].map(|id| table(id, "rows.csv"));
    for name in ["parameters_sha256", "test_loss", "test_accuracy", "train_loss"] {
        assert_eq!(column(&rows[0], name), column(&rows[1], name), "{name}");
    }
    let filled = |name: &str| column(&steps[1], name).iter().filter(|cell| !cell.is_empty()).count();
    for mode in ["test_batch", "recalibrated", "per_evaluation"] {
        for name in [format!("test_loss_{mode}"), format!("test_accuracy_{mode}")] {
            // After epochs 2 and 3 of 3: every second one, and the last.
            assert_eq!(filled(&name), 2, "{name}");
            assert_eq!(column(&rows[1], &name)[0], *column(&steps[1], &name).last().unwrap(), "{name}");
        }
    }
    assert_eq!((filled("reversal_error_block_1"), filled("test_loss")), (3, 3));
    let rho: f64 = column(&rows[1], "reversal_error_block_1")[0].parse().unwrap();
    assert!(rho > 0.0 && rho < 10.0, "{rho}");
}
