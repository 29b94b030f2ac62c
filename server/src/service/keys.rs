//! [`Keys`]: what is derived from the server's key, one for each purpose.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The server's key and what is made of it.
#[derive(Clone)]
pub(crate) struct Keys([u8; 32]);

/// Bytes of a nonce of AES-GCM.
const NONCE: usize = 12;

impl Keys {
    /// From the key of the installation.
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// From a text that an operator chose.
    pub(crate) fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The key for `purpose`, which no other purpose's key tells anything about.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        mac(&self.0, &[purpose.as_bytes()])
    }

    /// A keyed hash of `parts`, whose borders count.
    pub(crate) fn hash(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.derive(purpose), parts)
    }

    /// Encrypts `text` so that only this installation can read it.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn seal(&self, purpose: &str, text: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| anyhow::anyhow!("make a nonce: {error}"))?;
        let cipher = Aes256Gcm::new(&self.derive(purpose).into());
        let payload = Payload {
            msg: text,
            aad: purpose.as_bytes(),
        };
        let sealed = cipher.encrypt(Nonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| anyhow::anyhow!("a text can't be encrypted"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Reads what [`seal`](Self::seal) made; `None` for anything else.
    pub(crate) fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE)?;
        let cipher = Aes256Gcm::new(&self.derive(purpose).into());
        let payload = Payload {
            msg: rest,
            aad: purpose.as_bytes(),
        };
        cipher.decrypt(Nonce::from_slice(nonce), payload).ok()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Keys")
    }
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_purpose_alone() {
        let keys = Keys::new([7; 32]);
        let sealed = keys.seal("codes", b"ABC123").unwrap();
        assert_eq!(keys.open("codes", &sealed).as_deref(), Some(b"ABC123".as_slice()));
        assert_eq!(keys.open("other", &sealed), None);
        assert_eq!(Keys::new([8; 32]).open("codes", &sealed), None);
        assert_eq!(keys.open("codes", b"short"), None);
        assert_ne!(keys.hash("a", &[b"xy", b"z"]), keys.hash("a", &[b"x", b"yz"]));
    }
}
