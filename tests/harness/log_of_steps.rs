//! A training continues with the log that its checkpoint belongs to, or from where it can.

use crate::common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anode::definition::StudyKind;
use anode::definition::settings::Settings;
use anode::record::{Row, StepLog};
use anode::study::{Context, Ending, Place, Progress, Study, StudyError, Training};
use serde_json::json;

fn settings() -> Settings {
    let mut definition = common::training("train");
    let changes =
        json!({ "train_images": 24, "test_images": 8, "epochs": 2, "batch": 4, "steps": 1, "checkpoint_every": 3 });
    let settings = definition["fixed"].as_object_mut().expect("settings");
    settings.extend(changes.as_object().expect("settings").clone());
    Settings::parse(StudyKind::Training, settings).expect("sound settings")
}

/// A folder for a run, whose name is part of what a checkpoint belongs to.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        std::fs::create_dir(folder.path()).expect("a folder");
        folder
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("run")
    }
}

/// Trains in `folder` until `steps` steps are done; tells the step it began at, and its row where it came to the end.
fn train(folder: &Path, steps: u64) -> (u64, Option<Row>) {
    let place = Place { definition: ".".into(), data: None };
    let (stop, first) = (AtomicBool::new(false), std::sync::Mutex::new(None));
    let progress = |at: Progress| {
        first.lock().expect("no panic").get_or_insert(at.done - 1);
        stop.store(at.done >= steps, Ordering::Relaxed);
    };
    let settings = settings();
    let context = Context {
        settings: &settings,
        seed: 3,
        place: &place,
        device: "cpu",
        accelerator: None,
        folder,
        stop: &stop,
        progress: &progress,
    };
    let row = match Training.run(&context) {
        Ok(Ending::Finished(outcome)) => {
            let mut row = outcome.rows[0].clone();
            row.shift_remove("seconds");
            Some(row)
        }
        Err(StudyError::Interrupted) => None,
        other => panic!("{other:?}"),
    };
    (first.into_inner().expect("no panic").expect("a step"), row)
}

#[test]
fn an_edited_log_is_not_believed() {
    let whole = Folder::new();
    let (_, expected) = train(&whole.path(), u64::MAX);
    let expected = (expected.expect("the end"), StepLog::read(&whole.path()).expect("a log"));
    type Edit = fn(&str) -> String;
    // The checkpoints are of steps 7, where it stopped, and 6.
    let edits: [(&str, Edit, u64); 8] = [
        ("nothing", str::to_owned, 7),
        ("lines behind the checkpoint", |log| log.to_owned() + "7,0,1,1,1,1,1,,1\n8,0", 7),
        ("the last line, cut", |log| log[..log.len() - 3].to_owned(), 6),
        ("a cell of the last step", |log| edited(log, 7, "6,", "6,9"), 6),
        ("a cell of an accuracy", |log| log.replacen("\n2,0,", "\n2,9,", 1), 0),
        ("the header", |log| log.replacen("loss", "lss", 1), 0),
        ("a step", |log| log.replacen("\n3,", "\n4,", 1), 0),
        ("a line", |log| edited(log, 2, "1,", ""), 0),
    ];
    let stopped = Folder::new();
    assert_eq!(train(&stopped.path(), 7).1, None);
    for (what, edit, begins) in edits {
        let folder = Folder::new();
        for entry in std::fs::read_dir(stopped.path()).expect("files").flatten() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        let path = folder.path().join("steps.csv");
        let log = std::fs::read_to_string(&path).expect("a log");
        let changed = edit(&log);
        assert_eq!(what == "nothing", changed == log, "{what}");
        std::fs::write(&path, changed).expect("written");
        let (first, row) = train(&folder.path(), u64::MAX);
        assert_eq!(first, begins, "{what}: where it continues");
        assert_eq!((row.expect("the end"), StepLog::read(&folder.path()).expect("a log")), expected, "{what}");
    }
}

/// The log with the beginning of a line replaced, or the line removed.
fn edited(log: &str, line: usize, from: &str, to: &str) -> String {
    let replaced = |(i, text): (usize, &str)| match (i == line, to) {
        (false, _) => Some(text.to_owned()),
        (true, "") => None,
        (true, to) => Some(to.to_owned() + text.strip_prefix(from).expect("the line of that step")),
    };
    log.split_inclusive('\n').enumerate().filter_map(replaced).collect()
}

#[test]
fn checkpoints_of_earlier_versions_are_resumed_if_header_and_steps_fit() {
    let whole = Folder::new();
    let (_, expected) = train(&whole.path(), u64::MAX);
    for (renamed, begins) in [(false, 7), (true, 0)] {
        let folder = Folder::new();
        train(&folder.path(), 7);
        for name in anode::record::CHECKPOINTS {
            common::save_again(&folder.path().join(name), |metadata| {
                // Earlier versions saved neither.
                assert!(metadata.remove("steps_sha256").is_some() && metadata.remove("origins").is_some());
            });
        }
        let path = folder.path().join("steps.csv");
        if renamed {
            let log = std::fs::read_to_string(&path).expect("a log");
            std::fs::write(&path, log.replacen("loss", "lss", 1)).expect("written");
        }
        let (first, row) = train(&folder.path(), u64::MAX);
        assert_eq!((first, row), (begins, expected.clone()), "renamed: {renamed}");
    }
}
