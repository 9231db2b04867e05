//! Numbers of bytes as text: `16MiB`.

/// Binary units, largest first.
const BINARY: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
/// Decimal units.
const DECIMAL: [(&str, usize); 4] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000), ("KB", 1000)];

/// Reads a whole number above 0, then B, kB, KiB, MB, MiB, GB, GiB or no unit. `None` for anything else, and for more
/// bytes than a `usize` holds.
pub fn parse_bytes(text: &str) -> Option<usize> {
    let number = |digits: &str| digits.trim().parse::<usize>().ok();
    let with_unit = |(unit, size): (&str, usize)| Some((number(text.strip_suffix(unit)?)?, size));
    let (n, size) = BINARY.into_iter().chain(DECIMAL).find_map(with_unit).or_else(|| Some((number(text)?, 1)))?;
    n.checked_mul(size).filter(|bytes| *bytes > 0)
}

/// The units that [`parse_bytes`] reads, from the smallest, each once, for messages: `B, kB, KiB, MB, MiB, GB or GiB`.
pub fn byte_units() -> String {
    let mut units: Vec<(&str, usize)> = BINARY.into_iter().chain(DECIMAL).collect();
    // The sort is stable, so `kB` stays before `KB`, another spelling of it.
    units.sort_by_key(|&(_, size)| size);
    units.dedup_by_key(|&mut (_, size)| size);
    let names: Vec<&str> = units.into_iter().map(|(unit, _)| unit).collect();
    let [others @ .., last] = names.as_slice() else { return String::new() };
    format!("{} or {last}", others.join(", "))
}

/// Writes a number of bytes in the largest binary unit that divides it.
pub(super) fn format_bytes(bytes: usize) -> String {
    let divides = |(_, size): &(&str, usize)| bytes > 0 && bytes.is_multiple_of(*size);
    let (unit, size) = BINARY.into_iter().find(divides).unwrap_or(("B", 1));
    format!("{}{unit}", bytes / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_the_largest_binary_one_is_written() {
        for (text, bytes) in [("1", 1), ("5B", 5), ("3KiB", 3072), ("2 MiB", 2 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for (text, bytes) in [("7kB", 7000), ("7KB", 7000), ("2MB", 2_000_000), ("4GB", 4_000_000_000)] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "B", "0", "0MiB", "-1B", "1.5MiB", "MiB", "1TiB", "99999999999999999999B", "99999999999GiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
        for (bytes, text) in
            [(0, "0B"), (1, "1B"), (1025, "1025B"), (3072, "3KiB"), (64 << 20, "64MiB"), (7000, "7000B")]
        {
            assert_eq!(format_bytes(bytes), text);
        }
        assert_eq!(byte_units(), "B, kB, KiB, MB, MiB, GB or GiB");
    }
}
