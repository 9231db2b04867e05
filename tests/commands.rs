//! What the commands that look at plans and records print, from the command line.

mod common;

use std::path::Path;
use std::time::{Duration, SystemTime};

use common::{Workplace, reversal, training};
use serde_json::{Value, json};

/// Standard output of a call as JSON.
fn json_of(place: &Workplace, arguments: &[&str]) -> Value {
    let output = place.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn archived_records_count_as_recorded() {
    let place = Workplace::new();
    let mut two = reversal("two");
    two["seeds"] = json!([0, 1]);
    place.define(&two).expect(0, &["reproduce"]);
    assert_eq!(json_of(&place, &["plan", "--json"])[0]["state"], "done");
    std::fs::remove_dir_all(place.path("results/runs")).expect("records");
    assert_eq!(json_of(&place, &["list", "--json"])[0]["profiles"][0]["recorded"], 2);
    let plan = json_of(&place, &["plan", "--json"]);
    assert_eq!((&plan[1]["state"], &plan[1]["done"]), (&json!("archived"), &json!(true)));
    // Another setting is another run.
    two["fixed"]["dtype"] = json!("f32");
    place.define(&two);
    assert_eq!(json_of(&place, &["plan", "--json"])[0]["state"], "to do");
    // A damaged archive is reported and counts as empty.
    place.write("results/records/two.quick.tar.gz", "no archive");
    let text = place.expect(0, &["list"]);
    assert!(text.contains("two.quick.tar.gz: not an archive of records") && text.contains("0/2"), "{text}");
}

/// Twenty images a file in the format of CIFAR-10, all with the byte `shade`, modified an hour ago.
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

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn images_are_read_once_for_all_plans_and_checked_before_a_run() {
    let place = Workplace::new();
    let mut own = training("own");
    own["fixed"]["data"] = json!({ "cifar-folder": "own" });
    own["fixed"]["epochs"] = json!(1);
    place.define(&own);
    cifar(&place, 3);
    let id = |place: &Workplace| json_of(place, &["plan", "--json"])[0]["run"].clone();
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
fn experiments_and_runs_are_selected_the_same_way_everywhere() {
    let place = Workplace::new();
    let mut one = reversal("anode-one");
    one["seeds"] = json!([0, 1]);
    one["fixed"]["problem"] = json!({ "kind": "scalar-relu", "c": 10.0 });
    place.define(&one).define(&reversal("anode-two")).define(&reversal("v2-three"));
    let count =
        |arguments: &[&str]| json_of(&place, &[arguments, &["--json"]].concat()).as_array().expect("runs").len();
    assert_eq!(count(&["plan"]), 4);
    assert_eq!(count(&["plan", "anode-*"]), 3);
    assert_eq!(count(&["plan", "v2-three", "anode-one"]), 3);
    assert_eq!(count(&["plan", "anode-*", "--only", "*two"]), 1);
    assert_eq!(count(&["plan", "anode-one", "--where", "seed=1.0"]), 1, "numbers agree by value");
    assert_eq!(count(&["plan", "anode-one", "--where", "problem.c=1e1"]), 2, "a part of a setting");
    let ran = json_of(&place, &["reproduce", "anode-*", "--where", "seed=0", "--json"]);
    assert_eq!(ran["finished"], 2);
    place.expect(0, &["run", "*"]);
    place.expect(0, &["reproduce"]);
    assert!(place.expect(0, &["figures", "anode-*"]).contains("4 charts written"));
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
        (&["clean", "anode-oen", "--yes"], "did you mean `anode-one`?"),
        (&["figures", "anode-oen"], "did you mean `anode-one`?"),
        (&["repeat", "anode-oen"], "did you mean `anode-one`?"),
        (&["plan", "--where", "sover=rk4"], "did you mean `solver`?"),
        (&["plan", "--where", "solver=rk5"], "did you mean `rk4`?"),
        (&["describe", "resnet40"], "did you mean `resnet4`?"),
        (&["describe", "resnet4", "--solver", "rk44"], "did you mean `rk4`?"),
        (&["schedule", "anod"], "did you mean `anode`?"),
    ] {
        let text = place.expect(2, arguments);
        assert!(text.contains(told), "{arguments:?}: {text}");
    }
}

#[test]
fn misspelt_names_in_a_definition_are_recognised() {
    let place = Workplace::new();
    let mut wrong = reversal("wrong");
    wrong["fixed"]["solver"] = json!("rk44");
    let text = place.define(&wrong).expect(1, &["check"]);
    assert!(text.contains("did you mean `rk4`?"), "{text}");
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
