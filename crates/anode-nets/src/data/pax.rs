//! PAX extended headers of tar archives: the path and the size of the file that follows.
//!
//! A header is a list of records `LENGTH KEY=VALUE\n` (POSIX.1-2001, pax, "extended header").

/// Largest header that is read: a path has a few kB at most.
pub const LIMIT: u64 = 1 << 16;

/// Path and size of the next file, as far as a header specifies them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Extended {
    /// Path of the file.
    pub path: Option<Vec<u8>>,
    /// Size of the file in bytes.
    pub size: Option<u64>,
}

/// Reads a header. Keys other than the path and the size are passed over; of two equal keys the last counts.
///
/// # Errors
/// A record that is malformed, or a sparse file, whose bytes are not those in the archive.
pub fn read(bytes: &[u8]) -> Result<Extended, String> {
    let mut found = Extended::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (key, value, after) = record(rest).ok_or("a malformed record in a PAX header")?;
        match key {
            b"path" => found.path = Some(value.to_vec()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                found.size = Some(size.ok_or("a size in a PAX header that is no number")?);
            }
            _ if key.starts_with(b"GNU.sparse.") => return Err("a sparse file".into()),
            _ => {}
        }
        rest = after;
    }
    Ok(found)
}

/// The first record: its key, its value, and what comes behind it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&b| b == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let (line, after) = bytes.split_at_checked(length)?;
    let (key, value) = {
        let text = line.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = text.iter().position(|&b| b == b'=')?;
        (&text[..equals], &text[equals + 1..])
    };
    Some((key, value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_length() {
        let extended = |path: Option<&str>, size| Ok(Extended { path: path.map(|p| p.as_bytes().to_vec()), size });
        assert_eq!(read(b""), extended(None, None));
        // A value may hold line ends and equal signs.
        assert_eq!(read(b"15 comment=a\nb\n16 path=a=b/c.d\n9 size=7\n"), extended(Some("a=b/c.d"), Some(7)));
        for wrong in ["x", "5 a=b\n", "999 path=a\n", "0 path=a\n", "3 a\n", "10 size=-1\n", "22 GNU.sparse.major=1\n"]
        {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
