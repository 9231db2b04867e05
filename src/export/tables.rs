//! The exported tables as CSV.

use super::{Long, Term};

/// The values as CSV, in the order in which they are given.
///
/// # Errors
/// None that a caller can cause.
pub fn long_csv(values: &[Long]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(["experiment", "profile", "run", "seed", "table", "row", "column", "value", "text"])?;
    for one in values {
        let (seed, row) = (one.seed.to_string(), one.row.to_string());
        let value = one.value.map(|value| value.to_string()).unwrap_or_default();
        let text = one.text.as_deref().unwrap_or_default();
        let fields = [&one.experiment, one.profile, &one.run, &seed, one.table.word(), &row, &one.column, &value, text];
        writer.write_record(fields)?;
    }
    finished(writer)
}

/// The dictionary as CSV.
///
/// # Errors
/// None that a caller can cause.
pub fn dictionary_csv(terms: &[Term]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(["study", "table", "column", "type", "unit", "label", "meaning"])?;
    for Term { study, table, column, kind, unit, label, meaning } in terms {
        writer.write_record([study.as_str(), table.word(), column, kind, unit, label, meaning])?;
    }
    finished(writer)
}

fn finished(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    writer.into_inner().map_err(|error| error.into_error().into())
}
