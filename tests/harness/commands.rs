//! What the commands that look at plans and records print, from the command line.

use crate::common;

use std::path::Path;
use std::time::{Duration, SystemTime};

use common::{Workplace, gradient, reversal, training, tree};
use serde_json::{Value, json};

#[test]
fn archived_records_count_as_recorded() {
    let place = Workplace::new();
    let mut two = reversal("two");
    two["seeds"] = json!([0, 1]);
    place.define(&two).expect(0, &["reproduce"]);
    assert_eq!(place.json(0, &["plan", "--json"])[0]["state"], "done");
    std::fs::remove_dir_all(place.path("results/runs")).expect("records");
    assert_eq!(place.json(0, &["list", "--json"])[0]["profiles"][0]["recorded"], 2);
    let plan = place.json(0, &["plan", "--json"]);
    assert_eq!((&plan[1]["state"], &plan[1]["done"]), (&json!("archived"), &json!(true)));
    // Another setting is another run.
    two["fixed"]["dtype"] = json!("f32");
    place.define(&two);
    assert_eq!(place.json(0, &["plan", "--json"])[0]["state"], "to do");
    // A damaged archive is reported and counts as empty.
    place.write("results/records/two.quick.tar.xz", "no archive");
    let text = place.expect(0, &["list"]);
    assert!(text.contains("two.quick.tar.xz: not an archive of records") && text.contains("0/2"), "{text}");
}

/// Twenty images per file in the format of CIFAR-10, all with the byte `shade`, modified an hour ago.
fn cifar(place: &Workplace, shade: u8) {
    let hour = SystemTime::now() - Duration::from_secs(3600);
    let whole =
        Duration::from_secs(hour.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs() / 7200 * 7200);
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        let record = |i: usize| [vec![(i % 10) as u8], vec![shade; 3072]].concat();
        let path = format!("data/own/{name}.bin");
        place.write(&path, (0..20).flat_map(record).collect::<Vec<u8>>());
        let file = std::fs::File::options().write(true).open(place.path(&path)).expect("a file");
        file.set_modified(SystemTime::UNIX_EPOCH + whole).expect("a file system with times");
    }
}

/// An experiment that trains on images in the data folder.
fn with_own_images() -> Workplace {
    let place = Workplace::new();
    let mut own = training("own");
    own["fixed"]["data"] = json!({ "cifar-folder": "own" });
    own["fixed"]["epochs"] = json!(1);
    own["fixed"]["test_images"] = json!(20);
    place.define(&own);
    cifar(&place, 3);
    place
}

#[test]
fn records_count_without_the_data_of_their_runs() {
    let place = with_own_images();
    place.expect(0, &["reproduce"]);
    std::fs::remove_dir_all(place.path("data/own")).expect("the images");
    std::fs::remove_dir_all(place.path("results/runs")).expect("records");
    let text = place.expect(0, &["list"]);
    assert!(text.contains("1/1 (data not here)"), "{text}");
    let counted = json!({ "profile": "quick", "recorded": 1, "runs": 1, "planned": 0, "skipped": 1 });
    assert_eq!(place.json(0, &["list", "--json"])[0]["profiles"][0], counted);
    assert_eq!(place.json(0, &["show", "own", "--json"])[0]["profiles"][0]["recorded"], 1);
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn images_are_read_once_for_all_plans_and_checked_before_a_run() {
    let place = with_own_images();
    let id = |place: &Workplace| place.json(0, &["plan", "--json"])[0]["run"].clone();
    let first = id(&place);
    assert_eq!(files(&place.path(".cache/digests")), 1);
    assert_eq!(id(&place), first);
    // Other bytes of the same size and time: the plan does not see it, the run does.
    cifar(&place, 4);
    assert_eq!(id(&place), first);
    let text = place.expect(1, &["run", "own"]);
    assert!(text.contains("changed while their size and modification time stayed the same"), "{text}");
    place.expect(0, &["run", "own"]);
    assert_ne!(id(&place), first);
    // A cache that cannot be read or written changes nothing.
    std::fs::remove_dir_all(place.path(".cache")).expect("a cache");
    place.write(".cache", "no folder");
    assert_ne!(id(&place), first);
}

#[test]
fn every_template_is_a_sound_experiment_that_runs() {
    let place = Workplace::new();
    let studies = [
        "reversibility",
        "gradient-error",
        "memory",
        "schedules",
        "kernel-evolution",
        "coupled-gradient",
        "network-cost",
        "training",
    ];
    for study in studies {
        let text = place.expect(0, &["new", &format!("own-{study}"), "--study", study]);
        assert!(text.contains("anode check"), "{text}");
    }
    let text = place.expect(0, &["check"]);
    assert!(text.contains("8 definitions are sound"), "{text}");
    let ran = place.json(0, &["run", "own-*", "--json"]);
    assert_eq!((&ran["failed"], &ran["skipped"]), (&json!([]), &json!([])));
    assert!(ran["finished"].as_u64() > Some(10), "{ran}");
    let shown = place.json(0, &["show", "own-*", "--json"]);
    for experiment in shown.as_array().expect("a list") {
        assert_eq!(experiment["profiles"][0]["verdict"], "confirmed", "{experiment}");
        assert!(!experiment["profiles"][0]["rows"].as_array().expect("rows").is_empty());
    }
    // A template is a text that a person reads.
    let path = place.path("experiments/anode/own-training.json");
    let text = std::fs::read_to_string(path).expect("a file");
    assert!(text.contains("\n  \"seeds\": [0],\n") && text.lines().all(|line| line.len() < 900), "{text}");
}

#[test]
fn a_new_definition_follows_another_one() {
    let place = Workplace::new();
    place.expect(0, &["init", "project"]);
    let within = ["--experiments", "project/experiments"];
    for other in
        ["anode-grad", "anode-scalar", "anode-train-resnet4", "v2-kernels", "v2-gradient", "v2-table-nt", "v2-params"]
    {
        let id = format!("like-{other}");
        place.expect(0, &[&["new", &id, "--like", other][..], &within].concat());
        let plan = place.json(0, &[&["plan", &id, "--json"][..], &within].concat());
        assert!(
            (1..=64).contains(&plan.as_array().expect("runs").len()),
            "{other}: {}",
            plan.as_array().unwrap().len()
        );
    }
    place.expect(0, &[&["check"][..], &within].concat());
    for (arguments, told) in [
        (&["new", "anode-grad", "--study", "memory"][..], "the id `anode-grad` is taken by"),
        (&["new", "own", "--like", "anode-gard"], "did you mean `anode-grad`?"),
        (&["new", "own", "--study", "trainin"], "nearest: `training`"),
        (&["new", "Own/id", "--study", "memory"], "id: `Own/id`; allowed: "),
    ] {
        let text = place.expect(2, &[arguments, &within].concat());
        assert!(text.contains(told), "{text}");
    }
    place.expect(2, &["new", "own"]);
}

#[test]
fn a_new_definition_reads_the_files_of_the_one_that_it_follows() {
    let place = Workplace::new();
    let mut own = gradient("gm");
    own["fixed"]["field"]["weights"] = json!({ "file": "w.csv" });
    own["fixed"]["field"]["initial"] = json!({ "file": "../shared/z.csv" });
    let row = "0.1,-0.2,0.3,0.1,0.2,-0.1\n";
    place.write("experiments/mine/gm.json", own.to_string()).write("experiments/mine/w.csv", row.repeat(6));
    place.write("experiments/shared/z.csv", row).expect(0, &["run", "gm"]);
    place.expect(0, &["new", "gn", "--like", "gm"]);
    let text = place.read("experiments/anode/gn.json");
    let made: Value = serde_json::from_str(&text).expect("JSON");
    let field = &made["fixed"]["field"];
    assert_eq!(
        (&field["weights"]["file"], &field["initial"]["file"]),
        (&json!("../mine/w.csv"), &json!("../shared/z.csv"))
    );
    place.expect(0, &["run", "gn"]);
    // In the same folder the paths stay as they are.
    place.expect(0, &["new", "go", "--like", "gn"]);
    let again = place.read("experiments/anode/go.json");
    assert_eq!(again.replace("\"go\"", "\"gn\""), text);
}

#[test]
fn the_embedded_definitions_are_those_of_the_repository() {
    let place = Workplace::new();
    place.expect(0, &["init", "project"]);
    let committed = common::tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments"));
    assert_eq!(common::tree(&place.path("project/experiments")), committed);
    // A call that was stopped is repeated; what the user changed is kept.
    std::fs::remove_file(place.path("project/experiments/outline.json")).unwrap();
    place.expect(0, &["init", "project"]);
    assert_eq!(common::tree(&place.path("project/experiments")), committed);
    place.write("project/experiments/outline.json", "{}");
    assert!(place.expect(2, &["init", "project"]).contains("outline.json: a file with other content"));
    assert_eq!(std::fs::read(place.path("project/experiments/outline.json")).unwrap(), b"{}");
    std::fs::remove_file(place.path("project/experiments/outline.json")).unwrap();
    assert!(place.expect(0, &["list", "--experiments", "project/experiments"]).contains("anode-grad"));
}

#[test]
fn an_experiment_is_shown_with_and_without_records() {
    let place = Workplace::new();
    place.define(&reversal("own"));
    let text = place.expect(0, &["show", "own"]);
    for part in ["A test (own)", "A claim", "not run", "Runs of the study reversibility", "quick: 1 runs", "solver=rk4"]
    {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    place.expect(0, &["run", "own"]);
    let text = place.expect(0, &["show", "own"]);
    for part in ["Quick profile: confirmed (1 of 1 runs complete)", "it is there", "rho", "All 3 rows"] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    assert!(place.expect(2, &["show", "owm"]).contains("did you mean `own`?"));
}

#[test]
fn progress_without_a_terminal_is_a_line_at_intervals() {
    let place = Workplace::new();
    let mut long = training("long");
    long["fixed"]["epochs"] = json!(8);
    let output = place.define(&long).command(&["run", "long"]).env("ANODE_PROGRESS_SECONDS", "0.05").output();
    let text = String::from_utf8(output.expect("it starts").stderr).expect("text");
    let line = text.lines().rev().find(|line| line.contains("epoch")).expect("a line of progress");
    for part in ["[0/1] long", "/96 epoch", "/8, loss ", ", accuracy ", " left (", " % of all work done"] {
        assert!(line.contains(part), "`{part}` in {line}");
    }
    assert!(text.lines().last().is_some_and(|line| line.ends_with(": done")), "{text}");
}

#[cfg(unix)]
#[test]
fn another_process_is_watched_while_it_computes() {
    let place = Workplace::new();
    let mut long = training("long");
    long["fixed"]["epochs"] = json!(400);
    place.define(&long);
    let text = place.expect(0, &["status"]);
    assert!(text.contains("no process is writing"), "{text}");
    let mut child = place.command(&["run", "long"]).stderr(std::process::Stdio::null()).spawn().expect("it starts");
    let log = || {
        std::fs::read_dir(place.path("results/runs/quick/long"))
            .ok()?
            .flatten()
            .next()
            .map(|e| e.path().join("steps.csv"))
    };
    let steps = || log().and_then(|path| std::fs::read_to_string(path).ok()).map_or(0, |text| text.lines().count());
    let clock = std::time::Instant::now();
    while steps() < 40 && clock.elapsed().as_secs() < 120 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = place.json(0, &["status", "--json"]);
    assert_eq!(status["process"], format!("process {}", child.id()));
    let run = &status["runs"][0];
    assert_eq!((&run["state"], &run["experiment"], &run["epochs"]), (&json!("computing"), &json!("long"), &json!(400)));
    assert!(run["progress"]["steps"].as_u64() >= Some(39) && run["seconds_left"].as_f64() > Some(0.0), "{run}");
    assert!(place.expect(0, &["status"]).contains("computing"));
    assert_eq!(place.json(0, &["plan", "--json"])[0]["state"], "computing");
    let drawn = place.expect(0, &["watch", "long", "--once"]);
    for part in ["training loss, now ", "training accuracy", "test accuracy", "│", " of 400", " left"] {
        assert!(drawn.contains(part), "`{part}` in {drawn}");
    }
    assert!(!drawn.contains('\u{1b}'), "{drawn}");
    let asked = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(asked.expect("kill is there").success());
    child.wait().expect("it ends");
    let text = place.expect(0, &["status"]);
    assert!(text.contains("no process is writing") && text.contains("interrupted"), "{text}");
    let text = place.expect(0, &["plan"]);
    assert!(text.contains("1 runs to compute") && text.contains("interrupted runs are resumed"), "{text}");
    let run = &place.json(0, &["plan", "--json"])[0];
    assert_eq!((&run["state"], &run["done"]), (&json!("interrupted"), &json!(false)));
    assert!(run["forecast"].is_object(), "{run}");
    assert!(place.expect(2, &["watch", "other"]).contains("anode status"));
}

#[test]
fn a_recorded_training_is_drawn_from_its_record_and_its_archive() {
    let place = Workplace::new();
    place.define(&training("own")).expect(0, &["reproduce"]);
    let id = place.json(0, &["plan", "--json"])[0]["run"].as_str().expect("an id").to_owned();
    let drawn = place.expect(0, &["watch", &id[..6]]);
    assert!(drawn.contains("epoch 4, recorded"), "{drawn}");
    std::fs::remove_dir_all(place.path("results/runs")).expect("runs");
    assert_eq!(place.expect(0, &["watch", &id[..6]]), drawn);
}

#[test]
fn a_plan_says_what_it_takes_and_asks_before_half_a_day() {
    let place = Workplace::new();
    let mut long = training("long");
    long["fixed"].as_object_mut().expect("settings").extend(
        json!({ "net": "resnet18", "width": 64, "train_images": 4000, "epochs": 100_000 })
            .as_object()
            .expect("settings")
            .clone(),
    );
    place.define(&long);
    let text = place.expect(0, &["plan"]);
    for part in ["1 runs to compute: about ", "years", "rough: multiply-adds", "GB", "the same command resumes"] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    let plan = place.json(0, &["plan", "--json"]);
    let forecast = &plan[0]["forecast"];
    assert_eq!(forecast["basis"], "multiply-adds");
    assert!(forecast["seconds"].as_f64() > Some(1e6) && forecast["bytes"].as_f64() > Some(1e8), "{forecast}");
    assert!(forecast["disk"].as_f64() > Some(1e8), "{forecast}");
    for command in ["run", "reproduce"] {
        let text = place.expect(2, &[command, "long"]);
        assert!(text.contains("add --yes") && text.contains("--where"), "{text}");
    }
    assert!(!place.path("results/runs").exists());
    // Runs like one that was recorded are forecast from it.
    let mut short = training("short");
    short["seeds"] = json!([0]);
    place.define(&short).expect(0, &["run", "short"]);
    short["seeds"] = json!([0, 1]);
    short["fixed"]["epochs"] = json!(8);
    place.define(&short);
    let plan = place.json(0, &["plan", "short", "--json"]);
    assert_eq!(plan[1]["forecast"]["basis"], "alike");
    // The same settings with another seed.
    short["fixed"]["epochs"] = json!(4);
    place.define(&short);
    assert_eq!(place.json(0, &["plan", "short", "--json"])[1]["forecast"]["basis"], "same");
    short["fixed"]["epochs"] = json!(8);
    place.define(&short);
    // A run with much more work is not forecast from it.
    short["fixed"]["epochs"] = json!(100_000);
    place.define(&short);
    assert_eq!(place.json(0, &["plan", "short", "--json"])[1]["forecast"]["basis"], "multiply-adds");
    short["fixed"]["epochs"] = json!(8);
    place.define(&short);
    let text = place.expect(0, &["plan", "short"]);
    assert!(text.contains("2 runs to compute") && text.contains("measured: runs of the same size"), "{text}");
}

#[test]
fn experiments_and_runs_are_selected_the_same_way_everywhere() {
    let place = Workplace::new();
    let mut one = reversal("anode-one");
    one["seeds"] = json!([0, 1]);
    one["fixed"]["problem"] = json!({ "kind": "scalar-relu", "c": 10.0 });
    let mut three = reversal("v2-three");
    three["seeds"] = json!([0, 1, 2]);
    place.define(&one).define(&reversal("anode-two")).define(&three);
    let count = |arguments: &[&str]| place.json(0, &[arguments, &["--json"]].concat()).as_array().expect("runs").len();
    assert_eq!(count(&["plan"]), 6);
    assert_eq!(count(&["plan", "anode-*"]), 3);
    assert_eq!(count(&["plan", "v2-three", "anode-one"]), 5);
    assert_eq!((count(&["list", "anode-*"]), count(&["list", "v2-three"]), count(&["list"])), (2, 1, 3));
    assert_eq!(count(&["plan", "anode-*", "--only", "*two"]), 1);
    assert_eq!(count(&["plan", "anode-one", "--where", "seed=1.0"]), 1, "numbers agree by value");
    assert_eq!(count(&["plan", "anode-one", "--where", "problem.c=1e1"]), 2, "a part of a setting");
    let both = ["plan", "v2-three", "--where", "seed=0", "--where", "seed=2"];
    assert_eq!(count(&both), 2, "any value of a name, and every name");
    assert_eq!(count(&["plan", "--where", "problem.c=null"]), 4, "runs without a setting");
    assert_eq!(count(&["plan", "--where", "problem.c=null", "--where", "problem.c=10"]), 6);
    assert!(place.expect(2, &["plan", "--where", "problem.c=7"]).contains(", null"));
    let mut wrong = both;
    wrong[5] = "seed=7";
    assert!(place.expect(2, &wrong).contains("seed=7"));
    let ran = place.json(0, &["reproduce", "anode-*", "--where", "seed=0", "--json"]);
    assert_eq!(ran["finished"], 2);
    place.expect(0, &["run", "*"]);
    place.expect(0, &["reproduce"]);
    assert!(place.expect(0, &["figures", "anode-*"]).contains("2 charts written"));
    assert!(place.expect(0, &["repeat", "anode-o*", "--where", "seed=1"]).contains("identical to the last bit"));
    let text = place.expect(0, &["clean", "anode-*", "--where", "seed=1", "--yes"]);
    assert!(
        text.lines().filter(|line| line.starts_with("removed")).count() == 1 && text.contains("anode-one"),
        "{text}"
    );
    for (arguments, told) in [
        (&["plan", "anode-oen"][..], "did you mean `anode-one`?"),
        (&["run", "anode-oen"], "did you mean `anode-one`?"),
        (&["reproduce", "anode-x*"], "no experiment matches `anode-x*`; there are anode-one"),
        (&["list", "anode-oen"], "did you mean `anode-one`?"),
        (&["check", "anode-oen"], "did you mean `anode-one`?"),
        (&["clean", "anode-oen", "--yes"], "did you mean `anode-one`?"),
        (&["figures", "anode-oen"], "did you mean `anode-one`?"),
        (&["repeat", "anode-oen"], "did you mean `anode-one`?"),
        (&["plan", "--where", "sover=rk4"], "did you mean `solver`?"),
        (&["plan", "--where", "solver=rk5"], "did you mean `rk4`?"),
        (&["plan", "--where", "solver=RK4"], "did you mean `rk4`?"),
        (&["plan", "--where", "solver=classical"], "did you mean `rk4`?"),
        (&["describe", "resnet40"], "did you mean `resnet4`?"),
        (&["describe", "resnet4", "--solver", "rk44"], "did you mean `rk4`?"),
        (&["schedule", "anod"], "did you mean `anode`?"),
    ] {
        let text = place.expect(2, arguments);
        assert!(text.contains(told), "{arguments:?}: {text}");
    }
}

#[test]
fn a_check_of_some_definitions_reports_only_theirs() {
    let place = Workplace::new();
    let mut wrong = reversal("wrong");
    wrong["fixed"]["dtype"] = json!("f16");
    place.define(&reversal("sound")).define(&wrong).write("experiments/schema.json", "{}");
    place.expect(1, &["check"]);
    assert!(place.expect(0, &["check", "sound"]).contains("1 definitions are sound"));
    assert!(place.expect(0, &["check", "s*", "--json"]).contains("\"sound\": 1"));
    // A definition that cannot be read is known by the name of its file.
    for arguments in [&["check", "wrong"][..], &["check", "w*"], &["check", "sound", "wrong"]] {
        assert!(place.expect(1, arguments).contains("wrong.json: fixed.dtype: "));
    }
    assert!(place.expect(2, &["check", "wrogn"]).contains("there are sound, wrong; did you mean `wrong`?"));
    place.expect(2, &["check", "sound", "--write-schema"]);
}

#[test]
fn misspelt_names_in_a_definition_are_recognised() {
    let place = Workplace::new();
    let mut wrong = reversal("wrong");
    wrong["fixed"]["solver"] = json!("rk44");
    let text = place.define(&wrong).expect(1, &["check"]);
    assert!(text.contains("did you mean `rk4`?"), "{text}");
    for (found, meant) in [
        ("RK4", "rk4"),
        ("dopri5", "dormand-prince"),
        ("RK45", "dormand-prince"),
        ("rk23", "bogacki-shampine"),
        ("rk2", "midpoint"),
    ] {
        wrong["fixed"]["solver"] = json!(found);
        let text = place.define(&wrong).expect(1, &["check"]);
        assert!(text.contains(&format!("did you mean `{meant}`?")), "{found}: {text}");
        assert_eq!(text.matches("did you mean").count(), 1, "{text}");
    }
    let mut wrong = reversal("wrong");
    wrong["claim"]["source"] = json!("Z");
    let text = place.define(&wrong).expect(1, &["check"]);
    assert!(text.contains("`Z`") && !text.contains("did you mean"), "{text}");
    let mut wrong = reversal("wrong");
    wrong["expectations"] = wrong["expectation"].clone();
    let text = place.define(&wrong).expect(1, &["check"]);
    assert!(text.contains("did you mean `expectation`?"), "{text}");
    let mut wrong = reversal("wrong");
    wrong["study"] = json!("reversability");
    let text = place.define(&wrong).expect(1, &["check"]);
    assert!(text.contains("did you mean `reversibility`?"), "{text}");
}

#[test]
fn missing_data_and_a_missing_project_are_reported_once() {
    let place = Workplace::new();
    let mut grid = training("grid");
    grid["fixed"]["data"] = json!("cifar10");
    grid["fixed"].as_object_mut().expect("settings").remove("method");
    grid["grid"] = json!([{ "method": ["full", "anode", "reverse-time"] }]);
    let mut other = grid.clone();
    other["id"] = json!("other");
    place.define(&grid).define(&other);
    for arguments in [&["run", "grid", "other"][..], &["reproduce"]] {
        let text = place.expect(1, arguments);
        assert_eq!(text.matches("was not found").count(), 1, "{text}");
        assert!(text.contains("not run: grid (3 settings), other (3 settings): "), "{text}");
        assert!(text.contains("nothing is recorded of them") && !text.contains("they are recorded"), "{text}");
    }
    assert_eq!(place.expect(0, &["plan"]).matches("was not found").count(), 1);
    let text = place.expect(2, &["list", "--experiments", "nowhere"]);
    for part in ["looked in /", "nowhere", "--experiments DIR", "anode init DIR"] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
}

#[test]
fn a_results_folder_that_does_not_exist_replaces_no_files() {
    let place = Workplace::new();
    place.define(&reversal("sound")).expect(0, &["reproduce"]);
    place.expect(0, &["export"]);
    let before = (tree(&place.path("export")), tree(&place.path("figures")));
    for command in
        [&["export", "--results", "reslts"][..], &["figures", "--results", "reslts"], &["handover", "--results", "r"]]
    {
        let said = place.expect(2, command);
        assert!(said.contains("no such results folder; name the folder with --results"), "{said}");
    }
    assert!((tree(&place.path("export")), tree(&place.path("figures"))) == before);
    assert!(!place.path("reslts").exists());
    assert!(
        place.expect(2, &["list", "--results", "/dev/null"]).contains("/dev/null is a file; allowed: a results folder")
    );
}

#[test]
fn threads_are_at_most_the_processors_of_the_machine() {
    let place = Workplace::new();
    place.define(&reversal("sound"));
    let output = place.command(&["list"]).env("RAYON_NUM_THREADS", "99999999").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("RAYON_NUM_THREADS") && said.contains("are used"), "{said}");
}

#[test]
fn a_refused_schedule_or_address_leaves_nothing_behind() {
    let place = Workplace::new();
    let drawn = ["schedule", "uniform:3", "--svg", "y.svg", "--state", "17179869183GiB"];
    assert!(place.expect(2, &drawn).contains("name smaller --state") && !place.path("y.svg").exists());
    for url in ["x", "", "ftp://x", "http://["] {
        let said = place.expect(2, &["data", "fetch", "mnist-test", "--url", url]);
        assert!(said.contains("allowed: http:// or https:// and a host"), "{said}");
    }
}
