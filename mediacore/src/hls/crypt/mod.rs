//! Encryption of segments: keys and IVs, whole segments by AES-128, single samples by SAMPLE-AES (RFC 8216, 5.2).

mod aes128;
mod chain;
mod sample;
#[cfg(test)]
mod tests;

use md5::{Digest, Md5};

pub use aes128::encrypt;
pub use sample::SampleCipher;

/// What is hashed in front of a location's secret, so that the fixed IV is not the key; the reference's figures.
const IV_PREFIX: [u8; 10] = [0xA7, 0xC6, 0x17, 0xAB, 0x52, 0x2C, 0x40, 0x3C, 0xF6, 0x8A];

/// The key of a secret: its MD5, as the reference derives it.
pub fn key(secret: &str) -> [u8; 16] {
    Md5::digest(secret).into()
}

/// The IV of a segment of MPEG-TS: its number, from 1, big-endian, which players assume where no IV is told (RFC 8216,
/// 5.2). `number` counts from 0 as [`crate::hls::Segment::number`] does.
pub fn segment_iv(number: u32) -> [u8; 16] {
    (u128::from(number) + 1).to_be_bytes()
}

/// The IV of everything that fMP4 encrypts whole, initialisation segment included; playlists must tell it.
///
/// `seed` is the location's own, else its secret, else the path of the media.
pub fn fixed_iv(seed: &str) -> [u8; 16] {
    Md5::new_with_prefix(IV_PREFIX)
        .chain_update(seed)
        .finalize()
        .into()
}
