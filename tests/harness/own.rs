//! A user's own experiments have a report of their own and leave the published one as it is.

use crate::common;

use common::{Workplace, reversal, tree};
use serde_json::json;

#[test]
fn an_own_experiment_leaves_the_published_report_as_it_is_and_is_removed_without_a_trace() {
    let place = Workplace::new();
    let chapters = json!({ "findings": [], "chapters": [{ "title": "The paper", "experiments": ["paper"] }] });
    place.define(&reversal("paper")).write("experiments/outline.json", chapters.to_string());
    place.expect(0, &["reproduce"]);
    place.expect(0, &["report", "--verify"]);
    assert!(!place.path("results/own").exists());
    let reported = || -> Vec<(String, Vec<u8>)> {
        let all = tree(&place.path("results")).into_iter().chain(tree(&place.path("figures")));
        all.filter(|(name, _)| !name.starts_with("own/") && !name.contains("mine")).collect()
    };
    let before = reported();

    place.define(&reversal("mine"));
    let said = place.expect(0, &["reproduce", "--only", "mine"]);
    assert!(said.contains("mine") && said.contains("own/REPORT.md"), "{said}");
    assert!(!said.contains("results/REPORT.md"), "only what was written is named: {said}");
    assert!(said.contains("verdicts of profile quick (the report shows the largest profile"), "{said}");
    for made in ["REPORT.md", "report.html", "tables/mine.quick.csv", "figures/mine-rho.quick.svg"] {
        assert!(place.path("results/own").join(made).is_file(), "{made}");
    }
    let own = place.read("results/own/REPORT.md");
    assert!(own.contains("Results of your own experiments") && own.contains("](figures/mine-rho.quick.svg)"), "{own}");
    assert!(!own.contains("](#paper)"), "{own}");
    assert!(reported() == before, "the published report changed");
    for command in [&["report"][..], &["report", "--verify"], &["figures"], &["reproduce"]] {
        place.expect(0, command);
        assert!(reported() == before, "{command:?} changed the published report");
    }
    place.expect(0, &["report", "mine", "--verify"]);
    let changed = place.path("results/own/tables/mine.quick.csv");
    let table = std::fs::read(&changed).expect("a table");
    std::fs::write(&changed, "other").expect("a changed table");
    place.expect(0, &["report", "--verify"]);
    assert!(place.expect(1, &["report", "mine", "--verify"]).contains("mine.quick.csv"));
    std::fs::write(&changed, table).expect("the table as it was");
    let published = place.read("results/REPORT.md");
    assert!(!published.contains("mine"), "{published}");

    place.expect(0, &["clean", "--only", "mine", "--yes"]);
    let left = tree(&place.path("results")).into_iter().map(|(name, _)| name).filter(|name| name.contains("mine"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
    assert!(!place.path("results/own").exists() && reported() == before);
    place.expect(0, &["report", "--verify"]);
}

#[test]
fn a_second_own_experiment_stays_when_the_first_is_removed() {
    let place = Workplace::new();
    let chapters = json!({ "findings": [], "chapters": [{ "title": "The paper", "experiments": ["paper"] }] });
    place.define(&reversal("mine")).define(&reversal("other")).write("experiments/outline.json", chapters.to_string());
    place.expect(0, &["reproduce"]);
    assert!(!place.path("results/REPORT.md").exists(), "nothing of the papers was run");
    place.write("results/own/notes.txt", "mine to keep");
    place.expect(0, &["clean", "--only", "mine", "--yes"]);
    assert!(!place.path("results/own/tables/mine.quick.csv").exists());
    assert!(!place.path("results/own/figures/mine-rho.quick.svg").exists());
    assert!(place.path("results/own/tables/other.quick.csv").is_file());
    place.expect(0, &["clean", "--yes"]);
    let left: Vec<String> = tree(&place.path("results/own")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["notes.txt"], "only what the report did not make stays");
}

#[test]
fn verdicts_name_their_profile_and_are_those_of_the_chosen_experiments() {
    let place = Workplace::new();
    place.define(&reversal("one")).define(&reversal("two")).expect(0, &["run", "two"]);
    let said = place.expect(0, &["reproduce", "one"]);
    assert!(said.contains("\none ") && !said.contains("\ntwo "), "{said}");
    let said = place.expect(0, &["reproduce", "--only", "t*"]);
    assert!(said.contains("\ntwo ") && !said.contains("\none "), "{said}");
    let found = place.json(0, &["reproduce", "one", "--json"]);
    assert_eq!((&found["profile"], &found["experiments"][0]["id"]), (&json!("quick"), &json!("one")));
    assert_eq!(found["experiments"].as_array().map(Vec::len), Some(1));
}
