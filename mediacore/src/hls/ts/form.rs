//! How samples of MP4 become the payload of a PES packet: start codes, parameter sets, ADTS headers.

use std::ops::Range;

use crate::codec::h264::AvcConfig;
use crate::codec::hevc::HevcConfig;
use crate::codec::{Codec, annex_b, h264, hevc};
use crate::error::{Error, ErrorKind, Result};
use crate::hls::crypt::SampleCipher;
use crate::hls::{Reason, Refusal, TitleTrack};

const LONG_START: [u8; 4] = [0, 0, 0, 1];
const SHORT_START: [u8; 3] = [0, 0, 1];

/// How long an ADTS header is.
pub(super) const ADTS: u32 = 7;

/// The longest frame that an ADTS header can tell.
const MAX_ADTS: u32 = (1 << 13) - 1;

/// How samples of one file's track are written.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// NAL units behind start codes.
    Video(Video),
    /// Each frame behind its header, which lacks the length.
    Adts([u8; 7]),
    /// As they are: frames that carry their own headers.
    Plain(Codec),
}

/// What a picture needs beside its own NAL units.
#[derive(Clone, Debug)]
pub(super) struct Video {
    codec: Codec,
    /// Bytes of each length in a sample.
    length_size: usize,
    /// The access unit delimiter.
    delimiter: &'static [u8],
    /// The delimiter and the parameter sets.
    opening: Vec<u8>,
}

/// A sample on its way: bytes of our own, then pieces of the sample, then zeros.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) own: Vec<u8>,
    pub(super) pieces: Vec<Range<usize>>,
    pub(super) zeros: usize,
}

impl Body {
    pub(super) fn clear(&mut self) {
        self.own.clear();
        self.pieces.clear();
        self.zeros = 0;
    }

    /// How many bytes it comes to.
    pub(super) fn len(&self) -> usize {
        self.own.len() + self.pieces.iter().map(Range::len).sum::<usize>() + self.zeros
    }
}

impl Form {
    /// The form of a track's samples.
    ///
    /// # Errors
    /// `BadData` for a broken decoder configuration; `BadRequest` for what MPEG-TS has no place for.
    pub(super) fn new(track: &TitleTrack) -> Result<Self, Refusal> {
        let setup = &track.track.setup;
        Ok(match track.codec() {
            Codec::H264 => {
                let config = AvcConfig::parse(setup)?;
                let sets = config.sps.iter().chain(&config.pps);
                Self::Video(Video::new(Codec::H264, config.length_size, sets))
            }
            Codec::Hevc => {
                let config = HevcConfig::parse(setup)?;
                let sets = config.vps.iter().chain(&config.sps).chain(&config.pps);
                Self::Video(Video::new(Codec::Hevc, config.length_size, sets))
            }
            Codec::Aac => Self::Adts(adts(setup)?),
            codec @ (Codec::Mp3 | Codec::Ac3 | Codec::Eac3) => Self::Plain(codec),
            codec @ (Codec::Av1 | Codec::Vp9 | Codec::Opus | Codec::Flac) => {
                return Err(Refusal::bad_request(format!("MPEG-TS has no place for {codec}")));
            }
        })
    }

    /// Bytes of the payload for a sample of `size` bytes; `None` when the sample has to be read for that.
    pub(super) fn size(&self, size: u32, key: bool) -> Option<u64> {
        match self {
            Self::Video(video) if video.length_size != LONG_START.len() => None,
            Self::Video(video) => Some(video.opening(key).len() as u64 + u64::from(size)),
            Self::Adts(_) => Some(u64::from(ADTS) + u64::from(size)),
            Self::Plain(_) => Some(u64::from(size)),
        }
    }

    /// Whether a frame of `size` bytes can be told by its header.
    pub(super) fn takes(&self, size: u32) -> bool {
        !matches!(self, Self::Adts(_)) || size <= MAX_ADTS - ADTS
    }

    /// Appends one audio frame with its header.
    pub(super) fn write_audio(&self, frame: &mut [u8], cipher: Option<&SampleCipher>, out: &mut Vec<u8>) {
        match self {
            Self::Video(_) => {}
            Self::Adts(header) => {
                let length = u32::try_from(frame.len())
                    .unwrap_or(MAX_ADTS)
                    .saturating_add(ADTS);
                let [_, high, middle, low] = (length.min(MAX_ADTS) << 5).to_be_bytes();
                let [a, b, c, d, e, f, g] = *header;
                out.extend([a, b, c, d | high, e | middle, f | low, g]);
                if let Some(cipher) = cipher {
                    cipher.encrypt_frame(frame);
                }
                out.extend_from_slice(frame);
            }
            Self::Plain(codec) => {
                if let Some(cipher) = cipher {
                    match codec {
                        Codec::Eac3 => sync_frames(frame, |frame| cipher.encrypt_frame(frame)),
                        _ => cipher.encrypt_frame(frame),
                    }
                }
                out.extend_from_slice(frame);
            }
        }
    }
}

impl Video {
    fn new<'a>(codec: Codec, length_size: usize, sets: impl Iterator<Item = &'a bytes::Bytes>) -> Self {
        let delimiter: &[u8] = match codec {
            Codec::Hevc => &[0, 0, 0, 1, 0x46, 1, 0x50],
            _ => &[0, 0, 0, 1, 9, 0xF0],
        };
        let mut opening = delimiter.to_vec();
        for set in sets {
            opening.extend(LONG_START);
            opening.extend_from_slice(set);
        }
        Self {
            codec,
            length_size,
            delimiter,
            opening,
        }
    }

    /// What stands before the picture's own NAL units.
    fn opening(&self, key: bool) -> &[u8] {
        if key { &self.opening } else { self.delimiter }
    }

    fn is_delimiter(&self, nal: &[u8]) -> bool {
        match self.codec {
            Codec::Hevc => hevc::nal_type(nal) == hevc::NAL_AUD,
            _ => h264::nal_type(nal) == h264::NAL_AUD,
        }
    }

    /// Appends the payload of `sample` to `body`; lengths of four bytes become start codes in place, so that the sample's
    /// bytes are not moved. Pieces are counted from `at`, where the sample stands in its buffer.
    ///
    /// # Errors
    /// `Malformed` when a length leads beyond the sample.
    pub(super) fn write(
        &self,
        sample: &mut [u8],
        at: usize,
        key: bool,
        cipher: Option<&SampleCipher>,
        body: &mut Body,
    ) -> Result<()> {
        body.own.extend_from_slice(self.opening(key));
        match cipher {
            None if self.length_size == LONG_START.len() => self.write_in_place(sample, at, body),
            _ => self.write_copy(sample, cipher, body),
        }
    }

    /// How many bytes [`Video::write`] makes of `sample`.
    ///
    /// # Errors
    /// `Malformed` when a length leads beyond the sample.
    pub(super) fn measure(&self, sample: &[u8], key: bool, cipher: Option<&SampleCipher>) -> Result<u64> {
        let opening = self.opening(key).len() as u64;
        let mut body = Body::default();
        self.write_copy(sample, cipher, &mut body)?;
        Ok(opening + body.len() as u64)
    }

    fn write_in_place(&self, sample: &mut [u8], at: usize, body: &mut Body) -> Result<()> {
        let total = sample.len();
        let mut next = 0;
        let mut first = true;
        let mut written = 0;
        while next < total {
            let broken = || malformed(total, next);
            let (prefix, rest) = sample
                .get_mut(next..)
                .and_then(<[u8]>::split_first_chunk_mut::<4>)
                .ok_or_else(broken)?;
            let length = u32::from_be_bytes(*prefix) as usize;
            let nal = rest.get(..length).ok_or_else(broken)?;
            let end = next + LONG_START.len() + length;
            if !self.is_delimiter(nal) {
                *prefix = LONG_START;
                let start = if first { next } else { next + 1 };
                first = false;
                written += end - start;
                body.pieces.push(at + start..at + end);
            }
            next = end;
        }
        body.zeros = total - written;
        Ok(())
    }

    fn write_copy(&self, sample: &[u8], cipher: Option<&SampleCipher>, body: &mut Body) -> Result<()> {
        let mut first = true;
        for nal in annex_b::prefixed(sample, self.length_size) {
            let nal = nal.ok_or_else(|| malformed(sample.len(), 0))?;
            if self.is_delimiter(nal) {
                continue;
            }
            let start: &[u8] = if first { &LONG_START } else { &SHORT_START };
            first = false;
            body.own.extend_from_slice(start);
            match cipher {
                Some(cipher) => cipher.encrypt_nal(nal, &mut body.own),
                None => body.own.extend_from_slice(nal),
            }
        }
        Ok(())
    }
}

fn malformed(total: usize, at: usize) -> Error {
    let text = format!("a sample of {total} bytes has a NAL unit at {at} whose length leads beyond its end");
    Error::new(ErrorKind::Malformed, text)
}

/// The ADTS header of an `AudioSpecificConfig` without the frame's length (ISO/IEC 14496-3, 1.A.2.2): of the core coder
/// where SBR is told, which decoders find in the frames.
fn adts(setup: &[u8]) -> Result<[u8; 7], Refusal> {
    let told = Told::read(setup).ok_or_else(|| {
        let text = format!("AudioSpecificConfig of {} bytes breaks off", setup.len());
        Refusal::new(Reason::BadData, text)
    })?;
    let profile = told.object_type.checked_sub(1).filter(|profile| *profile < 4);
    let (Some(profile), 0..=12, 0..=7) = (profile, told.rate, told.channels) else {
        let text = format!(
            "ADTS can't tell AAC of object type {}, sample rate index {}, channel configuration {}",
            told.object_type, told.rate, told.channels
        );
        return Err(Refusal::bad_request(text));
    };
    let third = profile << 6 | told.rate << 2 | told.channels >> 2;
    Ok([0xFF, 0xF1, third, told.channels << 6, 0, 0x1F, 0xFC])
}

/// The first fields of an `AudioSpecificConfig`.
struct Told {
    object_type: u8,
    rate: u8,
    channels: u8,
}

impl Told {
    fn read(setup: &[u8]) -> Option<Self> {
        let mut padded = [0; 16];
        for (to, from) in padded.iter_mut().zip(setup) {
            *to = *from;
        }
        let bits = u128::from_be_bytes(padded);
        let mut at = 0;
        let mut take = |count: u32| {
            at += count;
            u8::try_from(bits >> (128 - at) & ((1 << count) - 1)).unwrap_or(u8::MAX)
        };
        let mut object_type = take(5);
        let mut rate = take(4);
        let mut explicit = 0;
        if rate == 15 {
            explicit = u32::from(take(8)) << 16 | u32::from(take(8)) << 8 | u32::from(take(8));
        }
        let channels = take(4);
        if matches!(object_type, 5 | 29) {
            if take(4) == 15 {
                take(8);
                take(8);
                take(8);
            }
            object_type = take(5);
        }
        if rate == 15 {
            rate = crate::codec::aac::rate_index(explicit)?;
        }
        (usize::try_from(at).ok()? <= setup.len() * 8).then_some(Self {
            object_type,
            rate,
            channels,
        })
    }
}

/// Calls `each` with the sync frames of an E-AC-3 sample (ETSI TS 102 366, E.1.2.2); what does not start with a sync
/// word is left alone.
fn sync_frames(mut rest: &mut [u8], mut each: impl FnMut(&mut [u8])) {
    while let [0x0B, 0x77, high, low, ..] = *rest {
        let words = usize::from(high & 7) << 8 | usize::from(low);
        let Some((frame, after)) = rest.split_at_mut_checked((words + 1) * 2) else {
            return;
        };
        each(frame);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adts_tells_the_core_coder() {
        // AAC-LC, 48 kHz, stereo, with the sync extension that libav's writer leaves.
        let plain = adts(&[0x11, 0x90, 0x56, 0xE5, 0]).unwrap();
        assert_eq!(plain, [0xFF, 0xF1, 0x4C, 0x80, 0, 0x1F, 0xFC]);
        // HE-AAC told first: 24 kHz core, 48 kHz at the output, then AAC-LC.
        let bits: u64 = 5 << 27 | 6 << 23 | 2 << 19 | 3 << 15 | 2 << 10;
        let he = adts(&u32::try_from(bits).unwrap().to_be_bytes()).unwrap();
        assert_eq!(he, [0xFF, 0xF1, 0x58, 0x80, 0, 0x1F, 0xFC]);
        // 44 100 Hz written out, mono.
        let bits: u64 = 2 << 43 | 15 << 39 | 44_100 << 15 | 1 << 11;
        let written = adts(&bits.to_be_bytes()[2..]).unwrap();
        assert_eq!(written, [0xFF, 0xF1, 0x50, 0x40, 0, 0x1F, 0xFC]);
        assert_eq!(adts(&[0x11]).unwrap_err().reason, Reason::BadData);
        assert_eq!(adts(&[0xF8, 0xE6, 0x40]).unwrap_err().reason, Reason::BadRequest);
    }

    #[test]
    fn a_frame_gets_its_length_into_the_header() {
        let form = Form::Adts([0xFF, 0xF1, 0x4C, 0x80, 0, 0x1F, 0xFC]);
        let mut out = Vec::new();
        form.write_audio(&mut [7; 1000], None, &mut out);
        let header = crate::codec::aac::AdtsHeader::parse(&out).unwrap();
        assert_eq!(
            (header.frame, header.header, header.rate_index, header.layout),
            (1007, 7, 3, 2)
        );
        assert_eq!(out.len(), 1007);
        assert!(form.takes(8184) && !form.takes(8185));
    }

    fn avc(length_size: usize) -> Video {
        let sets = [
            bytes::Bytes::from_static(&[0x67, 1]),
            bytes::Bytes::from_static(&[0x68, 2]),
        ];
        Video::new(Codec::H264, length_size, sets.iter())
    }

    fn written(video: &Video, sample: &[u8], key: bool) -> Result<Vec<u8>> {
        let mut body = Body::default();
        let mut buffer = vec![0xEE; 3];
        buffer.extend_from_slice(sample);
        video.write(&mut buffer[3..], 3, key, None, &mut body)?;
        let mut out = body.own.clone();
        for piece in &body.pieces {
            out.extend_from_slice(&buffer[piece.clone()]);
        }
        out.extend(vec![0; body.zeros]);
        assert_eq!(out.len(), body.len());
        Ok(out)
    }

    #[test]
    fn a_picture_keeps_its_length_whatever_its_start_codes() {
        let sample = [
            0, 0, 0, 2, 9, 0xF0, 0, 0, 0, 1, 6, 0, 0, 0, 3, 0x65, 8, 8, 0, 0, 0, 1, 0x65,
        ];
        let out = written(&avc(4), &sample, true).unwrap();
        let mut expected = vec![0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2];
        expected.extend([0, 0, 0, 1, 6, 0, 0, 1, 0x65, 8, 8, 0, 0, 1, 0x65]);
        // One zero for each shorter start code, the delimiter's own bytes.
        expected.extend([0; 2 + 6]);
        assert_eq!(out, expected);
        let form = Form::Video(avc(4));
        assert_eq!(form.size(sample.len() as u32, true), Some(out.len() as u64));
    }

    #[test]
    fn shorter_lengths_give_no_padding() {
        let sample = [0, 2, 0x41, 5, 0, 1, 0x41];
        let out = written(&avc(2), &sample, false).unwrap();
        assert_eq!(out, [0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, 0x41, 5, 0, 0, 1, 0x41]);
        assert_eq!(Form::Video(avc(2)).size(7, false), None);
    }

    #[test]
    fn a_length_that_leads_beyond_the_sample_is_malformed() {
        for (size, sample) in [
            (4, &[0, 0, 0, 3, 0x41, 1][..]),
            (4, &[0, 0]),
            (2, &[0, 9, 1]),
            (1, &[2, 1]),
        ] {
            let error = written(&avc(size), sample, false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{sample:?}");
        }
    }

    #[test]
    fn every_sync_frame_of_an_access_unit_is_found() {
        let mut sample = vec![0x0B, 0x77, 0, 3, 1, 1, 1, 1, 0x0B, 0x77, 0, 2, 2, 2, 9, 9];
        let mut sizes = Vec::new();
        sync_frames(&mut sample, |frame| sizes.push(frame.len()));
        assert_eq!(sizes, [8, 6]);
    }
}
