//! Results as one table in long format: one row for each value of each run, with a dictionary of the columns.

mod dictionary;
mod long;
#[cfg(feature = "parquet")]
mod parquet;
mod tables;

pub use dictionary::{Term, dictionary};
pub use long::{Kind, Long, long};
#[cfg(feature = "parquet")]
pub use parquet::{ParquetError, read as read_parquet, write as write_parquet};
pub use tables::{dictionary_csv, long_csv};
