//! The exported tables as CSV.

use std::io::Write;

use super::{Long, Term};

/// A CSV file of values, written part by part.
pub struct LongCsv<W: Write>(csv::Writer<W>);

impl<W: Write> LongCsv<W> {
    /// Writes the head of the table.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W) -> Result<Self, csv::Error> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(["experiment", "profile", "run", "seed", "table", "row", "column", "value", "text"])?;
        Ok(Self(writer))
    }

    /// Appends values in the order in which they are given.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&mut self, values: &[Long]) -> Result<(), csv::Error> {
        for one in values {
            let (seed, row) = (one.seed.to_string(), one.row.to_string());
            let value = one.value.map(|value| value.to_string()).unwrap_or_default();
            let (table, text) = (one.table.word(), one.text.as_deref().unwrap_or_default());
            let fields = [&one.experiment, one.profile, &one.run, &seed, table, &row, &one.column, &value, text];
            self.0.write_record(fields)?;
        }
        Ok(())
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(self) -> Result<W, csv::Error> {
        finished(self.0)
    }
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

fn finished<W: Write>(writer: csv::Writer<W>) -> Result<W, csv::Error> {
    writer.into_inner().map_err(|error| error.into_error().into())
}
