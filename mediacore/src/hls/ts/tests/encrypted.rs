//! SAMPLE-AES: what a player decrypts is what is sent in the clear.

use aes::cipher::{BlockDecryptMut, KeyIvInit};

use super::*;

const KEY: [u8; 16] = *b"0123456789abcdef";
const IV: [u8; 16] = *b"fedcba9876543210";

fn encrypted(tracks: &[FilmTrack]) -> Vec<u8> {
    let cipher = SampleCipher::new(KEY, IV);
    let segment = segment(&[open(film(tracks))], 0);
    let mux = Mux::new(&segment, &options(), Some(cipher)).unwrap();
    let all = whole(&mux);
    same(&read(&mux, 700..all.len() as u64, 500), &all[700..], "a slice");
    all
}

fn decrypt(blocks: impl Iterator<Item = usize>, data: &mut [u8]) {
    let mut chain = cbc::Decryptor::<aes::Aes128>::new(&KEY.into(), &IV.into());
    for at in blocks {
        let block: &mut [u8; 16] = (&mut data[at..at + 16]).try_into().unwrap();
        chain.decrypt_block_mut(block.into());
    }
}

/// As a player does it: without the second emulation prevention, then one block in ten.
fn decrypt_nal(nal: &[u8]) -> Vec<u8> {
    if !matches!(nal[0] & 31, 1 | 5) || nal.len() <= 48 {
        return nal.to_vec();
    }
    let mut out = Vec::new();
    let mut zeros = 0;
    for byte in nal {
        if *byte == 3 && zeros >= 2 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    let end = out.len();
    decrypt((32..end).step_by(160).filter(|at| at + 16 < end), &mut out);
    out
}

#[test]
fn pictures_decrypt_to_themselves() {
    let mut tracks = both(&[40, 48, 49, 50, 64, 65, 208, 209, 1000, 5000], &[100; 4]);
    // What looks like start codes, and what was guarded against them before.
    for (at, byte) in tracks[0].samples[9].data[300..400].iter_mut().enumerate() {
        *byte = [0, 0, 3, 1][at % 4];
    }
    let data = encrypted(&tracks);
    assert_eq!(data[188 + 34], 0xDB);
    let sent = demux(&data);
    for (sample, sent) in tracks[0].samples.iter().zip(&sent[&VIDEO]) {
        let mut got: Vec<_> = crate::codec::annex_b::nal_units(&sent.payload)
            .map(decrypt_nal)
            .collect();
        got.retain(|nal| !matches!(nal[0] & 31, 7..=9));
        let clear: Vec<_> = crate::codec::annex_b::prefixed(&sample.data, 4)
            .map(|nal| nal.unwrap().to_vec())
            .collect();
        assert_eq!(got, clear);
        let long = clear.last().unwrap().len() > 48;
        let plain = memchr::memmem::find(&sent.payload, clear.last().unwrap()).is_some();
        assert_eq!(plain, !long, "{} bytes", clear.last().unwrap().len());
    }
}

#[test]
fn sounds_decrypt_to_themselves() {
    let sizes = [10, 16, 31, 32, 33, 200];
    let data = encrypted(&both(&[100], &sizes));
    let audio = joined(&demux(&data)[&AUDIO]);
    let mut rest = &audio[..];
    for sample in sounds(&sizes) {
        let frame = AdtsHeader::parse(rest).unwrap().frame;
        let mut got = rest[7..frame].to_vec();
        rest = &rest[frame..];
        assert_eq!(got == sample.data, got.len() < 32);
        let end = got.len();
        decrypt((16..end).step_by(16).filter(|at| at + 16 <= end), &mut got);
        assert_eq!(got, sample.data);
    }
}

#[test]
fn what_has_no_place_is_refused() {
    for fixture in [&HEVC, &MP3] {
        let samples = if fixture.codec == "mp3" {
            sounds(&[100])
        } else {
            pictures(&[100])
        };
        let track = FilmTrack::new(fixture, samples, 1);
        let cipher = SampleCipher::new(KEY, IV);
        let refusal = Mux::new(&segment(&[open(film(&[track]))], 0), &options(), Some(cipher)).unwrap_err();
        assert_eq!(refusal.reason, Reason::BadRequest, "{}", fixture.codec);
    }
}

#[test]
fn dolby_tells_its_setup() {
    for (fixture, kind, name) in [(&AC3, 0xC1, b"zac3"), (&EAC3, 0xC2, b"zec3")] {
        let samples: Vec<_> = fixture
            .samples
            .iter()
            .map(|data| Sample {
                data: unhex(data).to_vec(),
                duration: 1536,
                composition: 0,
                sync: true,
            })
            .collect();
        let first = samples[0].data.clone();
        let data = encrypted(&[FilmTrack::new(fixture, samples, 1)]);
        assert_eq!(data[188 + 34], kind);
        let told = memchr::memmem::find(&data[..376], name).unwrap();
        let setup = &data[told + 8..told + 8 + usize::from(data[told + 7])];
        assert_eq!(data[told + 4..told + 7], [0, 0, 1]);
        if kind == 0xC1 {
            assert_eq!(setup, &first[..10]);
        } else {
            assert!(!setup.is_empty());
        }
    }
}
