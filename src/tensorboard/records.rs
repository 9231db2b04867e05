//! TFRecord framing: length, masked CRC-32C of the length, data, masked CRC-32C of the data, all little-endian.

use std::io::Write;

/// Most bytes of one record. An event of a training step has less than a few thousand.
const MOST: u64 = 1 << 20;

/// Why bytes are no sequence of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The file ends inside a record.
    #[error("the file ends inside the record that begins at byte {0}; it was cut off, write it again")]
    Cut(usize),
    /// A checksum does not match.
    #[error("the record that begins at byte {0} was changed: its checksum does not match; write the file again")]
    Checksum(usize),
    /// A record is longer than any that this program writes.
    #[error("the record that begins at byte {at} has {length} bytes; at most {MOST} are read")]
    Long {
        /// Offset of the record in the file, in bytes.
        at: usize,
        /// Length of the record in bytes.
        length: u64,
    },
}

/// The checksum of a record: CRC-32C, rotated and offset, so that data that contain checksums can be checked.
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Writes one record.
///
/// # Errors
/// The writer's own.
pub fn frame(data: &[u8], out: &mut impl Write) -> std::io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked(&length).to_le_bytes())?;
    out.write_all(data)?;
    out.write_all(&masked(data).to_le_bytes())
}

/// The contents of the records in `bytes`, in order.
///
/// # Errors
/// Bytes that were cut off or changed.
pub fn records(bytes: &[u8]) -> Result<Vec<&[u8]>, RecordsError> {
    let (mut found, mut at) = (vec![], 0);
    while at < bytes.len() {
        let start = at;
        let mut take = |count: usize| {
            let part = bytes.get(at..at.checked_add(count)?)?;
            at += count;
            Some(part)
        };
        let mut number = |count: usize| {
            let part = take(count)?;
            let mut all = [0; 8];
            all[..count].copy_from_slice(part);
            Some((u64::from_le_bytes(all), masked(part)))
        };
        let ((length, own), (stated, _)) = number(8).zip(number(4)).ok_or(RecordsError::Cut(start))?;
        if u64::from(own) != stated {
            return Err(RecordsError::Checksum(start));
        }
        if length > MOST {
            return Err(RecordsError::Long { at: start, length });
        }
        let data = take(length as usize).ok_or(RecordsError::Cut(start))?;
        let sum = take(4).ok_or(RecordsError::Cut(start))?;
        if sum != masked(data).to_le_bytes() {
            return Err(RecordsError::Checksum(start));
        }
        found.push(data);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_back_and_damage_is_found() {
        let mut bytes = vec![];
        for data in [&b"first"[..], b"", &[0xff; 300]] {
            frame(data, &mut bytes).unwrap();
        }
        assert_eq!(records(&bytes), Ok(vec![&b"first"[..], b"", &[0xff; 300]]));
        assert_eq!(records(&[]), Ok(vec![]));
        let second = 16 + 5;
        for cut in [1, 8, 15, 20, second + 3, bytes.len() - 1] {
            let start = [0, second, second + 16].into_iter().rfind(|start| *start < cut).unwrap();
            assert_eq!(records(&bytes[..cut]), Err(RecordsError::Cut(start)), "{cut}");
        }
        for changed in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[changed] ^= 4;
            assert!(matches!(records(&damaged), Err(RecordsError::Checksum(_))), "byte {changed}");
        }
    }

    #[test]
    fn checksums_are_those_of_tensorflow() {
        // CRC-32C of 32 zero bytes (RFC 3720, B.4) is 0x8a9136aa.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked(&[0; 32]), 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
