//! Reading safetensors files that may come from anywhere.

use std::fs::File;
use std::io::{self, Read};

use serde_json::{Map, Value};

use crate::files;

/// Bytes before the header, which contain its length.
const START: u64 = 8;
/// Most bytes of a header: names, shapes and places of a few hundred tensors, and metadata.
const MOST_HEADER: u64 = 16 << 20;

/// Reads a file of at most `most` bytes. The rest is read only if its header describes a file of that length, so that a
/// sparse or damaged file takes no memory.
///
/// # Errors
/// The file cannot be read, is larger, or is no safetensors file; its memory cannot be allocated.
pub fn read(mut file: File, most: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > most {
        // Reports the limit.
        return files::whole(file, most);
    }
    let refused = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("not a safetensors file: {why}"));
    let mut bytes = vec![];
    let mut add = |bytes: &mut Vec<u8>, count: u64| -> io::Result<()> {
        let wanted = usize::try_from(count).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.try_reserve_exact(wanted).map_err(|_| io::ErrorKind::OutOfMemory)?;
        match (&mut file).take(count).read_to_end(bytes)? {
            read if read == wanted => Ok(()),
            _ => Err(refused("it is too short".into())),
        }
    };
    add(&mut bytes, START)?;
    let header = u64::from_le_bytes(bytes[..].try_into().unwrap_or_default());
    if header > MOST_HEADER {
        return Err(refused(format!("its header has {header} bytes; allowed: at most {MOST_HEADER}")));
    }
    add(&mut bytes, header)?;
    let named: Map<String, Value> =
        serde_json::from_slice(&bytes[START as usize..]).map_err(|error| refused(format!("its header: {error}")))?;
    let end = |tensor: &Value| tensor.get("data_offsets")?.get(1)?.as_u64();
    let numbers = named.values().filter_map(end).max().unwrap_or(0);
    if length - START - header != numbers {
        let found = length - START - header;
        return Err(refused(format!("its header describes {numbers} bytes of numbers, but it has {found}")));
    }
    add(&mut bytes, numbers)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"__metadata__":{"run":"x"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;

    fn of(bytes: &[u8], length: u64) -> io::Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file.as_file().set_len(length).unwrap();
        read(File::open(file.path()).unwrap(), 1 << 40)
    }

    #[test]
    fn a_file_is_read_only_if_its_header_describes_its_length() {
        let start = (HEADER.len() as u64).to_le_bytes();
        let whole = [&start[..], HEADER.as_bytes(), &[1, 2, 3, 4]].concat();
        assert_eq!(of(&whole, whole.len() as u64).unwrap(), whole);
        // Sparse files, whose bytes would fill the memory.
        for (bytes, length) in [(&whole[..], 1 << 39), (&[], 1 << 39), (&[255; 8], 1 << 39), (&[], 3), (&whole, 20)] {
            let error = of(bytes, length).unwrap_err().to_string();
            assert!(error.contains("not a safetensors file"), "{error}");
        }
        assert!(read(tempfile::tempfile().unwrap(), 4).is_err());
    }
}
