//! The text of playlists: multivariant, media and I-frame (RFC 8216), to the byte as the reference writes them with its options.

mod codecs;
mod iframes;
mod key;
mod language;
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
use super::pick::Picked;
use super::set::Set;
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
/// H.264 is in fMP4 unless the options say otherwise.
pub fn container(options: &Options, picked: &Picked) -> Container {
    let Some(first) = picked.tracks.first() else {
        return Container::Vtt;
    };
    match options.container {
        ContainerChoice::Ts => Container::Ts,
        ContainerChoice::Fmp4 => Container::Fmp4,
        ContainerChoice::Auto => match first.described().map(|track| track.codec()) {
            Some(Codec::Hevc | Codec::Av1 | Codec::Vp9) => Container::Fmp4,
            _ => Container::Ts,
        },
    }
}
