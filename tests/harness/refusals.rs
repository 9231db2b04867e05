//! What the library says of broken definitions: every fault, with its place and what is allowed.

use anode::definition::{DefinitionError, load, load_all};
use serde_json::{Value, json};

/// A sound definition of each kind of study.
fn sound(study: &str) -> Value {
    let fixed = match study {
        "reversibility" => json!({ "problem": { "kind": "scalar-relu", "c": 10.0 }, "dtype": "f64" }),
        "gradient-error" => json!({
            "field": { "kind": "dense", "n": 4, "weights": { "normal": { "std": 1.0 } },
            "initial": { "normal": { "std": 1.0 } } },
            "activation": "tanh", "steps": [1, 2], "methods": ["full", "dfdx-tape"], "dtype": "f64",
            "reference_tolerance": 1e-10
        }),
        _ => json!({
            "net": "resnet4", "data": "synthetic", "steps": 2, "method": "anode", "epochs": 1, "batch": 50,
            "learning_rate": 0.1, "drops": [0.5, 0.75], "momentum": 0.9, "weight_decay": 0.0, "augment": false
        }),
    };
    let column = match study {
        "reversibility" => "rho",
        "gradient-error" => "error_W",
        _ => "train_loss",
    };
    let mut grid = json!([{ "solver": ["euler", "dormand-prince"] }]);
    if study == "reversibility" {
        grid[0]["stepping"] = json!([{ "kind": "fixed", "steps": [1, 2] }]);
    }
    json!({
        "id": "good", "title": "a title", "paper": "anode", "analysis": "infinite patience, no NaN in sight",
        "claim": { "text": "a claim", "source": "S" },
        "study": study, "grid": grid, "fixed": fixed, "seeds": [0], "profiles": { "quick": {} },
        "metrics": [{ "column": column, "label": "a number" }],
        "expectation": { "text": "a rule", "checks": [
            { "name": "a check", "rule": { "within": { "column": column, "max": 1.0 } } }
        ] }
    })
}

/// The faults of a text in a file `good.json`, as `path: why`.
fn faults_of(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("good.json");
    std::fs::write(&file, text).unwrap();
    let faults = load(&file).err().unwrap_or_default();
    assert!(faults.iter().all(|fault| fault.file == file), "every fault names its file");
    faults.iter().map(|DefinitionError { at, why, .. }| format!("{at}: {why}")).collect()
}

/// The faults after the value at a JSON pointer was replaced, or added.
fn faults_with(study: &str, pointer: &str, value: Value) -> Vec<String> {
    let mut definition = sound(study);
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = definition.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        other => other[key] = value,
    }
    faults_of(&definition.to_string())
}

#[test]
fn sound_definitions_have_no_faults() {
    for study in ["reversibility", "gradient-error", "training"] {
        assert_eq!(faults_of(&sound(study).to_string()), Vec::<String>::new(), "{study}");
    }
}

#[test]
fn each_fault_is_told_with_its_place_what_was_found_and_what_is_allowed() {
    let reversibility: &[(&str, Value, &str, &[&str])] = &[
        ("/id", json!("other"), "id: ", &["`other`", "good.json"]),
        ("/id", json!("Good Id"), "id: ", &["`Good Id`", "lower-case letters, digits and `-`"]),
        ("/grid/0/solver/1", json!("leapfrog"), "grid[0].solver[1]: ", &["`leapfrog`", "euler", "dormand-prince"]),
        ("/grid/0/solver", json!([]), "grid[0].solver: ", &["empty", "at least one"]),
        ("/grid", json!([]), "grid: ", &["empty", "[{}]"]),
        ("/seeds", json!([]), "seeds: ", &["empty", "at least one"]),
        ("/seeds", json!([-1]), "seeds[0]: ", &["-1", "expected a whole number from 0"]),
        ("/grid/0/seed", json!([0, -1]), "grid[0].seed[1]: ", &["-1", "whole numbers from 0"]),
        ("/seeds", json!([0, 1, 0]), "seeds[2]: ", &["0; named twice"]),
        ("/profiles/quick/seeds", json!([3, 3]), "profiles.quick.seeds[1]: ", &["3; named twice"]),
        ("/grid/0/seed", json!([0, 0]), "grid[0].seed[1]: ", &["0; named twice"]),
        ("/grid/0/solver", json!(["rk4", "rk4"]), "grid[0].solver[1]: ", &["\"rk4\"; named twice"]),
        ("/grid/0/stepping/0/steps", json!([4, 4]), "grid[0].stepping[0].steps[1]: ", &["4; named twice"]),
        ("/grid/0/seed", json!([]), "grid[0].seed: ", &["empty", "at least one"]),
        ("/fixed/seed", json!(1), "fixed.seed: ", &["seed", "problem", "stepping"]),
        ("/profiles", json!({}), "profiles: ", &["empty", "quick, standard, paper"]),
        ("/profiles/fast", json!({}), "profiles", &["fast", "quick"]),
        ("/profiles/quick/seeds", json!([]), "profiles.quick.seeds: ", &["empty"]),
        ("/profiles/quick/grid", json!([{ "solver": ["rk5"] }]), "profiles.quick.grid[0].solver[0]: ", &["`rk5`"]),
        ("/profiles/quick/fixed", json!({ "dtype": "f16" }), "profiles.quick.fixed.dtype: ", &["f16", "f32", "f64"]),
        ("/fixed/solver", json!("rk4"), "grid[0].solver: ", &["`fixed.solver`", "once"]),
        ("/fixed/colour", json!("red"), "fixed.colour: ", &["colour", "problem", "stepping"]),
        ("/colour", json!("red"), "colour: ", &["unknown field", "profiles"]),
        ("/fixed/problem/kind", json!("scalar"), "fixed.problem.kind: ", &["scalar", "scalar-linear", "matrix-relu"]),
        ("/fixed/problem/c", json!("ten"), "fixed.problem.c: ", &["ten", "expected a number"]),
        ("/fixed/problem/d", json!(1), "fixed.problem.d: ", &["`d`", "`c`"]),
        ("/grid/0/stepping/0/steps", json!([4, -8]), "grid[0].stepping[0].steps[1]: ", &["-8", "whole number"]),
        ("/grid/0/stepping/0/steps", json!([4, 0]), "grid[0].stepping[0].steps[1]: ", &["0", "1 to 10000000"]),
        ("/grid/0/stepping/0/steps", json!([]), "grid[0].stepping[0].steps: ", &["empty"]),
        (
            "/grid/0/stepping/0",
            json!({ "kind": "adaptive", "rtol": 1e-3, "atol": 1e-6, "norm": "matlab" }),
            "grid[0].solver[0]: ",
            &["`euler`", "no error estimate", "dormand-prince"],
        ),
        ("/claim/reported", reported("M"), "claim.reported[0].source: ", &["M", "(S)", "(F)"]),
        ("/expectation/checks", json!([]), "expectation.checks: ", &["empty"]),
        (
            "/expectation/checks/0/rule",
            json!({ "within": { "column": "rho" } }),
            "expectation.checks[0].rule: ",
            &["min", "max"],
        ),
        (
            "/expectation/checks/0/rule",
            json!({ "share": { "column": "rho", "min": 2.0, "max": 1.0, "at_least": 0.5 } }),
            "expectation.checks[0].rule: ",
            &["min 2 is above max 1"],
        ),
        (
            "/expectation/changes",
            change("2026-02-29", "x"),
            "expectation.changes[0].date: ",
            &["`2026-02-29`", "YYYY-MM"],
        ),
        (
            "/expectation/changes",
            change("yesterday", "x"),
            "expectation.changes[0].date: ",
            &["`yesterday`", "YYYY-MM"],
        ),
        ("/expectation/changes", change("2026-02-28", " "), "expectation.changes[0].change: ", &["empty", "why"]),
        ("/figures", json!([figure("a b")]), "figures[0].id: ", &["`a b`"]),
        (
            "/figures",
            json!([{ "id": "a", "title": "t", "draw": { "schedules": { "steps": 8, "methods": ["anode",
                "leapfrog"] } } }]),
            "figures[0].draw.schedules.methods[1]: ",
            &["`leapfrog`", "online:M"],
        ),
        (
            "/figures",
            json!([{ "id": "a", "title": "t", "draw": { "schedules": { "steps": 101, "methods": ["anode"] } } }]),
            "figures[0].draw.schedules.steps: ",
            &["101", "1 to 100"],
        ),
        ("/figures", json!([figure("a"), figure("a")]), "figures[1].id: ", &["`a`", "once"]),
        ("/figures", json!([remembered()]), "figures[0].draw.lines.reference[1].source: ", &["M", "(S)", "(F)"]),
        ("/figures", slope(json!([2, 1])), "figures[0].draw.lines.slope_over: ", &["from 2 to 1", "0 < from < to"]),
        ("/figures", slope(json!([0, 1])), "figures[0].draw.lines.slope_over: ", &["from 0 to 1"]),
        ("/figures", json!([share(json!({}), &[])]), "figures[0].draw.lines.share: ", &["min", "max"]),
        ("/figures", json!([share(json!({ "min": 2, "max": 1 }), &[])]), "figures[0].draw.lines.share: ", &["min 2"]),
        (
            "/figures",
            json!([share(json!({ "min": 0.5 }), &[("/y", json!({ "column": "rho", "scale": "log" }))])]),
            "figures[0].draw.lines.y.scale: ",
            &["`log`", "linear"],
        ),
        (
            "/figures",
            json!([share(json!({ "min": 0.5 }), &[("/y", json!({ "column": "rho" }))])]),
            "figures[0].draw.lines.y.label: ",
            &["absent", "percent"],
        ),
        (
            "/figures",
            json!([share(json!({ "min": 0.5 }), &[("/y/label", json!(" "))])]),
            "figures[0].draw.lines.y.label: ",
            &["empty", "percent"],
        ),
        (
            "/figures",
            json!([share(json!({ "min": 0.5 }), &[("/thresholds", json!([{ "y": 100.5, "label": "all" }]))])]),
            "figures[0].draw.lines.thresholds[0].y: ",
            &["100.5", "0 to 100"],
        ),
        (
            "/figures",
            json!([share(json!({ "min": 0.5 }), &[("/theory", json!("rho"))])]),
            "figures[0].draw.lines.theory: ",
            &["`share`"],
        ),
    ];
    let gradient_error: &[(&str, Value, &str, &[&str])] = &[
        ("/fixed/methods/0", json!("revolve:0"), "fixed.methods[0]: ", &["revolve:0", "revolve:M", "reverse-time"]),
        ("/fixed/methods", json!([]), "fixed.methods: ", &["empty"]),
        ("/fixed/steps", json!([]), "fixed.steps: ", &["empty"]),
        ("/fixed/steps", json!([4, 8, 4, 4]), "fixed.steps[2]: ", &["4; named twice"]),
        ("/fixed/methods", json!(["full", "anode", "full"]), "fixed.methods[2]: ", &["full; named twice"]),
        ("/fixed/reference_tolerance", json!(-1e-3), "fixed.reference_tolerance: ", &["-0.001", "above 0"]),
        ("/fixed/field/n", json!(0), "fixed.field.n: ", &["0", "1 to"]),
        ("/fixed/field/weights", json!({ "normal": { "std": -1 } }), "fixed.field.weights.normal.std: ", &["-1"]),
        ("/fixed/field/weights", json!({ "random": {} }), "fixed.field.weights", &["random", "normal", "file"]),
        ("/fixed/activation", json!("leaky-relu"), "fixed.methods[1]: ", &["dfdx-tape", "leaky ReLU"]),
        (
            "/fixed/field",
            json!({ "kind": "convolution", "channels": 1, "kernel": 4, "size": 8,
                    "weights": { "file": "w.npy" }, "initial": { "file": "z.npy" } }),
            "fixed.field.kernel: ",
            &["4", "odd"],
        ),
        (
            "/fixed/field",
            json!({ "kind": "convolution", "channels": 1, "kernel": 5, "size": 3,
                    "weights": { "file": "w.npy" }, "initial": { "file": "z.npy" } }),
            "fixed.field.kernel: ",
            &["5", "at most the size of the image, 3"],
        ),
    ];
    let training: &[(&str, Value, &str, &[&str])] = &[
        ("/fixed/steps", json!(-2), "fixed.steps: ", &["-2", "expected a whole number from 0"]),
        ("/fixed/steps", json!(0), "fixed.steps: ", &["0", "1 to"]),
        ("/fixed/net", json!("resnet5"), "fixed.net: ", &["resnet5", "resnet4"]),
        ("/fixed/method", json!("dfdx-tape"), "fixed.method: ", &["dfdx-tape", "gradient-error"]),
        ("/fixed/momentum", json!(1.0), "fixed.momentum: ", &["1", "below 1"]),
        ("/fixed/drops", json!([0.75, 0.5]), "fixed.drops: ", &["[0.75, 0.5]", "rising"]),
        ("/fixed/drops", json!([0.5, 1.5]), "fixed.drops: ", &["1.5", "between 0 and 1"]),
        ("/fixed/learning_rate", json!(0), "fixed.learning_rate: ", &["0", "above 0"]),
        ("/profiles/quick/fixed", json!({ "batch": 0 }), "profiles.quick.fixed.batch: ", &["0", "1 to"]),
        ("/fixed/augment", json!("yes"), "fixed.augment: ", &["yes", "expected true or false"]),
    ];
    for (study, cases) in [("reversibility", reversibility), ("gradient-error", gradient_error), ("training", training)]
    {
        for (pointer, value, place, words) in cases {
            let faults = faults_with(study, pointer, value.clone());
            let told = faults.iter().any(|f| f.starts_with(place) && words.iter().all(|w| f.contains(w)));
            assert!(told, "{study} {pointer} = {value}: expected `{place}` with {words:?}, got {faults:#?}");
        }
    }
}

#[test]
fn values_of_the_wrong_type_are_told_in_words() {
    let reversibility: &[(&str, Value, &str)] = &[
        ("/id", json!(5), "id: `5`; expected a text, at line 1"),
        ("/paper", json!(5), "paper: `5`; expected `anode` or `anodev2`"),
        ("/study", json!({}), "study: an object; expected one of `reversibility`, "),
        ("/claim", json!("x"), "claim: `\"x\"`; expected an object, at line 1"),
        ("/claim", json!(["a claim", "S", []]), "claim: a list; expected an object"),
        ("/profiles/quick", json!([]), "profiles.quick: a list; expected an object"),
        ("/metrics", json!([["rho", "a number"]]), "metrics[0]: a list; expected an object"),
        ("/fixed/problem", json!(["scalar-relu", 10.0]), "fixed.problem: a list; expected an object"),
        ("/claim/source", json!(5), "claim.source: `5`; expected one of `S`, `F`"),
        ("/seeds", json!(5), "seeds: `5`; expected a list, at line 1"),
        ("/grid/0/solver", json!("euler"), "grid[0].solver: `\"euler\"`; expected a list, at line 1"),
        ("/profiles/quick", json!(5), "profiles.quick: `5`; expected an object, at line 1"),
        ("/profiles/quick", json!({ "seeds": 5 }), "profiles.quick.seeds: `5`; expected a list, at line 1"),
        ("/profiles/fast", json!({}), "profiles.fast: unknown value `fast`, expected one of `quick`, "),
        ("/fixed/problem", json!(5), "fixed.problem: `5`; expected an object with a field `kind`: one of `scalar-lin"),
        ("/fixed/problem/kind", json!(5), "fixed.problem.kind: `5`; expected one of `scalar-linear`, "),
        ("/fixed/problem/c", json!([1]), "fixed.problem.c: `[1]`; expected a number"),
        ("/fixed/dtype", json!(5), "fixed.dtype: `5`; expected `f32` or `f64`"),
        ("/expectation/checks/0/rule", json!(5), "expectation.checks[0].rule: `5`; expected one of `within`, "),
        ("/figures", json!([5]), "figures[0]: `5`; expected an object, at line 1"),
    ];
    for (pointer, value, expected) in reversibility {
        let faults = faults_with("reversibility", pointer, value.clone());
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{pointer} = {value}: {faults:#?}");
    }
    let training: &[(&str, Value, &str)] = &[
        ("/fixed/epochs", json!(1.5), "fixed.epochs: `1.5`; expected a whole number from 0"),
        ("/fixed/drops", json!(5), "fixed.drops: `5`; expected a list"),
        ("/fixed/data", json!(5), "fixed.data: `5`; expected one of `synthetic`, "),
        ("/fixed/evolution", json!(5), "fixed.evolution: `5`; expected an object"),
        ("/fixed/net", json!(5), "fixed.net: `5`; expected a text"),
    ];
    for (pointer, value, expected) in training {
        let faults = faults_with("training", pointer, value.clone());
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{pointer} = {value}: {faults:#?}");
    }
    for text in ["[]", "5", "null"] {
        let faults = faults_of(text);
        assert!(faults[0].contains("; expected an object"), "{faults:?}");
    }
    // The place of a fault of the whole file is the file alone.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("good.json");
    std::fs::write(&file, "{}").unwrap();
    assert!(load(&file).unwrap_err()[0].to_string().contains("good.json: missing field `id`"));
}

#[test]
fn a_definition_names_only_columns_values_and_images_that_a_planned_run_can_write() {
    let check = |filter: Value, rule: Value| json!([{ "name": "a check", "where": filter, "rule": rule }]);
    let within = |column: &str| json!({ "within": { "column": column, "max": 1.0 } });
    let exceeds = |changes: &[(&str, Value)]| {
        let mut rule = json!({ "column": "error_W", "greater": { "solver": "euler" },
            "than": { "solver": "dormand-prince" },
            "by": 0.0, "per": ["Nt"] });
        changes.iter().for_each(|(key, value)| rule[*key] = value.clone());
        check(json!({}), json!({ "exceeds": rule }))
    };
    let lines = |changes: &[(&str, Value)]| {
        let axis = |column: &str| json!({ "column": column, "label": "an axis" });
        let mut lines = json!({ "x": axis("Nt"), "y": axis("error_W"), "series": ["method"], "panel": "solver" });
        changes.iter().for_each(|(key, value)| *lines.pointer_mut(key).unwrap() = value.clone());
        json!([{ "id": "a", "title": "t", "draw": { "lines": lines } }])
    };
    let reported = |metric: &str, filter: Value| {
        json!([{ "label": "a number", "metric": metric, "where": filter,
        "value": 1.0, "source": "S" }])
    };
    let checks = "/expectation/checks";
    let cases: &[(&str, Value, &str, &[&str])] = &[
        (
            checks,
            check(json!({}), within("eror_W")),
            "expectation.checks[0].rule.within.column: ",
            &["`eror_W`", "`error_W`"],
        ),
        (
            checks,
            check(json!({}), within("method")),
            "expectation.checks[0].rule.within.column: ",
            &["`method` holds no numbers (dfdx-tape, full)", "nearest"],
        ),
        (
            checks,
            check(json!({}), json!({ "share": { "column": "solver", "max": 1.0, "at_least": 0.5 } })),
            "expectation.checks[0].rule.share.column: ",
            &["`solver` holds no numbers (dormand-prince, euler)"],
        ),
        (
            checks,
            check(json!({}), json!({ "slope": { "x": "dt", "y": "field.kind", "over": [1, 2], "min": 0, "max": 1 } })),
            "expectation.checks[0].rule.slope.y: ",
            &["`field.kind` holds no numbers (dense)"],
        ),
        (checks, exceeds(&[("column", json!("dtype"))]), "expectation.checks[0].rule.exceeds.column: ", &["(f64)"]),
        (checks, check(json!({}), within("Nt")), "", &[]),
        (checks, check(json!({}), within("field.n")), "", &[]),
        (
            checks,
            check(json!({ "metod": "full" }), within("error_W")),
            "expectation.checks[0].where.metod: ",
            &["`method`"],
        ),
        (
            checks,
            check(json!({ "method": "ful" }), within("error_W")),
            "expectation.checks[0].where.method: ",
            &["`ful`", "full"],
        ),
        (
            checks,
            check(json!({ "method": ["full", "anode"] }), within("error_W")),
            "expectation.checks[0].where.method[1]: ",
            &["`anode`", "dfdx-tape, full"],
        ),
        (checks, check(json!({ "Nt": 3 }), within("error_W")), "expectation.checks[0].where.Nt: ", &["3", "1, 2"]),
        (checks, check(json!({ "Nt": "1" }), within("error_W")), "expectation.checks[0].where.Nt: ", &["`1`", "1, 2"]),
        (
            checks,
            check(json!({ "seed": 1 }), within("error_W")),
            "expectation.checks[0].where.seed: ",
            &["1", "allowed: 0"],
        ),
        (
            checks,
            check(json!({ "error_W": "small" }), within("error_W")),
            "expectation.checks[0].where.error_W: ",
            &["numbers"],
        ),
        (
            checks,
            check(json!({ "field.n": null }), within("error_W")),
            "expectation.checks[0].where.field.n: ",
            &["null", "4"],
        ),
        (
            checks,
            check(json!({ "solver": [] }), within("error_W")),
            "expectation.checks[0].where.solver: ",
            &["at least one"],
        ),
        (checks, exceeds(&[]), "", &[]),
        (
            checks,
            exceeds(&[("per", json!(["Nt", "sed"]))]),
            "expectation.checks[0].rule.exceeds.per[1]: ",
            &["`sed`", "`seed`"],
        ),
        (
            checks,
            exceeds(&[("greater", json!({ "solver": "eule" }))]),
            "expectation.checks[0].rule.exceeds.greater.solver: ",
            &["`eule`", "euler"],
        ),
        (
            checks,
            exceeds(&[("than", json!({ "solvr": "euler" }))]),
            "expectation.checks[0].rule.exceeds.than.solvr: ",
            &["`solver`"],
        ),
        (
            checks,
            check(json!({}), json!({ "equals": { "column": "method", "value": "anod" } })),
            "expectation.checks[0].rule.equals.value: ",
            &["`anod`", "full"],
        ),
        (
            checks,
            check(json!({}), json!({ "equals": { "column": "method", "value": null } })),
            "expectation.checks[0].rule.equals.value: ",
            &["null"],
        ),
        (
            checks,
            check(json!({}), json!({ "identical": { "columns": ["norm_w"], "per": ["Nt", "step"] } })),
            "expectation.checks[0].rule.identical.columns[0]: ",
            &["`norm_W`"],
        ),
        (
            checks,
            check(json!({}), json!({ "identical": { "columns": ["norm_w"], "per": ["Nt", "step"] } })),
            "expectation.checks[0].rule.identical.per[1]: ",
            &["`step`"],
        ),
        (
            checks,
            check(json!({}), json!({ "identical": { "columns": [], "per": ["Nt"] } })),
            "expectation.checks[0].rule.identical.columns: ",
            &["at least one"],
        ),
        (
            checks,
            check(json!({}), json!({ "slope": { "x": "dT", "y": "error_W", "over": [0.1, 1.0], "min": 0, "max": 1 } })),
            "expectation.checks[0].rule.slope.x: ",
            &["`dT`", "`dt`"],
        ),
        ("/metrics/0/column", json!("Error_w"), "metrics[0].column: ", &["`Error_w`", "`error_W`"]),
        ("/claim/reported", reported("los", json!({})), "claim.reported[0].metric: ", &["`los`", "`loss`"]),
        (
            "/claim/reported",
            reported("loss", json!({ "dtype": "f32" })),
            "claim.reported[0].where.dtype: ",
            &["`f32`", "f64"],
        ),
        ("/figures", lines(&[]), "", &[]),
        ("/figures", lines(&[("/x/column", json!("nt"))]), "figures[0].draw.lines.x.column: ", &["`nt`", "`Nt`"]),
        ("/figures", lines(&[("/series/0", json!("methods"))]), "figures[0].draw.lines.series[0]: ", &["`method`"]),
        ("/figures", lines(&[("/panel", json!("sover"))]), "figures[0].draw.lines.panel: ", &["`solver`"]),
        (
            "/figures",
            json!([{ "id": "a", "title": "t", "draw": { "images": {
            "columns": [{ "image": "input", "label": "z" }], "series": [] } } }]),
            "figures[0].draw.images.columns[0].image: ",
            &["`input`", "no planned run leaves an image"],
        ),
    ];
    for (pointer, value, place, words) in cases {
        let faults = faults_with("gradient-error", pointer, value.clone());
        match place.is_empty() {
            true => assert_eq!(faults, Vec::<String>::new(), "{pointer} = {value}"),
            false => {
                let told = faults.iter().any(|f| f.starts_with(place) && words.iter().all(|w| f.contains(w)));
                assert!(told, "{pointer} = {value}: expected `{place}` with {words:?}, got {faults:#?}");
            }
        }
    }
    // Columns of other kinds of run, of steps, and of texts.
    let says = |faults: Vec<String>, words: &[&str]| {
        assert!(faults.len() == 1 && words.iter().all(|w| faults[0].contains(w)), "{words:?}: {faults:#?}");
    };
    let metric = |column: &str| json!([{ "column": column, "label": "a number" }]);
    says(faults_with("training", "/metrics", metric("mean_gradient_error")), &["`quality_every`", "metrics[0].column"]);
    says(faults_with("training", "/metrics", metric("loss")), &["`loss`", "rows", "`train_loss`"]);
    says(faults_with("reversibility", "/metrics", metric("spectral_norm")), &["`problem.kind`", "matrix-relu"]);
    says(faults_with("training", checks, check(json!({}), within("diverged"))), &["`diverged` holds no numbers"]);
    says(faults_with("training", checks, check(json!({ "diverged": "no" }), within("test_loss"))), &["true, false"]);
    says(
        faults_with("training", checks, check(json!({ "data": "cifar10" }), within("test_loss"))),
        &["`cifar10`", "synthetic"],
    );
    let mut steps = lines(&[("/x/column", json!("step")), ("/y/column", json!("loss")), ("/series/0", json!("net"))]);
    assert_eq!(faults_with("training", "/figures", steps.clone()).len(), 2, "rows have neither");
    steps[0]["draw"]["lines"]["source"] = json!("steps");
    assert_eq!(faults_with("training", "/figures", steps.clone()), Vec::<String>::new());
    steps[0]["draw"]["lines"]["y"]["column"] = json!("segment1.conv0.reaction");
    says(faults_with("training", "/figures", steps), &["`form`", "configuration-1"]);
    // A column of settings that a faulty point may have is not at fault itself, whatever its values.
    let mut faulty = sound("gradient-error");
    faulty["fixed"]["dtype"] = json!("f16");
    faulty["metrics"] = json!([{ "column": "dtype", "label": "type" }, { "column": "dtyp", "label": "type" }]);
    faulty["expectation"]["checks"] = check(json!({ "solver": "euler", "field.n": 5, "Nt": 7 }), within("error_W"));
    let faults = faults_of(&faulty.to_string());
    let places: Vec<&str> = faults.iter().filter_map(|f| f.split_once(": ")).map(|(at, _)| at).collect();
    assert_eq!(places, ["fixed.dtype", "metrics[1].column"], "{faults:#?}");
}

fn reported(source: &str) -> Value {
    json!([{ "label": "a number", "metric": "rho", "value": 1.0, "source": source }])
}

/// A change of the rule.
fn change(date: &str, what: &str) -> Value {
    json!([{ "date": date, "change": what }])
}

fn figure(id: &str) -> Value {
    let axis = json!({ "column": "rho", "label": "rho" });
    json!({ "id": id, "title": "a chart", "draw": { "lines": { "x": axis, "y": axis, "series": [] } } })
}

/// A figure that shows a share, with changes.
fn share(range: Value, changes: &[(&str, Value)]) -> Value {
    let mut figure = figure("a");
    let lines = &mut figure["draw"]["lines"];
    (lines["share"], lines["theory"], lines["thresholds"]) = (range, Value::Null, json!([]));
    for (pointer, value) in changes {
        *lines.pointer_mut(pointer).expect("a field") = value.clone();
    }
    figure
}

/// A list of one figure with the slope of a fit over this range.
fn slope(range: Value) -> Value {
    let mut figure = figure("a");
    figure["draw"]["lines"]["slope_over"] = range;
    json!([figure])
}

/// A figure with a point of a published curve, and one that is only remembered.
fn remembered() -> Value {
    let mut figure = figure("a");
    let point = |source: &str| json!({ "series": {}, "x": 1.0, "y": 0.5, "source": source });
    figure["draw"]["lines"]["reference"] = json!([point("F"), point("M")]);
    figure
}

#[test]
fn a_training_has_fixed_steps_or_tolerances_and_what_goes_with_them() {
    let faults = |changes: Value| {
        let mut definition = sound("training");
        definition["grid"] = json!([{ "solver": ["dormand-prince"] }]);
        let fixed = definition["fixed"].as_object_mut().unwrap();
        fixed.remove("steps");
        fixed.insert("tolerances".into(), json!({ "rtol": 1e-3, "atol": 1e-3 }));
        fixed.extend(changes.as_object().unwrap().clone());
        if changes.get("solver").is_some() {
            definition["grid"] = json!([{}]);
        }
        faults_of(&definition.to_string())
    };
    for method in ["anode", "online:3", "reverse-time", "interpolated-adjoint"] {
        assert_eq!(faults(json!({ "method": method })), Vec::<String>::new());
    }
    let cases: &[(Value, &str, &[&str])] = &[
        (json!({ "steps": 2 }), "fixed.tolerances: ", &["beside `steps`", "one of the two"]),
        (json!({ "tolerances": null }), "grid[0]: ", &["absent", "`tolerances`"]),
        (json!({ "tolerances": { "rtol": 0.0, "atol": 1e-3 } }), "fixed.tolerances.rtol: ", &["0", "above 0"]),
        (json!({ "tolerances": { "rtol": 1e-3 } }), "fixed.tolerances: ", &["missing field `atol`"]),
        (
            json!({ "tolerances": { "rtol": 1e-3, "atol": 1e-3, "norm": "max" } }),
            "fixed.tolerances.norm: ",
            &["`max`", "torchdiffeq"],
        ),
        (
            json!({ "tolerances": { "rtol": 1e-3, "atol": 1e-3, "max_steps": 0 } }),
            "fixed.tolerances.max_steps: ",
            &["0", "1 to"],
        ),
        (json!({ "solver": "rk4" }), "fixed.solver: ", &["`rk4` has no error estimate", "dormand-prince"]),
        (json!({ "method": "full" }), "fixed.method: ", &["`full`", "online:M", "reverse-time"]),
        (json!({ "form": "configuration-1" }), "fixed.form: ", &["fixed steps", "baseline"]),
        (json!({ "norm_per_step": true }), "fixed.norm_per_step: ", &["no number beforehand"]),
    ];
    for (changes, place, words) in cases {
        let found = faults(changes.clone());
        let told = found.len() == 1 && found[0].starts_with(place) && words.iter().all(|w| found[0].contains(w));
        assert!(told, "{changes}: expected `{place}` with {words:?}, got {found:#?}");
    }
}

#[test]
fn statistics_that_steps_or_methods_do_not_have_are_refused() {
    let faults = |changes: &Value| {
        let mut definition = sound("training");
        let fixed = definition["fixed"].as_object_mut().unwrap();
        fixed.extend(changes.as_object().unwrap().clone());
        if changes.get("tolerances").is_some() {
            fixed.remove("steps");
        }
        if changes.get("method").is_some() || changes.get("solver").is_some() {
            definition["grid"] = json!([{}]);
        }
        faults_of(&definition.to_string())
    };
    let adaptive = json!({ "rtol": 1e-3, "atol": 1e-3 });
    let by = |changes: Value| {
        let mut all = json!({ "solver": "dormand-prince", "method": "anode", "tolerances": adaptive });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all
    };
    let on_steps = |changes: Value| {
        let mut all = json!({ "solver": "midpoint", "method": "anode" });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all
    };
    let all = json!(["test-batch", "recalibrated", "per-evaluation"]);
    for sound in [
        on_steps(json!({ "evaluations": all, "evaluate_every": 2, "block_reversal": true })),
        on_steps(json!({ "statistics_per_evaluation": true })),
        on_steps(json!({ "method": "reverse-time", "reverse_updates_statistics": true })),
        on_steps(json!({ "random_error": "per-tensor" })),
        on_steps(json!({ "train_images": 9, "held_out": 5 })),
        by(json!({ "evaluations": ["test-batch", "recalibrated"], "block_reversal": true })),
    ] {
        assert_eq!(faults(&sound), Vec::<String>::new(), "{sound}");
    }
    let cases: &[(Value, &str, &[&str])] = &[
        (on_steps(json!({ "evaluations": ["running"] })), "fixed.evaluations", &["running", "test-batch"]),
        (on_steps(json!({ "evaluations": ["test-batch", "test-batch"] })), "fixed.evaluations[1]: ", &["twice"]),
        (on_steps(json!({ "evaluate_every": 2 })), "fixed.evaluate_every: ", &["`evaluations`"]),
        (by(json!({ "evaluations": all })), "fixed.evaluations: ", &["no fixed evaluations", "`steps`"]),
        (
            by(json!({ "statistics_per_evaluation": true })),
            "fixed.statistics_per_evaluation: ",
            &["no fixed evaluations"],
        ),
        (
            on_steps(json!({ "method": "leapfrog", "evaluations": all })),
            "fixed.evaluations: ",
            &["`leapfrog`", "another method"],
        ),
        (
            on_steps(json!({ "method": "reverse-time", "random_error": "overall" })),
            "fixed.random_error: ",
            &["exact gradient", "`reverse-time`"],
        ),
        (on_steps(json!({ "form": "baseline", "random_error": "overall" })), "fixed.random_error: ", &["form ode"]),
        (on_steps(json!({ "test_images": 9, "held_out": 5 })), "fixed.test_images: ", &["`held_out`", "omit it"]),
        (on_steps(json!({ "train_images": 8, "held_out": 8 })), "fixed.held_out: ", &["left to train on"]),
        (
            on_steps(json!({ "reverse_updates_statistics": true })),
            "fixed.reverse_updates_statistics: ",
            &["`anode` has no reverse pass", "reverse-time"],
        ),
        (
            on_steps(json!({ "form": "configuration-1", "block_reversal": true })),
            "fixed.block_reversal: ",
            &["evolve", "baseline"],
        ),
    ];
    for (changes, place, words) in cases {
        let found = faults(changes);
        let told = found.len() == 1 && found[0].starts_with(place) && words.iter().all(|w| found[0].contains(w));
        assert!(told, "{changes}: expected `{place}` with {words:?}, got {found:#?}");
    }
}

#[test]
fn all_faults_of_a_file_are_told_at_once() {
    let mut definition = sound("reversibility");
    definition["fixed"]["dtype"] = json!("f16");
    definition["grid"][0]["solver"] = json!(["eulr", "rk4", "hoin"]);
    definition["grid"][0]["stepping"][0]["steps"] = json!([0, -1]);
    definition["seeds"] = json!([]);
    let faults = faults_of(&definition.to_string());
    let places: Vec<&str> = faults.iter().filter_map(|f| f.split_once(": ")).map(|(place, _)| place).collect();
    let expected = ["seeds", "fixed.dtype", "grid[0].solver[0]", "grid[0].solver[2]", "grid[0].stepping[0].steps[1]"];
    for place in expected {
        assert!(places.contains(&place), "{place} in {faults:#?}");
    }
    assert_eq!(places.len(), expected.len(), "each fault once: {faults:#?}");
}

#[test]
fn a_setting_without_a_value_is_told_at_its_grid() {
    let mut definition = sound("reversibility");
    definition["fixed"].as_object_mut().unwrap().remove("dtype");
    assert_eq!(
        faults_of(&definition.to_string()),
        ["grid[0]: missing field `dtype`; name it in `fixed` or as an axis of the grid"]
    );
}

#[test]
fn numbers_that_json_lacks_get_a_cure_and_prose_gets_none() {
    let text = sound("reversibility").to_string();
    for word in ["NaN", "Infinity", "-Infinity", "nan", "inf"] {
        let faults = faults_of(&text.replace("10.0", word));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains(&format!("JSON has no `{word}`: write a finite number")), "{faults:?}");
    }
    // The analysis speaks of infinity; a fault elsewhere has nothing to do with it.
    for broken in [text.replace("10.0", "10.0.0"), text.replace("\"seeds\"", "\"seed\"")] {
        let faults = faults_of(&broken);
        assert!(faults.len() == 1 && !faults[0].contains("JSON has no"), "{faults:?}");
    }
    assert!(faults_of(&text.replace("10.0", "1e999"))[0].contains("number out of range"));
}

#[test]
fn a_key_named_twice_is_refused_not_overwritten() {
    let text = sound("reversibility").to_string();
    let faults = faults_of(&text.replace("\"solver\":", "\"solver\":[\"rk4\"],\"solver\":"));
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("grid[0]: `solver` is named twice; name each key once at line 1"), "{faults:?}");
}

#[test]
fn files_that_are_no_json_are_told_by_name() {
    for text in ["", "{", "[]", "{}{}", "\u{0}"] {
        assert_eq!(faults_of(text).len(), 1, "{text:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.json");
    let faults = load(&missing).unwrap_err();
    assert!(faults[0].to_string().contains("missing.json"), "{faults:?}");
    let (good, faults) = load_all(&missing);
    assert!(good.is_empty() && faults.len() == 1);
}

#[test]
fn an_id_is_taken_once_and_the_other_files_are_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = sound("training").to_string();
    for (paper, id) in [("a", "good"), ("b", "good"), ("b", "other"), ("b", "broken")] {
        std::fs::create_dir_all(folder.path().join(paper)).unwrap();
        let text = if id == "broken" { "{".to_owned() } else { text.replace("\"good\"", &format!("\"{id}\"")) };
        std::fs::write(folder.path().join(paper).join(format!("{id}.json")), text).unwrap();
    }
    std::fs::write(folder.path().join("schema.json"), "{}").unwrap();
    let (good, faults) = load_all(folder.path());
    let ids: Vec<&str> = good.iter().map(|l| l.definition.id.as_str()).collect();
    assert_eq!(ids, ["good", "other"], "sorted by path, the schema is no definition");
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|f| f.contains("b/broken.json")));
    assert!(told.iter().any(|f| f.contains("b/good.json: id: ") && f.contains("a/good.json")));
}
