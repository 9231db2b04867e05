//! `anode compare`: rows that belong together, their differences, and cells that should be bit-identical.

use crate::common;

use common::{Workplace, gradient, reversal, training};
use serde_json::json;

#[test]
fn results_are_compared_by_row_and_by_bit() {
    let place = Workplace::new();
    let mut one = reversal("one");
    one["seeds"] = json!([0, 1, 2]);
    one["fixed"]["problem"] = json!({ "kind": "matrix-relu", "n": 6, "sign": -1, "normalise": "spectral" });
    one["profiles"]["standard"] = json!({ "fixed": { "solver": "heun" } });
    let mut two = one.clone();
    two["id"] = json!("two");
    two["fixed"]["solver"] = json!("midpoint");
    place.define(&one).define(&two).expect(0, &["reproduce"]);
    place.expect(0, &["reproduce", "--profile", "standard", "one"]);
    // Two experiments: other solvers, the same seeds.
    let found = place.json(0, &["compare", "one", "two", "--json"]);
    let comparison = &found["comparisons"][0]["comparison"];
    assert_eq!(comparison["settings"], json!([{ "setting": "solver", "values": ["rk4", "midpoint"] }]));
    let lines = comparison["lines"].as_array().expect("lines");
    assert_eq!((lines.len(), &comparison["unmatched"]), (3, &json!([0, 0])), "a line for each number of steps");
    for line in lines {
        let (a, b) = (line["values"][0].as_f64().unwrap(), line["values"][1].as_f64().unwrap());
        assert!((line["difference"].as_f64().unwrap() - (b - a)).abs() <= 1e-12 * b.abs());
        assert_eq!((&line["seeds"], &line["identical"]), (&json!([3, 3]), &json!(false)));
        assert!(line["half"].as_f64().unwrap() > 0.0 && line["row"]["steps"].is_number(), "{line}");
    }
    let text = place.expect(0, &["compare", "one", "two"]);
    assert!(text.contains("solver: rk4 and midpoint") && text.contains(" ± ") && text.contains("0 of 3"), "{text}");
    // Two profiles of one experiment.
    let text = place.expect(0, &["compare", "quick", "standard"]);
    assert!(text.contains("one: 3 and 3 runs") && text.contains("solver: rk4 and heun"), "{text}");
    // A copy of the results: bit-identical, until a cell is changed.
    place.expect(0, &["reproduce", "--results", "copy"]);
    let text = place.expect(0, &["compare", "results", "copy"]);
    assert!(text.contains("3 pairs of runs should be bit-identical and are"), "{text}");
    // Two runs.
    let plan = place.json(0, &["plan", "--json"]);
    let id = |i: usize| plan[i]["run"].as_str().expect("an id")[..8].to_owned();
    let text = place.expect(0, &["compare", &id(0), &id(1)]);
    assert!(text.contains("one and one: 1 and 1 runs"), "{text}");
    for (a, b, told) in [
        ("one", "quick", "one is an experiment, quick is a profile"),
        ("onne", "two", "nearest: `one`"),
        ("0000", "1111", "no record of a run 0000"),
        ("quick", "paper", "no records of the same experiment"),
    ] {
        let text = place.expect(2, &["compare", a, b]);
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn results_without_common_rows_are_not_compared() {
    let place = Workplace::new();
    let mut other = reversal("other");
    other["fixed"]["stepping"]["steps"] = json!([5, 10]);
    place.define(&reversal("one")).define(&other).define(&gradient("gradient"));
    place.expect(0, &["run", "*"]);
    for pair in [["one", "other"], ["one", "gradient"]] {
        let text = place.expect(2, &["compare", pair[0], pair[1]]);
        assert!(text.contains("have no rows in common; compare experiments of one study"), "{text}");
    }
}

#[test]
fn checkpoint_schedules_should_agree_in_every_bit() {
    let place = Workplace::new();
    let mut one = training("one");
    one["fixed"]["epochs"] = json!(1);
    let mut two = one.clone();
    (two["id"], two["fixed"]["method"]) = (json!("two"), json!("revolve:1"));
    let mut three = one.clone();
    (three["id"], three["fixed"]["method"]) = (json!("three"), json!("reverse-time"));
    place.define(&one).define(&two).define(&three).expect(0, &["run", "one", "two", "three"]);
    let pair = |b: &str| place.json(0, &["compare", "one", b, "--json"])["comparisons"][0]["comparison"].clone();
    let same = pair("two");
    assert_eq!((&same["expected_identical"], &same["broken"]), (&json!(1), &json!([])));
    assert!(same["cells"].as_u64() > Some(50), "{same}");
    assert_eq!(pair("three")["expected_identical"], 0, "an inexact gradient trains another network");
}

#[test]
fn rows_of_other_settings_have_no_counterpart() {
    let place = Workplace::new();
    let mut one = training("one");
    for (name, value) in [("train_images", 16), ("test_images", 10), ("epochs", 1), ("width", 2)] {
        one["fixed"][name] = json!(value);
    }
    let mut two = one.clone();
    two["id"] = json!("two");
    // A setting that the other experiment does not have, and a run without it.
    two["grid"] = json!([{ "norm_per_step": [true] }, {}]);
    place.define(&one).define(&two).expect(0, &["run", "*"]);
    for (names, unmatched) in [(["one", "two"], [0, 1]), (["two", "one"], [1, 0])] {
        let found = place.json(0, &["compare", names[0], names[1], "--json"]);
        let comparison = &found["comparisons"][0]["comparison"];
        assert_eq!(comparison["unmatched"], json!(unmatched));
        let lines = comparison["lines"].as_array().expect("lines");
        assert!(!lines.is_empty() && lines.iter().all(|line| line["identical"] == true), "{lines:?}");
    }
    let text = place.expect(0, &["compare", "one", "two"]);
    assert!(text.contains("rows without a counterpart: 0 of one, 1 of two"), "{text}");
}

#[test]
fn of_some_seeds_in_common_only_these_count() {
    let place = Workplace::new();
    let mut one = reversal("one");
    one["fixed"]["problem"] = json!({ "kind": "matrix-relu", "n": 6, "sign": -1, "normalise": "spectral" });
    let mut two = one.clone();
    two["id"] = json!("two");
    (one["seeds"], two["seeds"]) = (json!([0, 1, 2]), json!([1, 2, 3, 4]));
    let mut three = one.clone();
    (three["id"], three["seeds"], three["fixed"]["solver"]) = (json!("three"), json!([2, 5]), json!("heun"));
    place.define(&one).define(&two).define(&three).expect(0, &["run", "*"]);
    let lines = |a: &str, b: &str| {
        let found = place.json(0, &["compare", a, b, "--json"]);
        found["comparisons"][0]["comparison"]["lines"].as_array().expect("lines").clone()
    };
    for line in lines("one", "two") {
        assert_eq!((&line["seeds"], &line["identical"]), (&json!([2, 2]), &json!(true)), "{line}");
        assert_eq!((&line["difference"], &line["half"]), (&json!(0.0), &json!(0.0)), "{line}");
    }
    for line in lines("one", "three") {
        assert_eq!((&line["seeds"], &line["half"]), (&json!([1, 1]), &json!(null)), "one pair has no interval: {line}");
    }
}

#[test]
fn two_runs_that_differ_in_their_seed_are_told_so() {
    let place = Workplace::new();
    let mut one = reversal("one");
    one["seeds"] = json!([0, 1]);
    place.define(&one).expect(0, &["run", "one"]);
    let plan = place.json(0, &["plan", "--json"]);
    let id = |i: usize| plan[i]["run"].as_str().expect("an id")[..8].to_owned();
    let text = place.expect(0, &["compare", &id(0), &id(1)]);
    assert!(text.contains("seed: 0 and 1") && !text.contains("different"), "{text}");
}
