//! I-frame playlists: where in which segment each key frame is.

use super::urls::{Base, all_tracks, push_tracks};
use super::{Context, container, text};
use crate::codec::Kind;
use crate::hls::options::{Container, Method};
use crate::hls::plan::Grid;
use crate::hls::refusal::Refusal;
use crate::time::{Millis, Ticks, TimeBase};

/// A key frame in its segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyFrame {
    /// The segment, from 0.
    pub segment: u32,
    /// The first byte of its first packet in the segment.
    pub offset: u64,
    /// Bytes of its packets.
    pub size: u64,
    /// When it is shown, in 90 kHz.
    pub pts: i64,
}

/// Whether the selected tracks can have an I-frame playlist: byte ranges need MPEG-TS in the clear.
///
/// # Errors
/// `BadRequest` when they can't.
pub fn check_iframes(context: &Context<'_>) -> Result<(), Refusal> {
    if context.options.encryption.method != Method::None {
        return Err(Refusal::bad_request(
            "encrypted segments have no I-frame playlist",
        ));
    }
    match container(context.options, context.picked) {
        Container::Ts => Ok(()),
        Container::Fmp4 | Container::Vtt => Err(Refusal::bad_request(
            "only MPEG-TS segments with video have an I-frame playlist",
        )),
    }
}

/// The I-frame playlist of the selected tracks, whose key frames come in order. Without video it is empty.
///
/// Each frame stands until the next is shown, the last one until the end of the video; those that stand for no time are left
/// out.
///
/// # Errors
/// Those of [`check_iframes`].
pub fn iframes(context: &Context<'_>, frames: impl IntoIterator<Item = KeyFrame>) -> Result<String, Refusal> {
    check_iframes(context)?;
    let tracks = all_tracks(context.picked);
    let mut selectors = String::new();
    let sequences = context.picked.sequences > 1 || context.options.urls.force_sequence;
    push_tracks(&mut selectors, context, sequences, &tracks);
    let mut before = String::new();
    Base::iframes(*context).push(&mut before);
    before.push_str(&context.options.urls.names.segment);
    before.push('-');
    let after = [&selectors, ".ts\n"].concat();

    let mut lines = String::new();
    let mut longest = 0;
    let mut push = |frame: &KeyFrame, end: i64| {
        let length = millis(end.saturating_sub(frame.pts));
        if length == 0 {
            return;
        }
        longest = length.max(longest);
        lines.push_str("#EXTINF:");
        text::thousandths(&mut lines, length);
        lines.push_str(",\n#EXT-X-BYTERANGE:");
        text::number(&mut lines, frame.size);
        lines.push('@');
        text::number(&mut lines, frame.offset);
        lines.push('\n');
        lines.push_str(&before);
        text::number(&mut lines, u64::from(frame.segment) + 1);
        lines.push_str(&after);
    };
    let mut start = None;
    let mut last: Option<KeyFrame> = None;
    for frame in frames {
        start.get_or_insert(frame.pts);
        if let Some(last) = last.replace(frame) {
            push(&last, frame.pts);
        }
    }
    if let (Some(start), Some(last)) = (start, last) {
        push(&last, start.saturating_add(video_length(context)));
    }

    let mut out = String::with_capacity(256 + lines.len());
    out.push_str("#EXTM3U\n#EXT-X-TARGETDURATION:");
    text::number(&mut out, target(context, longest));
    out.push_str(
        "\n#EXT-X-VERSION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-I-FRAMES-ONLY\n",
    );
    out.push_str(&lines);
    out.push_str("#EXT-X-ENDLIST\n");
    Ok(out)
}

/// How long the video is, in 90 kHz.
fn video_length(context: &Context<'_>) -> i64 {
    let length = match &context.set.timeline {
        Some(_) => context.picked.length,
        None => {
            let video = context.picked.of(Kind::Video).next();
            video.map_or(Millis::ZERO, |pick| pick.duration)
        }
    };
    let ms = Ticks(i64::try_from(length.0).unwrap_or(i64::MAX));
    ms.saturating_rescale(TimeBase::MILLIS, TimeBase::MPEG).0
}

fn millis(ticks: i64) -> u64 {
    let ms = Ticks(ticks).saturating_rescale(TimeBase::MPEG, TimeBase::MILLIS);
    u64::try_from(ms.0).unwrap_or(0)
}

fn target(context: &Context<'_>, longest: u64) -> u64 {
    if context.options.tags.exact_target {
        return (longest.saturating_add(500) / 1000).max(1);
    }
    // The configured length even where the set has its own, as the reference tells it.
    Grid::new(&context.options.segmentation)
        .longest()
        .0
        .div_ceil(1000)
}
