//! A device that fails in the middle of a training: what is told, what stays, and that the next call ends with the same
//! bits.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{common, emulator};
use anode::definition::settings::Settings;
use anode::definition::{Loaded, Profile, StudyKind};
use anode::plan::{Run, plan};
use anode::record::{Status, read_record};
use anode::runner::{Options, Tally, run_all};
use anode::study::{AnyDevice, Context, Ending, Estimate, Place, STUDIES, Study, StudyError, Training};
use serde_json::{Map, Value, json};

/// The training study on an emulated device.
struct Emulated {
    /// Bytes of the device.
    memory: usize,
    /// Launches and copies until it is lost; then how many were made.
    calls: AtomicU64,
    /// Stops before the first step.
    stops: bool,
}

impl Study for Emulated {
    fn kind(&self) -> StudyKind {
        StudyKind::Training
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        anode::study::estimate(self.kind(), settings)
    }

    fn inputs(&self, place: &Place, settings: &Settings) -> Result<Map<String, Value>, StudyError> {
        Training.inputs(place, settings)
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        let gpu = emulator::device(0, self.memory).expect("a compiler: it was asked for before");
        let lasts = self.calls.load(Ordering::Relaxed);
        gpu.driver().calls_left.store(lasts, Ordering::Relaxed);
        context.stop.store(self.stops, Ordering::Relaxed);
        let ended = Training.compute(&gpu, context);
        self.calls.store(lasts - gpu.driver().calls_left.load(Ordering::Relaxed), Ordering::Relaxed);
        ended
    }

    fn continues(&self) -> bool {
        Training.continues()
    }

    fn tidy(&self, folder: &Path, keep: bool) -> Result<(), StudyError> {
        Training.tidy(folder, keep)
    }
}

/// A training of six steps, saved after every second one.
fn run() -> Run {
    let mut definition = common::training("training");
    let changes = json!({
        "train_images": 12, "test_images": 4, "epochs": 2, "batch": 4, "steps": 1, "checkpoint_every": 2
    });
    definition["fixed"].as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let definition = serde_json::from_value(definition).unwrap();
    let loaded = Loaded { file: PathBuf::from("experiments/anode/training.json"), definition };
    let (mut runs, skipped) = plan(&[loaded], Profile::Quick, "cuda-own", None, STUDIES);
    assert!(skipped.is_empty(), "{skipped:?}");
    runs.remove(0)
}

fn walk(run: &Run, emulated: &Emulated, accelerator: &str, results: &Path) -> Tally {
    let options = Options {
        results: results.to_owned(),
        jobs: 1,
        threads: 1,
        accelerator: Some(accelerator.into()),
        quiet: true,
        tensorboard: false,
    };
    run_all(std::slice::from_ref(run), &[emulated], &options, &AtomicBool::new(false)).unwrap()
}

fn lasting(calls: u64) -> Emulated {
    Emulated { memory: 1 << 28, calls: calls.into(), stops: false }
}

/// The lines of the log of steps, and the digest of the parameters at the end.
fn left(run: &Run, results: &Path) -> (Vec<String>, Option<String>) {
    let folder = run.folder(results);
    let steps = std::fs::read_to_string(folder.join("steps.csv")).unwrap_or_default();
    let record = read_record(&folder).unwrap();
    let digest = record.and_then(|r| Some(r.rows.first()?.get("parameters_sha256")?.as_str()?.to_owned()));
    (steps.lines().skip(1).map(str::to_owned).collect(), digest)
}

#[test]
fn a_training_on_a_device_that_is_lost_goes_on_with_the_same_bits() {
    if emulator::emulator(0, 1 << 20).is_none() {
        return;
    }
    let (run, whole) = (run(), tempfile::tempdir().unwrap());
    let sound = lasting(u64::MAX);
    assert_eq!(walk(&run, &sound, "a device", whole.path()).finished, 1);
    let calls = sound.calls.into_inner();
    let expected = left(&run, whole.path());
    assert!(expected.0.len() == 6 && expected.1.is_some(), "{expected:?}");
    let record = read_record(&run.folder(whole.path())).unwrap().unwrap().record;
    assert_eq!(
        (&*record.environment.device, record.environment.accelerator.as_deref()),
        ("cuda-own", Some("a device"))
    );

    // Wherever it fails: before the first checkpoint, in a step, in an evaluation, while a checkpoint is read from it,
    // at the end.
    let mut resumed = 0;
    for place in 1..=10 {
        let results = tempfile::tempdir().unwrap();
        let tally = walk(&run, &lasting(calls * place / 10 - 1), "a device", results.path());
        let [(_, why)] = &tally.failed[..] else { panic!("it is lost: {tally:?}") };
        let parts = ["the device failed in ", "the device is lost", "last checkpoint"];
        assert!(parts.iter().all(|part| why.contains(part)), "{why}");
        let folder = run.folder(results.path());
        let status = read_record(&folder).unwrap().unwrap().record.status;
        assert!(matches!(status, Status::Failed { .. }), "it is recorded");
        let (steps, _) = left(&run, results.path());
        assert!(steps[..] == expected.0[..steps.len()], "steps stay: {steps:?}");
        let saved = folder.join("checkpoint.safetensors").exists();

        let again = lasting(u64::MAX);
        assert_eq!(walk(&run, &again, "a device", results.path()).finished, 1);
        assert_eq!(left(&run, results.path()), expected, "lost at {place}/10");
        let begun_anew = again.calls.into_inner() >= calls;
        assert!(!saved || !begun_anew, "it goes on, and does not begin anew");
        resumed += usize::from(saved);
    }
    assert!(resumed > 4, "{resumed}");
}

#[test]
fn a_checkpoint_of_another_device_is_not_gone_on_with() {
    if emulator::emulator(0, 1 << 20).is_none() {
        return;
    }
    let (run, results) = (run(), tempfile::tempdir().unwrap());
    let sound = lasting(u64::MAX);
    walk(&run, &sound, "a device", results.path());
    let calls = sound.calls.into_inner();
    let results = tempfile::tempdir().unwrap();
    walk(&run, &lasting(calls * 3 / 4), "a device, cuDNN 9.1.0", results.path());
    let steps = || left(&run, results.path()).0.len();
    let before = steps();
    let stopped = || Emulated { stops: true, ..lasting(u64::MAX) };
    assert_eq!(walk(&run, &stopped(), "a device, cuDNN 9.1.0", results.path()).interrupted, 1);
    assert!(before >= steps() && steps() >= 2, "what the checkpoint holds");
    assert_eq!(walk(&run, &stopped(), "a device, cuDNN 9.2.0", results.path()).interrupted, 1);
    assert_eq!(steps(), 0, "from the beginning");
}

#[test]
fn a_training_that_does_not_fit_says_what_helps() {
    if emulator::emulator(0, 1 << 20).is_none() {
        return;
    }
    let (run, results) = (run(), tempfile::tempdir().unwrap());
    let small = Emulated { memory: 256 << 10, ..lasting(u64::MAX) };
    let tally = walk(&run, &small, "a device", results.path());
    let [(_, why)] = &tally.failed[..] else { panic!("it does not fit: {tally:?}") };
    let parts = ["the device has no ", "free on the device", "smaller batch", "gradient method that keeps less"];
    assert!(parts.iter().all(|part| why.contains(part)), "{why}");
    let roomy = lasting(u64::MAX);
    assert_eq!(walk(&run, &roomy, "a device", results.path()).finished, 1, "a device with more memory takes it up");
}
