//! Which record a report shows, and that no call but `clean` removes one.

use crate::common;

use std::io::Read;
use std::path::{Path, PathBuf};

use anode::record::read_archive;
use common::files::gzipped;
use common::{Workplace, gradient, reversal, training, tree};
use serde_json::{Value, json};

const MAIN: &str = "results/records/plain.quick.tar.xz";
const KEPT: &str = "results/records/plain.quick.kept.tar.xz";

/// Ids of the records in an archive, none where there is no such file.
fn ids(place: &Workplace, archive: &str) -> Vec<String> {
    let records = read_archive(&place.path(archive)).expect("a sound archive");
    records.into_iter().map(|loaded| loaded.record.run).collect()
}

fn table(place: &Workplace, name: &str) -> String {
    std::fs::read_to_string(place.path("results/tables").join(name)).expect("a table")
}

fn run_folders(place: &Workplace, experiment: &str) -> Vec<PathBuf> {
    let folder = place.path("results/runs/quick").join(experiment);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).expect("runs").flatten().map(|e| e.path()).collect();
    found.sort();
    found
}

fn published_bytes(place: &Workplace) -> [Vec<(String, Vec<u8>)>; 2] {
    let results = tree(&place.path("results")).into_iter().filter(|(name, _)| !name.starts_with("runs/"));
    [results.collect(), tree(&place.path("figures"))]
}

/// The report again, in a copy without `runs/`, gives the same bytes, and verifies.
fn is_reproduced_by_a_clone(place: &Workplace) {
    let before = published_bytes(place);
    std::fs::rename(place.path("results/runs"), place.path("runs-aside")).expect("moved");
    place.expect(0, &["report", "--verify"]);
    place.expect(0, &["report"]);
    assert!(published_bytes(place) == before, "a clone gives other bytes");
    std::fs::rename(place.path("runs-aside"), place.path("results/runs")).expect("moved back");
}

#[test]
fn no_check_is_confirmed_while_planned_runs_are_missing() {
    let place = Workplace::new();
    let mut definition = reversal("plain");
    definition["fixed"].as_object_mut().expect("settings").remove("solver");
    definition["grid"] = json!([{ "solver": ["rk4", "euler"] }]);
    place.define(&definition);
    place.expect(0, &["run", "plain", "--where", "solver=rk4"]);
    place.expect(0, &["report"]);
    let report = place.read("results/REPORT.md");
    assert!(report.contains("1 of 2 planned runs are missing") && !report.contains("| ✓ confirmed |"), "{report}");
    place.expect(0, &["run", "plain"]);
    place.expect(0, &["report"]);
    let report = place.read("results/REPORT.md");
    assert!(!report.contains("planned runs are missing") && report.contains("| ✓ confirmed |"), "{report}");
}

#[test]
fn a_check_waits_only_for_runs_that_it_judges() {
    let place = Workplace::new();
    let mut definition = reversal("plain");
    definition["fixed"].as_object_mut().expect("settings").remove("solver");
    definition["grid"] = json!([{ "solver": ["rk4", "euler"] }]);
    let check = definition["expectation"]["checks"][0].clone();
    let of = |solver: &str| {
        let mut check = check.clone();
        check["name"] = json!(format!("check of {solver}"));
        check["where"]["solver"] = json!(solver);
        check
    };
    definition["expectation"]["checks"] = json!([of("rk4"), of("euler")]);
    place.define(&definition);
    place.expect(0, &["run", "plain", "--where", "solver=rk4"]);
    place.expect(0, &["report"]);
    let report = place.read("results/REPORT.md");
    let line = |name: &str| report.lines().find(|line| line.starts_with('|') && line.contains(name)).expect("a check");
    assert!(line("check of rk4").contains("confirmed"), "{report}");
    assert!(line("check of euler").contains("inconclusive"), "{report}");
}

#[test]
fn the_inputs_that_are_there_decide_and_not_the_clock() {
    let place = Workplace::new();
    let mut definition = gradient("plain");
    definition["fixed"]["field"]["initial"] = json!({ "file": "z.csv" });
    place.define(&definition);
    let input = |content: &str| {
        place.write("experiments/anode/z.csv", content);
        place.expect(0, &["reproduce"]);
        table(&place, "plain.quick.csv")
    };
    let a = input("1,2,3,4,5,6\n");
    let first = ids(&place, MAIN);
    let b = input("6,5,4,3,2,1\n");
    assert_ne!(a, b);
    assert_eq!(ids(&place, KEPT), first, "the record of the first input is kept");
    is_reproduced_by_a_clone(&place);
    // The run of the first input is recorded: nothing is computed, and the record of the second one is younger.
    assert_eq!(input("1,2,3,4,5,6\n"), a);
    assert_eq!(ids(&place, MAIN), first);
    is_reproduced_by_a_clone(&place);
    // A third input has no record: none is shown in its place.
    place.write("experiments/anode/z.csv", "1,1,1,1,1,1\n");
    let said = place.expect(0, &["report"]);
    assert!(said.contains("plain (quick): 2 records match no run"), "{said}");
    assert!(!place.path("results/tables/plain.quick.csv").exists());
    assert_eq!((ids(&place, MAIN), ids(&place, KEPT).len()), (first, 1), "no record is lost");
}

#[test]
fn inputs_that_are_not_there_leave_what_was_published() {
    let place = Workplace::new();
    let mut definition = reversal("plain");
    definition["fixed"]["problem"] = json!({
        "kind": "convolution", "activation": "relu", "std": 0.5, "kernel": 3, "picture": { "mnist": 0 }
    });
    place.define(&definition).expect(0, &["reproduce"]);
    let drawn = (ids(&place, MAIN), table(&place, "plain.quick.csv"));
    // The same experiment where MNIST is present has another id.
    let pixels: Vec<u8> = (0..784).map(|i| (i % 251) as u8).collect();
    let header: Vec<u8> = [0x803u32, 1, 28, 28].iter().flat_map(|n| n.to_be_bytes()).collect();
    place.write("data/mnist/t10k-images-idx3-ubyte", [header, pixels].concat());
    place.expect(0, &["reproduce"]);
    let mnist = (ids(&place, MAIN), table(&place, "plain.quick.csv"));
    assert!(mnist.0 != drawn.0 && mnist.1 != drawn.1);
    is_reproduced_by_a_clone(&place);
    // Without MNIST a copy shows what was published, and says that there is another record.
    std::fs::remove_dir_all(place.path("data/mnist")).expect("removed");
    is_reproduced_by_a_clone(&place);
    std::fs::rename(place.path("results/runs"), place.path("runs-aside")).expect("moved");
    let said = place.expect(0, &["report"]);
    assert!(said.contains(&format!("shown is plain seed=0: run {}", mnist.0[0])), "{said}");
    // Where runs are there, those of the inputs that are there now count.
    std::fs::rename(place.path("runs-aside"), place.path("results/runs")).expect("moved back");
    place.expect(0, &["report"]);
    assert_eq!((ids(&place, MAIN), table(&place, "plain.quick.csv")), drawn);
}

#[test]
fn a_narrowed_grid_or_a_changed_setting_removes_no_record() {
    let place = Workplace::new();
    let mut wide = reversal("plain");
    wide["fixed"].as_object_mut().expect("settings").remove("solver");
    wide["grid"] = json!([{ "solver": ["euler", "heun", "rk4"] }]);
    place.define(&wide).expect(0, &["reproduce"]);
    let all = ids(&place, MAIN);
    let before = published_bytes(&place);
    std::fs::remove_dir_all(place.path("results/runs")).expect("removed");

    let mut narrow = wide.clone();
    narrow["grid"] = json!([{ "solver": ["heun"] }]);
    place.define(&narrow);
    let said = place.expect(0, &["report"]);
    assert!(said.contains("2 records match no run"), "{said}");
    assert_eq!((ids(&place, MAIN).len(), ids(&place, KEPT).len()), (1, 2));
    place.expect(0, &["report", "--verify"]);

    // A changed setting, and `reproduce` in a copy without runs.
    let mut changed = narrow.clone();
    changed["fixed"]["problem"]["rate"] = json!(-2.0);
    place.define(&changed).expect(0, &["reproduce"]);
    let mut found = [ids(&place, MAIN), ids(&place, KEPT)].concat();
    found.sort();
    assert!(found.len() == 4 && all.iter().all(|run| found.contains(run)), "{found:?}");
    let report = place.read("results/REPORT.md");
    assert!(report.contains("3 archived records with other settings"), "{report}");

    // What was asked for at first is there again.
    std::fs::remove_dir_all(place.path("results/runs")).expect("removed");
    place.define(&wide).expect(0, &["report"]);
    assert_eq!((ids(&place, MAIN), ids(&place, KEPT).len()), (all.clone(), 1));
    let said = place.expect(0, &["clean", "--kept", "--yes"]);
    assert!(said.contains("plain.quick.kept.tar.xz") && !said.contains("plain.quick.tar.xz"), "{said}");
    place.expect(0, &["report"]);
    assert!(published_bytes(&place) == before, "as if nothing had been changed");

    // A definition without this profile shows nothing, and keeps everything.
    let mut gone = wide.clone();
    gone["profiles"] = json!({ "standard": {} });
    place.define(&gone).expect(0, &["report"]);
    assert_eq!(ids(&place, MAIN), all);
    place.expect(0, &["report", "--verify"]);
}

#[test]
fn records_of_earlier_numerics_are_kept_and_not_shown() {
    let place = Workplace::new();
    place.define(&reversal("plain")).expect(0, &["reproduce"]);
    std::fs::remove_dir_all(place.path("results/runs")).expect("removed");
    let mut records = read_archive(&place.path(MAIN)).expect("records");
    records[0].record.numerics = 3;
    records[0].record.run = records[0].record.own_id();
    let old = records[0].record.run.clone();
    place.write(MAIN, anode::record::to_archive(&records).expect("an archive"));
    let said = place.expect(0, &["report"]);
    assert!(said.contains("plain (quick): 1 records match no run"), "{said}");
    place.expect(0, &["reproduce"]);
    assert_eq!(ids(&place, KEPT), [old]);
    assert_eq!(ids(&place, MAIN).len(), 1);
}

/// Exchanges the values of a setting between the `run.json` of two run folders.
fn exchange(folders: &[PathBuf], setting: &str) {
    let read = |folder: &Path| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join("run.json")).expect("a record")).expect("JSON")
    };
    let (mut a, mut b) = (read(&folders[0]), read(&folders[1]));
    assert_ne!(a["settings"][setting], b["settings"][setting]);
    std::mem::swap(&mut a["settings"][setting], &mut b["settings"][setting]);
    std::fs::write(folders[0].join("run.json"), a.to_string()).expect("written");
    std::fs::write(folders[1].join("run.json"), b.to_string()).expect("written");
}

#[test]
fn records_that_exchanged_a_setting_are_refused() {
    let place = Workplace::new();
    let mut definition = reversal("plain");
    definition["fixed"].as_object_mut().expect("settings").remove("solver");
    definition["grid"] = json!([{ "solver": ["euler", "rk4"] }]);
    place.define(&definition).expect(0, &["reproduce"]);
    let folders = run_folders(&place, "plain");
    exchange(&folders, "solver");
    let said = place.expect(3, &["report"]);
    assert!(said.contains("run.json") && said.contains("settings, seed, inputs, device and numerics"), "{said}");
    exchange(&folders, "solver");
    place.expect(0, &["report"]);

    // The same in the archive.
    let mut records = read_archive(&place.path(MAIN)).expect("records");
    let solver = |i: usize, records: &[anode::record::LoadedRecord]| records[i].record.settings["solver"].clone();
    let (first, second) = (solver(0, &records), solver(1, &records));
    records[0].record.settings.insert("solver".into(), second);
    records[1].record.settings.insert("solver".into(), first);
    place.write(MAIN, anode::record::to_archive(&records).expect("an archive"));
    for arguments in [&["report", "--verify"][..], &["report"], &["repeat", "--random", "1"]] {
        let said = place.expect(3, arguments);
        assert!(said.contains("it was changed") && said.contains("plain.quick.tar.xz"), "{said}");
    }

    // A folder, and a member of an archive, under the name of another run.
    std::fs::remove_file(place.path(MAIN)).expect("removed");
    std::fs::rename(&folders[0], folders[0].with_file_name("0123456789abcdef")).expect("renamed");
    let said = place.expect(3, &["report"]);
    assert!(said.contains("its folder has another name"), "{said}");
}

#[test]
fn fewer_seeds_leave_no_stale_table_and_the_named_cure_cures() {
    let place = Workplace::new();
    let mut definition = reversal("plain");
    definition["fixed"]["problem"] = json!({ "kind": "matrix-relu", "n": 3, "sign": -1, "normalise": "none" });
    definition["seeds"] = json!([0, 1]);
    place.define(&definition).define(&reversal("plain-other")).expect(0, &["reproduce"]);
    let stale = place.path("results/tables/plain.quick.seeds.csv");
    assert!(stale.exists());
    definition["seeds"] = json!([0]);
    definition["figures"] = json!([]);
    place.define(&definition);
    let said = place.expect(1, &["report", "--verify"]);
    assert!(
        said.contains("seeds.csv: made by no record any more; write the report again with `anode report`"),
        "{said}"
    );
    let said = place.expect(0, &["report", "--only", "plain"]);
    assert!(said.contains("removed results/tables/plain.quick.seeds.csv"), "{said}");
    assert!(!stale.exists() && !place.path("figures/plain-rho.quick.svg").exists());
    assert!(place.path("figures/plain-other-rho.quick.svg").exists(), "another experiment's chart");
    place.expect(0, &["report", "--verify"]);
}

/// As many pixels as 1,440 runs on digits have.
#[test]
fn runs_with_many_images_are_reported() {
    let place = Workplace::new();
    let mut definition = reversal("pictures");
    definition["seeds"] = json!([0, 1, 2, 3]);
    definition["fixed"]["problem"] = json!({ "kind": "convolution", "activation": "relu", "std": 0.1, "kernel": 3,
        "picture": { "file": "picture.csv" } });
    definition["fixed"]["stepping"] = json!({ "kind": "fixed", "steps": [1] });
    definition["figures"] = json!([]);
    let line = vec!["0.5"; 600].join(",") + "\n";
    place.define(&definition).write("experiments/anode/picture.csv", line.repeat(500));
    place.expect(0, &["reproduce"]);
    let runs = std::fs::read_dir(place.path("results/runs/quick/pictures")).expect("runs").flatten();
    let images = runs.map(|run| std::fs::read(run.path().join("images.json")).expect("images"));
    let commas: usize = images.map(|images| images.iter().filter(|byte| **byte == b',').count()).sum();
    assert!(commas > 1440 * 3 * 28 * 28, "about {commas} pixels");
}

#[test]
fn a_report_on_a_part_of_the_experiments_is_the_whole_report() {
    let place = Workplace::new();
    place.define(&reversal("plain")).define(&reversal("other")).expect(0, &["reproduce"]);
    let whole = tree(&place.path("results"));
    for ids in [&["plain"][..], &["--only", "plain"]] {
        place.expect(0, &[&["report"], ids].concat());
        assert!(tree(&place.path("results")) == whole, "{ids:?}");
        assert!(place.expect(0, &[&["report", "--verify"], ids].concat()).contains("files are what"));
    }
    // Only the files of the named experiment are verified.
    let table = place.path("results/tables/plain.quick.csv");
    std::fs::write(&table, "other").expect("a changed table");
    place.expect(0, &["report", "--verify", "other"]);
    assert!(place.expect(1, &["report", "--verify", "plain"]).contains("plain.quick.csv: differs"));
}

#[test]
fn files_that_belong_to_nothing_are_named_each_with_its_cure() {
    let place = Workplace::new();
    place.define(&reversal("plain")).define(&reversal("gone")).expect(0, &["reproduce"]);
    std::fs::remove_file(place.path("experiments/anode/gone.json")).expect("removed");
    place.write("results/records/notes.txt", "mine").write("results/tables/plain.quick.csv.bak", "x");
    place.write("results/timing/plain.quick.seeds.csv", "x\n").write("figures/plain.quick.svg", "x");
    place.write("figures/.hidden", "x").write("results/tables/.partial-x", "x");
    place.write("results/inflight/plain/0123456789abcdef/steps.csv", "step\n").write("results/inflight/plain/x", "x");
    place.write("results/inflight/gone/0123456789abcdef/steps.csv", "step\n").write("results/peer/notes.txt", "mine");
    let said = place.expect(1, &["report", "--verify"]);
    for line in [
        "results/tables/gone.quick.csv: belongs to nothing; move it elsewhere",
        "results/tables/plain.quick.csv.bak: belongs to nothing",
        "results/timing/plain.quick.seeds.csv: belongs to nothing",
        "results/records/gone.quick.tar.xz: records of no experiment that is defined; define the experiment again",
        "results/records/notes.txt: belongs to nothing",
        "figures/gone-rho.quick.svg: belongs to nothing",
        "figures/plain.quick.svg: belongs to nothing",
        "results/inflight/gone: belongs to nothing",
        "results/inflight/plain/0123456789abcdef: belongs to nothing",
        "results/inflight/plain/x: belongs to nothing",
        "results/peer/notes.txt: belongs to nothing",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains(".hidden") && !said.contains(".partial"), "{said}");
    place.expect(0, &["report"]);
    assert!(place.path("results/records/gone.quick.tar.xz").exists(), "a report removes no record");
    let said = place.expect(0, &["clean", "--only", "gone", "--yes"]);
    assert!(
        said.contains("gone.quick.tar.xz") && said.contains("runs/quick/gone") && !said.contains("plain"),
        "{said}"
    );
    assert!(place.expect(2, &["clean", "--only", "nothing", "--yes"]).contains("no experiment and no records match"));
}

#[test]
fn the_network_of_a_record_stays_with_it() {
    let place = Workplace::new();
    let mut definition = training("plain");
    definition["fixed"]["epochs"] = json!(1);
    place.define(&definition).expect(0, &["reproduce"]);
    std::fs::remove_dir_all(place.path("results/runs")).expect("removed");
    let networks = || tree(&place.path("results")).into_iter().filter(|(name, _)| name.starts_with("models/")).count();
    let before = networks();
    // No run has its settings any more: nothing is shown, and nothing is lost.
    definition["fixed"]["learning_rate"] = json!(0.04);
    place.define(&definition);
    for profile in ["standard", "quick"] {
        place.expect(0, &["report", "--profile", profile]);
        assert_eq!((ids(&place, MAIN).len(), networks()), (1, before), "{profile}");
    }
    place.expect(0, &["report", "--verify"]);
    place.expect(0, &["reproduce"]);
    assert_eq!((ids(&place, KEPT).len(), networks()), (1, 2 * before));
}

#[test]
fn steps_of_a_kept_training_are_thinned_once() {
    let place = Workplace::new();
    place.define(&training("plain")).expect(0, &["reproduce"]);
    let mut other = training("plain");
    other["fixed"]["learning_rate"] = json!(0.04);
    other["fixed"]["epochs"] = json!(1);
    place.define(&other).expect(0, &["reproduce"]);
    let kept = std::fs::read(place.path(KEPT)).expect("an archive");
    place.expect(0, &["report"]);
    assert!(std::fs::read(place.path(KEPT)).expect("an archive") == kept, "the same records give the same bytes");
}

/// An archive as earlier versions wrote it, in place of the one that is there.
fn as_earlier(place: &Workplace, archive: &str) {
    let path = place.path(archive);
    let mut tar = vec![];
    let bytes = std::fs::read(&path).expect("an archive");
    lzma_rust2::XzReader::new(&bytes[..], false).read_to_end(&mut tar).expect("xz");
    std::fs::write(path.with_extension("gz"), gzipped(&tar)).expect("written");
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn archives_of_earlier_versions_are_read_and_replaced() {
    let place = Workplace::new();
    let mut plain = reversal("plain");
    plain["seeds"] = json!([0, 1]);
    place.define(&plain).expect(0, &["reproduce"]);
    let before = published_bytes(&place);
    std::fs::remove_dir_all(place.path("results/runs")).expect("removed");
    as_earlier(&place, MAIN);
    let plan = place.expect(0, &["plan", "--json"]);
    assert_eq!(plan.matches("\"state\": \"archived\"").count(), 2, "{plan}");
    place.expect(0, &["report"]);
    assert!(published_bytes(&place) == before && !place.path(MAIN).with_extension("gz").exists());

    // The record that only the earlier archive holds is not lost, and none comes twice.
    let records = read_archive(&place.path(MAIN)).expect("records");
    as_earlier(&place, MAIN);
    place.write(MAIN, anode::record::to_archive(&records[..1]).expect("an archive"));
    assert_eq!(read_archive(&place.path(MAIN)).expect("records").len(), 2);
    let said = place.expect(0, &["report"]);
    assert!(said.contains("plain.quick.tar.gz: its records are in another archive"), "{said}");
    assert!(published_bytes(&place) == before && !place.path(MAIN).with_extension("gz").exists());

    // Both are removed together.
    as_earlier(&place, MAIN);
    let said = place.expect(0, &["clean", "--only", "plain", "--yes"]);
    assert!(said.contains("plain.quick.tar.gz") && !place.path(MAIN).with_extension("gz").exists(), "{said}");
}
