//! Sign-in tokens taken apart and made anew: what somebody tries who wants to be an administrator, with and without the server's key.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A token in its parts.
#[derive(Debug, Clone)]
pub struct Token {
    /// `alg`, `typ`.
    pub header: Value,
    /// `sub`, `exp` and the others.
    pub claims: Value,
}

impl Token {
    /// Takes a token apart.
    pub fn read(text: &str) -> Token {
        let mut parts = text.split('.').map(|part| {
            let bytes = decode(part).expect("base64url");
            serde_json::from_slice(&bytes).expect("JSON")
        });
        Token {
            header: parts.next().expect("a header"),
            claims: parts.next().expect("claims"),
        }
    }

    /// The text that is signed.
    pub fn unsigned(&self) -> String {
        format!(
            "{}.{}",
            encode(self.header.to_string().as_bytes()),
            encode(self.claims.to_string().as_bytes())
        )
    }

    /// The token, signed with HMAC-SHA-256 whatever its header says.
    pub fn signed(&self, key: &[u8]) -> String {
        let text = self.unsigned();
        let signature = encode(&hmac(key, text.as_bytes()));
        format!("{text}.{signature}")
    }
}

/// The key that a server with this `SECRET_KEY` signs tokens with.
pub fn key_of(secret: &str) -> [u8; 32] {
    const PURPOSE: &[u8] = b"tokens";
    let master = Sha256::digest(secret.as_bytes());
    let length = (PURPOSE.len() as u64).to_be_bytes();
    hmac(&master, &[length.as_slice(), PURPOSE].concat())
}

/// HMAC-SHA-256 (RFC 2104) with a key of at most a block.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let pad = |with: u8| -> Vec<u8> {
        let padded = key.iter().copied().chain(std::iter::repeat(0));
        padded.take(64).map(|byte| byte ^ with).collect()
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(text)
        .finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner);
    outer.finalize().into()
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs without padding.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            let six = (bits >> (18 - 6 * index)) & 63;
            text.push(char::from(LETTERS[six as usize]));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes() {
        let six = LETTERS.iter().position(|known| *known == letter)?;
        bits = bits << 6 | six as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // RFC 4231, test case 2.
        let mac = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        for text in [b"".as_slice(), b"f", b"fo", b"foo", b"\xff\xfe\xfd"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
    }
}
