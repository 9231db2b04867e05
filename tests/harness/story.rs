//! The opening of the report: the figure that tells its story, and findings computed from the records.

use crate::common;

use common::{Workplace, training};
use serde_json::{Value, json};

/// A training experiment with both gradients, evaluated with two kinds of batch-norm statistics.
fn both(id: &str) -> Value {
    let mut definition = training(id);
    definition["fixed"].as_object_mut().expect("settings").remove("method");
    definition["grid"] = json!([{ "method": ["anode", "reverse-time"] }]);
    definition["seeds"] = json!([0, 1]);
    definition["fixed"]["evaluations"] = json!(["per-evaluation"]);
    definition["profiles"]["paper"] = json!({ "fixed": { "epochs": 5 } });
    definition["figures"] = json!([{ "id": "accuracy", "title": "Accuracy", "draw": { "lines": {
        "source": "steps", "x": { "column": "epochs_done" }, "y": { "column": "test_accuracy" }, "series": ["method"],
        "panels": [{ "title": "Running" }, { "title": "Per evaluation", "y": "test_accuracy_per_evaluation" }],
        "reference": [{ "series": { "method": "anode" }, "x": 3, "y": 0.5, "source": "F" }]
    } } }]);
    definition
}

fn outline() -> Value {
    let steps = |column: &str, more: Value| {
        let mut quantity = json!({ "experiment": "train", "source": "steps", "where": { "method": "anode" },
            "column": column, "take": "mean" });
        quantity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        quantity
    };
    let reverse = json!({ "method": "reverse-time" });
    let panel = |title: &str, experiment: &str, otherwise: Value| {
        let mut panel = json!({ "title": title, "experiment": experiment, "figure": "accuracy" });
        if !otherwise.is_null() {
            panel["otherwise"] = otherwise;
        }
        panel
    };
    json!({
        "story": { "title": "The story", "panels": [
            panel("(a) first", "train", Value::Null),
            panel("(b) not there", "nobody", panel("(b) instead", "train", Value::Null)),
            panel("(c) not there", "nobody", Value::Null),
        ] },
        "findings": [
            { "topic": "Now", "text": "{gap} with {n}; {gradient} and {norm}", "see": ["train"], "quantities": {
                "n": steps("test_accuracy", json!({ "take": "seeds" })),
                "gap": steps("test_accuracy", json!({ "minus": reverse })),
                "gradient": steps("test_accuracy_per_evaluation", json!({ "minus": reverse })),
                "norm": steps("test_accuracy", json!({ "minus": reverse,
                "minus_column": "test_accuracy_per_evaluation" }))
            } },
            { "topic": "Later", "text": "{x}", "see": ["train"], "profile": "paper",
              "quantities": { "x": steps("test_accuracy", json!({})) } },
        ],
        "chapters": [{ "title": "All", "experiments": ["train"] }]
    })
}

#[test]
fn a_story_and_findings_are_made_of_the_records_that_are_there() {
    let place = Workplace::new();
    place.define(&both("train")).write("experiments/outline.json", outline().to_string());
    place.expect(0, &["reproduce"]);
    let story = place.read("figures/story.svg");
    for (text, there) in [("The story", true), ("(a) first", true), ("(b) instead", true), ("not there", false)] {
        assert_eq!(story.contains(text), there, "{text}");
    }
    // A cell of the story shows the column of the figure alone, and the paper's point.
    assert!(story.contains("the paper") && !story.contains("Per evaluation"));
    let chart = place.read("figures/train-accuracy.quick.svg");
    assert!(chart.contains("Running") && chart.contains("Per evaluation"), "two panels");
    let report = place.read("results/REPORT.md");
    assert!(report.contains("](../figures/story.svg)"), "{report}");
    assert!(report.contains("**Not run yet:** Later (train has no records of the paper profile)."), "{report}");
    let finding = report.lines().find(|line| line.starts_with("1. **Now.**")).expect("a finding");
    // The mean over the epochs of each seed, as the rows of the steps give it.
    let mean = |column: &str, method: &str| {
        let mut cells = vec![];
        for folder in std::fs::read_dir(place.path("results/runs/quick/train")).expect("runs").flatten() {
            let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file");
            let run: Value = serde_json::from_str(&read("run.json")).expect("a record");
            let text = read("steps.csv");
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let at = reader.headers().expect("headers").iter().position(|h| h == column).expect("a column");
            if run["settings"]["method"] == method {
                cells.extend(reader.records().filter_map(|row| row.expect("a row")[at].parse::<f64>().ok()));
            }
        }
        assert_eq!(cells.len(), 8, "four epochs of two seeds");
        cells.iter().sum::<f64>() / 8.0
    };
    let gap = |column: &str| mean(column, "anode") - mean(column, "reverse-time");
    let (running, gradient) = (gap("test_accuracy"), gap("test_accuracy_per_evaluation"));
    let words = finding.split_whitespace().skip(2).map(|word| word.trim_end_matches(';'));
    let numbers: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    assert!(finding.contains("2 seeds"), "{finding}");
    for (found, expected) in
        [numbers[0], numbers[2], numbers[3]].into_iter().zip([running, gradient, running - gradient])
    {
        assert!((found - expected).abs() < 1e-4, "{finding}: {expected}");
    }
    place.expect(0, &["report", "--verify"]);
    // PNG files are written where asked: twice as large as their SVG. Verifying leaves them alone.
    let chart = place.path("figures/train-accuracy.quick.png");
    assert!(!chart.exists());
    place.expect(0, &["figures", "--png"]);
    for png in [chart, place.path("figures/story.png")] {
        let svg = std::fs::read_to_string(png.with_extension("svg")).expect("an SVG");
        let number = |name: &str| -> u32 {
            let from = svg.find(&format!(" {name}=\"")).expect("a size") + name.len() + 3;
            svg[from..].split('"').next().and_then(|n| n.parse().ok()).expect("a number")
        };
        let bytes = std::fs::read(&png).expect("a PNG");
        let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        assert_eq!((side(16), side(20)), (2 * number("width"), 2 * number("height")), "{}", png.display());
    }
    place.expect(0, &["report", "--verify"]);
    // Without records there is no story, and none of an earlier report stays.
    place.expect(0, &["clean", "--yes"]);
    place.expect(0, &["report"]);
    assert!(!place.path("figures/story.svg").exists() && !place.path("figures/story.png").exists());
}

#[test]
fn a_story_that_the_outline_has_no_more_is_removed() {
    let place = Workplace::new();
    place.define(&both("train")).write("experiments/outline.json", outline().to_string());
    place.expect(0, &["reproduce"]);
    place.expect(0, &["figures", "--png"]);
    let mut without = outline();
    without.as_object_mut().expect("an outline").remove("story");
    place.write("experiments/outline.json", without.to_string());
    let said = place.expect(1, &["report", "--verify"]);
    assert!(said.contains("story.svg: made by no record any more"), "{said}");
    assert!(place.expect(0, &["report"]).contains("story.svg: no record makes it any more"));
    assert!(!place.path("figures/story.svg").exists() && !place.path("figures/story.png").exists());
    place.expect(0, &["report", "--verify"]);
}

#[test]
fn a_report_links_only_what_it_has() {
    let place = Workplace::new();
    let missing = json!([{ "id": "elsewhere", "paper": "anode", "title": "T", "because": "it needs a telescope" }]);
    let mut outline = outline();
    outline["findings"][0]["see"] = json!(["train", "elsewhere"]);
    place.define(&both("train")).write("experiments/not-run.json", missing.to_string());
    let report = |outline: &Value| {
        place.write("experiments/outline.json", outline.to_string()).expect(0, &["report"]);
        place.read("results/REPORT.md")
    };
    place.expect(0, &["run", "train"]);
    let text = report(&outline);
    assert!(text.contains("([train](#train), elsewhere)"), "{text}");
    assert!(text.contains("](tables/findings.csv)") && place.path("results/tables/findings.csv").is_file(), "{text}");
    outline["findings"] = json!([{ "topic": "Always", "text": "No number.", "see": ["train"] }]);
    let text = report(&outline);
    assert!(text.contains("No number.") && !text.contains("tables/findings.csv"), "{text}");
    assert!(!place.path("results/tables/findings.csv").exists());
}

#[test]
fn a_panel_of_a_column_that_nothing_writes_is_refused() {
    let place = Workplace::new();
    let mut definition = both("train");
    definition["figures"][0]["draw"]["lines"]["panels"][1]["y"] = "test_accuracy_recalibrated".into();
    place.define(&definition);
    let said = place.expect(1, &["check"]);
    assert!(said.contains("panels[1].y") && said.contains("recalibrated"), "{said}");
}

#[test]
fn names_of_the_outline_that_no_run_can_write_are_refused() {
    let place = Workplace::new();
    let check = |outline: &Value, code: i32| {
        place.define(&both("train")).write("experiments/outline.json", outline.to_string()).expect(code, &["check"])
    };
    place.define(&both("nobody"));
    check(&outline(), 0);
    let quantity = "findings[0].quantities";
    for (pointer, value, at, word) in [
        ("/findings/0/quantities/gap/column", "test_acuracy", format!("{quantity}.gap.column"), "`test_accuracy`"),
        (
            "/findings/0/quantities/norm/minus_column",
            "test_",
            format!("{quantity}.norm.minus_column"),
            "no planned run",
        ),
        ("/findings/0/quantities/gap/where/method", "anod", format!("{quantity}.gap.where.method"), "anode"),
        ("/findings/0/quantities/gap/minus/method", "full", format!("{quantity}.gap.minus.method"), "reverse-time"),
        ("/story/panels/0/figure", "acuracy", "story.panels[0].figure".into(), "`accuracy`"),
        ("/story/panels/1/otherwise/figure", "rho", "story.panels[1].otherwise.figure".into(), "no figure of this id"),
    ] {
        let mut outline = outline();
        *outline.pointer_mut(pointer).expect(pointer) = value.into();
        let said = check(&outline, 1);
        assert!(said.contains("outline.json") && said.contains(&at) && said.contains(word), "{pointer}: {said}");
    }
    let mut changed = outline();
    changed["story"]["panels"][0]["where"] = json!({ "metod": "anode" });
    assert!(check(&changed, 1).contains("story.panels[0].where.metod"));
    // Answers are read as findings are, and a profile is one of the experiment.
    let mut changed = outline();
    changed["answers"] = json!([changed["findings"][0]]);
    check(&changed, 0);
    changed["answers"][0]["quantities"]["n"]["column"] = "test_acuracy".into();
    assert!(check(&changed, 1).contains("answers[0].quantities.n.column"));
    for (pointer, at) in [("/story/panels/0", "story.panels[0].profile"), ("/findings/0", "findings[0].profile")] {
        let mut changed = outline();
        changed.pointer_mut(pointer).expect(pointer)["profile"] = "standard".into();
        let said = check(&changed, 1);
        assert!(said.contains(at) && said.contains("it has quick, paper"), "{said}");
    }
}

#[test]
fn ids_of_the_outline_that_no_experiment_has_are_refused() {
    let place = Workplace::new();
    let missing = json!([{ "id": "elsewhere", "paper": "anode", "title": "T", "because": "it needs a telescope" }]);
    place.define(&both("train")).define(&both("nobody"));
    let check = |outline: &Value, code: i32| {
        place.write("experiments/outline.json", outline.to_string()).expect(code, &["check"])
    };
    let mut sound = outline();
    sound["answers"] = json!([sound["findings"][0]]);
    sound["same_runs"] = json!({ "nobody": "train" });
    check(&sound, 0);
    for (pointer, at) in [
        ("/story/panels/0/experiment", "story.panels[0].experiment"),
        ("/story/panels/1/otherwise/experiment", "story.panels[1].otherwise.experiment"),
        ("/findings/0/quantities/gap/experiment", "findings[0].quantities.gap.experiment"),
        ("/answers/0/quantities/gap/experiment", "answers[0].quantities.gap.experiment"),
        ("/findings/1/see/0", "findings[1].see[0]"),
        ("/answers/0/see/0", "answers[0].see[0]"),
        ("/chapters/0/experiments/0", "chapters[0].experiments[0]"),
        ("/same_runs/nobody", "same_runs.nobody"),
    ] {
        let mut outline = sound.clone();
        *outline.pointer_mut(pointer).expect(pointer) = "trian".into();
        let said = check(&outline, 1);
        assert!(said.contains("outline.json") && said.contains(at) && said.contains("nearest: `train`"), "{said}");
        assert!(said.contains("define it in this folder, or take it out of the outline"), "{said}");
        // Numbers and panels need records. Tables and links may name an experiment without any.
        *outline.pointer_mut(pointer).expect(pointer) = "elsewhere".into();
        place.write("experiments/not-run.json", missing.to_string());
        check(&outline, i32::from(pointer.contains("experiment") && !pointer.starts_with("/chapters")));
        place.write("experiments/not-run.json", "[]");
    }
    let mut outline = sound.clone();
    outline["same_runs"] = json!({ "nobdy": "train" });
    assert!(check(&outline, 1).contains("`nobdy`: no experiment has this id"));

    // A folder with some of the definitions of an outline is still of use: only `check` insists.
    check(&sound, 0);
    std::fs::remove_file(place.path("experiments/anode/nobody.json")).expect("removed");
    assert!(check(&sound, 1).contains("story.panels[1].experiment"));
    for arguments in [&["list"][..], &["plan", "train"], &["report"], &["report", "--verify"], &["show", "train"]] {
        place.expect(0, arguments);
    }
    // While a definition is faulty, its id is not missing.
    place.write("experiments/anode/nobody.json", "{}");
    let said = check(&sound, 1);
    assert!(said.contains("nobody.json") && !said.contains("no experiment has this id"), "{said}");
}
