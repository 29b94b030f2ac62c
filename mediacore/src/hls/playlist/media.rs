//! Media playlists.

use super::urls::{Base, all_tracks, push_tracks};
use super::{Context, Key, container, key, text};
use crate::codec::Kind;
use crate::hls::options::{Container, Method, Options};
use crate::hls::plan::{self, Grid, Segments};
use crate::hls::refusal::Refusal;

/// The media playlist of the selected tracks, which lists `segments`.
///
/// # Errors
/// `BadRequest` when nothing is selected.
pub fn media(context: &Context<'_>, key: &Key<'_>, segments: &Segments) -> Result<String, Refusal> {
    let Context {
        set, options, picked, ..
    } = *context;
    if picked.is_empty() && !options.mirrored.empty_files {
        return Err(Refusal::bad_request("no track is selected"));
    }
    let container = container(options, picked);
    let tracks = all_tracks(picked);
    let mut selectors = String::new();
    let sequences = picked.sequences > 1 || options.urls.force_sequence;
    push_tracks(&mut selectors, context, sequences, &tracks);
    let mut base = String::new();
    Base::segments(*context).push(&mut base);
    let clips = set
        .timeline
        .as_ref()
        .is_some_and(|timeline| timeline.discontinuity);
    let map = Map {
        base: &base,
        name: &options.urls.names.init,
        selectors: &selectors,
        clips,
    };

    let before = [&base, &options.urls.names.segment, "-"].concat();
    let extension = match container {
        Container::Ts => ".ts\n",
        Container::Fmp4 => ".m4s\n",
        Container::Vtt => ".vtt\n",
    };
    let after = [&selectors, extension].concat();
    let line = before.len() + after.len() + "#EXTINF:0000.000,\n00000".len();
    let mut out = String::with_capacity(1024 + line.saturating_mul(segments.entries.len()));

    out.push_str("#EXTM3U\n#EXT-X-TARGETDURATION:");
    text::number(&mut out, target(context, segments));
    if options.tags.obsolete {
        out.push_str("\n#EXT-X-ALLOW-CACHE:YES");
    }
    out.push_str("\n#EXT-X-PLAYLIST-TYPE:VOD\n");
    if container != Container::Vtt {
        key::push(&mut out, context, container, key);
    }
    out.push_str("#EXT-X-VERSION:");
    text::number(&mut out, version(options, container));
    out.push_str("\n#EXT-X-MEDIA-SEQUENCE:");
    let first = segments.entries.first().map_or(0, |entry| entry.number);
    text::number(&mut out, u64::from(first) + 1);
    out.push('\n');
    if options.tags.independent && independent(context) {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    if container == Container::Fmp4 {
        map.push(&mut out, segments.entries.first().map_or(0, |entry| entry.clip));
    }
    for entry in &segments.entries {
        if entry.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
            if container == Container::Fmp4 {
                map.push(&mut out, entry.clip);
            }
        }
        out.push_str("#EXTINF:");
        text::thousandths(&mut out, segments.millis(entry).0);
        out.push_str(",\n");
        out.push_str(&before);
        text::number(&mut out, u64::from(entry.number) + 1);
        out.push_str(&after);
    }
    out.push_str("#EXT-X-ENDLIST\n");
    Ok(out)
}

/// `EXT-X-MAP` of one clip.
struct Map<'a> {
    base: &'a str,
    name: &'a str,
    selectors: &'a str,
    /// Clips are numbered in names.
    clips: bool,
}

impl Map<'_> {
    fn push(&self, out: &mut String, clip: u32) {
        out.push_str("#EXT-X-MAP:URI=\"");
        out.push_str(self.base);
        out.push_str(self.name);
        if self.clips {
            out.push_str("-c");
            text::number(out, u64::from(clip) + 1);
        }
        out.push_str(self.selectors);
        out.push_str(".mp4\"\n");
    }
}

/// `EXT-X-TARGETDURATION`: no segment's duration, rounded to seconds, is above it.
fn target(context: &Context<'_>, segments: &Segments) -> u64 {
    let longest = segments.longest().0.saturating_add(500) / 1000;
    if context.options.tags.exact_target {
        return longest.max(1);
    }
    let segmentation = plan::segmentation(context.set, &context.options.segmentation);
    let nominal = Grid::new(&segmentation).longest().0.saturating_add(500) / 1000;
    longest.max(nominal)
}

fn version(options: &Options, container: Container) -> u64 {
    let encryption = &options.encryption;
    let formats = encryption.key_format.is_some() || encryption.key_format_versions.is_some();
    match (container, encryption.method) {
        (Container::Vtt, _) => 3,
        (Container::Fmp4, _) => 6,
        (Container::Ts, Method::SampleAes) => 5,
        (Container::Ts, Method::Aes128) if formats => 5,
        (Container::Ts, _) => 3,
    }
}

/// Whether decoding can start with every segment: without video always, with video when segments start at its sync samples.
pub(super) fn independent(context: &Context<'_>) -> bool {
    let mut video = context.picked.of(Kind::Video);
    context.options.segmentation.align
        || video.all(|pick| {
            let index = pick.described().and_then(|track| pick.title.samples(track));
            index.is_some_and(|index| index.all_sync())
        })
}
