//! Results folders are copied between people and machines: what is in them is read within limits, and nothing outside
//! is touched.
//!
//! A program apart from the harness: the peak memory of a child counts what the process that starts it holds.

#![cfg(unix)]

mod common;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anode::digest::sha256;
use anode::record::{Budget, Unfinished, adopt, read_archive, read_record, write_atomically};
use common::files::{header, tarred};
use common::{Workplace, reversal};
use serde_json::{Value, json};
use tar::EntryType;

/// A workplace with one recorded run of `small`.
fn recorded() -> Workplace {
    let place = Workplace::new();
    place.define(&reversal("small")).expect(0, &["reproduce"]);
    place
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("permissions");
}

/// Replaces a file by a link to `target`.
fn link(path: &Path, target: &Path) {
    let _ = std::fs::remove_file(path);
    symlink(target, path).expect("a link");
}

fn change(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("run.json");
    let mut record = serde_json::from_slice(&std::fs::read(&path).expect("a record")).expect("JSON");
    change(&mut record);
    std::fs::write(path, record.to_string()).expect("written");
}

fn fifo(path: &Path) {
    let _ = std::fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[test]
fn a_record_names_no_file_but_its_own() {
    let place = recorded();
    let folder = place.run_folder("small");
    place.write("victim", "precious");
    let digest = sha256(b"precious");
    for name in ["../victim", "/etc/hostname", "run.json", "times.csv", ""] {
        change(&folder, |record| record["files"] = json!({ name: digest }));
        let error = read_record(&folder).expect_err("refused").to_string();
        assert!(error.contains("`files` names") && error.contains("rows.csv, steps.csv, images.json"), "{error}");
    }
    // Another experiment of the same run does not take such a record over, but makes its own.
    let said = place.define(&reversal("other")).expect(0, &["run", "other"]);
    assert!(said.contains("1 runs finished"), "{said}");
    // Nor does the function itself, whatever it is given.
    let (source, target) = (place.path("source"), place.path("target"));
    let loaded = read_record(&place.run_folder("other")).expect("sound").expect("a record");
    place.write("source/rows.csv", "x\n").write("source/secret", "precious").write("source/run.json", "{}");
    set_mode(&source.join("rows.csv"), 0o600);
    set_mode(&source.join("run.json"), 0o640);
    let mut record = loaded.record;
    record.files.insert("../source/secret".into(), json!("x"));
    record.files.insert("secret".into(), json!("x"));
    adopt(&source, &record, &target, "other").expect("adopted");
    let mut names: Vec<PathBuf> = std::fs::read_dir(&target).expect("a folder").flatten().map(|e| e.path()).collect();
    names.sort();
    assert_eq!(names, [target.join("rows.csv"), target.join("run.json")]);
    assert_eq!((mode(&names[0]), mode(&names[1])), (0o600, 0o640), "permissions stay");
    link(&source.join("rows.csv"), &place.path("victim"));
    let error = adopt(&source, &record, &target, "other").expect_err("refused").to_string();
    assert!(error.contains("rows.csv: a symbolic link"), "{error}");
}

#[test]
fn links_fifos_and_folders_in_place_of_files_are_refused_at_once() {
    let place = recorded();
    let folder = place.run_folder("small");
    let archive = place.path("results/records/small.quick.tar.xz");
    let elsewhere = place.path("elsewhere");
    for (path, code) in [(folder.join("run.json"), 3), (folder.join("rows.csv"), 3), (archive, 3)] {
        let sound = std::fs::read(&path).expect("a file");
        std::fs::write(&elsewhere, &sound).expect("written");
        link(&path, &elsewhere);
        assert!(place.expect(code, &["report"]).contains("a symbolic link; allowed: regular files"));
        fifo(&path);
        assert!(place.expect(code, &["report"]).contains("a FIFO"));
        link(&path, Path::new("/dev/zero"));
        assert!(place.expect(code, &["report"]).contains("a symbolic link"));
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("a folder");
        assert!(place.expect(code, &["report"]).contains("a folder; allowed: regular files"));
        std::fs::remove_dir(&path).expect("removed");
        // A sparse file larger than any record.
        let sparse = std::fs::File::create(&path).expect("a file");
        sparse.set_len(1 << 40).expect("sparse");
        assert!(place.expect(code, &["report"]).contains("1099511627776 bytes; allowed: at most"));
        std::fs::write(&path, sound).expect("written");
    }
    // A folder of runs that is a link leads elsewhere; a file beside the folders is no run.
    std::fs::write(folder.with_file_name("notes.txt"), "mine").expect("written");
    place.expect(0, &["report"]);
    std::fs::rename(&folder, place.path("run")).expect("moved");
    symlink(place.path("run"), &folder).expect("a link");
    assert!(place.expect(3, &["report"]).contains("a symbolic link; put the folder itself here"));
}

#[test]
fn the_lock_changes_nothing_that_it_is_not() {
    let place = recorded();
    let (lock, victim) = (place.path("results/.lock"), place.path("victim"));
    std::fs::write(&victim, "precious").expect("written");
    link(&lock, &victim);
    assert!(place.expect(3, &["run", "small"]).contains(".lock: a symbolic link"));
    std::fs::remove_file(&lock).expect("removed");
    std::fs::hard_link(&victim, &lock).expect("a second name");
    assert!(place.expect(3, &["run", "small"]).contains(".lock: the file has a second name"));
    fifo(&lock);
    assert!(place.expect(3, &["run", "small"]).contains(".lock: a device, a FIFO"));
    assert!(place.expect(3, &["merge", "results", "--results", "fresh"]).contains(".lock: a device, a FIFO"));
    link(&lock, &place.path("nowhere"));
    assert!(place.expect(3, &["run", "small"]).contains(".lock: a symbolic link"));
    assert!(!place.path("nowhere").exists());
    assert_eq!(std::fs::read(&victim).expect("a file"), b"precious");
}

#[test]
fn nothing_but_a_file_is_written_over() {
    let place = Workplace::new();
    fifo(&place.path("fifo"));
    link(&place.path("null"), Path::new("/dev/null"));
    for path in [place.path("fifo"), place.path("null"), place.path(""), "/dev/null".into()] {
        let error = write_atomically(&path, b"x").expect_err("refused").to_string();
        assert!(error.contains("no regular file; name another path"), "{error}");
    }
    place.write("victim", "precious");
    link(&place.path("link"), &place.path("victim"));
    write_atomically(&place.path("link"), b"x").expect("written");
    assert_eq!(std::fs::read(place.path("victim")).expect("a file"), b"precious", "a link is replaced, not followed");
    let draw = |code: i32, path: &str| place.expect(code, &["schedule", "revolve:3", "--steps", "10", "--svg", path]);
    for path in ["fifo", "null", "data", "/dev/null"] {
        assert!(draw(3, path).contains("no regular file; name another path"), "{path}");
    }
    link(&place.path("link"), &place.path("victim"));
    draw(0, "link");
    assert!(place.path("link").is_file() && !place.path("link").is_symlink());
    assert_eq!(std::fs::read(place.path("victim")).expect("a file"), b"precious");
}

#[test]
fn no_report_is_written_or_removed_through_a_link() {
    let place = recorded();
    place.write("elsewhere/tables/small.paper.csv", "precious");
    for (name, target) in [("own", "elsewhere"), ("tables", "elsewhere/tables")] {
        let folder = place.path("results").join(name);
        let _ = std::fs::remove_dir_all(&folder);
        link(&folder, &place.path(target));
        for arguments in [&["report"][..], &["clean", "--yes"]] {
            let said = place.expect(3, arguments);
            assert!(said.contains("a symbolic link; put the folder itself here"), "{said}");
        }
        std::fs::remove_file(&folder).expect("removed");
    }
    let victim = place.path("elsewhere/tables/small.paper.csv");
    assert_eq!(std::fs::read(victim).expect("a file"), b"precious");
}

#[test]
fn a_run_is_not_written_through_a_link() {
    let place = recorded();
    let folder = place.run_folder("small");
    let model = folder.join("model.safetensors");
    for folder in [folder.clone(), place.path("results/runs/quick/small")] {
        let aside = place.path("aside");
        std::fs::rename(&folder, &aside).expect("moved");
        link(&folder, &aside);
        let said = place.expect(3, &["run", "small"]);
        assert!(said.contains("a symbolic link; put the folder itself here"), "{said}");
        std::fs::remove_file(&folder).expect("removed");
        std::fs::rename(&aside, &folder).expect("moved back");
    }
    // What stands in the place of a trained network is removed before the run begins: it is no part of its record.
    let begin = || std::fs::remove_file(folder.join("run.json")).expect("removed");
    let runs = || {
        place.expect(0, &["run", "small"]);
        assert!(std::fs::symlink_metadata(&model).is_err(), "nothing in its place");
    };
    begin();
    link(&model, Path::new("/dev/zero"));
    runs();
    begin();
    fifo(&model);
    runs();
}

#[test]
fn ids_that_become_names_of_folders_are_ids() {
    let place = recorded();
    let folder = place.run_folder("small");
    let record: Value =
        serde_json::from_slice(&std::fs::read(folder.join("run.json")).expect("a record")).expect("JSON");
    let mut header = json!({ "device": "cpu" });
    for name in ["format", "run", "experiment", "profile", "study", "settings", "seed", "inputs"] {
        header[name] = record[name].clone();
    }
    let read = |header: &Value| {
        place.write("unfinished/unfinished.json", header.to_string());
        Unfinished::read(&place.path("unfinished"))
    };
    let sound = read(&header).expect("sound").expect("a header");
    assert_eq!(sound.own_id(), sound.run);
    // A folder of this name under `inflight/` is removed when the run is recorded.
    for other in ["../../../victim", "/victim", "", ".", "0123456789ABCDEF"] {
        change(&folder, |record| record["continued"] = json!(other));
        let error = read_record(&folder).expect_err("refused").to_string();
        assert!(error.contains("run.json") && error.contains("no id of a run"), "{error}");
        for name in ["run", "continued"] {
            let mut header = header.clone();
            header[name] = json!(other);
            let error = read(&header).expect_err("refused").to_string();
            assert!(error.contains("unfinished.json") && error.contains("no id of a run"), "{error}");
        }
    }
}

#[test]
fn a_record_has_no_more_columns_and_values_than_a_record_can_have() {
    let place = recorded();
    let folder = place.run_folder("small");
    let sound = std::fs::read_to_string(folder.join("rows.csv")).expect("rows");
    let replace = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("written");
        change(&folder, |record| record["files"][name] = sha256(text.as_bytes()).into());
    };
    let wide = |columns: usize| {
        let names: Vec<String> = (0..columns).map(|i| format!("c{i}")).collect();
        format!("{}\n{}\n", names.join(","), vec!["1"; columns].join(","))
    };
    // Every cell has a copy of its column's name: 5 GB.
    let long = format!("steps,{}\n", "x".repeat(100_000)) + &"1,1\n".repeat(50_000);
    for name in ["rows.csv", "steps.csv"] {
        for (text, expected) in [
            (&wide(100_000), "100000 columns; allowed: at most 256"),
            (&wide(257), "257 columns; allowed: at most 256"),
            (&long, "the name of a column has 100000 bytes; allowed: at most 256"),
        ] {
            replace(name, text);
            let said = place.expect(3, &["report"]);
            assert!(said.contains(name) && said.contains(expected), "{said}");
        }
        replace("rows.csv", &sound);
    }
    // As many as there may be.
    replace("steps.csv", "step\n1\n");
    for name in ["rows.csv", "steps.csv"] {
        replace(name, &wide(256));
        place.expect(0, &["report"]);
    }
    // So for the text of a cell.
    for (length, code) in [(4096, 0), (4097, 3)] {
        replace("rows.csv", &format!("steps,text\n4,{}\n", "x".repeat(length)));
        let said = place.expect(code, &["report"]);
        assert!(
            code == 0 || said.contains("a cell of column \"text\" has 4097 bytes; allowed: at most 4096"),
            "{said}"
        );
    }
    // And for a log of steps, of which few are kept.
    replace("rows.csv", &sound);
    for (steps, code) in [(2_000_000, 0), (2_000_001, 3)] {
        replace("steps.csv", &("step\n".to_owned() + &"1\n".repeat(steps)));
        let said = place.expect(code, &["report"]);
        assert!(code == 0 || said.contains("steps.csv: more than 2000000 steps"), "{said}");
    }
    replace("steps.csv", "step\n1\n");

    // Lists without an end in an archive, which packs them well.
    let run = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let zeros = "0,".repeat(9 << 20);
    // Eight pixels count as one value.
    let pixels = zeros.repeat(2);
    let images = format!("[{{\"name\":\"a\",\"height\":1,\"width\":{},\"pixels\":[{pixels}0]}}]", (18 << 20) + 1);
    let mut record: Value =
        serde_json::from_slice(&std::fs::read(folder.join("run.json")).expect("a record")).expect("JSON");
    record["files"] = json!({ "rows.csv": sha256(sound.as_bytes()), "images.json": sha256(images.as_bytes()) });
    let archive = |record: &str| {
        let names = ["run.json", "rows.csv", "images.json"].map(|name| format!("{run}/{name}"));
        refused(&tarred([
            (&*names[0], record.as_bytes()),
            (&*names[1], sound.as_bytes()),
            (&*names[2], images.as_bytes()),
        ]))
    };
    let said = archive(&record.to_string());
    assert!(said.contains("images.json: more than 2000000 values"), "{said}");
    record["settings"]["rates"] = json!([]);
    let said = archive(&record.to_string().replace("\"rates\":[]", &format!("\"rates\":[{zeros}0]")));
    assert!(said.contains("run.json\" has 188") && said.contains("more than records can have"), "{said}");
}

/// The file of a table with `columns` columns and `rows` rows.
#[cfg(target_os = "linux")]
fn table(columns: usize, rows: usize) -> String {
    let names: Vec<String> = (2..columns).map(|i| format!("column_{i}")).collect();
    let cells = vec!["0.25"; columns - 2].join(",");
    format!("steps,rho,{}\n", names.join(",")) + &format!("4,0.5,{cells}\n").repeat(rows)
}

#[cfg(target_os = "linux")]
#[test]
fn a_wide_table_has_no_more_values_than_the_largest_experiment_may_have() {
    values_are_limited(256, &[]);
}

/// With few columns there are more rows.
#[cfg(target_os = "linux")]
#[test]
fn a_long_table_has_no_more_values_than_the_largest_experiment_may_have() {
    values_are_limited(3, &[&["report", "--verify"], &["show", "small"], &["compare", "small", "small"], &["export"]]);
}

/// Two runs whose tables have as many values as the records of an experiment may have take little memory in `report`
/// and the `others`. One value more is refused.
#[cfg(target_os = "linux")]
fn values_are_limited(columns: usize, others: &[&[&str]]) {
    let mut definition = reversal("small");
    definition["seeds"] = json!([0, 1]);
    let place = Workplace::new();
    place.define(&definition).expect(0, &["run", "small"]);
    let runs = std::fs::read_dir(place.path("results/runs/quick/small")).expect("runs").flatten();
    let runs: Vec<PathBuf> = runs.map(|entry| entry.path()).collect();
    let write = |folder: &Path, text: &str| {
        std::fs::write(folder.join("rows.csv"), text).expect("written");
        change(folder, |record| record["files"]["rows.csv"] = sha256(text.as_bytes()).into());
    };
    // As each of two runs takes one half of the values.
    let of_record = |folder: &Path| {
        let record = read_record(folder).expect("sound").expect("a record").record;
        let bytes = serde_json::to_vec(&record).expect("JSON");
        bytes.iter().filter(|byte| **byte == b',').count() + bytes.len() / 64
    };
    let record = read_record(&runs[0]).expect("sound").expect("a record").record;
    let row = columns + anode::definition::columns::flat(&record.settings, 0).len();
    runs.iter().for_each(|folder| write(folder, &table(columns, 1)));
    let left = Budget::VALUES - runs.iter().map(|folder| of_record(folder)).sum::<usize>();
    let rows = left / row;
    write(&runs[0], &table(columns, rows / 2));
    write(&runs[1], &table(columns, rows - rows / 2));
    for arguments in [&["report"][..]].iter().chain(others) {
        let peak = peak(&place, arguments);
        assert!(peak < 1000, "{columns} columns, {arguments:?}: {peak} MiB");
    }
    write(&runs[1], &table(columns, rows - rows / 2 + 1));
    let said = place.expect(3, &["report"]);
    assert!(said.contains("rows.csv: more than 2000000 values in the records of one experiment"), "{said}");
    assert!(said.contains("move some of the runs to another results folder"), "{said}");
}

/// serde takes the list of an object's values for the object.
#[test]
fn lists_in_place_of_objects_are_refused() {
    let place = recorded();
    let folder = place.run_folder("small");
    let sound: Value =
        serde_json::from_slice(&std::fs::read(folder.join("run.json")).expect("a record")).expect("JSON");
    let list = |object: &Value| json!(object.as_object().expect("an object").values().cloned().collect::<Vec<_>>());
    let mut inner = sound.clone();
    inner["environment"] = list(&sound["environment"]);
    // The absent accelerator.
    inner["environment"].as_array_mut().expect("a list").insert(1, Value::Null);
    for (record, expected) in [(inner, "`environment`: a list; expected an object"), (list(&sound), "; expected")] {
        std::fs::write(folder.join("run.json"), record.to_string()).expect("written");
        let error = read_record(&folder).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let images = json!([["a", 1, 1, [0.5]]]).to_string();
    std::fs::write(folder.join("images.json"), &images).expect("written");
    let mut record = sound;
    record["files"]["images.json"] = sha256(images.as_bytes()).into();
    std::fs::write(folder.join("run.json"), record.to_string()).expect("written");
    let error = read_record(&folder).expect_err("refused").to_string();
    assert!(error.contains("images.json") && error.contains("expected"), "{error}");
}

#[test]
fn a_merge_copies_the_files_of_runs_and_nothing_else() {
    let place = recorded();
    let folder = place.run_folder("small");
    std::fs::write(folder.join("notes.txt"), "mine").expect("written");
    std::fs::write(folder.join("times.csv"), "step,seconds\n").expect("written");
    std::fs::create_dir(folder.join("deep")).expect("a folder");
    set_mode(&folder.join("rows.csv"), 0o600);
    place.expect(0, &["merge", "results", "--results", "fresh"]);
    let copy = place.path("fresh/runs/quick/small").join(folder.file_name().expect("a name"));
    let mut names: Vec<String> = std::fs::read_dir(&copy)
        .expect("a folder")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["rows.csv", "run.json", "times.csv"]);
    assert_eq!(mode(&copy.join("rows.csv")), 0o600);

    place.write("victim", "precious");
    for name in ["times.csv", "checkpoint.safetensors"] {
        let into = format!("fresh-{name}");
        link(&folder.join(name), &place.path("victim"));
        let said = place.expect(3, &["merge", "results", "--results", &into]);
        assert!(said.contains(name) && said.contains("a symbolic link"), "{said}");
        std::fs::remove_file(folder.join(name)).expect("removed");
        std::fs::File::create(folder.join(name)).expect("a file").set_len(1 << 40).expect("sparse");
        let said = place.expect(3, &["merge", "results", "--results", &into]);
        assert!(said.contains("a file of this name has at most"), "{said}");
        std::fs::remove_file(folder.join(name)).expect("removed");
        let runs = place.path(&into).join("runs/quick/small");
        let left =
            std::fs::read_dir(runs).map_or(0, |found| found.flatten().filter(|e| !is_partial(&e.path())).count());
        assert_eq!(left, 0, "no half copied run");
    }
    // Neither a run nor an experiment that is a link.
    for folder in [folder.clone(), place.path("results/runs/quick/small")] {
        let aside = place.path("aside");
        std::fs::rename(&folder, &aside).expect("moved");
        symlink(&aside, &folder).expect("a link");
        let said = place.expect(3, &["merge", "results", "--results", "fresh-links"]);
        assert!(said.contains("a symbolic link; put the folder itself here"), "{said}");
        std::fs::remove_file(&folder).expect("removed");
        std::fs::rename(&aside, &folder).expect("moved back");
    }
}

fn is_partial(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".partial-"))
}

/// What reading an archive of these bytes says, however it is compressed.
fn refused(tar: &[u8]) -> String {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("a.tar.xz");
    let [xz, gzip] = [common::files::xzed(tar), common::files::gzipped(tar)].map(|bytes| {
        std::fs::write(&path, bytes).expect("written");
        read_archive(&path).expect_err("refused").to_string()
    });
    assert_eq!(xz, gzip);
    xz
}

#[test]
fn an_archive_holds_the_files_of_records_and_nothing_else() {
    let run = "0123456789abcdef";
    for name in ["run.json", "a/run.json", "../0123456789abcdef/run.json", "0123456789ABCDEF/run.json"] {
        assert!(refused(&tarred([(name, &b"{}"[..])])).contains("is no file of a record"), "{name}");
    }
    for name in ["notes.txt", "checkpoint.safetensors", "../run.json", "deep/run.json"] {
        let name = format!("{run}/{name}");
        assert!(refused(&tarred([(&*name, &b"{}"[..])])).contains("is no file of a record"), "{name}");
    }
    let record = format!("{run}/run.json");
    let twice = tarred([(&*record, &b"{}"[..]), (&*record, &b"{}"[..])]);
    assert!(refused(&twice).contains("comes twice"));
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::GNUSparse, EntryType::Fifo] {
        assert!(refused(header(&record, kind, 0).as_bytes()).contains("is no regular file"), "{kind:?}");
    }
    for kind in [EntryType::GNULongName, EntryType::XHeader, EntryType::XGlobalHeader] {
        assert!(refused(header("pax", kind, 1 << 40).as_bytes()).contains("is no file of a record"), "{kind:?}");
    }
    let large = header(&record, EntryType::Regular, 1 << 40);
    assert!(refused(large.as_bytes()).contains("more than records can have"));
    let cut = header(&record, EntryType::Regular, 100);
    assert!(refused(&[cut.as_bytes(), &b"{"[..]].concat()).contains("not an archive of records"));
}

#[test]
fn a_run_id_with_a_separator_makes_no_archive() {
    let place = recorded();
    let sound = read_archive(&place.path("results/records/small.quick.tar.xz")).expect("records");
    for run in ["a/b", "..", "", "0123456789abcdeF", "0123456789abcdef0", "C:\\x"] {
        let mut records = sound.clone();
        records[0].record.run = run.into();
        let error = anode::record::to_archive(&records).expect_err("refused").to_string();
        assert!(error.contains("no id of a run"), "{run}: {error}");
    }
    let twice = [sound.clone(), sound].concat();
    assert!(anode::record::to_archive(&twice).expect_err("refused").to_string().contains("comes twice"));
}

#[test]
fn an_image_has_as_many_pixels_as_it_says() {
    let place = recorded();
    let folder = place.run_folder("small");
    let images = json!([{ "name": "input", "height": 4_294_967_296u64, "width": 4_294_967_296u64, "pixels": [] }]);
    std::fs::write(folder.join("images.json"), images.to_string()).expect("written");
    change(&folder, |record| record["files"]["images.json"] = sha256(images.to_string().as_bytes()).into());
    let error = read_record(&folder).expect_err("refused").to_string();
    assert!(error.contains("0 pixels, but height 4294967296"), "{error}");
}

/// Runs the program and returns the most memory that it had, in MiB.
#[cfg(target_os = "linux")]
#[expect(clippy::zombie_processes, reason = "wait4 waits for it, and tells its memory")]
fn peak(place: &Workplace, arguments: &[&str]) -> i64 {
    let mut command = place.command(arguments);
    let child = command.stdout(std::process::Stdio::null()).spawn().expect("the program starts");
    // SAFETY: all fields of `rusage` are numbers, for which zero is a value.
    let (mut status, mut usage) = (0, unsafe { std::mem::zeroed::<libc::rusage>() });
    // SAFETY: both are valid places for the answer, and nothing else waits for this child.
    let ended = unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) };
    assert_eq!((ended, status), (child.id() as i32, 0), "{arguments:?}");
    usage.ru_maxrss >> 10
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_on_fifteen_long_training_runs_takes_little_memory() {
    let place = Workplace::new();
    let mut definition = common::training("train");
    for (name, value) in [("train_images", 16), ("test_images", 10), ("epochs", 1), ("width", 2), ("steps", 1)] {
        definition["fixed"][name] = json!(value);
    }
    definition["seeds"] = json!((0..15).collect::<Vec<u64>>());
    let axis = |column: &str| json!({ "column": column, "label": column });
    definition["figures"] = json!([{ "id": "loss", "title": "Loss", "draw": { "lines": {
        "source": "steps", "x": axis("step"), "y": axis("loss"), "series": ["seed"] } } }]);
    place.define(&definition).expect(0, &["run", "train"]);
    // 350 epochs of 196 steps.
    let runs = std::fs::read_dir(place.path("results/runs/quick/train")).expect("runs").flatten();
    for folder in runs.map(|entry| entry.path()) {
        let log = std::fs::read_to_string(folder.join("steps.csv")).expect("a log");
        let header = log.lines().next().expect("a header");
        let mut long = format!("{header}\n");
        for step in 0..68_600u64 {
            let cell = |name: &str| match name {
                "step" => step.to_string(),
                "epoch" => (step / 196).to_string(),
                _ if name.starts_with("test_") && step % 196 != 195 => String::new(),
                _ => (1.0 / (step + 3) as f64).to_string(),
            };
            long += &(header.split(',').map(cell).collect::<Vec<_>>().join(",") + "\n");
        }
        std::fs::write(folder.join("steps.csv"), &long).expect("written");
        change(&folder, |record| record["files"]["steps.csv"] = sha256(long.as_bytes()).into());
    }
    // 140 MiB were measured; as rows, all steps take 1.7 GB.
    for arguments in [&["report"][..], &["report", "--verify"], &["show", "train"]] {
        let peak = peak(&place, arguments);
        assert!(peak < 400, "{arguments:?}: {peak} MiB");
    }
}
