//! Playlist text to values (RFC 8216 and its second edition), strict about what would hurt us and lenient about the rest.
//!
//! Pure. Unknown tags are skipped as the RFC wants; a number that is out of range or a tag without its value is an error
//! that names the line. Cost is linear in the text, whose size the caller bounds.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::limits;
use super::time::parse_date_time;
use crate::clock::WallTime;
use crate::error::{Error, ErrorKind, Result};

/// A playlist of either sort.
#[derive(Debug)]
pub(crate) enum Playlist {
    /// Names other playlists.
    Multivariant(Multivariant),
    /// Names segments.
    Media(Media),
}

/// A multivariant ("master") playlist.
#[derive(Debug, Default)]
pub(crate) struct Multivariant {
    pub(crate) variants: Vec<Variant>,
    pub(crate) renditions: Vec<Rendition>,
}

/// One `EXT-X-STREAM-INF` with its URI.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variant {
    pub(crate) uri: String,
    /// Peak bits per second.
    pub(crate) bandwidth: u64,
    /// RFC 6381 names; empty when the playlist does not tell.
    pub(crate) codecs: Vec<String>,
    /// Width times height.
    pub(crate) pixels: u64,
    /// Group of its audio renditions.
    pub(crate) audio: Option<String>,
}

/// One audio `EXT-X-MEDIA`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rendition {
    pub(crate) group: String,
    /// `None`: the audio is inside the variant.
    pub(crate) uri: Option<String>,
    pub(crate) default: bool,
}

/// A media playlist.
#[derive(Debug, Default)]
pub(crate) struct Media {
    /// Within [`limits::TARGET`].
    pub(crate) target: Duration,
    /// Number of the first segment.
    pub(crate) first: u64,
    pub(crate) segments: Vec<Segment>,
    /// Nothing will be added.
    pub(crate) ended: bool,
    /// `EXT-X-PLAYLIST-TYPE:VOD`.
    pub(crate) vod: bool,
}

/// One segment, with everything that holds for it written out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) uri: String,
    pub(crate) length: Duration,
    pub(crate) range: Option<Range<u64>>,
    /// Timestamps and codecs may change before it.
    pub(crate) discontinuity: bool,
    /// The server says that it is missing (`EXT-X-GAP`).
    pub(crate) gap: bool,
    pub(crate) key: Option<Arc<Key>>,
    pub(crate) map: Option<Arc<Map>>,
    pub(crate) wall: Option<WallTime>,
}

/// How a segment is encrypted.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Key {
    pub(crate) method: String,
    pub(crate) uri: String,
    /// `None`: the segment's number.
    pub(crate) iv: Option<[u8; 16]>,
    pub(crate) format: String,
}

/// The initialisation section of fragmented MP4.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Map {
    pub(crate) uri: String,
    pub(crate) range: Option<Range<u64>>,
    pub(crate) key: Option<Arc<Key>>,
}

/// Whether a body is a playlist, by its first bytes.
pub(crate) fn is_playlist(start: &[u8]) -> bool {
    start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .starts_with(b"#EXTM3U")
}

/// Reads either sort of playlist.
pub(crate) fn parse(bytes: &[u8]) -> Result<Playlist> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::PLAYLIST_BYTES {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            "playlist: larger than 4 MiB",
        ));
    }
    if !is_playlist(bytes) {
        return Err(Error::new(
            ErrorKind::Malformed,
            "playlist: no #EXTM3U at its start",
        ));
    }
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        reader.line(line.trim()).map_err(|fault| {
            let kind = fault.kind;
            Error::new(kind, format!("playlist line {number}: {}", fault.what))
        })?;
    }
    reader.finish()
}

struct Fault {
    kind: ErrorKind,
    what: String,
}

fn malformed(what: impl Into<String>) -> Fault {
    Fault {
        kind: ErrorKind::Malformed,
        what: what.into(),
    }
}

fn too_many(what: impl Into<String>) -> Fault {
    Fault {
        kind: ErrorKind::LimitExceeded,
        what: what.into(),
    }
}

#[derive(Default)]
struct Reader {
    media: Media,
    target: Option<Duration>,
    multivariant: Multivariant,
    is_media: bool,
    next: Segment,
    has_length: bool,
    key: Option<Arc<Key>>,
    map: Option<Arc<Map>>,
    variant: Option<Variant>,
    /// Where the last byte range ended, and of which URI.
    range_end: Option<(String, u64)>,
    pending_range: Option<(u64, Option<u64>)>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), Fault> {
        if line.is_empty() {
            return Ok(());
        }
        if !line.starts_with('#') {
            return self.uri(line);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "#EXT-X-TARGETDURATION" => {
                self.is_media = true;
                // Some servers write a fraction, although the RFC wants an integer.
                self.target = Some(seconds(value).unwrap_or_default());
            }
            "#EXT-X-MEDIA-SEQUENCE" => {
                self.is_media = true;
                self.media.first = value
                    .trim()
                    .parse()
                    .map_err(|_| malformed("a media sequence that is no number"))?;
            }
            "#EXTINF" => {
                self.is_media = true;
                let length = value.split(',').next().unwrap_or_default();
                self.next.length =
                    seconds(length).ok_or_else(|| malformed("a segment's length that is no time"))?;
                self.has_length = true;
            }
            "#EXT-X-BYTERANGE" => {
                self.pending_range =
                    Some(byte_range(value).ok_or_else(|| malformed("a byte range that is none"))?);
            }
            "#EXT-X-DISCONTINUITY" => self.next.discontinuity = true,
            "#EXT-X-GAP" => self.next.gap = true,
            "#EXT-X-ENDLIST" => self.media.ended = true,
            "#EXT-X-PLAYLIST-TYPE" => self.media.vod = value.trim() == "VOD",
            "#EXT-X-PROGRAM-DATE-TIME" => self.next.wall = parse_date_time(value.trim()),
            "#EXT-X-KEY" => self.key = key(&attributes(value))?,
            "#EXT-X-MAP" => self.map = Some(Arc::new(self.map(&attributes(value))?)),
            "#EXT-X-STREAM-INF" => self.variant = Some(variant(&attributes(value))),
            "#EXT-X-MEDIA" => self.rendition(&attributes(value))?,
            _ => {}
        }
        Ok(())
    }

    fn uri(&mut self, uri: &str) -> Result<(), Fault> {
        if let Some(mut variant) = self.variant.take() {
            if self.multivariant.variants.len() >= limits::VARIANTS {
                return Err(too_many(format!("more than {} variants", limits::VARIANTS)));
            }
            variant.uri = uri.to_owned();
            self.multivariant.variants.push(variant);
            return Ok(());
        }
        if !std::mem::take(&mut self.has_length) {
            // A URI without EXTINF is not a segment (RFC 8216, 4.3.2.1).
            return Ok(());
        }
        if self.media.segments.len() >= limits::SEGMENTS {
            return Err(too_many(format!("more than {} segments", limits::SEGMENTS)));
        }
        let mut segment = std::mem::take(&mut self.next);
        segment.range = match self.pending_range.take() {
            Some(range) => Some(self.place(uri, range)?),
            None => None,
        };
        let index = u64::try_from(self.media.segments.len()).unwrap_or(u64::MAX);
        segment.sequence = index;
        segment.uri = uri.to_owned();
        segment.key = self.key.clone();
        segment.map = self.map.clone();
        self.media.segments.push(segment);
        Ok(())
    }

    /// A range without an offset begins where the one before it in the same resource ended.
    fn place(&mut self, uri: &str, (length, offset): (u64, Option<u64>)) -> Result<Range<u64>, Fault> {
        let start = match (offset, &self.range_end) {
            (Some(offset), _) => offset,
            (None, Some((before, end))) if before == uri => *end,
            (None, _) => return Err(malformed("a byte range without an offset and nothing before it")),
        };
        let end = start
            .checked_add(length)
            .ok_or_else(|| malformed("a byte range beyond 2^64"))?;
        if length > limits::SEGMENT_BYTES {
            return Err(too_many(format!("a byte range of {length} bytes")));
        }
        if length == 0 {
            return Err(malformed("an empty byte range"));
        }
        self.range_end = Some((uri.to_owned(), end));
        Ok(start..end)
    }

    fn map(&self, attributes: &HashMap<&str, &str>) -> Result<Map, Fault> {
        let uri = attributes
            .get("URI")
            .ok_or_else(|| malformed("EXT-X-MAP without a URI"))?;
        let range = match attributes.get("BYTERANGE") {
            None => None,
            Some(text) => {
                let (length, offset) =
                    byte_range(text).ok_or_else(|| malformed("a byte range that is none"))?;
                let start = offset.unwrap_or(0);
                let end = start
                    .checked_add(length)
                    .filter(|_| length > 0 && length <= limits::MAP_BYTES);
                Some(start..end.ok_or_else(|| too_many("a byte range of an EXT-X-MAP that can't be"))?)
            }
        };
        Ok(Map {
            uri: (*uri).to_owned(),
            range,
            key: self.key.clone(),
        })
    }

    fn rendition(&mut self, attributes: &HashMap<&str, &str>) -> Result<(), Fault> {
        if attributes.get("TYPE") != Some(&"AUDIO") {
            return Ok(());
        }
        if self.multivariant.renditions.len() >= limits::VARIANTS {
            return Err(too_many(format!("more than {} renditions", limits::VARIANTS)));
        }
        self.multivariant.renditions.push(Rendition {
            group: attributes.get("GROUP-ID").copied().unwrap_or_default().to_owned(),
            uri: attributes.get("URI").map(|uri| (*uri).to_owned()),
            default: attributes.get("DEFAULT") == Some(&"YES"),
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Playlist> {
        if !self.multivariant.variants.is_empty() {
            if self.is_media {
                let message = "playlist: names segments and playlists at once";
                return Err(Error::new(ErrorKind::Malformed, message));
            }
            return Ok(Playlist::Multivariant(self.multivariant));
        }
        if !self.is_media {
            return Err(Error::new(
                ErrorKind::Malformed,
                "playlist: names neither segments nor playlists",
            ));
        }
        let longest = self.media.segments.iter().map(|segment| segment.length).max();
        let target = self
            .target
            .filter(|target| !target.is_zero())
            .or(longest)
            .unwrap_or_default();
        self.media.target = target.clamp(limits::TARGET.0, limits::TARGET.1);
        let last = u64::try_from(self.media.segments.len()).unwrap_or(u64::MAX);
        if self.media.first.checked_add(last).is_none() {
            return Err(Error::new(
                ErrorKind::Malformed,
                "playlist: a media sequence beyond 2^64",
            ));
        }
        for segment in &mut self.media.segments {
            segment.sequence += self.media.first;
        }
        Ok(Playlist::Media(self.media))
    }
}

fn variant(attributes: &HashMap<&str, &str>) -> Variant {
    let number = |name: &str| {
        attributes
            .get(name)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let pixels = attributes.get("RESOLUTION").and_then(|text| {
        let (width, height) = text.split_once(['x', 'X'])?;
        width
            .parse::<u64>()
            .ok()?
            .checked_mul(height.parse::<u64>().ok()?)
    });
    let codecs = attributes.get("CODECS").copied().unwrap_or_default();
    Variant {
        uri: String::new(),
        bandwidth: number("BANDWIDTH"),
        codecs: codecs
            .split(',')
            .map(str::trim)
            .filter(|codec| !codec.is_empty())
            .map(str::to_owned)
            .collect(),
        pixels: pixels.unwrap_or(0),
        audio: attributes.get("AUDIO").map(|group| (*group).to_owned()),
    }
}

fn key(attributes: &HashMap<&str, &str>) -> Result<Option<Arc<Key>>, Fault> {
    let method = attributes.get("METHOD").copied().unwrap_or_default();
    if method == "NONE" {
        return Ok(None);
    }
    let iv = match attributes.get("IV") {
        None => None,
        Some(text) => {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            let value = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
            Some(
                value
                    .ok_or_else(|| malformed("an IV that is no 128-bit number"))?
                    .to_be_bytes(),
            )
        }
    };
    Ok(Some(Arc::new(Key {
        method: method.to_owned(),
        uri: attributes.get("URI").copied().unwrap_or_default().to_owned(),
        iv,
        format: attributes
            .get("KEYFORMAT")
            .copied()
            .unwrap_or("identity")
            .to_owned(),
    })))
}

/// Seconds as a decimal number; `None` for anything negative, endless or longer than a day.
fn seconds(text: &str) -> Option<Duration> {
    let value: f64 = text.trim().parse().ok()?;
    (0.0..=86_400.0)
        .contains(&value)
        .then(|| Duration::from_secs_f64(value))
}

/// `length[@offset]`.
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    let text = text.trim();
    match text.split_once('@') {
        Some((length, offset)) => Some((length.parse().ok()?, Some(offset.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}

/// `NAME=value,NAME="quoted, value"`: the last of equal names wins, quotes are taken off.
fn attributes(text: &str) -> HashMap<&str, &str> {
    let mut found = HashMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"').unwrap_or((quoted, ""));
                (value, next.split_once(',').map_or("", |(_, next)| next))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(name.trim(), value.trim());
        rest = next;
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn media(text: &str) -> Media {
        match parse(format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{text}").as_bytes()).expect("valid") {
            Playlist::Media(media) => media,
            Playlist::Multivariant(_) => panic!("a multivariant playlist"),
        }
    }

    fn kind(text: &str) -> ErrorKind {
        parse(format!("#EXTM3U\n{text}").as_bytes())
            .expect_err(text)
            .kind()
    }

    #[test]
    fn what_holds_for_a_segment_is_written_out() {
        let media = media(
            "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"i,=.mp4\",BYTERANGE=\"10@5\"\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x10\n#EXTINF:3.84,a, title, with commas\na.ts\n\
             #EXT-X-KEY:METHOD=NONE\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.5Z\n\
             #EXTINF:4\n#EXT-X-BYTERANGE:100@50\nb.ts\n#EXTINF:4,\n#EXT-X-BYTERANGE:10\nb.ts\n\
             #EXT-X-GAP\n#EXTINF:4,\nc.ts\n#EXT-X-ENDLIST\n",
        );
        let [a, b, b2, c] = &media.segments[..] else {
            panic!("{media:?}")
        };
        assert_eq!(
            (a.sequence, a.length, a.uri.as_str()),
            (7, Duration::from_millis(3840), "a.ts")
        );
        assert_eq!(a.key.as_ref().and_then(|key| key.iv), Some(16_u128.to_be_bytes()));
        assert_eq!(
            a.map.as_ref().map(|map| (map.uri.as_str(), map.range.clone())),
            Some(("i,=.mp4", Some(5..15)))
        );
        assert!(b.key.is_none() && b.map.is_some() && b.discontinuity && b.wall.is_some());
        assert_eq!(
            (b.range.clone(), b2.range.clone()),
            (Some(50..150), Some(150..160))
        );
        assert!(!b2.discontinuity && b2.wall.is_none());
        assert!(c.gap && media.ended && c.sequence == 10);
    }

    #[test]
    fn numbers_that_cannot_be_are_errors() {
        let head = "#EXT-X-TARGETDURATION:4\n";
        for text in [
            "#EXTINF:-5,\na.ts",
            "#EXTINF:nan,\na.ts",
            "#EXTINF:inf,\na.ts",
            "#EXTINF:1e300,\na.ts",
            "#EXTINF:4,\n#EXT-X-BYTERANGE:1\na.ts",
            "#EXTINF:4,\n#EXT-X-BYTERANGE:9223372036854775808@9223372036854775808\na",
            "#EXT-X-MEDIA-SEQUENCE:-1\n",
            "#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:4,\na.ts",
            "#EXTINF:4,\n#EXT-X-BYTERANGE:0@0\na.ts",
            "#EXT-X-MAP:BYTERANGE=\"1@1\"\n",
            "#EXT-X-KEY:METHOD=AES-128,IV=12\n",
        ] {
            assert_eq!(kind(&format!("{head}{text}")), ErrorKind::Malformed, "{text}");
        }
        assert_eq!(
            kind(&format!(
                "{head}#EXTINF:4,\n#EXT-X-BYTERANGE:9223372036854775808@0\na"
            )),
            ErrorKind::LimitExceeded
        );
    }

    #[test]
    fn bombs_are_refused() {
        assert_eq!(kind(&"x".repeat(5 << 20)), ErrorKind::LimitExceeded);
        assert_eq!(kind(&"#EXTINF:1,\na\n".repeat(20_001)), ErrorKind::LimitExceeded);
        assert_eq!(
            kind(&"#EXT-X-STREAM-INF:BANDWIDTH=1\na\n".repeat(257)),
            ErrorKind::LimitExceeded
        );
        assert_eq!(kind("<html>"), ErrorKind::Malformed);
        assert_eq!(
            kind("#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXTINF:1,\nb\n"),
            ErrorKind::Malformed
        );
    }

    #[test]
    fn an_absurd_target_duration_is_clamped() {
        let target = |text: &str| match parse(format!("#EXTM3U\n{text}\n#EXTINF:6,\na\n").as_bytes()) {
            Ok(Playlist::Media(media)) => media.target.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(target("#EXT-X-TARGETDURATION:0"), 6);
        assert_eq!(target("#EXT-X-TARGETDURATION:-3"), 6);
        assert_eq!(target("#EXT-X-TARGETDURATION:99999999999999999999"), 6);
        assert_eq!(target("#EXT-X-TARGETDURATION:3600"), 60);
        assert_eq!(target("#EXT-X-TARGETDURATION:0.2"), 1);
    }

    #[test]
    fn well_formed_playlists_read_as_m3u8_rs_reads_them() {
        let text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:3\n\
            #EXTINF:5.5,\na.ts\n#EXTINF:6.0,t\n#EXT-X-BYTERANGE:5@6\nb.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\nc.ts\n#EXT-X-ENDLIST\n";
        let Ok(m3u8_rs::Playlist::MediaPlaylist(theirs)) = m3u8_rs::parse_playlist_res(text.as_bytes())
        else {
            panic!("their parser");
        };
        let Ok(Playlist::Media(ours)) = parse(text.as_bytes()) else {
            panic!("ours")
        };
        assert_eq!(
            (ours.first, ours.ended, ours.target.as_secs()),
            (theirs.media_sequence, theirs.end_list, theirs.target_duration)
        );
        assert_eq!(ours.segments.len(), theirs.segments.len());
        for (ours, theirs) in ours.segments.iter().zip(&theirs.segments) {
            assert_eq!(
                (&ours.uri, ours.discontinuity),
                (&theirs.uri, theirs.discontinuity)
            );
            assert!((ours.length.as_secs_f32() - theirs.duration).abs() < 1e-4);
            let range = theirs
                .byte_range
                .as_ref()
                .map(|r| r.offset.unwrap_or(0)..r.offset.unwrap_or(0) + r.length);
            assert_eq!(ours.range, range);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(lines in prop::collection::vec(
            "(#EXTINF:[-0-9.e]{0,8},?|#EXT-X-(KEY|MAP|MEDIA|STREAM-INF|BYTERANGE|MEDIA-SEQUENCE|TARGETDURATION|\
             PROGRAM-DATE-TIME|DISCONTINUITY|GAP|ENDLIST):?[-A-Z0-9=\",@:TZ.+é]{0,40}|[a-z/:é.]{0,10})", 0..20)) {
            let _ = parse(format!("#EXTM3U\n{}", lines.join("\n")).as_bytes());
        }
    }
}
