//! Ids that would give two experiments, or an experiment and the program, the same file or anchor; folders of
//! definitions that cannot be read.

use crate::common;

use anode::definition::{id_fault, load};
use common::{Workplace, reversal};
use serde_json::{Value, json};

/// Ids that no experiment can have, with the reason.
const REFUSED: [(&str, &str); 14] = [
    ("outline", "no command reads a file outline.json as a definition"),
    ("choices", "no command reads a file choices.json as a definition"),
    ("not-run", "no command reads a file not-run.json as a definition"),
    ("schema", "no command reads a file schema.json as a definition"),
    ("summary", "tables/summary.<profile>.csv"),
    ("findings", "another section with this anchor"),
    ("methods", "another section with this anchor"),
    ("top", "another section with this anchor"),
    ("peer", "another section with this anchor"),
    ("changed-rules", "another section with this anchor"),
    ("a-quick", "anchors that end in `-quick`"),
    ("a-standard", "anchors that end in `-standard`"),
    ("a-paper", "anchors that end in `-paper`"),
    ("a-quick-computed", "anchors that end in `-quick-computed`"),
];

#[test]
fn ids_of_files_and_sections_of_the_program_are_refused() {
    for (id, why) in REFUSED {
        let place = Workplace::new();
        let said = place.expect(2, &["new", id, "--study", "memory"]);
        assert!(said.contains(&format!("id: `{id}`: ")) && said.contains(why), "{said}");
        let file = place.path(&format!("experiments/anode/{id}.json"));
        assert!(!file.exists());
        place.define(&reversal(id));
        let faults = load(&file).expect_err(id);
        assert!(faults.len() == 1 && faults[0].at == "id" && faults[0].why.contains(why), "{faults:?}");
    }
    let place = Workplace::new();
    let said = place.define(&reversal("summary")).expect(1, &["check"]);
    assert!(said.contains("summary.json: id: `summary`: tables/summary.<profile>.csv"), "{said}");
}

#[test]
fn a_new_id_is_refused_before_a_file_is_written() {
    let place = Workplace::new();
    for (id, found) in [
        ("../x".to_owned(), "id: `../x`; allowed: "),
        (String::new(), "id: ``; allowed: "),
        ("a".repeat(300), "(300 characters); allowed: "),
    ] {
        let said = place.expect(2, &["new", &id, "--study", "memory"]);
        assert!(said.contains(found) && said.contains("at most 100 lower-case letters, digits and `-`"), "{said}");
        assert!(!said.contains(".json") && !said.contains("too long"), "{said}");
    }
}

#[test]
fn no_experiment_can_take_an_anchor_of_the_report() {
    let place = Workplace::new();
    let mut definition = reversal("plain");
    definition["expectation"]["changes"] = json!([{ "date": "2026-11-27", "change": "The limit was 1." }]);
    let finding = json!({ "topic": "T", "text": "No number.", "see": ["plain"] });
    let outline = json!({ "findings": [finding], "chapters": [] });
    place.define(&definition).write("experiments/outline.json", outline.to_string());
    let peer = "experiment,run,statistics,difference,images_apart\nplain,0123456789abcdef,running,0.001,0\n";
    place.write("results/peer/models.csv", peer).expect(0, &["reproduce"]);
    let report = place.read("results/REPORT.md");
    let anchors: Vec<&str> = report.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for anchor in ["top", "findings", "changed-rules", "peer", "methods", "plain", "plain-quick"] {
        assert_eq!(anchors.iter().filter(|other| **other == anchor).count(), 1, "{anchor} in {anchors:?}");
    }
    for anchor in anchors {
        assert_eq!(id_fault(anchor).is_none(), anchor == "plain", "{anchor}");
    }
}

#[test]
fn two_experiments_do_not_write_the_same_chart() {
    let place = Workplace::new();
    let with = |id: &str, figure: &str, profile: &str| -> Value {
        let mut definition = reversal(id);
        definition["figures"][0]["id"] = json!(figure);
        definition["profiles"] = json!({ profile: {} });
        definition
    };
    place.define(&with("s", "f-g", "quick")).define(&with("s-f", "g", "quick"));
    let said = place.expect(1, &["check"]);
    for part in ["anode/s.json: figures[0].id: `f-g`: ", "s-f-g.quick.svg", "figures[0].id in ", "anode/s-f.json"] {
        assert!(said.contains(part), "`{part}` in {said}");
    }
    // No other command loads them either.
    assert!(place.expect(1, &["reproduce"]).contains("s-f-g.quick.svg"));
    // Charts of other profiles are other files.
    place.define(&with("s-f", "g", "standard")).expect(0, &["check"]);
    place.define(&with("s-f", "h", "quick")).expect(0, &["check"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = Workplace::new();
    place.define(&reversal("sound")).write("experiments/mine/other.json", reversal("other").to_string());
    let folder = place.path("experiments/anode");
    let set = |mode: u32| {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).expect("permissions");
    };
    set(0o000);
    // Root may read every folder.
    if std::fs::read_dir(&folder).is_err() {
        for arguments in [&["check"][..], &["check", "other"], &["list"]] {
            let said = place.expect(1, arguments);
            assert!(said.contains("experiments/anode: Permission denied"), "{said}");
        }
    }
    set(0o755);
    place.expect(0, &["check"]);
}
