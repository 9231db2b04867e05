//! The ids of committed records follow from what they say: a change that would leave them behind shows here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anode::definition::StudyKind;
use anode::record::{read_archive, run_id};

fn archives() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/records");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).expect("records").flatten().map(|e| e.path()).collect();
    found.sort();
    found
}

/// Ids of committed records, of every study and kind of stepping. Only those of a kind whose numbers changed may
/// change.
const PINNED: &[(&str, &str)] = &[
    ("CoupledGradient", "0760e4a4d2707c5e"), // fixed steps
    ("CoupledGradient", "880f7fb9c132e8d2"), // online
    ("GradientError", "1cf12a680ceaafd5"),   // fixed steps, adaptive reference
    ("KernelEvolution", "008d1874c829f1cd"), // fixed steps
    ("Memory", "08a4c1556b4fa862"),          // fixed steps
    ("Memory", "cf8e398ad033ec58"),          // online
    ("NetworkCost", "07f43907f38c6660"),     // fixed steps
    ("Reversibility", "0008c5ea9513ad6c"),   // adaptive matlab
    ("Reversibility", "4582a017a32a17c4"),   // adaptive torchdiffeq
    ("Reversibility", "0118fb6050bdcfb4"),   // fixed
    ("Reversibility", "02ef0daff0d5626a"),   // search
    ("Schedules", "1ae16e8c7e49d3c8"),       // fixed steps
    ("Schedules", "9bf5751379ee4f1a"),       // online
    ("Training", "2b1fc778c11560e2"),        // fixed steps
    ("Training", "c1f7e4eef8832c7f"),        // tolerances torchdiffeq
    ("Training", "ab7c12d86bcae904"),        // tolerances torchdiffeq online
];

#[test]
fn committed_records_keep_their_ids() {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in archives() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        for loaded in read_archive(&path).expect("a sound archive") {
            let record = loaded.record;
            let kind = format!("{:?}", record.study);
            let device = &record.environment.device;
            let id = run_id(record.study, &record.settings, record.seed, &record.inputs, device);
            if !name.contains(".kept.") {
                assert_eq!(id, record.run, "{name}: its numerics have another version now");
            }
            ids.entry(kind).or_default().insert(record.run);
        }
    }
    let missing: Vec<_> = StudyKind::ALL.iter().filter(|kind| !ids.contains_key(&format!("{kind:?}"))).collect();
    assert!(missing.is_empty(), "run an experiment of {missing:?} and commit its quick records");
    for (study, id) in PINNED {
        assert!(ids[*study].contains(*id), "{study}: no committed record has the id {id} any more");
    }
}
