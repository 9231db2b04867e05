//! Reading the header of a safetensors file that may come from anywhere.

use safetensors::tensor::{Metadata, SafeTensors};
use serde_json::{Map, Value};

/// The tensors of a file with their places, and its metadata. After this the library reads the tensors themselves.
///
/// # Errors
/// It is no safetensors file, or a tensor ends behind its end. The library adds the end of the last tensor to the
/// length of the header without a check.
pub(super) fn header(bytes: &[u8]) -> Result<Metadata, String> {
    if let Some(end) = last_end(bytes).filter(|end| *end > bytes.len() as u64) {
        return Err(format!("its header describes {end} bytes of numbers, but the file has {} bytes", bytes.len()));
    }
    SafeTensors::read_metadata(bytes).map(|(_, header)| header).map_err(|error| error.to_string())
}

/// Where the last tensor ends, counted from the end of the header; `None` if the header cannot be read.
fn last_end(bytes: &[u8]) -> Option<u64> {
    let (length, rest) = bytes.split_first_chunk()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let named: Map<String, Value> = serde_json::from_slice(header).ok()?;
    named.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_whose_sum_overflows_are_refused() {
        // Eight tensors of 2^61 - 1 bytes: with eight more for its length, the header describes 2^64 bytes.
        let size = (1u64 << 61) - 1;
        let tensor = |i: u64| {
            let (start, end) = (i * size, (i + 1) * size);
            format!("\"{i}\":{{\"dtype\":\"U8\",\"shape\":[{size}],\"data_offsets\":[{start},{end}]}}")
        };
        let text = format!("{{{}}}", (0..8).map(tensor).collect::<Vec<_>>().join(","));
        let bytes = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let error = header(&bytes).expect_err("refused");
        assert!(error.contains("describes 18446744073709551608 bytes of numbers"), "{error}");
        for other in [&b""[..], &[255; 8], &[255; 7], b"\x02\0\0\0\0\0\0\0{", b"\x01\0\0\0\0\0\0\0{"] {
            assert!(header(other).is_err(), "{other:?}");
        }
        assert!(header(b"\x02\0\0\0\0\0\0\0{}").is_ok());
    }
}
