//! AES-128 of whole segments (RFC 8216, 5.2): CBC with PKCS#7 padding, decrypted as the bytes arrive.

use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecryptMut, KeyIvInit};

use crate::error::{Error, ErrorKind, Result};

/// One segment's decryption.
pub(crate) struct Decrypt {
    cipher: cbc::Decryptor<aes::Aes128>,
    /// The last block stays here until the end shows that it is the padding.
    held: Vec<u8>,
}

impl Decrypt {
    pub(crate) fn new(key: &[u8; 16], iv: &[u8; 16]) -> Self {
        Self {
            cipher: cbc::Decryptor::new(key.into(), iv.into()),
            held: Vec::new(),
        }
    }

    /// Takes encrypted bytes and gives the plain ones that are certain.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let ready = self.held.len().saturating_sub(1) / 16 * 16;
        let rest = self.held.split_off(ready);
        let mut plain = std::mem::replace(&mut self.held, rest);
        for block in plain.chunks_exact_mut(16) {
            self.cipher.decrypt_block_mut(GenericArray::from_mut_slice(block));
        }
        plain
    }

    /// The last bytes without the padding.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        let wrong = || {
            Error::new(
                ErrorKind::Malformed,
                "decryption failed: wrong key or damaged segment",
            )
        };
        if self.held.len() != 16 {
            return Err(wrong());
        }
        self.cipher
            .decrypt_block_mut(GenericArray::from_mut_slice(&mut self.held));
        let padding = usize::from(self.held.last().copied().unwrap_or(0));
        let keep = 16_usize
            .checked_sub(padding)
            .filter(|keep| *keep < 16)
            .ok_or_else(wrong)?;
        let filler = self.held.split_off(keep);
        if filler.iter().any(|byte| usize::from(*byte) != padding) {
            return Err(wrong());
        }
        Ok(self.held)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use aes::cipher::BlockEncryptMut;
    use aes::cipher::block_padding::Pkcs7;

    use super::*;

    pub(crate) fn encrypt(plain: &[u8], key: &[u8; 16], iv: &[u8; 16]) -> Vec<u8> {
        cbc::Encryptor::<aes::Aes128>::new(key.into(), iv.into()).encrypt_padded_vec_mut::<Pkcs7>(plain)
    }

    #[test]
    fn any_split_decrypts_to_the_same_bytes() {
        for length in [0, 1, 15, 16, 17, 1000] {
            let plain: Vec<u8> = (0..length).map(|index| (index % 256) as u8).collect();
            let coded = encrypt(&plain, &[1; 16], &[2; 16]);
            for step in [1, 7, 16, 17, 5000] {
                let mut decrypt = Decrypt::new(&[1; 16], &[2; 16]);
                let mut back: Vec<u8> = coded.chunks(step).flat_map(|chunk| decrypt.feed(chunk)).collect();
                back.extend(decrypt.finish().expect("padded"));
                assert_eq!(back, plain, "{length} in steps of {step}");
            }
        }
    }

    #[test]
    fn a_cut_segment_or_another_key_is_an_error() {
        let coded = encrypt(&[200; 100], &[1; 16], &[2; 16]);
        for cut in [0, 5, 16, 96] {
            let mut decrypt = Decrypt::new(&[1; 16], &[2; 16]);
            decrypt.feed(&coded[..cut]);
            assert!(decrypt.finish().is_err(), "{cut}");
        }
    }
}
