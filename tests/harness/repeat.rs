//! A record's first steps, taken again: the same bits, and a record that was changed is found out.

use crate::common;

use anode::record::{LoadedRecord, read_archive, to_archive, tolerance};
use common::{Workplace, reversal, training};
use serde_json::json;

const ARCHIVE: &str = "results/records/train.quick.tar.xz";

/// A workplace with archived records and no runs, as a fresh clone has it.
fn published() -> Workplace {
    let place = Workplace::new();
    let mut train = training("train");
    train["seeds"] = json!([0, 1]);
    place.define(&train).define(&reversal("plain"));
    place.expect(0, &["reproduce"]);
    std::fs::remove_dir_all(place.path("results/runs")).expect("removed");
    place
}

/// Changes the records of the training, with digests that fit.
fn forge(place: &Workplace, change: impl Fn(&mut LoadedRecord)) {
    let mut records = read_archive(&place.path(ARCHIVE)).expect("records");
    records.iter_mut().for_each(change);
    place.write(ARCHIVE, to_archive(&records).expect("an archive"));
}

/// Multiplies the loss of step 2.
fn scaled(factor: f64) -> impl Fn(&mut LoadedRecord) {
    move |loaded| {
        let loss = loaded.steps[2]["loss"].as_f64().expect("a loss");
        loaded.steps[2].insert("loss".into(), (loss * factor).into());
    }
}

const FIRST: [&str; 6] = ["repeat", "train", "--where", "seed=1", "--steps", "4"];

#[test]
fn the_first_steps_have_the_same_bits_and_so_has_a_whole_run() {
    let place = published();
    let said = place.expect(0, &FIRST);
    assert!(said.contains("identical to the last bit") && said.contains("4 steps"), "{said}");
    assert!(!said.contains("whole run"), "it stopped after its steps: {said}");
    assert!(!place.path("results/runs").exists(), "a repetition is no record");

    let whole = place.expect(0, &["repeat", "train", "--where", "seed=0", "--steps", "100000"]);
    assert!(whole.contains("1 rows of the whole run") && whole.contains("identical to the last bit"), "{whole}");
    let rows = place.expect(0, &["repeat", "plain"]);
    assert!(rows.contains("rows of the whole run") && rows.contains("identical to the last bit"), "{rows}");
}

#[test]
fn a_record_is_chosen_by_its_id_by_settings_or_at_random() {
    let place = published();
    let several = place.expect(2, &["repeat", "train"]);
    assert!(several.contains("2 records fit") && several.contains("--random"), "{several}");
    let run = read_archive(&place.path(ARCHIVE)).expect("records")[0].record.run.clone();
    let one = ["repeat", "--run", &run[..8], "--steps", "1", "--json"];
    let said = place.json(0, &one);
    assert_eq!((&said["run"], &said["identical"], &said["steps"]["compared"]), (&json!(run), &json!(true), &json!(1)));

    let random = ["repeat", "train", "--random", "7", "--steps", "1"];
    let said = place.expect(0, &random);
    assert!(said.contains("at random of 2 records by --random=7"), "{said}");
    assert_eq!(said, place.expect(0, &random), "the number decides");
    for (wrong, says) in [
        (&["repeat", "train", "--profile", "paper"][..], "no such records of profile paper"),
        (&["repeat", "--run", "zz"], "no archived run begins so"),
        (&["repeat", "train", "--where", "seed=9"], "there are 0, 1"),
        (&["repeat", "nothing"], "no experiment `nothing`"),
    ] {
        let said = place.expect(2, wrong);
        assert!(said.contains(says), "{wrong:?}: {said}");
    }
}

#[test]
fn a_changed_number_is_found_where_the_same_bits_are_to_be_expected() {
    let place = published();
    forge(&place, scaled(1.0 + 1e-15));
    let said = place.expect(1, &FIRST);
    for word in ["not reproduced", "in loss of step 2", "the same bits are to be expected here"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(place.run(&[&FIRST[..], &["--json"]].concat()).status.code(), Some(1));
}

#[test]
fn elsewhere_the_tolerance_decides() {
    let elsewhere = |loaded: &mut LoadedRecord| loaded.record.environment.processor = "Another (other vectors)".into();
    for (factor, code, word) in [
        (1.0, 0, "identical"),
        (1.0 + tolerance(2) / 2.0, 0, "of their tolerance"),
        (1.0 + tolerance(2) * 2.0, 1, "not reproduced"),
    ] {
        let place = published();
        forge(&place, elsewhere);
        forge(&place, scaled(factor));
        let said = place.expect(code, &FIRST);
        assert!(said.contains(word), "{factor}: {said}");
    }
}

/// What is changed in a record, and exit code and words of its repetition if its id is changed with it.
type Change<'a> = (&'a dyn Fn(&mut LoadedRecord), i32, &'a str);

#[test]
fn a_record_of_other_settings_seed_or_data_is_not_repeated_as_if_it_were_this_one() {
    let seed = |loaded: &mut LoadedRecord| loaded.record.seed += 10;
    let rate = |loaded: &mut LoadedRecord| drop(loaded.record.settings.insert("learning_rate".into(), 0.06.into()));
    let data = |loaded: &mut LoadedRecord| drop(loaded.record.inputs.insert("synthetic".into(), "0".into()));
    let device = |loaded: &mut LoadedRecord| loaded.record.environment.device = "cuda".into();
    let numerics = |loaded: &mut LoadedRecord| loaded.record.numerics = 3;
    let wrong = |loaded: &mut LoadedRecord| drop(loaded.record.settings.insert("batch".into(), 0.into()));
    let less = |loaded: &mut LoadedRecord| drop(loaded.record.settings.shift_remove("checkpoint_every"));
    let changes: [Change; 7] = [
        (&seed, 1, "not reproduced"),
        (&rate, 1, "not reproduced"),
        (&data, 2, "its inputs had"),
        (&device, 2, "made on cuda"),
        (&numerics, 2, "under the numerics of this version"),
        (&wrong, 2, "no definition may have its settings: batch: 0; allowed: 1 to"),
        (&less, 2, "its settings lack some"),
    ];
    let place = published();
    let sound = std::fs::read(place.path(ARCHIVE)).expect("an archive");
    let arguments = ["repeat", "train", "--random", "1", "--steps", "1"];
    for (change, code, says) in changes {
        place.write(ARCHIVE, &sound);
        forge(&place, change);
        // The id of a record follows from what it says.
        let said = place.expect(3, &arguments);
        assert!(said.contains("it was changed"), "{says}: {said}");
        place.write(ARCHIVE, &sound);
        forge(&place, |loaded| {
            change(loaded);
            loaded.record.run = loaded.record.own_id();
        });
        let said = place.expect(code, &arguments);
        assert!(said.contains(says), "{said}");
    }
    let place = published();
    let mut bytes = std::fs::read(place.path(ARCHIVE)).expect("an archive");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.write(ARCHIVE, bytes);
    assert!(place.expect(3, &FIRST).contains("train.quick.tar.xz"));
}
