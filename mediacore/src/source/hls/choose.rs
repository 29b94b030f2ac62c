//! Which variant of a multivariant playlist is recorded, and with which audio.

use super::playlist::{Multivariant, Rendition, Variant};
use crate::error::{Error, ErrorKind, Result};

/// The playlists to follow.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) variant: &'a Variant,
    /// An audio rendition with a playlist of its own.
    pub(crate) audio: Option<&'a Rendition>,
}

/// The variant with the highest bandwidth among those whose codecs we can store; one with a picture before any without.
///
/// A variant that does not name its codecs is taken at its word to be storable. Its audio rendition is the default one
/// of the group, else the group's first.
pub(crate) fn choose(playlist: &Multivariant) -> Result<Choice<'_>> {
    let storable = |variant: &&Variant| variant.codecs.iter().all(|codec| is_storable(codec));
    let variant = playlist
        .variants
        .iter()
        .filter(storable)
        .max_by_key(|variant| (has_picture(variant), variant.bandwidth, variant.pixels))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "playlist: no variant has codecs that we can store",
            )
        })?;
    let group = variant.audio.as_deref();
    let members = || {
        playlist
            .renditions
            .iter()
            .filter(|rendition| Some(rendition.group.as_str()) == group)
    };
    let audio = members()
        .find(|rendition| rendition.default)
        .or_else(|| members().next());
    Ok(Choice {
        variant,
        audio: audio.filter(|rendition| rendition.uri.is_some()),
    })
}

fn has_picture(variant: &Variant) -> bool {
    variant.pixels > 0 || variant.codecs.is_empty() || variant.codecs.iter().any(|codec| is_video(codec))
}

fn is_video(codec: &str) -> bool {
    ["avc", "hvc", "hev", "av01", "vp09", "vp9"]
        .iter()
        .any(|name| starts(codec, name))
}

/// Audio of any sort passes: what MP4 can't hold is transcoded. Subtitles cost nothing: they aren't taken.
fn is_storable(codec: &str) -> bool {
    const AUDIO: [&str; 9] = [
        "mp4a", "ac-3", "ec-3", "opus", "flac", "fLaC", "mp3", "alac", "vorbis",
    ];
    const TEXT: [&str; 3] = ["stpp", "wvtt", "tx3g"];
    is_video(codec) || AUDIO.iter().chain(&TEXT).any(|name| starts(codec, name))
}

fn starts(codec: &str, name: &str) -> bool {
    codec
        .get(..name.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::super::playlist::{Playlist, parse};
    use super::*;

    fn multivariant(text: &str) -> Multivariant {
        match parse(format!("#EXTM3U\n{text}").as_bytes()).expect("valid") {
            Playlist::Multivariant(playlist) => playlist,
            Playlist::Media(_) => panic!("a media playlist"),
        }
    }

    #[test]
    fn the_best_storable_variant_with_its_default_audio() {
        let playlist = multivariant(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"x.m3u8\"\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"y\",DEFAULT=YES,URI=\"y.m3u8\",LANGUAGE=\"de\"\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"z\",URI=\"z.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=100,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"a\"\nlow.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"dvh1.05.06\",AUDIO=\"b\"\ndolby.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=500,CODECS=\"hvc1.1.6.L93\",AUDIO=\"a\"\nbest.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=600,CODECS=\"mp4a.40.2\"\naudio.m3u8\n",
        );
        let choice = choose(&playlist).expect("one fits");
        assert_eq!(choice.variant.uri, "best.m3u8");
        assert_eq!(
            choice.audio.and_then(|audio| audio.uri.as_deref()),
            Some("y.m3u8")
        );
    }

    #[test]
    fn audio_inside_the_variant_needs_no_playlist() {
        let playlist = multivariant(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",DEFAULT=YES\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nv\n",
        );
        assert!(choose(&playlist).expect("fits").audio.is_none());
        let none = multivariant("#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"xyz1\"\nv\n");
        assert_eq!(
            choose(&none).expect_err("no codec").kind(),
            ErrorKind::Unsupported
        );
    }
}
