//! The script for a machine with a GPU, without one: `nvidia-smi`, the programs of the pack and CUDA's libraries are
//! replaced by small shell scripts and empty files.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

const ANODE: &str = r#"
if [[ $1 == doctor ]]; then
    echo "  ok    f32 conv"
    echo "libraries: $LD_LIBRARY_PATH, cuDNN needed: ${ANODE_NEEDS_CUDNN-no}, data: ${ANODE_DATA-none}"
    exit
fi
[[ $1 == --results ]] || exit 2
mkdir -p "$2/records"
echo "$@" >"$2/records/$4.json"
echo "ran $4"
if [[ $4 == long ]]; then
    trap 'kill $!; echo interrupted >&2; exit 130' INT
    sleep 100 &
    wait
fi
"#;

const TESTS: &str = r#"
if [[ $1 == --list ]]; then
    printf '%s: test\n' sound broken absent
    exit
fi
case $2 in
    sound) echo "GPU needed: $ANODE_NEEDS_GPU" ;;
    absent) echo "skipped: cuDNN cannot be used" >&2 ;;
    broken)
        printf "\nthread 'broken' panicked at tests/cuda.rs:1:2:\nerror 3 of 2 allowed\n" >&2
        exit 101
        ;;
esac
"#;

const STEP: &str = r#"
printf '{"device":"cuda-own","net":"resnet4","method":"anode","batch":256,'
echo '"median_s":0.02,"least_s":0.02,"peak_bytes":100}'
echo '{"device":"cuda-own","net":"alexnet","method":"anode","batch":256,"failed":"no memory left"}'
"#;

const TIMES: &str = r#"
print('{"device":"pytorch","net":"resnet4","method":"checkpointed","batch":256,"precision":"f32","layout":"nchw",'
      '"mode":"eager","median_s":0.01,"least_s":0.01,"peak_bytes":200}')
"#;

/// A pack of fakes, and a folder with a fake `nvidia-smi`.
struct Fake {
    folder: tempfile::TempDir,
}

impl Fake {
    fn new() -> Self {
        let fake = Self { folder: tempfile::tempdir().expect("a folder") };
        fake.program("programs/nvidia-smi", "echo 'Emulated GPU, 580.1, 1 MiB, 9.0'");
        fake.program("pack/anode", ANODE);
        fake.program("pack/cuda-tests", TESTS);
        fake.program("pack/device_step", STEP);
        fake.file("pack/peer/device_times.py", TIMES);
        fs::copy(Path::new(SOURCES).join("benches/peer/device_table.py"), fake.path("pack/peer/device_table.py"))
            .expect("the table's source is there");
        fs::copy(Path::new(SOURCES).join("scripts/gpu_session.sh"), fake.path("pack/gpu_session.sh"))
            .expect("the script is there");
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a name within the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn program(&self, name: &str, script: &str) {
        self.file(name, &format!("#!/usr/bin/env bash\n{script}"));
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// Exit code and output of one part of the session.
    fn session(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
        let path = std::env::var("PATH").expect("a path");
        let mut command = Command::new("bash");
        command.arg(self.path("pack/gpu_session.sh")).arg(self.path("out")).args(arguments);
        command.env("PATH", format!("{}:{path}", self.path("programs").display()));
        command.env("PYTHONPATH", self.path("site"));
        for name in ["LD_LIBRARY_PATH", "ANODE_DATA", "ANODE_NEEDS_CUDNN", "ANODE_RUN_ARGS", "ANODE_PROFILE"] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).output().expect("bash is installed");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().expect("no signal"), text.into_owned())
    }
}

fn installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn libraries_of_the_wheels_are_found_and_failing_tests_are_named() {
    let fake = Fake::new();
    fake.file("pack/data/images", "");
    fake.file("site/nvidia/cu13/lib/libcublas.so.13", "");
    fake.file("site/nvidia/cudnn/lib/libcudnn.so.9", "");
    fake.file("site/nvidia_cublas-13.1.0.3.dist-info/METADATA", "");
    fake.file("site/nvidia_cudnn_cu13-9.19.0.56.dist-info/METADATA", "");
    let (code, text) = fake.session(&["contact"], &[]);
    assert_eq!(code, 1, "{text}");
    if installed("python3") {
        let cudnn = fake.path("site/nvidia/cudnn/lib");
        assert!(text.contains(&format!("libcudnn    9.19.0.56 at {}/libcudnn.so.9", cudnn.display())), "{text}");
        assert!(text.contains("libcublas   13.1.0.3 at "), "{text}");
        let words = format!("{}:{}, cuDNN needed: 1", fake.path("site/nvidia/cu13/lib").display(), cudnn.display());
        assert!(text.contains(&words), "{text}");
    }
    assert!(text.contains(&format!("data: {}", fake.path("pack/data").display())), "{text}");
    assert!(text.contains("Emulated GPU") && text.contains("doctor      passed"), "{text}");
    assert!(text.contains("test broken: FAILED (exit code 101)"), "{text}");
    assert!(text.contains("    error 3 of 2 allowed"), "{text}");
    assert!(text.contains("test absent: passed, ") && text.contains(" s, skipped: cuDNN cannot be used"), "{text}");
    assert!(text.lines().count() < 40, "{text}");
    let log = fs::read_to_string(fake.path("out/contact.log")).expect("a log");
    assert!(log.contains("GPU needed: 1"), "{log}");
}

#[test]
fn a_machine_without_a_gpu_is_skipped() {
    let fake = Fake::new();
    fake.program("programs/nvidia-smi", "exit 9");
    let (code, text) = fake.session(&["contact"], &[]);
    assert!(code == 77 && text.contains("there is no NVIDIA GPU"), "{text}");
    assert_eq!(fake.session(&["experiments"], &[]).0, 2);
}

#[test]
fn records_are_packed_and_resumed() {
    if !(installed("tar") && installed("xz")) {
        eprintln!("skipped: tar or xz is not installed");
        return;
    }
    let fake = Fake::new();
    fake.file("pack/resume/records/earlier.json", "");
    let arguments = [("ANODE_SECONDS", "16"), ("ANODE_PACK_SECONDS", "6"), ("ANODE_RUN_ARGS", "--jobs 2")];
    let (code, text) = fake.session(&["experiments", "short", "long"], &arguments);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("run short: passed") && text.contains("run long: STOPPED at its limit"), "{text}");
    assert!(text.contains("interrupted"), "{text}");
    let (code, text) = fake.session(&["experiments", "last"], &[]);
    assert_eq!(code, 0, "{text}");
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(fake.path("out/results.tar.xz")).current_dir(fake.path("out"));
    assert!(tar.status().expect("tar is installed").success());
    for name in ["earlier", "short", "long", "last"] {
        assert!(fake.path("out/results/records").join(name).with_extension("json").is_file(), "{name}");
    }
    let call = fs::read_to_string(fake.path("out/results/records/short.json")).expect("a record");
    assert!(call.contains("run short --profile standard --device cuda --jobs 2"), "{call}");
}

/// A text that takes 70 KiB or more in an archive.
fn noise() -> String {
    (0u32..40_000).map(|i| format!("{:x}", i.wrapping_mul(2_654_435_761) >> 7)).collect()
}

/// An unpacked part of the records would replace the archive that holds them all.
#[test]
fn records_that_cannot_be_unpacked_leave_the_archive_as_it_is() {
    if !(installed("tar") && installed("xz")) {
        eprintln!("skipped: tar or xz is not installed");
        return;
    }
    let fake = Fake::new();
    fake.file("pack/resume/records/earlier.json", &noise());
    assert_eq!(fake.session(&["experiments", "short"], &[]).0, 0);
    let archive = fake.path("out/results.tar.xz");
    let whole = fs::read(&archive).expect("an archive");
    fs::write(&archive, &whole[..whole.len() / 2]).expect("a file");
    for _ in 0..2 {
        let (code, text) = fake.session(&["experiments", "last"], &[]);
        assert!(code == 1 && text.contains("cannot be read") && text.contains("nothing was run"), "{text}");
        assert!(!fake.path("out/results").exists() && !text.contains("run last"), "{text}");
        assert!(fs::read(&archive).expect("an archive") == whole[..whole.len() / 2], "the archive is kept");
    }
    // What is there beside pieces is newer than they are.
    fs::write(&archive, &whole).expect("a file");
    fake.file("out/results.tar.xz.00", "a piece of an older archive");
    let (code, text) = fake.session(&["experiments", "last"], &[]);
    assert!(code == 0 && !fake.path("out/results.tar.xz.00").exists(), "{text}");
}

#[test]
fn an_archive_that_cannot_be_split_is_kept() {
    if !(installed("tar") && installed("xz")) {
        eprintln!("skipped: tar or xz is not installed");
        return;
    }
    let fake = Fake::new();
    fake.file("pack/resume/records/earlier.json", &noise());
    let archive = fake.path("out/results.tar.xz");
    let piece = |number| fake.path(&format!("out/results.tar.xz.{number:02}"));
    let variables = [("ANODE_SPLIT", "4K")];
    // One that fails after two pieces, and one that leaves out the rest without an error.
    for ending in ["exit 1", "exit 0"] {
        let write = r#"for n in 00 01; do head -c 4096 "${@: -2:1}" >"${@: -1}$n"; done"#;
        fake.program("programs/split", &format!("{write}\n{ending}"));
        let (code, text) = fake.session(&["experiments", "short"], &variables);
        assert!(code == 1 && text.contains("cannot be split") && archive.is_file(), "{text}");
        assert!(!piece(0).exists() && !piece(1).exists(), "{text}");
    }
    fs::remove_file(fake.path("programs/split")).expect("a program");
    let (code, text) = fake.session(&["experiments", "last"], &variables);
    assert!(code == 0 && piece(1).is_file() && !archive.exists(), "{text}");
    let (code, text) = fake.session(&["experiments", "again"], &[]);
    assert!(code == 0 && !piece(0).exists() && archive.is_file(), "the pieces are joined: {text}");
}

/// `timeout` as a script that writes its arguments, each call on one line, and runs the command.
const TIMEOUT: &str = r#"
printf '%s ' "$@" | tr '\n' ' ' >>"$CALLS"
echo >>"$CALLS"
while [[ $1 == --* ]]; do shift; done
shift
exec "$@"
"#;

#[test]
fn every_limit_is_positive_and_leaves_time_to_stop_the_command() {
    if !(installed("tar") && installed("xz")) {
        eprintln!("skipped: tar or xz is not installed");
        return;
    }
    let fake = Fake::new();
    fake.program("programs/timeout", TIMEOUT);
    fake.file("pack/resume/records/earlier.json", "");
    let calls = fake.path("calls");
    let limits = |arguments: &[&str], variables: &[(&str, &str)], command: &str| {
        fs::write(&calls, "").expect("a file");
        let mut all = vec![("CALLS", calls.to_str().expect("UTF-8"))];
        all.extend(variables);
        let (_, text) = fake.session(arguments, &all);
        let lines = fs::read_to_string(&calls).expect("calls");
        let called: Vec<_> = lines.lines().filter(|line| line.contains(command)).collect();
        assert!(!called.is_empty(), "{command}: {lines}\n{text}");
        let limit = |line: &&str| {
            let number = |text: &str| text.parse::<i64>().expect("a number of seconds");
            let grace = line.split("--kill-after=").nth(1).expect("a second signal").split(' ').next();
            let limit = line.split(' ').find(|word| !word.starts_with("--")).map_or(0, number);
            (limit, limit + grace.map_or(0, number))
        };
        called.iter().map(limit).collect::<Vec<_>>()
    };
    // For timeout, 0 is no limit at all.
    for seconds in ["0", "-5"] {
        assert_eq!(limits(&["times"], &[("ANODE_STEP_SECONDS", seconds)], "./device_step"), [(1, 11)]);
    }
    let of_part = [("ANODE_SECONDS", "100"), ("ANODE_STEP_SECONDS", "1000"), ("ANODE_PACK_SECONDS", "40")];
    for (part, command) in [("times", "./device_step"), ("experiments", " run short")] {
        let arguments: &[&str] = if part == "times" { &[part] } else { &[part, "short"] };
        for (limit, end) in limits(arguments, &of_part, command) {
            assert!(limit > 1 && end <= if part == "times" { 100 } else { 80 }, "{command}: {limit}, {end}");
        }
    }
    for command in ["tar -C", "xz -dc"] {
        let found = limits(&["experiments", "short"], &of_part, command);
        assert!(found.iter().all(|&(limit, end)| limit > 0 && end <= 100), "{command}: {found:?}");
    }
}

#[test]
fn a_pack_of_programs_without_the_feature_is_refused() {
    let fake = Fake::new();
    fake.program("target/release/deps/cuda-1", "echo '0 tests, 0 benchmarks'");
    let pack = || {
        let mut command = Command::new("bash");
        command.arg(Path::new(SOURCES).join("scripts/cuda-pack.sh")).arg("--built").arg(fake.path("pack.tar.xz"));
        let output = command.env("CARGO_TARGET_DIR", fake.path("target")).output().expect("bash is installed");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    fake.file("target/release/anode", "this program was built without the feature `cuda`; build with");
    let (code, text) = pack();
    assert!(code == Some(1) && text.contains("release/anode is built without the feature cuda"), "{text}");
    fake.file("target/release/anode", "");
    let (code, text) = pack();
    assert!(code == Some(1) && text.contains("deps/cuda-1 has no tests"), "{text}");
    #[cfg(not(feature = "cuda"))]
    {
        let program = fs::read(env!("CARGO_BIN_EXE_anode")).expect("the program");
        let marker = b"built without the feature `cuda`";
        assert!(program.windows(marker.len()).any(|found| found == marker), "the text that the script looks for");
    }
}

#[test]
fn times_are_compared_with_those_of_pytorch() {
    if !installed("python3") {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    let fake = Fake::new();
    let (code, text) = fake.session(&["times"], &[]);
    assert_eq!(code, 0, "{text}");
    let table: serde_json::Value =
        serde_json::from_slice(&fs::read(fake.path("out/device_table.json")).expect("a table")).expect("JSON");
    assert_eq!(table["rows"][0]["ratio"], 2.0, "{text}");
    assert_eq!(table["rows"][0]["peak_ratio"], 0.5, "{text}");
    assert_eq!(table["failed"][0]["failed"], "no memory left", "{text}");
    assert!(text.contains("rows failed: 1, the first: ") && text.contains("alexnet"), "{text}");
}

#[test]
fn a_missing_sanitizer_is_not_a_pass() {
    let fake = Fake::new();
    let (code, text) = fake.session(&["sanitize"], &[("ANODE_SANITIZER", "/nonexistent")]);
    assert!(code == 1 && text.contains("skipped: compute-sanitizer"), "{text}");
    assert!(text.contains("not all steps passed"), "{text}");
    fake.program("programs/sanitizer", "echo '========= ERROR SUMMARY: 0 errors'");
    let sanitizer = fake.path("programs/sanitizer");
    let variables = [("ANODE_SANITIZER", sanitizer.to_str().expect("UTF-8"))];
    let (code, text) = fake.session(&["sanitize", "sound", "memcheck"], &variables);
    assert!(code == 0 && text.contains("memcheck    passed") && text.contains("SUMMARY: 0 errors"), "{text}");
}
