//! FLV as a list of tags, to be sent with times of one's own.

use std::path::Path;

/// What a tag holds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// `onMetaData`.
    Script,
}

/// One tag.
#[derive(Clone, Debug)]
pub struct Tag {
    /// What it holds.
    pub kind: Kind,
    /// Its time in milliseconds; the decoding time of a picture.
    pub time: i64,
    /// Its body.
    pub data: Vec<u8>,
}

impl Tag {
    /// Whether it configures the decoder and holds no media.
    pub fn is_setup(&self) -> bool {
        match self.kind {
            Kind::Script => true,
            Kind::Video | Kind::Audio => self.data.get(1) == Some(&0),
        }
    }

    /// Whether it is a key frame.
    pub fn is_key(&self) -> bool {
        self.kind == Kind::Video && !self.is_setup() && self.data.first().is_some_and(|first| first >> 4 == 1)
    }

    /// By how many milliseconds the picture is shown after its decoding time.
    pub fn composition(&self) -> i64 {
        match self.data.get(2..5) {
            Some(&[a, b, c]) if self.kind == Kind::Video => i64::from(i32::from_be_bytes([a, b, c, 0]) >> 8),
            _ => 0,
        }
    }

    /// Changes that.
    pub fn set_composition(&mut self, by: i32) {
        let [_, a, b, c] = by.to_be_bytes();
        self.data[2..5].copy_from_slice(&[a, b, c]);
    }

    /// The tag as bytes, its time as the 32 bits that FLV has.
    pub fn bytes(&self) -> Vec<u8> {
        let number = match self.kind {
            Kind::Audio => 8,
            Kind::Video => 9,
            Kind::Script => 18,
        };
        let size = u32::try_from(self.data.len())
            .expect("a tag is small")
            .to_be_bytes();
        let [top, a, b, c] = (self.time as u32).to_be_bytes();
        let mut bytes = vec![number, size[1], size[2], size[3], a, b, c, top, 0, 0, 0];
        bytes.extend_from_slice(&self.data);
        let whole = u32::try_from(bytes.len()).expect("a tag is small");
        bytes.extend_from_slice(&whole.to_be_bytes());
        bytes
    }
}

/// The start of a file that announces sound and pictures.
pub const HEADER: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

/// Reads a whole file.
///
/// # Panics
/// When it is not FLV.
pub fn read(path: &Path) -> Vec<Tag> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(bytes.starts_with(b"FLV"), "{}: not FLV", path.display());
    let mut rest = &bytes[HEADER.len()..];
    let mut tags = Vec::new();
    while let [number, s0, s1, s2, t0, t1, t2, top, _, _, _, after @ ..] = rest {
        let size = u32::from_be_bytes([0, *s0, *s1, *s2]) as usize;
        let kind = match number & 0x1f {
            8 => Kind::Audio,
            9 => Kind::Video,
            _ => Kind::Script,
        };
        tags.push(Tag {
            kind,
            time: i64::from(u32::from_be_bytes([*top, *t0, *t1, *t2])),
            data: after[..size].to_vec(),
        });
        rest = &after[size + 4..];
    }
    tags
}
