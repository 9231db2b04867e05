//! The CUDA kernels under ThreadSanitizer, AddressSanitizer and UndefinedBehaviorSanitizer.
//!
//! A second emulator runs the source that nvcc compiles with one thread of the operating system per CUDA thread and two
//! blocks at a time, so ThreadSanitizer reports races within a block and between blocks. `tests/emulator` of the
//! program runs the threads of a block in turn, where a race shows only if it changes a result.
//!
//! By default few shapes per kernel run. `ANODE_SANITIZERS=full` runs all shapes and plants all faults. Without a
//! compiler that has the sanitizers the tests are skipped; with `ANODE_NEEDS_SANITIZERS=1` they fail.

mod compiler;
mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use compiler::{Build, Sanitizer, kernel_sources, sources};
use faults::{Fault, barriers, faults};

/// Whether all shapes run and all faults are planted.
fn full() -> bool {
    std::env::var("ANODE_SANITIZERS").is_ok_and(|value| value == "full")
}

/// Shapes drawn per kernel or tile, as an argument.
fn shapes() -> &'static str {
    if full() { "40" } else { "2" }
}

/// How often a kernel ran, and the largest number of blocks.
struct Runs {
    runs: u64,
    blocks: u64,
}

/// Reads the lines `kernel NAME threads N runs N blocks N`.
fn kernel_runs(text: &str) -> BTreeMap<String, Runs> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("kernel "));
    let read = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let number = |at: usize| words[at].parse().expect("a number");
        (words[0].to_owned(), Runs { runs: number(4), blocks: number(6) })
    };
    lines.map(read).collect()
}

/// Prints how long each family of kernels took.
fn report(text: &str) {
    let kept = text.lines().filter(|line| line.starts_with("family ") || line.starts_with("total "));
    kept.for_each(|line| println!("{line}"));
}

/// The kernels, the `__global__` functions of the source after preprocessing as nvcc does it.
fn kernels_of_the_device(build: &Build) -> BTreeSet<String> {
    let text = build.preprocessed(&sources().join("kernels.cu"));
    let names = text.split("__global__").skip(1).map(|rest| {
        let head = rest.split('{').next().expect("a function");
        let name = head[..head.rfind('(').expect("arguments")].rsplit([' ', ')']).next();
        name.expect("a name").to_owned()
    });
    names.collect()
}

#[test]
fn no_kernel_has_a_race() {
    let Some(build) = Build::new() else { return };
    let ran = build.run(&build.link("races", &Sanitizer::Thread, &sources(), "kernels.cu"), &[shapes()]);
    report(&ran.text);
    assert!(ran.success, "{}", ran.text);

    let runs = kernel_runs(&ran.text);
    let expected = kernels_of_the_device(&build);
    assert!(expected.len() > 60, "{expected:?}");
    assert_eq!(runs.keys().cloned().collect::<BTreeSet<_>>(), expected, "the emulator has other kernels");
    let missed: Vec<_> = runs.iter().filter(|(_, runs)| runs.runs == 0).map(|(name, _)| name).collect();
    assert!(missed.is_empty(), "no case runs {missed:?}");
    // These two take one block.
    let single = runs.iter().filter(|(_, runs)| runs.blocks < 2).map(|(name, _)| name.as_str());
    assert_eq!(single.collect::<Vec<_>>(), ["most_parts", "sum_parts"], "kernels that never ran with several blocks");
}

#[test]
fn no_kernel_accesses_memory_outside_its_buffers() {
    let Some(build) = Build::new() else { return };
    let program = build.link("buffers", &Sanitizer::Memory, &sources(), "kernels.cu");
    for arguments in [&[shapes()][..], &["1", "flag"]] {
        let ran = build.run(&program, arguments);
        report(&ran.text);
        assert!(ran.success, "{}", ran.text);
    }
}

/// Compiles a copy of the source with a fault, and returns what the run reports, `None` if nothing.
fn reported(build: &Build, fault: &Fault, number: usize) -> Option<String> {
    let folder = build.folder(&format!("fault{number}-{}", std::process::id()));
    for path in kernel_sources() {
        let text = std::fs::read_to_string(&path).expect("a source");
        let name = path.file_name().expect("a name");
        let text = if name == OsStr::new(&fault.file) { fault.planted(&text) } else { text };
        std::fs::write(folder.join(name), text).expect("a copy");
    }
    let program = build.link_in(&folder, &fault.sanitizer, &folder, fault.kernels);
    // A race may change results before ThreadSanitizer sees it.
    let only = if fault.sanitizer == Sanitizer::Thread { "sanitizers-only" } else { "with-reference" };
    let ran = build.run(&program, &["2", fault.family, only]);
    std::fs::remove_dir_all(&folder).expect("the copy removed");
    (!ran.success).then_some(ran.text)
}

#[test]
fn planted_faults_are_reported() {
    let Some(build) = Build::new() else { return };
    let (mut planted, mut missed) = (0, vec![]);
    for (number, fault) in faults().iter().chain(&barriers()).enumerate().filter(|(_, fault)| fault.short || full()) {
        let found = reported(&build, fault, number);
        match (&found, fault.report) {
            (None, None) => println!("{fault}: nothing reported, as expected"),
            (Some(text), Some(report)) if report.split('|').any(|report| text.contains(report)) => {
                println!("{fault}: {report}")
            }
            _ => missed.push(format!("{fault}: expected {:?}, found {found:?}", fault.report)),
        }
        planted += 1;
    }
    println!("{planted} faults planted");
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Where the sources of this test are.
fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sanitizers")
}
