//! URLs in playlists: what they start with, and the track selectors in their file names.

use super::{Context, text};
use crate::codec::Kind;
use crate::hls::pick::{Pick, Picked};

/// What URLs of a playlist start with, the request's own directory behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    context: Context<'a>,
    origin: &'a str,
}

impl<'a> Base<'a> {
    /// For URLs in multivariant playlists.
    pub(super) fn master(context: Context<'a>) -> Self {
        Self::new(context, context.options.urls.absolute_master, None)
    }

    /// For the key in media playlists.
    pub(super) fn index(context: Context<'a>) -> Self {
        Self::new(context, context.options.urls.absolute_index, None)
    }

    /// For segments in media playlists.
    pub(super) fn segments(context: Context<'a>) -> Self {
        let own = context.options.urls.segments_base.as_deref();
        Self::new(context, context.options.urls.absolute_index, own)
    }

    /// For segments in I-frame playlists.
    pub(super) fn iframes(context: Context<'a>) -> Self {
        let own = context.options.urls.segments_base.as_deref();
        let absolute = context.options.urls.absolute_iframes;
        Self::new(context, absolute, own.filter(|_| absolute))
    }

    fn new(context: Context<'a>, absolute: bool, own: Option<&'a str>) -> Self {
        let shared = context.options.urls.base.as_deref();
        let origin = match (own, absolute) {
            (Some(own), _) => own,
            (None, true) => shared.unwrap_or(context.request.origin),
            (None, false) => "",
        };
        Self { context, origin }
    }

    /// Appends what stands before a file name in the request's own directory.
    pub(super) fn push(&self, out: &mut String) {
        self.push_with(out, self.context.request.directory);
    }

    /// Appends what stands before a file name in `directory`.
    fn push_with(&self, out: &mut String, directory: &str) {
        out.push_str(self.origin);
        if self.origin.is_empty() || self.origin.ends_with('/') {
            return;
        }
        if !directory.starts_with('/') {
            out.push('/');
        }
        text::path(out, directory);
        if !directory.ends_with('/') {
            out.push('/');
        }
    }

    /// Appends the URL of a playlist of some tracks: `prefix` is the first part of its name.
    ///
    /// Tracks of one file of a multi URI have that file's URL, without a selector of the sequence.
    pub(super) fn push_playlist(&self, out: &mut String, prefix: &str, tracks: &[Tracks<'_>]) {
        let own = match tracks {
            [first, rest @ ..] if rest.iter().all(|track| track.sequence == first.sequence) => {
                self.own_uri(first.sequence)
            }
            _ => None,
        };
        let named = !self.origin.is_empty() && !self.origin.ends_with('/');
        match own.filter(|_| named) {
            Some(uri) => {
                self.push_with(out, uri);
                out.push_str(prefix);
                push_tracks(out, &self.context, false, tracks);
            }
            None => {
                self.push(out);
                out.push_str(prefix);
                push_tracks(out, &self.context, self.context.picked.sequences > 1, tracks);
            }
        }
        out.push_str(".m3u8");
    }

    /// The URI that stands for this sequence and for no other.
    fn own_uri(&self, sequence: usize) -> Option<&'a str> {
        let sequences = &self.context.set.sequences;
        let uri = sequences.get(sequence)?.uri.as_str();
        let same = sequences.iter().filter(|other| other.uri == uri).count();
        (same == 1 && !uri.is_empty()).then_some(uri)
    }
}

/// A track, or the subtitles, of a sequence as names select it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracks<'a> {
    sequence: usize,
    track: Option<&'a Pick>,
}

impl<'a> From<&'a Pick> for Tracks<'a> {
    fn from(pick: &'a Pick) -> Self {
        Self {
            sequence: pick.sequence,
            track: Some(pick),
        }
    }
}

impl<'a> Tracks<'a> {
    /// The track; `None` for subtitles.
    pub(super) fn pick(&self) -> Option<&'a Pick> {
        self.track
    }

    /// The only file of a sequence.
    pub(super) fn of(sequence: usize) -> Self {
        Self {
            sequence,
            track: None,
        }
    }
}

/// All selected tracks, as names select them.
pub(super) fn all_tracks(picked: &Picked) -> Vec<Tracks<'_>> {
    let tracks = picked.tracks.iter().map(Tracks::from);
    let captions = picked
        .captions
        .iter()
        .map(|captions| Tracks::of(captions.sequence));
    match picked.tracks.is_empty() {
        true => captions.collect(),
        false => tracks.collect(),
    }
}

/// Appends the selectors of `tracks`, those of sequences too when `sequences`: `-f1-v1-a1`.
pub(super) fn push_tracks(out: &mut String, context: &Context<'_>, sequences: bool, tracks: &[Tracks<'_>]) {
    let mut last = None;
    for track in tracks {
        if sequences && last != Some(track.sequence) {
            push_sequence(out, context, track.sequence);
        }
        last = Some(track.sequence);
        if let Some(pick) = track.track {
            out.push_str(match pick.kind() {
                Kind::Video => "-v",
                Kind::Audio => "-a",
            });
            text::number(out, pick.number.into());
        }
    }
}

/// Appends the selector of a sequence: `-f1`, or `-s<id>` when it has a short id.
pub(super) fn push_sequence(out: &mut String, context: &Context<'_>, place: usize) {
    let sequence = context.set.sequences.get(place);
    match sequence.and_then(Picked::id_in_names) {
        Some(id) => {
            out.push_str("-s");
            text::path(out, id);
        }
        None => {
            out.push_str("-f");
            text::number(out, (place as u64).saturating_add(1));
        }
    }
}
