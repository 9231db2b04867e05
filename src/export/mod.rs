//! Results as one table in long format: one row for each value of each run, with a dictionary of the columns.

mod dictionary;
mod long;
#[cfg(feature = "parquet")]
mod parquet;
mod tables;

pub use dictionary::{Dictionary, Term};
pub use long::{Long, TableKind, long};
#[cfg(feature = "parquet")]
pub use parquet::{LongParquet, ParquetError, read as read_parquet};
pub use tables::{LongCsv, dictionary_csv};
