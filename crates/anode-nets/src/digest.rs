//! SHA-256 as hexadecimal digits: the digest of records, inputs, runs and checkpoints; and MD5, of what others
//! published.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use md5::Md5;
use sha2::{Digest, Sha256};

/// The digest of some bytes, 64 digits.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The digest of some bytes one after the other, as if they were one.
pub fn sha256_joined(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hexadecimal(&hasher.finalize())
}

/// The digest of named parts. It includes the length of each part, but not of each name: use it for lists whose names
/// are fixed.
pub fn sha256_of_parts<'a>(parts: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hasher = Sha256::new();
    for (name, bytes) in parts {
        hasher.update(name);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hexadecimal(&hasher.finalize())
}

/// The digest of bytes that come one after the other.
#[derive(Clone, Default)]
pub struct Running(Sha256);

impl Running {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn digest(&self) -> String {
        hexadecimal(&self.0.clone().finalize())
    }
}

/// The MD5 of a file, 32 digits: what many data sets are published with. It tells damage, not malice.
pub fn md5(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hasher) = (File::open(path)?, Md5::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_digest_is_the_published_one() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(super::sha256(b"abc"), expected);
        assert_eq!(super::sha256_joined(&[b"a", b"", b"bc"]), expected);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(super::md5(file.path()).unwrap(), "900150983cd24fb0d6963f7d28e17f72");
    }
}
