//! What players decrypt is what was encrypted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aes::cipher::KeyIvInit;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, generic_array::GenericArray};
use bytes::Bytes;

use super::*;
use crate::layout::{Filled, Layout, Producer, Source, Wait};

const KEY: [u8; 16] = *b"0123456789abcdef";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every second read that may not wait fails.
struct Cold(Bytes, AtomicBool);

impl Source for Cold {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<Option<usize>> {
        if wait == Wait::No && self.1.fetch_xor(true, Ordering::Relaxed) {
            return Ok(None);
        }
        self.0.read(buf, offset, wait)
    }
}

fn read(layout: &Layout, room: usize) -> Vec<u8> {
    let (mut reader, mut out, mut wait) = (layout.reader(), Vec::new(), Wait::No);
    loop {
        let before = out.len();
        let filled = reader.fill(&mut out, room, wait).unwrap();
        assert!(out.len() - before <= room);
        wait = match filled {
            Filled::More => Wait::No,
            Filled::Cold => {
                assert_eq!((before, wait), (out.len(), Wait::No));
                Wait::Yes
            }
            Filled::End => return out,
        };
    }
}

#[test]
fn a_key_is_the_md5_of_its_secret() {
    // RFC 1321, A.5.
    assert_eq!(hex(&key("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
    assert_ne!(fixed_iv("message digest"), key("message digest"));
    assert_eq!(hex(&segment_iv(0)), "00000000000000000000000000000001");
    assert_eq!(hex(&segment_iv(u32::MAX)), "00000000000000000000000100000000");
}

#[test]
fn bodies_of_any_length_decrypt_to_themselves_from_any_place() {
    for length in [0, 1, 15, 16, 17, 47, 48, 1000] {
        let plain: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
        let mut clear = Layout::new();
        let split = length / 3;
        clear.push_bytes(plain[..split].to_vec());
        let rest = Cold(plain[split..].to_vec().into(), AtomicBool::new(true));
        let source: Arc<dyn Source> = Arc::new(rest);
        clear.push_file(&source, 0..(length - split) as u64);
        let layout = encrypt(clear, KEY, segment_iv(4));
        let all = layout.to_bytes(1 << 20).unwrap();
        assert_eq!(all.len() as u64, layout.length());
        assert_eq!(all.len(), length / 16 * 16 + 16);
        let mut data = all.to_vec();
        let cipher = cbc::Decryptor::<aes::Aes128>::new(&KEY.into(), &segment_iv(4).into());
        assert_eq!(cipher.decrypt_padded_mut::<Pkcs7>(&mut data).unwrap(), plain);
        for start in (0..=all.len()).step_by(5) {
            for end in (start..=all.len()).step_by(3) {
                let slice = layout.slice(start as u64..end as u64);
                for room in [1, 16, 33, 2000] {
                    assert_eq!(
                        read(&slice, room),
                        all[start..end],
                        "{start}..{end} of {length} by {room}"
                    );
                }
            }
        }
    }
}

#[test]
fn much_before_a_range_is_left_to_those_who_may_wait() {
    let layout = encrypt(Bytes::from(vec![1; 1 << 20]).into(), KEY, [0; 16]);
    let all = layout.to_bytes(2 << 20).unwrap();
    let slice = layout.slice(900_003..900_100);
    let (mut reader, mut out) = (slice.reader(), Vec::new());
    assert_eq!(reader.fill(&mut out, 1000, Wait::No).unwrap(), Filled::Cold);
    assert_eq!(reader.fill(&mut out, 1000, Wait::Yes).unwrap(), Filled::More);
    assert_eq!(out, all[900_003..900_100]);
}

#[test]
fn a_cipher_does_not_print_its_key() {
    let cipher = SampleCipher::new(KEY, [0; 16]);
    assert_eq!(format!("{cipher:?}"), "SampleCipher");
    let layout = encrypt(Layout::new(), KEY, [0; 16]);
    assert!(!format!("{layout:?}").contains("48"), "{layout:?}");
}

#[test]
fn chaining_is_that_of_the_standard() {
    // NIST SP 800-38A, F.2.1.
    let block = |text: &str| crate::codec::fixtures::unhex(text).to_vec();
    let key = block("2b7e151628aed2a6abf7158809cf4f3c");
    let cipher = aes::cipher::KeyInit::new(GenericArray::from_slice(&key));
    let mut last: [u8; 16] = std::array::from_fn(|at| at as u8);
    let mut blocks: Vec<[u8; 16]> = [
        "6bc1bee22e409f96e93d7e117393172a",
        "ae2d8a571e03ac9c9eb76fac45af8e51",
    ]
    .map(|text| block(text).try_into().unwrap())
    .to_vec();
    chain::encrypt(&cipher, &mut last, &mut blocks);
    assert_eq!(hex(&blocks[0]), "7649abac8119b246cee98e9b12e9197d");
    assert_eq!(hex(&blocks[1]), "5086cb9b507219ee95db113a917678b2");
    assert_eq!(last, blocks[1]);
}
