//! What is written is what is read, to the bit; what was damaged is told and never taken for a result.

use anode::definition::{Profile, StudyKind};
use anode::record::{
    Image, Outcome, Record, RecordError, Row, Status, cell, csv_to_rows, environment, number, read_record, rows_to_csv,
    sweep, write_atomically, write_record,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn record(status: Status) -> Record {
    let settings = Map::from_iter([("rate".to_owned(), json!(0.1)), ("steps".to_owned(), json!([1, 2]))]);
    let mut record = Record {
        format: anode::record::FORMAT,
        run: String::new(),
        experiment: "test".into(),
        profile: Profile::Quick,
        study: StudyKind::Reversibility,
        numerics: anode::record::FIRST_NUMERICS,
        settings,
        seed: u64::MAX,
        inputs: Map::new(),
        status,
        continued: None,
        environment: environment("cpu", 2, 1.5),
        origins: vec![],
        files: Map::new(),
        model: None,
    };
    record.run = record.own_id();
    record
}

fn outcome() -> Outcome {
    let row = |x: f64| Row::from_iter([("x".to_owned(), number(x)), ("name".to_owned(), json!("a, \"b\"\nc"))]);
    let image = Image { name: "input".into(), height: 1, width: 2, pixels: vec![Some(0.1), None] };
    Outcome {
        rows: vec![row(0.1 + 0.2), row(f64::NAN), row(f64::NEG_INFINITY)],
        images: vec![image],
        ..Outcome::default()
    }
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    for cause in [None, Some("backward: step 3: no end".to_owned())] {
        reads_back_as_it_was_written(cause);
    }
}

fn reads_back_as_it_was_written(cause: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (loss, gradient_norm) = (f64::NAN.to_string(), f64::INFINITY.to_string());
    let status = Status::Diverged { step: 7, loss, gradient_norm, cause: cause.clone() };
    assert!(read_record(folder.path()).unwrap().is_none(), "an unfinished run");
    write_record(folder.path(), &record(status.clone()), &outcome()).unwrap();
    let text = std::fs::read_to_string(folder.path().join("run.json")).unwrap();
    assert_eq!(text.contains("cause"), cause.is_some(), "records of before had no such field");
    let loaded = read_record(folder.path()).unwrap().unwrap();
    assert_eq!(loaded.record.status, status);
    assert_eq!((loaded.record.settings, loaded.record.seed), (record(status).settings, u64::MAX));
    assert_eq!((loaded.rows, loaded.images), (outcome().rows, outcome().images));
    let environment = loaded.record.environment;
    assert!(!environment.rustc.is_empty() && !environment.processor.is_empty());
    let names = std::fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["images.json", "rows.csv", "run.json"], "no temporary file is left");
}

#[test]
fn a_file_cut_anywhere_is_told_by_name() {
    for name in ["run.json", "rows.csv", "images.json"] {
        let folder = tempfile::tempdir().unwrap();
        write_record(folder.path(), &record(Status::Finished), &outcome()).unwrap();
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        // The last byte of run.json is a line end: without it nothing is lost.
        for length in 0..whole.len() - usize::from(name == "run.json") {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read_record(folder.path()).expect_err("a cut file");
            assert!(matches!(&error, RecordError::Damaged { path: told, .. } if *told == path), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        match read_record(folder.path()) {
            Ok(None) => assert_eq!(name, "run.json", "without it the run is unfinished"),
            Ok(Some(_)) => panic!("{name} is gone"),
            Err(error) => assert!(error.to_string().contains(name)),
        }
    }
}

#[test]
fn every_changed_byte_of_the_numbers_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    write_record(folder.path(), &record(Status::Finished), &outcome()).unwrap();
    let path = folder.path().join("rows.csv");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut other = whole.clone();
        other[at] ^= 1;
        std::fs::write(&path, &other).unwrap();
        assert!(read_record(folder.path()).is_err(), "byte {at}");
    }
}

#[test]
fn a_record_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_record(folder.path(), &Record { format: 99, ..record(Status::Finished) }, &outcome()).unwrap();
    let error = read_record(folder.path()).expect_err("a format of the future");
    assert!(error.to_string().contains("`format`: 99"), "{error}");
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomically(&path, b"before").unwrap();
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    std::fs::write(folder.path().join("taken/inside"), "x").unwrap();
    // A folder that holds something cannot be replaced by a file.
    assert!(write_atomically(&folder.path().join("taken"), b"after").is_err());
    assert!(write_atomically(&path.join("below a file"), b"after").is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing half-written is left");
}

#[test]
fn columns_come_in_the_order_in_which_they_first_appear_and_null_is_empty() {
    let rows: Vec<Row> = serde_json::from_value(json!([{ "b": 1, "a": null }, { "c": true, "b": 2.5 }])).unwrap();
    assert_eq!(rows_to_csv(&rows).unwrap(), b"b,a,c\n1,,\n2.5,,true\n");
    assert_eq!(csv_to_rows(&rows_to_csv(&[]).unwrap()).unwrap(), Vec::<Row>::new());
}

#[test]
fn only_old_leftovers_of_writes_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let hours = |n: u64| std::time::Duration::from_secs(3600 * n);
    for (name, age) in [(".partial-old", 2), (".partial-young", 0), ("rows.csv", 2)] {
        let file = std::fs::File::create(folder.path().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - hours(age)).unwrap();
    }
    let left = || folder.path().read_dir().unwrap().count();
    sweep(folder.path(), hours(1)).unwrap();
    assert!(left() == 2 && !folder.path().join(".partial-old").exists());
    sweep(folder.path(), hours(0)).unwrap();
    assert!(left() == 1 && folder.path().join("rows.csv").exists());
    sweep(&folder.path().join("missing"), hours(0)).unwrap();
}

proptest! {
    #[test]
    fn every_float_survives_a_table_to_the_bit(bits in prop::collection::vec(any::<u64>(), 1..20)) {
        let rows: Vec<Row> =
            bits.iter().map(|&b| Row::from_iter([("x".to_owned(), number(f64::from_bits(b)))])).collect();
        let read = csv_to_rows(&rows_to_csv(&rows).unwrap()).unwrap();
        for (row, &bits) in read.iter().zip(&bits) {
            let x = f64::from_bits(bits);
            let back: f64 = cell(&row["x"]).parse().unwrap();
            prop_assert!(if x.is_nan() { back.is_nan() } else { back.to_bits() == bits }, "{x} became {back}");
        }
    }

    #[test]
    fn every_text_that_is_no_number_survives_a_table(text in "[a-z ,;\"'\n\r\té]{1,12}") {
        prop_assume!(!["true", "false"].contains(&text.as_str()));
        let row = Row::from_iter([("t".to_owned(), Value::from(text)), ("n".to_owned(), json!(1))]);
        prop_assert_eq!(csv_to_rows(&rows_to_csv(std::slice::from_ref(&row)).unwrap()).unwrap(), vec![row]);
    }
}
