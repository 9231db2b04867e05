//! The runner with studies that end in every way a study can.

use crate::common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anode::definition::settings::Settings;
use anode::definition::{Profile, StudyKind};
use anode::plan::{Run, run_id};
use anode::record::{Outcome, Row, Status, read_record};
use anode::runner::{Options, RunnerError, Tally, is_recorded, lock, run_all};
use anode::study::{Context, Ending, Estimate, Place, Progress, Study, StudyError};
use common::{Workplace, reversal};
use serde_json::{Map, Value, json};

/// A study whose setting `end` says how a run ends.
#[derive(Default)]
struct Script {
    calls: Mutex<BTreeMap<u64, usize>>,
    healed: AtomicBool,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// A run waits until so many went at once.
    meeting: usize,
}

impl Script {
    fn calls(&self) -> Vec<usize> {
        self.calls.lock().unwrap().values().copied().collect()
    }
}

impl Study for Script {
    fn kind(&self) -> StudyKind {
        StudyKind::Training
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        anode::study::estimate(self.kind(), settings)
    }

    fn inputs(&self, _: &Place, _: &Settings) -> Result<Map<String, Value>, StudyError> {
        Ok(Map::new())
    }

    fn continues(&self) -> bool {
        true
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        *self.calls.lock().unwrap().entry(context.seed).or_default() += 1;
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        (context.progress)(Progress { done: 1, total: 2, message: "half".into() });
        let patience = std::time::Instant::now();
        while self.most_at_once.load(Ordering::SeqCst) < self.meeting && patience.elapsed().as_secs() < 20 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let row = Row::from_iter([("seed_squared".to_owned(), json!(context.seed * context.seed))]);
        let outcome = Outcome { rows: vec![row], ..Outcome::default() };
        let end = context.settings["end"].as_str().unwrap_or_default();
        let steps = context.folder.join("steps.csv");
        match end {
            _ if self.healed.load(Ordering::SeqCst) => Ok(Ending::Finished(outcome)),
            "fail" => Err(StudyError::failed("step 3", "no such luck")),
            "panic" => panic!("at the disco"),
            "diverge" => {
                Ok(Ending::Diverged { outcome, step: 4, loss: f64::INFINITY, gradient_norm: f64::NAN, cause: None })
            }
            "disk" => Err(StudyError::Io { path: steps, source: std::io::ErrorKind::StorageFull.into() }),
            "stop" => {
                context.stop.store(true, Ordering::SeqCst);
                context.check_stop().map(|()| Ending::Finished(outcome))
            }
            "fail, then stop" => {
                let log = std::fs::read_to_string(&steps).unwrap_or_default() + "a line\n";
                std::fs::write(&steps, &log).map_err(|source| StudyError::Io { path: steps, source })?;
                if log.lines().count() == 1 {
                    Err(StudyError::failed("line 1", "first"))
                } else {
                    Err(StudyError::Interrupted)
                }
            }
            _ => Ok(Ending::Finished(outcome)),
        }
    }
}

fn plan(ends: &[&str]) -> Vec<Run> {
    let settings = |end: &str| Map::from_iter([("end".to_owned(), json!(end))]);
    let run = |(number, end): (usize, &&str)| Run {
        id: run_id(StudyKind::Training, &settings(end), number as u64, &Map::new(), "cpu"),
        experiment: "script".into(),
        profile: Profile::Quick,
        study: StudyKind::Training,
        settings: Settings::untyped(settings(end)),
        seed: number as u64,
        inputs: Map::new(),
        device: "cpu".into(),
        place: Place { definition: ".".into(), data: None },
        label: format!("number={number}"),
    };
    ends.iter().enumerate().map(run).collect()
}

fn walk(runs: &[Run], script: &Script, results: &Path, jobs: usize) -> Result<Tally, RunnerError> {
    let options =
        Options { results: results.to_owned(), jobs, threads: 2, accelerator: None, quiet: true, tensorboard: false };
    run_all(runs, &[script], &options, &AtomicBool::new(false))
}

fn status(run: &Run, results: &Path) -> Option<Status> {
    read_record(&run.folder(results)).unwrap().map(|loaded| loaded.record.status)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_way_to_end_is_recorded_and_none_stops_the_rest() {
    for jobs in [1, 3] {
        let (results, script) = (tempfile::tempdir().unwrap(), Script::default());
        let runs = plan(&["finish", "fail", "panic", "diverge", "finish"]);
        let tally = walk(&runs, &script, results.path(), jobs).unwrap();
        assert_eq!((tally.finished, tally.diverged, tally.before, tally.interrupted), (2, 1, 0, 0));
        let expected = [
            ("script number=1".to_owned(), "step 3: no such luck".to_owned()),
            ("script number=2".to_owned(), "study: it panicked: at the disco".to_owned()),
        ];
        assert_eq!(tally.failed, expected, "in the order of the plan");
        let diverged = Status::Diverged { step: 4, loss: "inf".into(), gradient_norm: "NaN".into(), cause: None };
        assert_eq!(status(&runs[3], results.path()), Some(diverged));
        assert!(matches!(status(&runs[2], results.path()), Some(Status::Failed { at, .. }) if at == "study"));
        let rows = read_record(&runs[4].folder(results.path())).unwrap().unwrap().rows;
        assert_eq!(rows, [Row::from_iter([("seed_squared".to_owned(), json!(16))])]);

        // Again: what ended is not repeated, what failed is.
        let tally = walk(&runs, &script, results.path(), jobs).unwrap();
        assert_eq!((tally.finished, tally.before, tally.failed.len()), (0, 3, 2));
        assert_eq!(script.calls(), [1, 2, 2, 1, 1]);
        script.healed.store(true, Ordering::SeqCst);
        let tally = walk(&runs, &script, results.path(), jobs).unwrap();
        assert_eq!((tally.finished, tally.before, tally.failed.len()), (2, 3, 0));
        assert!(runs.iter().all(|run| is_recorded(run, results.path())));
    }
}

#[test]
fn as_many_runs_go_at_a_time_as_jobs() {
    for jobs in [1, 4] {
        let (results, script) = (tempfile::tempdir().unwrap(), Script { meeting: jobs, ..Script::default() });
        walk(&plan(&["finish"; 12]), &script, results.path(), jobs).unwrap();
        assert_eq!(script.most_at_once.load(Ordering::SeqCst), jobs);
        assert_eq!(script.calls(), [1; 12]);
    }
}

#[test]
fn a_full_disk_ends_the_walk_and_is_no_fault_of_the_run() {
    let (results, script) = (tempfile::tempdir().unwrap(), Script::default());
    let runs = plan(&["finish", "disk", "finish"]);
    let error = walk(&runs, &script, results.path(), 1).unwrap_err().to_string();
    assert!(error.contains("steps.csv") && error.contains("; free disk space"), "{error}");
    assert_eq!(script.calls(), [1, 1], "nothing is begun on a full disk");
    assert_eq!(status(&runs[0], results.path()), Some(Status::Finished), "what was done stays");
    assert_eq!(status(&runs[1], results.path()), None);
    script.healed.store(true, Ordering::SeqCst);
    let tally = walk(&runs, &script, results.path(), 1).unwrap();
    assert_eq!((tally.finished, tally.before), (2, 1));
}

#[test]
fn a_stop_leaves_the_rest_for_the_next_call() {
    let (results, script) = (tempfile::tempdir().unwrap(), Script::default());
    let runs = plan(&["finish", "stop", "finish", "finish"]);
    let tally = walk(&runs, &script, results.path(), 1).unwrap();
    assert_eq!((tally.finished, tally.interrupted, tally.failed.len()), (1, 3, 0));
    assert_eq!(script.calls(), [1, 1]);
    script.healed.store(true, Ordering::SeqCst);
    let tally = walk(&runs, &script, results.path(), 1).unwrap();
    assert_eq!((tally.finished, tally.before, tally.interrupted), (3, 1, 0));
}

#[test]
fn a_failed_run_that_is_tried_again_and_stopped_keeps_its_work() {
    let (results, script) = (tempfile::tempdir().unwrap(), Script::default());
    let runs = plan(&["fail, then stop"]);
    assert_eq!(walk(&runs, &script, results.path(), 1).unwrap().failed.len(), 1);
    for lines in [2, 3] {
        // The record of the failure must not make the grown log look damaged.
        assert_eq!(walk(&runs, &script, results.path(), 1).unwrap().interrupted, 1);
        let log = std::fs::read_to_string(runs[0].folder(results.path()).join("steps.csv")).unwrap();
        assert_eq!(log.lines().count(), lines);
    }
    assert_eq!(names(runs[0].folder(results.path()).parent().unwrap()), [runs[0].id.clone()], "nothing set aside");
}

#[test]
fn the_record_of_another_run_is_set_aside_not_taken_for_this_one() {
    let (results, script) = (tempfile::tempdir().unwrap(), Script::default());
    let runs = plan(&["finish", "finish"]);
    walk(&runs[..1], &script, results.path(), 1).unwrap();
    let (from, to) = (runs[0].folder(results.path()), runs[1].folder(results.path()));
    std::fs::create_dir(&to).unwrap();
    for name in names(&from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
    assert!(!is_recorded(&runs[1], results.path()));
    let tally = walk(&runs, &script, results.path(), 1).unwrap();
    assert_eq!((tally.finished, tally.before), (1, 1));
    let rows = read_record(&to).unwrap().unwrap().rows;
    assert_eq!(rows[0]["seed_squared"], 1);
    assert!(names(to.parent().unwrap()).contains(&format!("{}.damaged-1", runs[1].id)), "nothing is lost");
}

#[test]
fn a_record_that_is_larger_than_any_is_set_aside() {
    let (results, script) = (tempfile::tempdir().unwrap(), Script::default());
    let runs = plan(&["finish"]);
    walk(&runs, &script, results.path(), 1).unwrap();
    let folder = runs[0].folder(results.path());
    let mut record = std::fs::read(folder.join("run.json")).unwrap();
    record.resize(2 << 20, b' ');
    std::fs::write(folder.join("run.json"), record).unwrap();
    let tally = walk(&runs, &script, results.path(), 1).unwrap();
    assert_eq!((tally.finished, tally.before), (1, 0));
    assert!(names(folder.parent().unwrap()).contains(&format!("{}.damaged-1", runs[0].id)), "nothing is lost");
}

#[test]
fn one_process_at_a_time_writes_a_results_folder() {
    let (results, script) = (tempfile::tempdir().unwrap(), Script::default());
    let held = lock(results.path()).unwrap();
    let error = walk(&plan(&["finish"]), &script, results.path(), 1).unwrap_err();
    assert!(matches!(error, RunnerError::Busy { .. }));
    if cfg!(unix) {
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    }
    assert!(script.calls().is_empty());
    drop(held);
    assert_eq!(walk(&plan(&["finish"]), &script, results.path(), 1).unwrap().finished, 1);
}

#[test]
fn an_empty_plan_and_an_unknown_study_are_no_trouble() {
    let results = tempfile::tempdir().unwrap();
    assert_eq!(walk(&[], &Script::default(), results.path(), 3).unwrap(), Tally::default());
    let options = Options {
        results: results.path().to_owned(),
        jobs: 2,
        threads: 1,
        accelerator: None,
        quiet: true,
        tensorboard: false,
    };
    let tally = run_all(&plan(&["finish"]), &[], &options, &AtomicBool::new(false)).unwrap();
    assert!(tally.failed.len() == 1 && tally.failed[0].1.contains("no study"), "{tally:?}");
}

#[test]
fn files_that_a_run_did_not_write_are_no_part_of_its_record() {
    let place = Workplace::new();
    place.define(&reversal("small")).expect(0, &["run", "small"]);
    let folder = place.run_folder("small");
    std::fs::remove_file(folder.join("run.json")).unwrap();
    for name in ["images.json", "steps.csv", "model.safetensors", "rows.csv"] {
        std::fs::write(folder.join(name), "left here").unwrap();
    }
    place.expect(0, &["run", "small"]);
    let record = read_record(&folder).expect("sound").expect("a record").record;
    assert_eq!(record.files.keys().collect::<Vec<_>>(), ["rows.csv"]);
    assert_eq!((record.model, folder.join("model.safetensors").exists()), (None, false));
}
