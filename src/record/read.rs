//! Reading a run's folder back, with every digest checked.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::columns::flat;
use crate::definition::wording::in_words;
use crate::digest::{Running, sha256};
use crate::files;
use crate::objects::{NO_LIST, list_for_object};

use super::limits::{
    Budget, CELL, COLUMNS, NAME, RECORD_FILES, is_run_id, limit, values_of_images, values_of_json, values_of_row,
    values_of_text,
};
use super::origin::ascend;
use super::thin::thin_within;
use super::unfinished::read_at_most;
use super::write::{FORMAT, IMAGES, ROWS, RUN, RecordError, STEPS};
use super::{Image, Record, Row};

/// A record with its rows and images.
#[derive(Clone, Debug)]
pub struct LoadedRecord {
    /// `run.json`.
    pub record: Record,
    /// `rows.csv`.
    pub rows: Vec<Row>,
    /// `steps.csv`, where there is one.
    pub steps: Vec<Row>,
    /// `images.json`, where there is one.
    pub images: Vec<Image>,
}

/// How to replace a record that was changed, as the end of a message about a file in the folder of a run.
const COMPUTE_AGAIN: &str = "; compute the run again with `anode run`, or restore the file";

/// Reads a run's folder; `None` where it holds no `run.json`, so that the run is unfinished.
///
/// # Errors
/// A file that is missing, cut or changed since it was written, that is a link or no regular file, or that is larger
/// than a record can be; a record whose id does not follow from what it says.
pub fn read_record(folder: &Path) -> Result<Option<LoadedRecord>, RecordError> {
    read_folder(folder, Log::Whole, &mut Budget::of_a_run(), "")
}

fn read_folder(
    folder: &Path,
    log: Log,
    budget: &mut Budget,
    remedy: &str,
) -> Result<Option<LoadedRecord>, RecordError> {
    let Some(bytes) = read_at_most(&folder.join(RUN), limit(RUN))? else { return Ok(None) };
    let file = |name: &str| {
        let path = folder.join(name);
        files::read(&path, limit(name)).map_err(RecordError::io(&path))
    };
    parse(folder, &bytes, &file, log, budget, remedy).map(Some)
}

/// Reads the `run.json` of a run's folder, checks the digests of its other files and that `rows.csv` is a table; other
/// files are not parsed. `None` if there is no `run.json`.
///
/// # Errors
/// See [`read_record`].
pub fn read_checked(folder: &Path) -> Result<Option<Record>, RecordError> {
    let Some(bytes) = read_at_most(&folder.join(RUN), limit(RUN))? else { return Ok(None) };
    let record = parse_header(folder, &bytes, &mut Budget::of_a_run(), "")?;
    for (name, expected) in &record.files {
        let path = folder.join(name);
        if *expected != digest(&path, limit(name)).map_err(RecordError::io(&path))? {
            return Err(changed(path, ""));
        }
        if name == ROWS {
            let bytes = files::read(&path, limit(name)).map_err(RecordError::io(&path))?;
            csv_to_rows(&bytes).map_err(|why| RecordError::Damaged { path, why })?;
        }
    }
    Ok(Some(record))
}

/// The SHA-256 of a file of at most `most` bytes, read in parts.
pub(super) fn digest(path: &Path, most: u64) -> io::Result<String> {
    let (mut file, mut left) = (files::open_unlinked(path)?, most);
    let (mut digest, mut part) = (Running::default(), vec![0; 1 << 16]);
    loop {
        let count = file.read(&mut part)?;
        left = left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("a file of this name has at most {most} bytes"))
        })?;
        if count == 0 {
            return Ok(digest.digest());
        }
        digest.update(&part[..count]);
    }
}

fn changed(path: PathBuf, remedy: &str) -> RecordError {
    let why = format!("its digest is not the one in run.json: the file was cut or changed{remedy}");
    RecordError::Damaged { path, why }
}

/// Reads a run's folder, whose name must be the id of its record, with its log of steps thinned as
/// [`thin`](super::thin) does. The steps that are left out are never made, so that a long training takes little memory.
/// What the record has is taken from `budget`. Messages about a record that was changed end with a remedy, because
/// commands that show records leave it where it is.
///
/// # Errors
/// See [`read_record`]; the record belongs to another run; it has more values than `budget`.
pub fn read_run_thinned(folder: &Path, budget: &mut Budget) -> Result<Option<LoadedRecord>, RecordError> {
    let found = read_folder(folder, Log::Thinned, budget, COMPUTE_AGAIN).map_err(|error| match error {
        RecordError::Io { path, source } if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge) => {
            RecordError::Damaged { path, why: format!("{source}{COMPUTE_AGAIN}") }
        }
        other => other,
    });
    let Some(loaded) = found? else { return Ok(None) };
    let run = &loaded.record.run;
    if folder.file_name().is_some_and(|name| name == run.as_str()) {
        return Ok(Some(loaded));
    }
    let why = format!("it is the record of run {run}, but its folder has another name; rename or remove the folder");
    Err(RecordError::Damaged { path: folder.join(RUN), why })
}

/// The `run.json` of a run's folder, without its tables, whose digests are not checked; `None` if there is none that is
/// sound.
pub fn read_header(folder: &Path) -> Option<Record> {
    let bytes = files::read(&folder.join(RUN), limit(RUN)).ok()?;
    let record: Record = serde_json::from_slice(&bytes).ok()?;
    (record.format == FORMAT && record.run == record.own_id()).then_some(record)
}

/// How much of a log of steps is made into rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    /// Every step.
    Whole,
    /// What [`thin_csv`] keeps.
    Thinned,
}

/// A record from its `run.json` and a way to read its other files; `folder` is for messages. Takes what it has from
/// `budget`. Messages about a file that was changed end with `remedy`.
pub(super) fn parse(
    folder: &Path,
    run: &[u8],
    read: &dyn Fn(&str) -> Result<Vec<u8>, RecordError>,
    log: Log,
    budget: &mut Budget,
    remedy: &str,
) -> Result<LoadedRecord, RecordError> {
    let damaged = |name: &str, why: String| RecordError::Damaged { path: folder.join(name), why };
    let record = parse_header(folder, run, budget, remedy)?;
    let file = |name: &str| -> Result<Option<Vec<u8>>, RecordError> {
        let Some(expected) = record.files.get(name) else { return Ok(None) };
        let bytes = read(name)?;
        if *expected == sha256(&bytes) { Ok(Some(bytes)) } else { Err(changed(folder.join(name), remedy)) }
    };
    let settings = flat(&record.settings, record.seed).len();
    let mut table = |name: &str| -> Result<Vec<Row>, RecordError> {
        let Some(bytes) = file(name)? else { return Ok(vec![]) };
        let rows = match name == STEPS {
            true => budget.log(bytes.len()).and_then(|()| match log {
                Log::Thinned => thin_within(&bytes, settings, budget).map(|(rows, _)| rows),
                Log::Whole => bounded_rows(&bytes, 0, budget),
            }),
            false => bounded_rows(&bytes, settings, budget),
        };
        rows.map_err(|why| damaged(name, why + remedy))
    };
    let (rows, steps) = (table(ROWS)?, table(STEPS)?);
    let images: Vec<Image> = match file(IMAGES)? {
        Some(bytes) => {
            budget.values(values_of_images(&bytes)).map_err(|why| damaged(IMAGES, why))?;
            // Without a copy of the pixels.
            let objects = parse_json::<Vec<HashMap<String, IgnoredAny>>>(&bytes);
            objects.and_then(|_| parse_json(&bytes)).map_err(|why| damaged(IMAGES, why + remedy))?
        }
        None => vec![],
    };
    for Image { name, height, width, pixels } in &images {
        if height.checked_mul(*width) != Some(pixels.len()) {
            let why = format!("image {name:?} has {} pixels, but height {height} and width {width}", pixels.len());
            return Err(damaged(IMAGES, why + remedy));
        }
    }
    Ok(LoadedRecord { record, rows, steps, images })
}

/// A value from JSON that may come from anywhere.
///
/// # Errors
/// It is not such a value, or contains a list in place of an object: the field, what is wrong with it, and where.
pub(super) fn from_json<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, String> {
    let value: T = parse_json(bytes)?;
    let meant = serde_json::to_value(&value).map_err(|error| error.to_string())?;
    match list_for_object(&parse_json(bytes)?, &meant) {
        Some(at) if at.is_empty() => Err(NO_LIST.to_owned()),
        Some(at) => Err(format!("`{at}`: {NO_LIST}")),
        None => Ok(value),
    }
}

/// A value from JSON. Accepts a list in place of an object.
///
/// # Errors
/// It is not such a value: the field, what is wrong with it, and where.
fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let why = in_words(&error.inner().to_string(), None);
        match error.path().iter().next() {
            Some(_) => format!("`{}`: {why}", error.path()),
            None => why,
        }
    })?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// The format of a `run.json` if it is a later one than [`FORMAT`], whatever else the file contains.
fn later_format(run: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let Head { format } = serde_json::from_slice(run).ok()?;
    (format > FORMAT).then_some(format)
}

/// A record from its `run.json`, without its other files. Takes its values from `budget`. Messages about a file that
/// was changed end with `remedy`.
fn parse_header(folder: &Path, run: &[u8], budget: &mut Budget, remedy: &str) -> Result<Record, RecordError> {
    let too_large = |why: String| RecordError::Damaged { path: folder.join(RUN), why };
    let damaged = |why: String| too_large(why + remedy);
    let newer = |why: String| RecordError::Newer { path: folder.join(RUN), why };
    let format = |format: u32| format!("`format`: {format}; this version reads {FORMAT}");
    let record: Record = from_json(run).map_err(|why| match later_format(run) {
        Some(later) => newer(format(later)),
        None if why.contains("unknown field `") => newer(why),
        None => damaged(why),
    })?;
    // Without spaces, so that a record counts the same in a folder and in an archive.
    let compact = serde_json::to_vec(&record).map_err(|e| damaged(e.to_string()))?;
    budget.values(values_of_json(&compact) + values_of_text(compact.len())).map_err(too_large)?;
    if record.format != FORMAT {
        let why = format(record.format);
        return Err(if record.format > FORMAT { newer(why) } else { damaged(why) });
    }
    if let Some(name) = record.files.keys().find(|name| *name == RUN || !RECORD_FILES.contains(&name.as_str())) {
        return Err(damaged(format!("`files` names {name:?}; allowed: {ROWS}, {STEPS}, {IMAGES}")));
    }
    let own = record.own_id();
    if record.run != own {
        let what = "settings, seed, inputs, device and numerics";
        return Err(damaged(format!("its id is {:?}, but its {what} give {own}: it was changed", record.run)));
    }
    if let Some(other) = record.continued.as_ref().filter(|other| !is_run_id(other)) {
        return Err(damaged(format!("`continued` is {other:?}, which is no id of a run")));
    }
    if record.continued.as_ref() == Some(&record.run) {
        return Err(damaged("`continued` is the run itself".into()));
    }
    if !record.origins.is_empty() && !ascend(&record.origins) {
        return Err(damaged("`from_step` of `origins` must begin at 0 and ascend".into()));
    }
    Ok(record)
}

/// CSV as rows: numbers and booleans where a cell reads as one, null where it is empty.
///
/// # Errors
/// No CSV, or more cells than a record can have.
pub fn csv_to_rows(bytes: &[u8]) -> Result<Vec<Row>, String> {
    bounded_rows(bytes, 0, &mut Budget::of_a_run())
}

/// The rows of a table, each of which counts `settings` values in addition to its own.
pub(super) fn bounded_rows(bytes: &[u8], settings: usize, budget: &mut Budget) -> Result<Vec<Row>, String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let columns = header(&mut reader)?;
    let row = values_of_row(columns.iter(), settings);
    let mut rows = vec![];
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        if let Some((column, cell)) = columns.iter().zip(&record).find(|(_, cell)| cell.len() > CELL) {
            return Err(format!("a cell of column {column:?} has {} bytes; allowed: at most {CELL}", cell.len()));
        }
        budget.values(row + record.iter().map(|cell| values_of_text(cell.len())).sum::<usize>())?;
        rows.push(columns.iter().map(str::to_owned).zip(record.iter().map(value)).collect());
    }
    Ok(rows)
}

/// The columns of a table in CSV.
///
/// # Errors
/// No CSV; more columns, or longer names, than a table can have.
pub(super) fn header(reader: &mut csv::Reader<&[u8]>) -> Result<csv::StringRecord, String> {
    let columns = reader.headers().map_err(|e| e.to_string())?.clone();
    if columns.len() > COLUMNS {
        return Err(format!("{} columns; allowed: at most {COLUMNS}", columns.len()));
    }
    if let Some(name) = columns.iter().find(|name| name.len() > NAME) {
        return Err(format!("the name of a column has {} bytes; allowed: at most {NAME}", name.len()));
    }
    Ok(columns)
}

/// A cell of a table as a value.
pub(super) fn value(cell: &str) -> Value {
    match cell {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match serde_json::from_str(cell) {
            // A text such as 0012 or [1] is a text, not a number or a list.
            Ok(Value::Number(number)) => Value::Number(number),
            _ => Value::String(cell.to_owned()),
        },
    }
}
