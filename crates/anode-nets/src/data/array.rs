//! Arrays from CSV and NPY files: a user's own matrices, initial values and images.

use std::path::Path;

use crate::files;

use super::error::{DataError, read_bounded};

/// Largest file that is read: 256 MiB.
const LIMIT: u64 = 1 << 28;
/// Most bytes of the header of an NPY file, as in NumPy.
const NPY_HEADER: usize = 10_000;

/// An array of finite numbers, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Lengths of the axes. A CSV file has two.
    pub shape: Vec<usize>,
    /// The numbers, last axis fastest.
    pub numbers: Vec<f64>,
}

impl Array {
    /// The numbers as an array of `shape`. The file's own shape must be this one, axes of length 1 aside, because a CSV
    /// file has two axes whatever it holds. A flat row or column of as many numbers, with the last axis of `shape`
    /// fastest, is taken too.
    ///
    /// # Errors
    /// Any other shape. `path` names the file in the message.
    pub fn into_shape(self, path: &Path, shape: &[usize]) -> Result<Vec<f64>, DataError> {
        let count = shape.iter().try_fold(1usize, |count, &n| count.checked_mul(n));
        let [own, wanted] = [&self.shape[..], shape].map(|shape| shape.iter().filter(|&&n| n != 1).collect::<Vec<_>>());
        if own == wanted || (own.len() <= 1 && Some(self.numbers.len()) == count) {
            return Ok(self.numbers);
        }
        let found = format!("shape {}", in_words(&self.shape));
        let flat = count.map_or(String::new(), |count| format!(", or a flat row of {count} numbers"));
        Err(DataError::format(path, found, format!("shape {}{flat}", in_words(shape))))
    }
}

/// A shape as it is written in Python: `(2, 8)`, `(8,)`.
fn in_words(shape: &[usize]) -> String {
    match shape {
        [n] => format!("({n},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Reads a `.csv` (no header, one row per line) or `.npy` file (`f4` or `f8`, C order). A byte order mark before the
/// text is skipped.
///
/// # Errors
/// A file that is missing, malformed, ragged, empty, or holds a number that is not finite.
pub fn read_array(path: &Path) -> Result<Array, DataError> {
    let bytes = read_bounded(path, LIMIT)?;
    let array = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => from_csv(path, &bytes)?,
        Some("npy") => from_npy(path, &bytes)?,
        other => {
            let found = other.map_or("no extension".into(), |e| format!("extension `.{e}`"));
            return Err(DataError::format(path, found, "`.csv` or `.npy`"));
        }
    };
    if array.numbers.is_empty() {
        return Err(DataError::format(path, "no numbers", "at least one"));
    }
    match array.numbers.iter().position(|x| !x.is_finite()) {
        None => Ok(array),
        Some(i) => Err(DataError::format(path, format!("{} at place {i}", array.numbers[i]), "finite numbers")),
    }
}

fn from_csv(path: &Path, bytes: &[u8]) -> Result<Array, DataError> {
    let mut numbers = vec![];
    let (mut rows, mut columns) = (0, 0);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(files::without_mark(bytes));
    for record in reader.records() {
        let record = record.map_err(|e| DataError::format(path, e.to_string(), "lines of equally many numbers"))?;
        for field in &record {
            let number = field.parse();
            let line = rows + 1;
            numbers.push(number.map_err(|_| DataError::format(path, format!("`{field}` in line {line}"), "a number"))?);
        }
        columns = record.len();
        rows += 1;
    }
    Ok(Array { shape: vec![rows, columns], numbers })
}

/// The header of an NPY file: a dictionary as text.
///
/// # Errors
/// The file is no NPY file, is shorter than its header, or has a header of more than [`NPY_HEADER`] bytes, for which
/// the parser would allocate memory.
fn npy_header(bytes: &[u8]) -> Result<&[u8], String> {
    let cut = || format!("a file of {} bytes that ends in its header", bytes.len());
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("a file that does not begin with `\\x93NUMPY`")?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let parts = match version[0] {
        1 => rest.split_first_chunk().map(|(n, rest)| (u32::from(u16::from_le_bytes(*n)), rest)),
        _ => rest.split_first_chunk().map(|(n, rest)| (u32::from_le_bytes(*n), rest)),
    };
    let (length, rest) = parts.ok_or_else(cut)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > NPY_HEADER {
        return Err(format!("a header of {length} bytes, more than the {NPY_HEADER} that are read"));
    }
    rest.get(..length).ok_or_else(cut)
}

/// Checks the shape in the header of an NPY file of `length` bytes, because the parser multiplies the lengths of the
/// axes without a check.
///
/// # Errors
/// A shape of more numbers than the file can hold. An axis of length 0 counts as 1, because the parser forms products
/// from both ends of the shape.
fn check_npy_shape(header: &[u8], length: usize) -> Result<(), String> {
    let text = String::from_utf8_lossy(header);
    // Without a tuple there is no shape, which the parser reports.
    let Some((_, rest)) = text.split_once('(') else { return Ok(()) };
    let shape = rest.split(')').next().unwrap_or_default();
    let too_large = || format!("a header of shape ({shape:.100}) over {length} bytes");
    let mut count = 1usize;
    for axis in shape.split(',').map(str::trim).filter(|axis| !axis.is_empty()) {
        if !axis.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("`{axis:.100}` in the shape of its header"));
        }
        let axis: usize = axis.parse().map_err(|_| too_large())?;
        count = count.checked_mul(axis.max(1)).ok_or_else(too_large)?;
    }
    // A number has at least four bytes.
    if count > length / 4 { Err(too_large()) } else { Ok(()) }
}

fn from_npy(path: &Path, bytes: &[u8]) -> Result<Array, DataError> {
    let wrong =
        |what: &dyn std::fmt::Display| DataError::format(path, what.to_string(), "an NPY array of f4 or f8, C order");
    let header = npy_header(bytes).map_err(|why| wrong(&why))?;
    // The parser takes exponential time for nested brackets, which no array of numbers has.
    let count = |bracket: u8| header.iter().filter(|byte| **byte == bracket).count();
    if count(b'[') > 0 || count(b'{') > 1 || count(b'(') > 1 {
        return Err(wrong(&"a header with nested brackets"));
    }
    check_npy_shape(header, bytes.len()).map_err(|why| wrong(&why))?;
    let file = npyz::NpyFile::new(bytes).map_err(|e| wrong(&e))?;
    let shape: Vec<usize> = file.shape().iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
    if file.order() != npyz::Order::C {
        return Err(wrong(&"Fortran order"));
    }
    // Saturating, since the parser may have found another shape than the check above.
    let count = shape.iter().fold(1usize, |count, &n| count.saturating_mul(n));
    if count > bytes.len() / 4 {
        return Err(wrong(&format!("a header of shape {shape:?} over {} bytes", bytes.len())));
    }
    let numbers = match file.try_data::<f64>() {
        Ok(data) => data.collect::<Result<Vec<f64>, _>>().map_err(|e| wrong(&e))?,
        Err(file) => {
            let data = file.try_data::<f32>().map_err(|file| wrong(&format!("type {:?}", file.dtype())))?;
            data.map(|x| x.map(f64::from)).collect::<Result<_, _>>().map_err(|e| wrong(&e))?
        }
    };
    if numbers.len() != count {
        return Err(wrong(&format!("{} numbers under a header of shape {shape:?}", numbers.len())));
    }
    Ok(Array { shape, numbers })
}
