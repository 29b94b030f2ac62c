//! The text of playlists: multivariant, media and I-frame (RFC 8216), to the byte as the reference writes them with its options.

mod codecs;
mod iframes;
mod key;
mod master;
mod media;
#[cfg(test)]
mod tests;
mod text;
mod urls;

pub use iframes::{KeyFrame, check_iframes, iframes};
pub use key::Key;
pub use master::master;
pub use media::media;

use super::options::{Container, ContainerChoice, Options};
use super::packager::Request;
use super::pick::{Pick, Picked};
use super::set::Set;
use super::title::TitleTrack;
use crate::codec::Codec;

/// The MIME type of all playlists.
pub const CONTENT_TYPE: &str = "application/vnd.apple.mpegurl";

/// What a playlist is made from.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The set.
    pub set: &'a Set,
    /// The location's options.
    pub options: &'a Options,
    /// The selected tracks.
    pub picked: &'a Picked,
    /// The request.
    pub request: &'a Request<'a>,
}

/// The container that playlists name for the segments of the selected tracks: subtitles alone are WebVTT; video that is not
/// H.264, and audio that MPEG-TS has no place for, is in fMP4 unless the options say otherwise.
pub fn container(options: &Options, picked: &Picked) -> Container {
    let Some(first) = picked.tracks.first() else {
        return Container::Vtt;
    };
    match options.container {
        ContainerChoice::Ts => Container::Ts,
        ContainerChoice::Fmp4 => Container::Fmp4,
        ContainerChoice::Auto => {
            let video = matches!(codec(first), Some(Codec::Hevc | Codec::Av1 | Codec::Vp9));
            let audio = || picked.tracks.iter().any(|pick| only_in_fmp4(options, pick));
            match video || audio() {
                true => Container::Fmp4,
                false => Container::Ts,
            }
        }
    }
}

/// Whether this is audio that MPEG-TS has no place for. The reference names MPEG-TS all the same.
fn only_in_fmp4(options: &Options, pick: &Pick) -> bool {
    match codec(pick) {
        Some(Codec::Opus) => true,
        Some(Codec::Flac) => !options.tags.obsolete,
        _ => false,
    }
}

fn codec(pick: &Pick) -> Option<Codec> {
    pick.described().map(TitleTrack::codec)
}
