//! Modules are used in one direction: what computes knows nothing of plans, records or reports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Packages whose modules are listed below; `anode-kernels` and `anode-cuda` count as one module each. Between
/// packages, Cargo refuses a wrong arrow.
const PACKAGES: [&str; 3] = ["src", "crates/anode-core/src", "crates/anode-nets/src"];

/// Every top-level module with the modules it may use, each of which stands above it.
const ROOMS: &[(&str, &[&str])] = &[
    ("allocator", &[]),
    ("digest", &[]),
    ("files", &[]),
    ("random", &[]),
    ("nearest", &[]),
    ("characters", &[]),
    ("objects", &[]),
    ("paths", &[]),
    ("ode", &[]),
    ("kernels", &["ode"]),
    ("gradient", &["ode"]),
    ("evolution", &["ode", "gradient", "kernels"]),
    ("data", &["kernels", "digest", "files", "random"]),
    ("net", &["ode", "kernels", "gradient", "evolution", "random"]),
    ("train", &["ode", "kernels", "gradient", "evolution", "net", "data", "digest", "files", "random"]),
    // Names that may stand in a definition are registered by the rooms that have them.
    (
        "definition",
        &["ode", "kernels", "gradient", "evolution", "net", "train", "files", "nearest", "characters", "objects"],
    ),
    ("record", &["definition", "digest", "files", "kernels", "objects", "paths"]),
    ("problems", &["ode", "kernels", "gradient", "evolution"]),
    ("doctor", &["ode", "kernels", "gradient", "net", "random", "train"]),
    (
        "study",
        &[
            "ode",
            "kernels",
            "gradient",
            "evolution",
            "net",
            "data",
            "definition",
            "record",
            "problems",
            "train",
            "digest",
            "files",
            "random",
        ],
    ),
    ("tensorboard", &["files", "record"]),
    ("plan", &["definition", "record", "study", "digest"]),
    ("runner", &["definition", "plan", "study", "record", "files", "tensorboard"]),
    ("report", &["definition", "record", "ode", "gradient", "evolution", "files", "characters", "paths"]),
    ("export", &["definition", "record", "report"]),
    (
        "cli",
        &[
            "files",
            "nearest",
            "characters",
            "paths",
            "ode",
            "doctor",
            "gradient",
            "evolution",
            "net",
            "data",
            "definition",
            "record",
            "study",
            "plan",
            "runner",
            "report",
            "export",
        ],
    ),
];

#[test]
fn the_list_itself_has_one_direction() {
    for (i, (room, uses)) in ROOMS.iter().enumerate() {
        for used in *uses {
            assert!(
                ROOMS[..i].iter().any(|(above, _)| above == used),
                "{room} uses {used}, which does not stand above it"
            );
        }
    }
}

#[test]
fn rooms_use_only_what_they_may() {
    let mut faults = vec![];
    let mut seen = 0;
    for package in PACKAGES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(package);
        for file in files(&source) {
            let inside = file.strip_prefix(&source).expect("inside");
            let name = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
            let room = name.trim_end_matches(".rs");
            if ["lib", "main"].contains(&room) {
                continue;
            }
            let place = format!("{package}/{}", inside.display());
            let Some((_, allowed)) = ROOMS.iter().find(|(r, _)| *r == room) else {
                faults.push(format!("{place}: the module `{room}` is not in the list of tests/harness/rooms.rs"));
                continue;
            };
            for used in rooms_used(&std::fs::read_to_string(&file).expect("source")) {
                seen += 1;
                if used != room && !allowed.contains(&used.as_str()) {
                    let may = if allowed.is_empty() { "no other module".to_owned() } else { allowed.join(", ") };
                    faults.push(format!("{place} uses {used}; {room} may use {may}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen > 100, "the source was read: {seen}");
}

/// The modules that a source names as `crate::module` or inside `crate::{...}`; comments do not count.
fn rooms_used(source: &str) -> BTreeSet<String> {
    let code: String = source.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let name =
            |text: &str| text.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => found.extend([name(rest)]),
            Some(list) => {
                let (mut depth, mut from) = (0, 0);
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        ',' | '}' if depth == 0 => {
                            found.extend([name(&list[from..i])]);
                            from = i + 1;
                            if c == '}' {
                                break;
                            }
                        }
                        '}' => depth -= 1,
                        _ => {}
                    }
                }
            }
        }
    }
    // Macros and items of the crate's root begin otherwise than a room, or are none.
    found.retain(|room| !room.is_empty());
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_line_of_source_is_longer_than_120_characters() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [".ci", "scripts", "src", "crates", "tests", "benches", "examples"];
    let mut folders: Vec<PathBuf> = folders.map(|folder| root.join(folder)).into();
    let extensions = ["rs", "cpp", "h", "cu", "cuh", "sh", "py"];
    let (mut long, mut seen) = (vec![], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(".ci/run")
                || path.extension().is_some_and(|e| extensions.iter().any(|of| e == *of))
            {
                let text = std::fs::read_to_string(&path).expect("a text");
                let lines = text.lines().enumerate().filter(|(_, line)| line.chars().count() > 120);
                long.extend(lines.map(|(n, line)| format!("{}:{}: {line}", path.display(), n + 1)));
                seen += 1;
            }
        }
    }
    assert!(long.is_empty() && seen > 300, "{seen} files\n{}", long.join("\n"));
}

#[test]
fn imports_are_read_in_all_their_forms() {
    let source = "use crate::ode::Grid; // crate::cli\nuse crate::{gradient, net::{a, b}, data};\nfn f() { \
        crate::plan::plan() }";
    let expected = ["data", "gradient", "net", "ode", "plan"].map(str::to_owned);
    assert_eq!(rooms_used(source), BTreeSet::from(expected));
}
