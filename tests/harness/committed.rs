//! The committed records are what this program computes on this processor.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ENDS: &str = ".quick.tar.xz";

/// Repeats a record of the experiment: the first two steps of a training run, or a whole run of another study. Returns
/// `None` if its data set is missing.
fn repeated(id: &str) -> Option<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anode"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["repeat", id, "--profile", "quick", "--random", "1", "--steps", "2", "--json"]);
    let output = command.output().expect("the program starts");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = format!("{id}: {said}{}", String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(2) && text.contains("its inputs had the digests") {
        return None;
    }
    assert!(output.status.success(), "{text}");
    Some(said["data"].clone())
}

/// The records were made on processors with AVX-512. Numbers from other vector instructions than these, or AVX2 in
/// pairs, need only be within the tolerance, which the program checks.
#[test]
fn a_record_of_each_experiment_is_repeated_bit_by_bit() {
    let archives = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("results/records")).expect("records");
    let names = archives.flatten().map(|entry| entry.file_name().into_string().expect("UTF-8"));
    let mut ids: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(ENDS)?.to_owned())).collect();
    ids.sort();
    assert!(ids.len() > 30, "{ids:?}");
    let mut left_out = vec![];
    for id in &ids {
        let Some(found) = repeated(id) else {
            left_out.push(id.as_str());
            continue;
        };
        let expected = cfg!(target_os = "linux")
            && anode::kernels::vector_instructions().is_some_and(|instructions| instructions != "no AVX2");
        assert_eq!(found["same_instructions"], expected, "{id}: {found}");
        assert!(found["identical"] == true || !expected, "{id}: {found}");
    }
    println!("not repeated, because their data sets are not here: {left_out:?}");
    assert!(left_out.iter().all(|id| ["anode-fig1", "anode-fig7"].contains(id)), "{left_out:?}");
}

/// What the report shows can be computed again from a commit. Records that it does not show (`.kept`) are left out.
#[test]
fn every_shown_record_was_made_by_a_program_without_uncommitted_changes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/records");
    let mut checked = 0;
    for entry in std::fs::read_dir(&folder).expect("records").flatten() {
        if entry.file_name().to_string_lossy().contains(".kept.") {
            continue;
        }
        for record in anode::record::read_archived_headers(&entry.path()).expect("a sound archive") {
            let parts = record.origins.iter().map(|origin| origin.dirty).chain([record.environment.dirty]);
            let of_a_commit = record.environment.commit.is_some() && parts.into_iter().all(|dirty| dirty != Some(true));
            assert!(of_a_commit, "{} {}", record.experiment, record.run);
            checked += 1;
        }
    }
    assert!(checked > 4000, "{checked}");
}
