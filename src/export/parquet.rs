//! The values as a Parquet file with the columns of the CSV file.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError as Cause;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::RowAccessor;
use parquet::schema::types::{Type, TypePtr};

use super::{Long, TableKind};

/// Why a Parquet file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("the Parquet file could not be written or read: {0}; export CSV instead")]
pub struct ParquetError(#[from] Cause);

fn schema() -> Result<TypePtr, Cause> {
    let column = |name: &str, physical: Physical, repetition: Repetition| {
        let converted = if physical == Physical::BYTE_ARRAY { ConvertedType::UTF8 } else { ConvertedType::NONE };
        let built = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        built.with_converted_type(converted).build().map(Arc::new)
    };
    let (required, optional) = (Repetition::REQUIRED, Repetition::OPTIONAL);
    let fields = [
        ("experiment", Physical::BYTE_ARRAY, required),
        ("profile", Physical::BYTE_ARRAY, required),
        ("run", Physical::BYTE_ARRAY, required),
        ("seed", Physical::INT64, required),
        ("table", Physical::BYTE_ARRAY, required),
        ("row", Physical::INT64, required),
        ("column", Physical::BYTE_ARRAY, required),
        ("value", Physical::DOUBLE, optional),
        ("text", Physical::BYTE_ARRAY, optional),
    ];
    let fields = fields.into_iter().map(|(name, physical, repetition)| column(name, physical, repetition));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("results").with_fields(fields).build().map(Arc::new)
}

/// A Parquet file of values, written part by part.
pub struct LongParquet<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> LongParquet<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W) -> Result<Self, ParquetError> {
        Ok(Self(SerializedFileWriter::new(out, schema()?, Arc::new(WriterProperties::default()))?))
    }

    /// Appends values as one row group, which readers load as a whole.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&mut self, values: &[Long]) -> Result<(), ParquetError> {
        let mut out = self.0.next_row_group()?;
        texts(&mut out, values.iter().map(|v| Some(v.experiment.as_str())), false)?;
        texts(&mut out, values.iter().map(|v| Some(v.profile)), false)?;
        texts(&mut out, values.iter().map(|v| Some(v.run.as_str())), false)?;
        integers(&mut out, values.iter().map(|v| v.seed))?;
        texts(&mut out, values.iter().map(|v| Some(v.table.word())), false)?;
        integers(&mut out, values.iter().map(|v| v.row))?;
        texts(&mut out, values.iter().map(|v| Some(v.column.as_str())), false)?;
        let numbers: Vec<f64> = values.iter().filter_map(|v| v.value).collect();
        let levels: Vec<i16> = values.iter().map(|v| v.value.is_some().into()).collect();
        if let Some(mut column) = out.next_column()? {
            column.typed::<DoubleType>().write_batch(&numbers, Some(&levels), None)?;
            column.close()?;
        }
        texts(&mut out, values.iter().map(|v| v.text.as_deref()), true)?;
        out.close()?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(self) -> Result<(), ParquetError> {
        self.0.close()?;
        Ok(())
    }
}

fn texts<'a, W: Write + Send>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<&'a str>> + Clone,
    optional: bool,
) -> Result<(), Cause> {
    let levels: Vec<i16> = values.clone().map(|value| value.is_some().into()).collect();
    let values: Vec<ByteArray> = values.flatten().map(ByteArray::from).collect();
    if let Some(mut column) = out.next_column()? {
        column.typed::<ByteArrayType>().write_batch(&values, optional.then_some(&levels[..]), None)?;
        column.close()?;
    }
    Ok(())
}

/// Writes integers. A seed above 2^63 - 1 appears as a negative number.
fn integers<W: Write + Send>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = u64>,
) -> Result<(), Cause> {
    let values: Vec<i64> = values.map(|value| value as i64).collect();
    if let Some(mut column) = out.next_column()? {
        column.typed::<Int64Type>().write_batch(&values, None, None)?;
        column.close()?;
    }
    Ok(())
}

/// The values of a file that [`LongParquet`] wrote. Profiles and tables of other names are left out.
///
/// # Errors
/// Those of the `parquet` crate; another schema.
pub fn read(bytes: Vec<u8>) -> Result<Vec<Long>, ParquetError> {
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))?;
    let mut found = vec![];
    for row in reader.get_row_iter(Some(schema()?.as_ref().clone()))? {
        let row = row?;
        let profiles = crate::definition::Profile::ALL.map(crate::definition::Profile::name);
        let profile = row.get_string(1)?;
        let Some(profile) = profiles.into_iter().find(|name| name == profile) else { continue };
        let table = row.get_string(4)?;
        let kinds = [TableKind::Setting, TableKind::Rows, TableKind::Steps];
        let Some(table) = kinds.into_iter().find(|kind| kind.word() == table) else { continue };
        found.push(Long {
            experiment: row.get_string(0)?.clone(),
            profile,
            run: row.get_string(2)?.clone(),
            seed: row.get_long(3)? as u64,
            table,
            row: row.get_long(5)? as u64,
            column: row.get_string(6)?.clone(),
            // An empty cell is no number.
            value: row.get_double(7).ok(),
            text: row.get_string(8).ok().cloned(),
        });
    }
    Ok(found)
}
