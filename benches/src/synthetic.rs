//! A source that costs nothing: H.264 and AAC from memory, as fast as they are taken.

use std::time::Duration;

use bytes::Bytes;
use mediacore::Result;
use mediacore::codec::{Codec, Kind, Language, Media, Rotation, Track};
use mediacore::source::{Input, InputEvent, Interrupt, Opener, Packet, TrackInfo};
use mediacore::time::{Ticks, TimeBase};

/// `avcC` of a 1280 × 720 picture in the Main profile.
const AVCC: &[u8] = &[
    0x01, 0x4d, 0x40, 0x1f, 0xff, 0xe1, 0x00, 0x19, 0x67, 0x4d, 0x40, 0x1f, 0xec, 0xa0, 0x28, 0x02, 0xdd,
    0x80, 0x88, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x01, 0xe0, 0x78, 0xc1, 0x8c, 0xb0, 0x01,
    0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8,
];
/// AAC LC, 48 kHz, stereo.
const ASC: &[u8] = &[0x11, 0x90];
/// A key frame every two seconds.
const GOP: u64 = 60;

/// What the video track of this source becomes in an MP4.
pub fn video_track() -> Track {
    Track {
        codec: Codec::H264,
        setup: Bytes::from_static(AVCC),
        media: Media::Video {
            width: 1280,
            height: 720,
            pixel_aspect: (1, 1),
        },
        language: Language::UNDETERMINED,
        rotation: Rotation::None,
    }
}

/// What the audio track of this source becomes in an MP4.
pub fn audio_track() -> Track {
    Track {
        codec: Codec::Aac,
        setup: Bytes::from_static(ASC),
        media: Media::Audio {
            sample_rate: 48_000,
            channels: 2,
            packet: 1024,
        },
        language: Language::UNDETERMINED,
        rotation: Rotation::None,
    }
}

/// So much media at that rate: 30 pictures a second and AAC at 48 kHz.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// How long the media is.
    pub length: Duration,
    /// Bytes of all media.
    pub bytes: u64,
}

impl Script {
    /// `bytes` of media at 8 Mbit/s: 2 GB are 36 minutes.
    pub fn of_size(bytes: u64) -> Self {
        Self {
            length: Duration::from_secs(bytes / 1_000_000),
            bytes,
        }
    }
}

impl Opener for Script {
    fn open(&mut self, _: &Interrupt) -> Result<Box<dyn Input>> {
        Ok(Box::new(Playing::new(*self)))
    }
}

struct Playing {
    tracks: Vec<TrackInfo>,
    frames: u64,
    video: u64,
    audio: u64,
    key: Bytes,
    inter: Vec<Bytes>,
    sound: Bytes,
}

impl Playing {
    fn new(script: Script) -> Self {
        let frames = script.length.as_secs() * 30;
        // A key frame is as large as six others.
        let sound = 352;
        let sounds = script.length.as_secs() * 48_000 / 1024 * sound;
        let units = frames + frames.div_ceil(GOP) * 5;
        let mean = u32::try_from(script.bytes.saturating_sub(sounds) / units.max(1)).unwrap_or(u32::MAX / 8);
        Self {
            tracks: vec![
                info(Kind::Video, "h264", TimeBase::MPEG, AVCC),
                info(
                    Kind::Audio,
                    "aac",
                    TimeBase::new(1, 48_000).expect("not zero"),
                    ASC,
                ),
            ],
            frames,
            video: 0,
            audio: 0,
            key: picture(0x65, mean.saturating_mul(6)),
            // From half to one and a half times the mean, in an order that looks like none.
            inter: (0..31_u32)
                .map(|number| picture(0x41, mean / 2 + number * 7 % 31 * (mean / 30)))
                .collect(),
            sound: Bytes::from(vec![0x21; usize::try_from(sound).expect("small")]),
        }
    }
}

impl Input for Playing {
    fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    fn read(&mut self) -> Result<InputEvent> {
        if self.video >= self.frames {
            return Ok(InputEvent::End { complete: true });
        }
        let sound = self.audio * 1024 * 30 < self.video * 48_000;
        let (track, time, duration, sync, data) = if sound {
            self.audio += 1;
            (1, (self.audio - 1) * 1024, 1024, true, self.sound.clone())
        } else {
            let number = self.video;
            self.video += 1;
            let sync = number.is_multiple_of(GOP);
            let other = usize::try_from(number).unwrap_or(0) % self.inter.len();
            let data = if sync { &self.key } else { &self.inter[other] };
            (0, number * 3000, 3000, sync, data.clone())
        };
        let time = Ticks(i64::try_from(time).unwrap_or(i64::MAX));
        Ok(InputEvent::Packet(Packet {
            track,
            pts: Some(time),
            dts: Some(time),
            duration: Ticks(duration),
            sync,
            corrupt: false,
            data,
            extradata: None,
        }))
    }
}

fn info(kind: Kind, codec: &str, time_base: TimeBase, extradata: &'static [u8]) -> TrackInfo {
    let video = kind == Kind::Video;
    TrackInfo {
        kind: Some(kind),
        codec: codec.to_owned(),
        time_base,
        wrap_bits: 0,
        extradata: Bytes::from_static(extradata),
        width: if video { 1280 } else { 0 },
        height: if video { 720 } else { 0 },
        frame_rate: if video { (30, 1) } else { (0, 0) },
        pixel_aspect: (1, 1),
        sample_rate: if video { 0 } else { 48_000 },
        channels: if video { 0 } else { 2 },
        bits_per_sample: 0,
        block_align: 0,
        bit_rate: 0,
        language: Language::UNDETERMINED,
        rotation: Rotation::None,
    }
}

/// One access unit in MP4's form: a length and a slice that begins with `header`.
fn picture(header: u8, size: u32) -> Bytes {
    let size = size.max(8);
    let mut unit = (size - 4).to_be_bytes().to_vec();
    unit.push(header);
    unit.resize(size as usize, 0x9b);
    Bytes::from(unit)
}
