//! `anode export`: one table in long format, its dictionary, and the same table as Parquet.

mod common;

use std::collections::BTreeSet;

use common::{Workplace, gradient, reversal, training};
use serde_json::json;

/// The rows of a CSV file.
fn rows(place: &Workplace, file: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(place.path(file)).expect("a table");
    reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
}

/// A workplace with results of three experiments, one of them with two seeds.
fn place() -> Workplace {
    let place = Workplace::new();
    let mut two = reversal("two");
    two["seeds"] = json!([0, 1]);
    let mut train = training("train");
    train["fixed"]["epochs"] = json!(1);
    place.define(&two).define(&train).define(&gradient("grad")).expect(0, &["run", "*"]);
    place
}

#[test]
fn every_value_of_every_run_is_a_row() {
    let place = place();
    let said = place.expect(0, &["export"]);
    assert!(said.contains("values of 4 runs written to export/results.csv, export/dictionary.csv"), "{said}");
    let values = rows(&place, "export/results.csv");
    let train = place.run_folder("train");
    let run = train.file_name().unwrap().to_string_lossy().into_owned();
    let mut wide = csv::Reader::from_path(train.join("rows.csv")).expect("rows");
    let columns = wide.headers().expect("columns").clone();
    let wide = wide.records().next().expect("a row").expect("a row");
    for (column, cell) in columns.iter().zip(wide.iter()) {
        let found: Vec<_> = values.iter().filter(|v| v[2] == run && v[4] == "rows" && v[6] == column).collect();
        if cell.is_empty() {
            assert!(found.is_empty(), "{column}");
            continue;
        }
        let [found] = found[..] else { panic!("{column}: {found:?}") };
        assert_eq!(&found[..6], ["train", "quick", &run, "0", "rows", "0"]);
        match cell.parse::<f64>() {
            Ok(number) => assert_eq!((found[7].parse(), found[8].as_str()), (Ok(number), ""), "{column}"),
            Err(_) => assert_eq!((found[7].as_str(), found[8].as_str()), ("", cell), "{column}"),
        }
    }
    let setting = |column: &str| values.iter().find(|v| v[2] == run && v[4] == "settings" && v[6] == column).unwrap();
    assert_eq!((setting("net")[8].as_str(), setting("batch")[7].as_str()), ("resnet4", "8"));
    assert!(values.iter().all(|v| v[4] != "steps"));

    place.expect(0, &["export", "train", "--steps", "--to", "steps"]);
    let steps = rows(&place, "steps/results.csv");
    assert_eq!(steps.iter().filter(|v| v[4] == "steps" && v[6] == "loss").count(), 12);
    place.expect(0, &["export", "--where", "seed=1", "--to", "one"]);
    let one = rows(&place, "one/results.csv");
    assert!(!one.is_empty() && one.iter().all(|v| v[0] == "two" && v[3] == "1"));
    assert!(place.expect(2, &["export", "--where", "sede=1"]).contains("did you mean `seed`"));
}

#[test]
fn the_dictionary_has_type_unit_and_meaning_of_every_column() {
    let place = place();
    place.expect(0, &["export", "--steps"]);
    let terms = rows(&place, "export/dictionary.csv");
    let values = rows(&place, "export/results.csv");
    let study = |experiment: &str| match experiment {
        "two" => "reversibility",
        "grad" => "gradient-error",
        _ => "training",
    };
    let key = |study: &str, table: &str, column: &str| format!("{study} {table} {column}");
    let used: BTreeSet<String> = values.iter().map(|v| key(study(&v[0]), &v[4], &v[6])).collect();
    let defined: BTreeSet<String> = terms.iter().map(|t| key(&t[0], &t[1], &t[2])).collect();
    assert_eq!(used, defined);
    assert_eq!(terms.len(), defined.len(), "each column is defined once");
    for term in &terms {
        assert!(!term[5].is_empty() && !term[6].is_empty(), "{term:?}");
        assert_eq!(term[4].is_empty(), term[3] == "text", "numbers have a unit: {term:?}");
    }
    let of = |table: &str, column: &str| terms.iter().find(|t| t[1] == table && t[2] == column).expect("a column");
    assert_eq!(of("rows", "seconds")[3..5], ["number", "s"]);
    assert_eq!(of("steps", "peak_bytes")[3..5], ["number", "bytes"]);
    assert_eq!(of("rows", "rho")[3..5], ["number", "1"]);
    assert_eq!(of("rows", "Nt")[3..5], ["number", "1"]);
    assert!(of("settings", "batch")[6].len() > 10, "{:?}", of("settings", "batch"));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_parquet_says_so() {
    let said = place().expect(2, &["export", "--parquet"]);
    assert!(said.contains("lacks Parquet") && said.contains("--features parquet"), "{said}");
}

#[cfg(feature = "parquet")]
#[test]
fn the_parquet_file_holds_the_same_values() {
    let place = place();
    place.expect(0, &["export", "--steps", "--parquet"]);
    let bytes = std::fs::read(place.path("export/results.parquet")).expect("a Parquet file");
    let found = anode::export::read_parquet(bytes).expect("a sound file");
    let mut again = anode::export::LongCsv::new(vec![]).expect("CSV");
    again.write(&found).expect("CSV");
    let again = again.finish().expect("CSV");
    assert!(again == std::fs::read(place.path("export/results.csv")).expect("CSV"), "the same values");
    assert!(anode::export::read_parquet(b"PAR1".to_vec()).is_err());
}
