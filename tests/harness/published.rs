//! What is published is what the archived records give: in a copy without `runs/`, to the last byte.

use crate::common;

use anode::record::read_archive;
use common::{Workplace, reversal, training, tree};
use serde_json::{Value, json};

/// A workplace whose report is written, with times, images, steps and several seeds, as a fresh clone has it.
fn published() -> Workplace {
    let place = Workplace::new();
    let mut train = training("train");
    train["seeds"] = json!([0, 1, 2]);
    train["figures"] = json!([{ "id": "loss", "title": "Loss", "draw": { "lines": {
        "source": "steps", "x": { "column": "step", "label": "step" }, "y": { "column": "loss", "label": "loss" },
        "series": []
    } } }]);
    let mut picture = reversal("picture");
    picture["seeds"] = json!([0, 1]);
    picture["fixed"]["problem"] = json!({
        "kind": "convolution", "activation": "relu", "std": 0.5, "kernel": 3, "picture": { "mnist": 0 }
    });
    picture["figures"] = json!([{ "id": "seen", "title": "Seen", "draw": { "images": {
        "columns": [{ "image": "input", "label": "in" }], "series": ["seed"], "where": { "seed": 1 }
    } } }]);
    place.define(&train).define(&picture).define(&reversal("plain"));
    place.expect(0, &["reproduce"]);
    std::fs::remove_dir_all(place.path("results/runs")).expect("removed");
    place
}

#[test]
fn a_clone_verifies_and_writes_the_same_bytes_again() {
    let place = published();
    let said = place.expect(0, &["report", "--verify"]);
    assert!(said.contains("files are what the archived records give"), "{said}");
    let before = (tree(&place.path("results")), tree(&place.path("figures")));
    place.expect(0, &["report"]);
    assert!((tree(&place.path("results")), tree(&place.path("figures"))) == before, "a report from archives alone");
    assert!(before.0.iter().any(|(name, _)| name.starts_with("timing/train")), "times are compared too");
    // Only one seed's image is drawn, so only its image is kept.
    let archive = std::fs::read(place.path("results/records/picture.quick.tar.xz")).expect("an archive");
    let text = String::from_utf8_lossy(&unpacked(&archive)).into_owned();
    assert_eq!(text.matches("/images.json").count(), 1);
    assert_eq!(text.matches("/run.json").count(), 2);
}

fn unpacked(xz: &[u8]) -> Vec<u8> {
    let mut tar = vec![];
    std::io::Read::read_to_end(&mut lzma_rust2::XzReader::new(xz, false), &mut tar).expect("xz");
    tar
}

#[test]
fn every_published_file_that_was_changed_lost_or_added_is_named() {
    let place = published();
    let verify = || {
        let output = place.run(&["report", "--verify", "--json"]);
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let found = said["data"]["differences"].as_array().expect("a list").clone();
        assert_eq!(output.status.code(), Some(i32::from(!found.is_empty())));
        found
            .into_iter()
            .map(|d| (d["path"].as_str().unwrap().to_owned(), d["what"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(verify(), []);
    for file in [
        "results/REPORT.md",
        "results/report.html",
        "results/tables/plain.quick.csv",
        "results/tables/train.quick.seeds.csv",
        "results/tables/summary.quick.csv",
        "results/timing/train.quick.csv",
        "figures/picture-seen.quick.svg",
        "figures/train-loss.quick.svg",
    ] {
        let path = place.path(file);
        let bytes = std::fs::read(&path).expect("it is published");
        let mut other = bytes.clone();
        *other.last_mut().expect("not empty") ^= 1;
        std::fs::write(&path, other).expect("written");
        assert_eq!(verify(), [(file.to_owned(), "differs".to_owned())]);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(verify(), [(file.to_owned(), "missing".to_owned())]);
        std::fs::write(&path, bytes).expect("written");
    }
    // What is no file differs, and does not hide the other differences.
    for file in ["results/REPORT.md", "results/tables/plain.quick.csv"] {
        std::fs::rename(place.path(file), place.path("aside")).expect("moved");
        std::fs::create_dir(place.path(file)).expect("a folder");
        std::fs::write(place.path("figures/train-loss.quick.svg"), "").expect("written");
        let different = |path: &str| (path.to_owned(), "differs".to_owned());
        let mut found = verify();
        found.sort();
        assert_eq!(found, [different("figures/train-loss.quick.svg"), different(file)]);
        std::fs::remove_dir(place.path(file)).expect("removed");
        std::fs::rename(place.path("aside"), place.path(file)).expect("moved back");
        place.expect(0, &["report"]);
    }
    let folder = "results/tables/plain.standard.csv";
    std::fs::create_dir(place.path(folder)).expect("a folder");
    place.expect(0, &["report"]);
    assert_eq!(verify(), [(folder.to_owned(), "belongs to nothing".to_owned())]);
    std::fs::remove_dir(place.path(folder)).expect("removed");
    place.write("results/tables/gone.quick.csv", "x\n1\n").write("figures/notes.txt", "mine");
    let nothing = |path: &str| (path.to_owned(), "belongs to nothing".to_owned());
    assert_eq!(verify(), [nothing("results/tables/gone.quick.csv"), nothing("figures/notes.txt")]);
}

#[test]
fn a_changed_archive_is_no_record() {
    let place = published();
    let path = place.path("results/records/plain.quick.tar.xz");
    let bytes = std::fs::read(&path).expect("an archive");
    let forged = {
        let mut text = unpacked(&bytes);
        let at = text.windows(9).position(|w| w == b"both ways").expect("a row");
        text[at] = b'B';
        common::files::xzed(&text)
    };
    let tar = unpacked(&bytes);
    let behind = common::files::xzed(&[&tar[..], b"more"].concat());
    let zeros = common::files::xzed(&[0; 10_240]);
    let half = bytes[..bytes.len() / 2].to_vec();
    let ends = [bytes[..bytes.len() - 1].to_vec(), [&bytes[..], b"more"].concat(), behind, zeros];
    let gzip = common::files::gzipped(&tar);
    let gzips = [gzip[..gzip.len() - 1].to_vec(), [&gzip[..], b"more"].concat()];
    std::fs::write(&path, &gzip).expect("written");
    assert_eq!(read_archive(&path).expect("sound").len(), 1);
    for wrong in [forged, half, b"no archive".to_vec()].into_iter().chain(ends).chain(gzips) {
        std::fs::write(&path, wrong).expect("written");
        let said = place.expect(3, &["report", "--verify"]);
        assert!(said.contains("plain.quick.tar.xz"), "{said}");
    }
}

#[test]
fn a_new_run_counts_more_than_an_archived_one_and_clean_removes_both() {
    let place = published();
    assert!(place.expect(0, &["reproduce", "--only", "plain"]).contains("1 runs finished"), "archives are not runs");
    place.expect(0, &["report", "--verify"]);
    place.expect(0, &["clean", "--yes"]);
    assert!(tree(&place.path("results/records")).is_empty());
    place.expect(0, &["report"]);
    let report = place.read("results/REPORT.md");
    assert!(report.contains("not run: no runs are recorded"), "{report}");
}

#[test]
fn choices_are_listed_with_their_measured_effect() {
    let place = Workplace::new();
    let choice = |measured: Value| json!([{ "what": "A tea at four.", "why": "It was cold.", "measured": measured }]);
    let write = |choices: &Value| place.write("experiments/choices.json", choices.to_string());
    let definition = reversal("plain");
    let check = definition["expectation"]["checks"][0]["name"].as_str().expect("a check").to_owned();
    place.define(&definition);
    for (measured, effect) in [
        (json!({ "experiment": "plain" }), "compared in the table of plain (quick profile)".to_owned()),
        (json!({ "experiment": "plain", "check": check[..4] }), format!("check \"{check}\": ")),
        (json!(null), "not measured".to_owned()),
    ] {
        write(&choice(measured)).expect(0, &["reproduce"]);
        let report = place.read("results/REPORT.md");
        let row = report.lines().find(|line| line.starts_with("| A tea at four.")).expect("a row");
        assert!(row.contains("It was cold.") && row.contains(&effect), "{row}");
    }
    for (choices, says) in [
        (choice(json!({ "experiment": "plian" })), "[0].measured.experiment: `plian`: no experiment has this id"),
        (choice(json!({ "experiment": "plain", "check": "zz" })), "[0].measured.check: `zz`: no check of plain starts"),
        (json!([{ "what": " ", "why": "b" }]), "[0].what"),
        (json!([{ "what": "a", "why": "b", "because": "c" }]), "because"),
    ] {
        let said = write(&choices).expect(1, &["check"]);
        assert!(said.contains(says) && said.contains("choices.json"), "{said}");
    }
}

#[test]
fn experiments_without_results_are_listed_with_the_reason() {
    let place = Workplace::new();
    let entry = |id: &str, why: &str| json!({ "id": id, "paper": "anodev2", "title": "T", "because": why });
    let list = json!([entry("plain", "nobody did"), entry("other", "it needs a telescope")]);
    place.define(&reversal("plain")).write("experiments/not-run.json", list.to_string());
    place.expect(0, &["report"]);
    let report = || place.read("results/REPORT.md");
    assert!(report().contains("not run: nobody did"), "{}", report());
    assert!(report().contains("not run: it needs a telescope | – | – not run"), "{}", report());
    place.expect(0, &["reproduce"]);
    assert!(!report().contains("nobody did") && report().contains("not run: it needs a telescope"));
    // Another experiment has a larger profile: the first lacks it, which the summary says with the reason.
    let mut larger = reversal("larger");
    larger["profiles"]["standard"] = json!({});
    place.define(&larger).expect(0, &["reproduce", "--profile", "standard"]);
    let text = report();
    let row = text.lines().find(|line| line.contains("](#plain)")).expect("a row");
    assert!(row.contains("; standard profile not run: nobody did |"), "{row}");

    let twice = json!([entry("other", "a"), entry("other", "b")]);
    for (list, says) in [
        (twice, "[1].id"),
        (json!([entry("other", " ")]), "[0].because"),
        (json!([entry("An other", "a")]), "[0].id: `An other`; allowed: "),
        (json!([entry("methods", "a")]), "[0].id: `methods`: the report has another section"),
        (json!([{ "id": "x", "paper": "anodev3", "title": "T", "because": "b" }]), "anodev3"),
    ] {
        place.write("experiments/not-run.json", list.to_string());
        let said = place.expect(1, &["check"]);
        assert!(said.contains(says) && said.contains("not-run.json"), "{said}");
    }
}
