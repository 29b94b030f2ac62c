//! [`Checksum`]: what a client says that its bytes add up to.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The names of those that are known.
pub(crate) const ALGORITHMS: &str = "sha1,sha256";

/// A checksum that is being made, and what it is to be.
#[derive(Clone, Debug)]
pub(crate) struct Checksum {
    hasher: Hasher,
    expected: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// Reads `sha1 <base64>`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.trim().split_once(' ')?;
        let hasher = match name {
            "sha1" => Hasher::Sha1(Sha1::new()),
            "sha256" => Hasher::Sha256(Sha256::new()),
            _ => return None,
        };
        let expected = BASE64_STANDARD.decode(value.trim()).ok()?;
        Some(Self { hasher, expected })
    }

    /// Adds bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Whether the bytes are those that were meant.
    pub(super) fn matches(self) -> bool {
        let sum = match self.hasher {
            Hasher::Sha1(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
        };
        sum.ct_eq(&self.expected).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_told_from_wrong_ones() {
        let sum = |text: &str| {
            let mut sum = Checksum::parse(text)?;
            sum.update(b"hel");
            sum.update(b"lo");
            Some(sum.matches())
        };
        assert_eq!(sum("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00="), Some(true));
        assert_eq!(sum("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ01="), None, "no base64");
        assert_eq!(sum("sha1 AAAA"), Some(false));
        assert_eq!(
            sum("sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
            Some(true)
        );
        assert_eq!(sum("md5 XUFAKrxLKna5cZ2REBfFkg=="), None);
    }
}
