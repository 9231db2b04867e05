use serde_json::{Value, json};

use super::*;
use crate::definition::{Definition, FigureKind, Profile};
use crate::record::LoadedRecord;
use crate::report::results::RunResult;

/// A definition with one chart.
fn definition(lines: &Value, reported: Value) -> Definition {
    serde_json::from_value(json!({
        "id": "a", "title": "T", "paper": "anode", "analysis": "A", "study": "training", "grid": [{}], "seeds": [0],
        "claim": { "text": "C", "source": "S", "reported": reported }, "profiles": { "quick": {} },
        "metrics": [{ "column": "test_accuracy" }],
        "figures": [{ "id": "f", "title": "F", "draw": { "lines": lines } }],
        "expectation": { "text": "E", "checks": [] }
    }))
    .unwrap()
}

/// Results of runs: settings, seed, rows.
fn results<'a>(definition: &'a Definition, runs: &[(Value, u64, Value)]) -> Results<'a> {
    let run = |(settings, seed, rows): &(Value, u64, Value)| {
        let record = serde_json::from_value(json!({
            "format": 1, "run": "r", "experiment": "a", "profile": "quick", "study": "training", "settings": settings,
            "seed": seed, "inputs": {}, "status": { "kind": "finished" }, "files": {},
            "environment": { "device": "cpu", "processor": "p", "threads": 1, "version": "0", "commit": null,
            "dirty": null,
                "rustc": "r", "system": "s", "finished_at": "t", "seconds": 1.0 }
        }));
        let rows: Vec<Row> = serde_json::from_value(rows.clone()).unwrap();
        let mut own: Row = settings.as_object().unwrap().clone();
        own.insert("seed".into(), (*seed).into());
        let loaded = LoadedRecord { record: record.unwrap(), rows: rows.clone(), steps: rows, images: vec![] };
        RunResult { loaded, settings: own }
    };
    let runs: Vec<RunResult> = runs.iter().map(run).collect();
    let mut found = Results::none(definition, Profile::Quick);
    (found.asked, found.runs) = (runs.len(), runs);
    found
}

fn chart(definition: &Definition, runs: &[(Value, u64, Value)]) -> LineChart {
    let FigureKind::Lines(lines) = &definition.figures[0].draw else { panic!("lines") };
    LineChart::new(&definition.figures[0], lines, &results(definition, runs))
}

fn accuracy(series: Value) -> Value {
    json!({ "x": { "column": "epochs_done" }, "y": { "column": "test_accuracy" }, "series": series })
}

/// Accuracies after one and two epochs.
fn rows(first: f64, second: f64) -> Value {
    json!([{ "epochs_done": 1, "test_accuracy": first }, { "epochs_done": 2, "test_accuracy": second }])
}

#[test]
fn fourteen_lines_are_spread_over_three_panels() {
    let definition = definition(&accuracy(json!(["width"])), json!([]));
    let runs: Vec<_> = (0..14).map(|i| (json!({ "width": i }), 0, rows(0.1, 0.2))).collect();
    let chart = chart(&definition, &runs);
    assert_eq!(chart.panels.iter().map(|p| p.series.len()).collect::<Vec<_>>(), [5, 5, 4]);
    assert_eq!(chart.panels[2].title.as_deref(), Some("3 of 3"));
    assert_eq!(chart.names[3], "network width 3");
}

#[test]
fn runs_are_called_as_a_person_calls_them_and_values_are_in_the_unit_of_their_column() {
    let definition = definition(&accuracy(json!(["form", "method", "norm_per_step"])), json!([]));
    let run = |form: &str, method: &str| json!({ "form": form, "method": method });
    let mut norm = run("ode", "anode");
    norm["norm_per_step"] = true.into();
    let runs = [run("baseline", "full"), run("ode", "reverse-time"), run("ode", "anode"), norm];
    let runs: Vec<_> = runs.into_iter().map(|settings| (settings, 0, rows(0.25, 0.5))).collect();
    let chart = chart(&definition, &runs);
    let names = ["Baseline", "Neural ODE (reverse time)", "ANODE", "ANODE, batch-norm layers per step"];
    assert_eq!(chart.names, names);
    assert_eq!(chart.labels, ["epoch", "test accuracy (%)"]);
    assert_eq!(chart.panels[0].series[0].points[1].y, 50.0);
    // All four coincide, which one note says.
    assert_eq!(chart.notes, [format!("Identical wherever they are drawn: {}.", names.join("; "))]);
}

#[test]
fn lines_that_coincide_in_one_of_two_panels_are_named_with_it() {
    let mut lines = accuracy(json!(["method"]));
    lines["panels"] = json!([{ "title": "Running" }, { "title": "Other", "y": "test_accuracy_per_evaluation" }]);
    let definition = definition(&lines, json!([]));
    let run = |method: &str, running: f64| {
        let row = json!({ "epochs_done": 1, "test_accuracy": running, "test_accuracy_per_evaluation": 0.5 });
        (json!({ "form": "ode", "method": method }), 0, json!([row]))
    };
    let notes = chart(&definition, &[run("anode", 0.3), run("reverse-time", 0.4)]).notes;
    assert_eq!(notes, ["Identical in the panel \"Other\": ANODE; Neural ODE (reverse time)."]);
}

#[test]
fn lines_that_hide_each_other_are_named() {
    let definition = definition(&accuracy(json!(["method"])), json!([]));
    let run = |method: &str, y: f64| (json!({ "form": "ode", "method": method }), 0, rows(y, 0.8));
    let notes = |difference: f64| chart(&definition, &[run("anode", 0.3), run("reverse-time", 0.3 + difference)]).notes;
    assert_eq!(notes(0.1), [""; 0]);
    let note = "Too close to tell apart on this axis: ANODE; Neural ODE (reverse time).";
    assert_eq!(notes(1e-4), [note]);
}

#[test]
fn lines_and_places_with_other_numbers_of_seeds_are_named() {
    let definition = definition(&accuracy(json!(["method"])), json!([]));
    let run = |method: &str, seed: u64, rows: Value| (json!({ "form": "ode", "method": method }), seed, rows);
    let notes = |runs: &[_]| chart(&definition, runs).notes;
    let (both, first) = (rows(0.1, 0.9), json!([{ "epochs_done": 1, "test_accuracy": 0.1 }]));
    let two = [run("anode", 0, both.clone()), run("anode", 1, both.clone())];
    assert_eq!(notes(&two), [""; 0]);
    let [zero, one] = two;
    let other = run("reverse-time", 0, rows(0.2, 0.4));
    assert_eq!(notes(&[zero.clone(), one, other]), ["1 seed: Neural ODE (reverse time). 2 seeds: ANODE."]);
    assert_eq!(notes(&[zero, run("anode", 1, first)]), ["Seeds: 1 at 2, elsewhere 2."]);
}

#[test]
fn lines_whose_numbers_look_alike_stay_apart() {
    let definition = definition(&accuracy(json!(["learning_rate"])), json!([]));
    let run = |rate: f64, y: f64| (json!({ "learning_rate": rate }), 0, rows(0.1, y));
    let chart = chart(&definition, &[run(0.100001, 0.2), run(0.100002, 0.4), run(0.2, 0.6)]);
    assert_eq!(chart.panels[0].series.len(), 3);
    assert_ne!(chart.names[0], chart.names[1]);
    assert!(chart.names[0].ends_with("(0.100001)") && chart.names[1].ends_with("(0.100002)"), "{:?}", chart.names);
}

#[test]
fn panels_have_a_limit_that_is_told() {
    let mut lines = accuracy(json!(["method"]));
    lines["panel"] = "width".into();
    let definition = definition(&lines, json!([]));
    let runs: Vec<_> = (0..202).map(|i| (json!({ "width": i, "method": "anode" }), 0, rows(0.1, 0.2))).collect();
    let chart = chart(&definition, &runs);
    assert_eq!(chart.panels.len(), 200);
    assert!(chart.notes.iter().any(|note| note.starts_with("Only the first 200 panels")), "{:?}", chart.notes);
}

#[test]
fn a_share_of_seeds_is_in_percent_and_its_bars_are_its_interval() {
    let mut lines = accuracy(json!(["method"]));
    lines["share"] = json!({ "min": 0.5 });
    lines["y"]["label"] = "networks that have learned, %".into();
    lines["thresholds"] = json!([{ "y": 50, "label": "half" }]);
    let definition = definition(&lines, json!([]));
    let run = |seed: u64, y: f64| (json!({ "form": "ode", "method": "anode" }), seed, rows(0.1, y));
    let chart = chart(&definition, &[run(0, 0.5), run(1, 0.6), run(2, 0.4), run(3, 0.3)]);
    let heights: Vec<f64> = chart.panels[0].series[0].points.iter().map(|p| p.y).collect();
    assert_eq!(heights, [0.0, 50.0]);
    assert_eq!(chart.thresholds[0].0, 50.0);
    assert!(chart.subtitle.ends_with("share of 4 seeds; bars: 95 % interval (Clopper and Pearson)"));
}

#[test]
fn a_threshold_whose_label_would_cover_a_line_is_explained_below_the_chart() {
    let mut lines = accuracy(json!(["method"]));
    lines["thresholds"] = json!([{ "y": 0.3, "label": "a limit of the decision rule" }]);
    let definition = definition(&lines, json!([]));
    let run = |method: &str, y: f64| (json!({ "form": "ode", "method": method }), 0, rows(y, y));
    let notes = |runs: &[_]| chart(&definition, runs).notes;
    let note = "Dotted horizontal line: a limit of the decision rule.".to_owned();
    assert!(notes(&[run("anode", 0.3)]).contains(&note));
    assert!(!notes(&[run("anode", 0.9)]).contains(&note));
}

#[test]
fn the_number_of_seeds_is_that_of_the_data() {
    let mut lines = accuracy(json!(["method"]));
    lines["panel"] = "net".into();
    let definition = definition(&lines, json!([]));
    let run = |net: &str, seed: u64| (json!({ "net": net, "method": "anode" }), seed, rows(0.1, 0.1 + seed as f64));
    let uneven = chart(&definition, &[run("resnet4", 0), run("resnet4", 1), run("resnet4", 2), run("alexnet", 0)]);
    let titles: Vec<_> = uneven.panels.iter().map(|p| p.title.clone().unwrap()).collect();
    assert_eq!(titles, ["ResNet-4 (3 seeds)", "AlexNet (1 seed)"]);
    let even = chart(&definition, &[run("resnet4", 0), run("resnet4", 1)]);
    assert!(
        even.subtitle.contains("mean of 2 seeds") && even.subtitle.contains("minimum to maximum"),
        "{}",
        even.subtitle
    );
    assert_eq!(even.panels[0].title.as_deref(), Some("ResNet-4"));
}

#[test]
fn a_line_breaks_where_it_has_no_place() {
    let lines = json!({ "x": { "column": "Nt" }, "y": { "column": "rho", "scale": "log" }, "series": ["solver"] });
    let definition = definition(&lines, json!([]));
    let values = [json!(1.0), json!(0.5), json!("inf"), json!(0.0), json!("inf"), json!(0.1), json!(0.2)];
    let rows: Vec<Value> = values.iter().enumerate().map(|(i, y)| json!({ "Nt": i + 1, "rho": y })).collect();
    let exact: Vec<Value> = (1..8).map(|i| json!({ "Nt": i, "rho": 0.0 })).collect();
    let runs = [(json!({ "solver": "euler" }), 0, json!(rows)), (json!({ "solver": "rk4" }), 0, json!(exact))];
    let chart = chart(&definition, &runs);
    let parts = chart.unbroken(&chart.panels[0], chart.panels[0].series[0].points.iter().map(|p| (p.x, p.y)));
    assert_eq!(parts, [vec![(1.0, 1.0), (2.0, 0.5)], vec![(6.0, 0.1), (7.0, 0.2)]]);
    for note in ["2 points are not drawn: infinite or undefined.", "1 point is not drawn: zero or negative."] {
        assert!(chart.notes.iter().any(|n| n == note), "{:?}", chart.notes);
        assert!(chart.description().contains(note.trim_end_matches('.')), "{}", chart.description());
    }
    assert!(chart.notes.iter().any(|n| n.contains("zero everywhere") && n.contains("RK4")), "{:?}", chart.notes);
}

#[test]
fn the_papers_numbers_stand_beside_the_runs_that_they_are_of_and_nowhere_else() {
    let mut lines = accuracy(json!(["method"]));
    let point = |method: &str, y: f64| {
        json!({ "series": { "method": method, "data": ["cifar10"] }, "x": 35, "y": y,
        "source": "F" })
    };
    lines["reference"] = json!([point("anode", 0.78), point("reverse-time", 0.52)]);
    let filter = json!({ "method": "anode", "data": ["cifar10"] });
    let number = |source: &str| {
        json!({ "label": "L", "metric": "test_accuracy", "where": filter, "on": "CIFAR-10",
        "value": 0.77, "min": 0.76, "max": 0.78, "source": source })
    };
    let definition = definition(&lines, json!([number("S"), number("M")]));
    let run = |method: &str, data: &str| (json!({ "method": method, "data": data }), 0, rows(0.1, 0.2));
    let real = chart(&definition, &[run("reverse-time", "cifar10"), run("anode", "cifar10")]);
    let panel = &real.panels[0];
    assert_eq!((panel.published.len(), panel.published[0].value, panel.published[0].range), (1, 77.0, [76.0, 78.0]));
    assert_eq!(panel.published[0].name, Some(1));
    assert_eq!(panel.reference, [(1, vec![(35.0, 78.0)]), (0, vec![(35.0, 52.0)])]);
    assert!(real.notes.iter().any(|n| n.contains("CIFAR-10") && n.contains("[S]")), "{:?}", real.notes);
    assert!(real.notes.iter().any(|n| n.contains("[F]")), "{:?}", real.notes);
    assert!(real.x.place(35.0) < 1.0, "the axis reaches the paper's points");
    let mut on_the_curve = number("S");
    on_the_curve["value"] = 0.78.into();
    let twice = self::definition(&lines, json!([on_the_curve]));
    assert!(chart(&twice, &[run("anode", "cifar10")]).panels[0].published.is_empty(), "the paper's curve has it");
    let drawn = chart(&definition, &[run("anode", "synthetic")]);
    assert!(drawn.panels[0].published.is_empty() && drawn.panels[0].reference.is_empty() && drawn.notes.is_empty());
}

#[test]
fn a_chart_of_one_place_is_not_worth_drawing() {
    let definition = definition(&accuracy(json!(["method"])), json!([]));
    let one = json!([{ "epochs_done": 1, "test_accuracy": 0.5 }]);
    assert!(!chart(&definition, &[(json!({ "method": "anode" }), 0, one)]).is_worth_drawing());
    assert!(!chart(&definition, &[]).is_worth_drawing());
    assert!(chart(&definition, &[(json!({ "method": "anode" }), 0, rows(0.1, 0.2))]).is_worth_drawing());
}

#[test]
fn what_stands_between_no_rows_is_drawn_without_a_fault() {
    let definition = definition(&accuracy(json!([])), json!([]));
    let chart = chart(&definition, &[]);
    assert!(super::super::canvas::to_svg(&chart).unwrap().contains("No data"));
}
