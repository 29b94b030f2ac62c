//! Parts of samples encrypted in MPEG-TS (Apple: MPEG-2 Stream Encryption Format for HTTP Live Streaming).

use std::fmt;
use std::sync::LazyLock;

use aes::Aes128;
use aes::cipher::KeyInit;
use memchr::memmem::Finder;

use super::chain::{self, BLOCK};
use crate::codec::h264;

/// The clear bytes at the front of an audio frame's payload; an ADTS header is not counted.
const AUDIO_LEADER: usize = 16;

/// The clear bytes at the front of a NAL unit, its header counted.
const NAL_LEADER: usize = 32;

/// NAL units of so many bytes stay clear.
const SHORT_NAL: usize = 48;

/// From one encrypted block of a NAL unit to the next one.
const NAL_STRIDE: usize = 160;

static TWO_ZEROS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&[0, 0]));

/// Encrypts samples; each starts over with the same IV.
#[derive(Clone)]
pub struct SampleCipher {
    cipher: Aes128,
    iv: [u8; 16],
}

impl fmt::Debug for SampleCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SampleCipher")
    }
}

impl SampleCipher {
    /// With this key, and this IV for each sample.
    pub fn new(key: [u8; 16], iv: [u8; 16]) -> Self {
        let cipher = Aes128::new(&key.into());
        Self { cipher, iv }
    }

    /// Encrypts an audio frame in place: whole blocks behind the first sixteen bytes, the rest stays clear.
    ///
    /// `frame` is one AAC frame without its ADTS header, or one sync frame of AC-3 or E-AC-3.
    pub(crate) fn encrypt_frame(&self, frame: &mut [u8]) {
        let (blocks, _) = frame.get_mut(AUDIO_LEADER..).unwrap_or_default().as_chunks_mut();
        chain::encrypt(&self.cipher, &mut self.iv.clone(), blocks);
    }

    /// Appends an H.264 NAL unit, encrypted when it is a slice of more than 48 bytes: one block in ten, and then
    /// guarded against start codes once more.
    pub(crate) fn encrypt_nal(&self, nal: &[u8], out: &mut Vec<u8>) {
        let slice = matches!(h264::nal_type(nal), h264::NAL_SLICE | h264::NAL_IDR);
        if !slice || nal.len() <= SHORT_NAL {
            out.extend_from_slice(nal);
            return;
        }
        let from = out.len();
        out.extend_from_slice(nal);
        let mut last = self.iv;
        let payload = out.get_mut(from + NAL_LEADER..).unwrap_or_default();
        for stride in payload.chunks_mut(NAL_STRIDE) {
            // The last block stays clear when nothing follows it.
            if let Some((block, rest)) = stride.split_first_chunk_mut::<BLOCK>()
                && !rest.is_empty()
            {
                chain::encrypt(&self.cipher, &mut last, std::slice::from_mut(block));
            }
        }
        guard(out, from);
    }
}

/// Puts emulation prevention bytes between two zeros and a byte below four, from `from` on (ITU-T H.264, 7.4.1).
fn guard(out: &mut Vec<u8>, from: usize) {
    let needs = |data: &[u8], at: usize| data.get(at + 2).is_some_and(|byte| *byte <= 3);
    let mut next = from;
    let first = loop {
        let Some(at) = find(out, next) else { return };
        if needs(out, at) {
            break at + 2;
        }
        next = at + 2;
    };
    let tail = out.split_off(first);
    let mut at = 0;
    out.push(3);
    while let Some(zeros) = find(&tail, at) {
        let end = zeros + 2;
        out.extend_from_slice(tail.get(at..end).unwrap_or_default());
        if needs(&tail, zeros) {
            out.push(3);
        }
        at = end;
    }
    out.extend_from_slice(tail.get(at..).unwrap_or_default());
}

/// Where the next two zeros are.
fn find(data: &[u8], from: usize) -> Option<usize> {
    TWO_ZEROS.find(data.get(from..)?).map(|at| at + from)
}
