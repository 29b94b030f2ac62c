//! How a location packages: every setting of the reference that HLS sees, under our names, and two presets.

use super::template::Template;
use crate::time::Millis;

/// All settings. [`Options::nginx_vod`] and [`Options::mediastack`] are the two starting points.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive of its own")]
pub struct Options {
    /// Where segments are cut.
    pub segmentation: Segmentation,
    /// Which container segments have in playlists.
    pub container: ContainerChoice,
    /// How URLs are written and read.
    pub urls: Urls,
    /// Whether and how segments are encrypted.
    pub encryption: Encryption,
    /// MPEG-TS details.
    pub ts: TsOptions,
    /// What playlists hold beside segments.
    pub tags: Tags,
    /// Multivariant playlists announce I-frame playlists.
    pub iframes_playlist: bool,
    /// Audio is always a rendition of its own.
    pub unmuxed: bool,
    /// Edit lists do not delay a track.
    pub ignore_edit_list: bool,
    /// Opus tracks take part in fMP4; the reference leaves them out.
    pub opus: bool,
    /// Faults of the reference that playlists repeat, so that an existing deployment's caches notice nothing.
    pub mirrored: Mirrored,
    /// What one request may cost.
    pub limits: Limits,
}

/// Faults of the reference's playlists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mirrored {
    /// I-frame playlists forget the packet of the ID3 timestamp in all segments but the first, and of a `concat` they know the
    /// last file only.
    pub iframes: bool,
    /// fMP4 that starts in the middle of a GOP is moved by the delay of its first picture.
    pub moved_fragments: bool,
    /// A file without a byte has a media playlist without a segment.
    pub empty_files: bool,
    /// Playlists of several clips tell the grid, although segments are cut at sync samples: the last one may hold no picture.
    pub grid_of_clips: bool,
}

/// Where segments are cut, and what playlists say of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segmentation {
    /// How long a segment is meant to be; 500 ms to 600 s.
    pub duration: Millis,
    /// The first segments' own lengths, each at least 500 ms.
    pub bootstrap: Vec<Millis>,
    /// Segments start at sync samples.
    pub align: bool,
    /// What becomes of the rest at the end.
    pub count: CountPolicy,
    /// Which track says how long the whole is.
    pub length: LengthPolicy,
    /// Whether playlists tell the nominal or the true durations.
    pub durations: Durations,
}

/// What becomes of the rest that fills no whole segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CountPolicy {
    /// It is a short segment of its own.
    LastShort,
    /// The last segment takes it.
    LastLong,
    /// Whichever is nearer to a whole segment.
    LastRounded,
}

/// Which track says how long the whole is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LengthPolicy {
    /// The longest.
    Max,
    /// The shortest that is not empty.
    Min,
}

/// What `EXTINF` tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durations {
    /// The nominal grid.
    Estimate,
    /// What the segment holds.
    Accurate,
}

/// Which container playlists name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContainerChoice {
    /// fMP4 where the video is not H.264, else MPEG-TS.
    Auto,
    /// MPEG-TS.
    Ts,
    /// Fragmented MP4.
    Fmp4,
}

/// The container of one segment.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Container {
    /// MPEG-TS, `.ts`.
    Ts,
    /// Fragmented MP4, `.m4s` after an `init.mp4`.
    Fmp4,
    /// WebVTT, `.vtt`.
    Vtt,
}

/// How URLs are written and read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive of its own")]
pub struct Urls {
    /// What URLs start with instead of scheme and host of the request; empty for relative ones.
    pub base: Option<String>,
    /// The same for segments only.
    pub segments_base: Option<String>,
    /// Multivariant playlists print absolute URLs.
    pub absolute_master: bool,
    /// Media playlists print absolute URLs.
    pub absolute_index: bool,
    /// I-frame playlists print absolute URLs.
    pub absolute_iframes: bool,
    /// `-f<n>` is printed for a single sequence too.
    pub force_sequence: bool,
    /// The file names' first parts.
    pub names: Names,
    /// What a multi URI ends in.
    pub multi_suffix: String,
    /// Names of path parameters.
    pub parameters: Parameters,
}

/// The first part of each file name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Names {
    /// Multivariant playlist.
    pub master: String,
    /// Media playlist.
    pub index: String,
    /// I-frame playlist.
    pub iframes: String,
    /// Segment.
    pub segment: String,
    /// fMP4 initialisation segment.
    pub init: String,
    /// Key.
    pub key: String,
}

/// Names of the path parameters, matched without regard to case; an empty one is switched off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameters {
    /// The start of a clip, in ms.
    pub clip_from: String,
    /// The end of a clip, in ms.
    pub clip_to: String,
    /// Which tracks.
    pub tracks: String,
    /// Shifts by kind.
    pub shift: String,
    /// The language.
    pub language: String,
    /// Playback rate: refused, for it would have to decode.
    pub speed: String,
}

/// Whether and how segments are encrypted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Encryption {
    /// Which kind.
    pub method: Method,
    /// What the key is derived from, variables in it; the path of the media when not given.
    pub secret: Option<Template>,
    /// What the fixed IV of fMP4 is derived from, variables in it.
    pub iv_seed: Option<Template>,
    /// `EXT-X-KEY` tells the IV.
    pub output_iv: bool,
    /// Instead of our own key URL, variables in it.
    pub key_uri: Option<Template>,
    /// `KEYFORMAT`.
    pub key_format: Option<String>,
    /// `KEYFORMATVERSIONS`.
    pub key_format_versions: Option<String>,
}

/// Kind of encryption (RFC 8216, 4.3.2.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// In the clear.
    None,
    /// Whole segments, AES-128 in CBC mode.
    Aes128,
    /// Parts of samples; `cbcs` in fMP4.
    SampleAes,
}

/// MPEG-TS details.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive of its own")]
pub struct TsOptions {
    /// Frames of one PID never share a packet.
    pub align_frames: bool,
    /// Packets of audio and video are mixed finely.
    pub interleave_frames: bool,
    /// Audio and video start at the same PTS when B-frames delay the video.
    pub align_pts: bool,
    /// Each segment carries its time as ID3.
    pub id3: bool,
    /// The text of that; a JSON object with the time when not given.
    pub id3_data: Option<String>,
    /// The program map announces an ID3 stream even when none is sent.
    pub announce_id3: bool,
    /// HEVC has its registered stream type (0x24), else private data with a registration.
    pub registered_hevc: bool,
}

/// What playlists hold beside what every playlist must.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tags {
    /// `EXT-X-ALLOW-CACHE` and `PROGRAM-ID`, which RFC 8216 removed, and languages of captions in three letters.
    pub obsolete: bool,
    /// `EXT-X-INDEPENDENT-SEGMENTS`, when segments start at sync samples.
    pub independent: bool,
    /// The first (or the chosen) audio rendition is the default one, the others may be chosen automatically; and where there
    /// are renditions, streams are of video alone, which players need to switch between them.
    pub audio_default: bool,
    /// The target duration is that of the longest segment; else it is never below the configured length.
    pub exact_target: bool,
    /// HLG video is told as HLG; else as PQ.
    pub hlg: bool,
}

/// What one request may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of a `moov`.
    pub metadata: u64,
    /// Bytes of the samples of one segment.
    pub segment_bytes: u64,
    /// Samples of one segment.
    pub segment_frames: u32,
    /// Samples that one playlist may have to look at.
    pub playlist_frames: u32,
    /// Segments of one playlist.
    pub segments: u32,
    /// Bytes of a mapping.
    pub mapping: u64,
}

impl Options {
    /// The reference's defaults: what an nginx location with `vod hls;` alone does.
    pub fn nginx_vod() -> Self {
        let name = str::to_owned;
        Self {
            segmentation: Segmentation {
                duration: Millis(10_000),
                bootstrap: Vec::new(),
                align: false,
                count: CountPolicy::LastShort,
                length: LengthPolicy::Max,
                durations: Durations::Estimate,
            },
            container: ContainerChoice::Auto,
            urls: Urls {
                base: None,
                segments_base: None,
                absolute_master: true,
                absolute_index: true,
                absolute_iframes: false,
                force_sequence: false,
                names: Names {
                    master: name("master"),
                    index: name("index"),
                    iframes: name("iframes"),
                    segment: name("seg"),
                    init: name("init"),
                    key: name("encryption"),
                },
                multi_suffix: name(".urlset"),
                parameters: Parameters {
                    clip_from: name("clipFrom"),
                    clip_to: name("clipTo"),
                    tracks: name("tracks"),
                    shift: name("shift"),
                    language: name("lang"),
                    speed: name("speed"),
                },
            },
            encryption: Encryption {
                method: Method::None,
                secret: None,
                iv_seed: None,
                output_iv: false,
                key_uri: None,
                key_format: None,
                key_format_versions: None,
            },
            ts: TsOptions {
                align_frames: true,
                interleave_frames: false,
                align_pts: false,
                id3: false,
                id3_data: None,
                announce_id3: true,
                registered_hevc: false,
            },
            tags: Tags {
                obsolete: true,
                independent: false,
                audio_default: false,
                exact_target: false,
                hlg: false,
            },
            iframes_playlist: true,
            unmuxed: false,
            ignore_edit_list: false,
            opus: false,
            mirrored: Mirrored {
                iframes: true,
                moved_fragments: true,
                empty_files: true,
                grid_of_clips: true,
            },
            limits: Limits {
                metadata: 128 << 20,
                segment_bytes: 256 << 20,
                segment_frames: 65_536,
                playlist_frames: 1 << 25,
                segments: 100_000,
                mapping: 1 << 20,
            },
        }
    }

    /// Ours: cut at sync samples, true durations, nothing that RFC 8216 removed.
    pub fn mediastack() -> Self {
        let mut options = Self::nginx_vod();
        options.segmentation.duration = Millis(6_000);
        options.segmentation.align = true;
        options.segmentation.durations = Durations::Accurate;
        options.urls.absolute_master = false;
        options.urls.absolute_index = false;
        options.opus = true;
        options.encryption.output_iv = true;
        options.mirrored = Mirrored {
            iframes: false,
            moved_fragments: false,
            empty_files: false,
            grid_of_clips: false,
        };
        options.ts.announce_id3 = false;
        options.ts.registered_hevc = true;
        options.tags = Tags {
            obsolete: false,
            independent: true,
            audio_default: true,
            exact_target: true,
            hlg: true,
        };
        options
    }
}
