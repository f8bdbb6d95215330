//! Fingerprints of files and bytes.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Fingerprint: size and content hash of a file or of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    n_bytes: u64,
    /// 64-bit FNV-1a hash, in hexadecimal digits.
    hash: String,
}

impl Fingerprint {
    /// Fingerprint of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { n_bytes: bytes.len() as u64, hash: format!("{:016x}", fnv_1a(FNV_OFFSET, bytes)) }
    }

    /// Content hash, in 16 hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Reads a file and computes its fingerprint.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn from_file(path: &Path) -> std::io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
        let (mut n_bytes, mut hash, mut bytes) = (0, FNV_OFFSET, vec![0; 1 << 16]);
        loop {
            let n = reader.read(&mut bytes)?;
            if n == 0 {
                return Ok(Self { n_bytes, hash: format!("{hash:016x}") });
            }
            n_bytes += n as u64;
            hash = fnv_1a(hash, &bytes[..n]);
        }
    }
}

/// FNV-1a offset basis: the hash of no bytes.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// 64-bit FNV-1a hash (Fowler, Noll and Vo; RFC 9923), continued from the hash of the preceding
/// bytes.
fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        for (bytes, expected) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv_1a(FNV_OFFSET, bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
