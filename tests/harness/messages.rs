//! What the program prints: paths that are not UTF-8, characters that a terminal would obey, and errors with a remedy.

use crate::common;

use common::{Workplace, reversal};
use serde_json::{Value, json};

/// Embeddings, overrides, isolates and marks of the direction of text.
const DIRECTIONS: [char; 12] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    '\u{200e}', '\u{200f}', '\u{61c}',
];

#[test]
fn characters_that_turn_the_direction_of_text_are_not_printed() {
    let place = Workplace::new();
    let mut definition = reversal("turned");
    let all: String = DIRECTIONS.iter().collect();
    definition["title"] = json!(format!("A title {all} of a test"));
    definition["metrics"][0]["label"] = json!("rho\u{202e}");
    definition["figures"][0]["title"] = json!("Rho\u{202e}");
    place.define(&definition).expect(0, &["reproduce"]);
    for file in ["results/REPORT.md", "results/report.html", "figures/turned-rho.quick.svg"] {
        let text = place.read(file);
        assert!(!text.contains(DIRECTIONS), "{file}");
        assert!(text.contains("ho\u{fffd}"), "{file}");
    }
    for arguments in [&["show", "turned"][..], &["show", "turned", "--json"], &["list"], &["list", "--json"]] {
        assert!(!place.expect(0, arguments).contains(DIRECTIONS), "{arguments:?}");
    }
    definition["fixed"]["solver"] = json!("rk\u{202e}4");
    let said = place.define(&definition).expect(1, &["check"]);
    assert!(said.contains("rk\\u{202e}4") && !said.contains(DIRECTIONS), "{said}");
}

#[test]
fn names_of_characters_are_shown_as_they_are_written() {
    let place = Workplace::new();
    let mut definition = reversal("named");
    definition["claim"]["text"] = json!("The element &lt;b&gt; of Griewank & Walther.");
    place.define(&definition).expect(0, &["reproduce"]);
    let report = place.read("results/REPORT.md");
    assert!(report.contains("The element &amp;lt;b&amp;gt; of Griewank & Walther."), "{report}");
    assert!(place.read("results/report.html").contains("The element &amp;lt;b&amp;gt; of Griewank &amp; Walther."));
}

#[test]
fn a_record_that_was_changed_is_reported_in_words_with_a_remedy() {
    let place = Workplace::new();
    place.define(&reversal("sound")).expect(0, &["reproduce"]);
    let path = place.run_folder("sound").join("run.json");
    let sound = std::fs::read_to_string(&path).unwrap();
    let changed = |pointer: &str, value: Value| {
        let mut record: Value = serde_json::from_str(&sound).unwrap();
        *record.pointer_mut(pointer).unwrap() = value;
        std::fs::write(&path, record.to_string()).unwrap();
    };
    let remedy = "; compute the run again with `anode run`, or restore the file";
    for (pointer, value, expected) in [
        ("/status", Value::Null, "run.json: `status`: `null`; expected an object with a field `kind`"),
        ("/seed", json!("x"), "run.json: `seed`: `\"x\"`; expected a whole number from 0"),
        ("/settings", json!([]), "run.json: `settings`: a list; expected an object"),
        ("/seed", json!(7), "it was changed"),
    ] {
        changed(pointer, value);
        for command in [&["report"][..], &["show", "sound"], &["export"], &["compare", "sound", "sound"]] {
            let said = place.expect(3, command);
            assert!(said.contains(expected) && said.contains(remedy), "{command:?}: {said}");
            assert!(!said.contains("enum") && !said.contains("u64"), "{said}");
        }
    }
    std::fs::write(&path, &sound).unwrap();
    let rows = path.with_file_name("rows.csv");
    std::fs::write(&rows, "rho\n0\n").unwrap();
    assert!(place.expect(3, &["report"]).contains(&format!("cut or changed{remedy}")));
    std::fs::remove_file(&rows).unwrap();
    let said = place.expect(3, &["report"]);
    assert!(said.contains("rows.csv: ") && said.contains(remedy), "{said}");
    // What the remedy says.
    let said = place.expect(0, &["run", "sound"]);
    assert!(said.contains("damaged-1 and run again") && !said.contains(remedy), "{said}");
    place.expect(0, &["report"]);
}

#[test]
fn an_archive_that_was_changed_is_reported_with_a_remedy() {
    let place = Workplace::new();
    place.define(&reversal("sound")).expect(0, &["reproduce"]);
    std::fs::remove_dir_all(place.path("results/runs")).unwrap();
    place.write("results/records/sound.quick.tar.xz", "no archive");
    for command in [&["report"][..], &["show", "sound"], &["repeat", "sound"]] {
        let said = place.expect(3, command);
        assert!(said.contains("sound.quick.tar.xz: not an archive of records: "), "{said}");
        assert!(said.contains("; restore the archive, or move it elsewhere and compute its runs again"), "{said}");
    }
}

#[cfg(target_os = "linux")]
mod on_linux {
    use std::ffi::OsStr;
    use std::fs::OpenOptions;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Output;

    use super::*;
    use crate::documents::data;

    /// A name that no JSON document can contain.
    const NAME: &[u8] = b"folder-\xff";

    /// Runs the program with an option that has this name as its value.
    fn run(place: &Workplace, code: i32, arguments: &[&str], option: &str) -> Output {
        let output = place.command(arguments).arg(option).arg(OsStr::from_bytes(NAME)).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// The error that a command prints as the last line of standard error.
    fn failure(output: &Output) -> Value {
        let errors = String::from_utf8_lossy(&output.stderr);
        data(errors.lines().last().unwrap_or_default().as_bytes(), "error")
    }

    #[test]
    fn documents_contain_paths_that_are_not_utf_8() {
        let place = Workplace::new();
        place.define(&reversal("sound"));
        let folder = place.path("").join(OsStr::from_bytes(NAME));
        let is_replaced = |path: &Value| path.as_str().is_some_and(|path| path.starts_with("folder-\u{fffd}/"));
        run(&place, 0, &["run", "sound", "--json"], "--results");
        let planned = data(&run(&place, 0, &["plan", "sound", "--json"], "--results").stdout, "plan");
        assert!(is_replaced(&planned[0]["folder"]), "{planned}");
        place.write("results/.keep", "");
        let written = data(&run(&place, 0, &["export", "--json"], "--to").stdout, "export");
        assert!(is_replaced(&written["written"][0]), "{written}");

        let report = data(&run(&place, 0, &["report", "--json"], "--results").stdout, "report");
        assert!(is_replaced(&report["written"][0]), "{report}");
        let made = run(&place, 0, &["new", "own", "--study", "reversibility", "--json"], "--experiments");
        assert!(data(&made.stdout, "new")["file"].as_str().is_some_and(|path| path.contains('\u{fffd}')));

        let removed = data(&run(&place, 0, &["clean", "--yes", "--json"], "--results").stdout, "clean");
        assert_eq!(removed["removed"].as_array().map(Vec::len), Some(2), "the run and its archive");
        assert!(is_replaced(&removed["removed"][0]), "{removed}");
        assert!(!folder.join("runs/quick/sound").exists());

        let wrong = place.path("experiments/anode").join(OsStr::from_bytes(b"\xff.json"));
        std::fs::write(wrong, "{}").unwrap();
        let output = place.run(&["check", "--json"]);
        assert_eq!(output.status.code(), Some(1));
        for faults in [data(&output.stdout, "check"), failure(&output)] {
            assert_eq!(faults["faults"][0]["file"], "experiments/anode/\u{fffd}.json");
        }
    }

    #[test]
    fn a_path_without_permission_is_reported_with_a_remedy() {
        // No user can create files in this file system.
        if !std::path::Path::new("/sys/kernel").is_dir() {
            println!("skipped: no /sys");
            return;
        }
        let place = Workplace::new();
        place.define(&reversal("sound")).write("results/.keep", "");
        for (arguments, path) in [
            (&["schedule", "revolve:2", "--steps", "5", "--svg", "/sys/anode.svg"][..], "/sys/anode.svg"),
            (&["init", "/sys/anode"], "/sys/anode"),
            (&["export", "--to", "/sys/anode"], "/sys/anode"),
        ] {
            let said = place.expect(3, arguments);
            assert!(said.contains(&format!("anode: {path}")), "{said}");
            assert!(said.contains("; make the path and its folder readable and writable, or name another"), "{said}");
            assert!(!said.contains(".partial-"), "{said}");
        }
    }

    #[test]
    fn help_that_a_full_disk_swallows_is_an_error() {
        let place = Workplace::new();
        let printed = |arguments: &[&str]| {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let output = place.command(arguments).stdout(full).output().unwrap();
            assert_eq!(output.status.code(), Some(3), "{arguments:?}");
            output
        };
        for option in ["--help", "--version"] {
            let said = String::from_utf8_lossy(&printed(&[option]).stderr).into_owned();
            assert!(said.starts_with("anode: standard output: ") && said.contains("os error 28"), "{said}");
            assert_eq!(failure(&printed(&[option, "--json"]))["kind"], "io");
            assert!(place.run(&[option]).status.success());
        }
    }
}
