//! Multivariant playlists.

use super::urls::{Base, Tracks};
use super::{Context, codec as codec_of, codecs, media, only_in_fmp4, text};
use crate::codec::{Codec, Kind, Language};
use crate::hls::language;
use crate::hls::options::{ContainerChoice, Method};
use crate::hls::pick::Pick;
use crate::hls::refusal::Refusal;
use crate::hls::set::ClosedCaptions;
use crate::hls::title::TitleTrack;

/// The multivariant playlist of the selected tracks.
///
/// # Errors
/// `BadRequest` when no video or audio is selected.
pub fn master(context: &Context<'_>) -> Result<String, Refusal> {
    if context.picked.tracks.is_empty() {
        return Err(Refusal::bad_request("no video or audio track is selected"));
    }
    let master = Master::new(context);
    let mut out = String::with_capacity(1024);
    out.push_str("#EXTM3U\n");
    if master.needs_version_7() && !context.options.tags.obsolete {
        out.push_str("#EXT-X-VERSION:7\n");
    }
    if context.options.tags.independent && media::independent(context) {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    master.push_audio(&mut out);
    master.push_subtitles(&mut out);
    master.push_closed_captions(&mut out);
    let variants = master.push_variants(&mut out);
    if master.has_iframes() {
        for variant in variants {
            master.push_iframes(&mut out, &variant);
        }
    }
    Ok(out)
}

struct Master<'a> {
    context: &'a Context<'a>,
    base: Base<'a>,
    /// The renditions of audio; empty when it is only muxed with the video.
    audio: Vec<&'a Pick>,
}

/// One stream to choose: what it says of itself, and the tracks that its URL has.
struct Variant<'a> {
    video: Option<&'a Pick>,
    audio: Option<&'a Pick>,
    tracks: Vec<Tracks<'a>>,
}

impl<'a> Master<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        let mut audio = renditions(context);
        let unmuxed = context.options.unmuxed && context.picked.of(Kind::Video).next().is_some();
        if audio.len() < 2 && !unmuxed {
            audio.clear();
        }
        Self {
            context,
            base: Base::master(*context),
            audio,
        }
    }

    fn push_audio(&self, out: &mut String) {
        if self.audio.is_empty() {
            return;
        }
        let told = self.context.options.tags.audio_default;
        out.push('\n');
        for (place, pick) in self.audio.iter().enumerate() {
            let Some(track) = pick.described() else { continue };
            let group = codecs::group(track.codec());
            out.push_str("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio");
            text::number(out, group);
            out.push_str("\",NAME=");
            text::quoted(out, pick.label.as_deref().unwrap_or("default"));
            out.push(',');
            push_language(out, pick.language, false);
            push_choice(out, told, told && self.default_of(track.codec()) == Some(place));
            out.push_str(",CHANNELS=\"");
            text::number(out, track.channels().into());
            out.push_str("\",URI=\"");
            let index = &self.context.options.urls.names.index;
            self.base.push_playlist(out, index, &[Tracks::from(*pick)]);
            out.push_str("\"\n");
        }
        out.push('\n');
    }

    /// Which rendition of `codec` is the default one: that of the first sequence that says so, else the first whose sequence
    /// does not say that it isn't.
    fn default_of(&self, codec: Codec) -> Option<usize> {
        let said = |pick: &Pick| {
            let sequence = self.context.set.sequences.get(pick.sequence);
            sequence.and_then(|sequence| sequence.default)
        };
        let group = || {
            let numbered = self.audio.iter().enumerate();
            numbered.filter(move |(_, pick)| is(pick, codec))
        };
        let chosen = group().find(|(_, pick)| said(pick) == Some(true));
        let chosen = chosen.or_else(|| group().find(|(_, pick)| said(pick).is_none()));
        chosen.map(|(place, _)| place)
    }

    fn push_subtitles(&self, out: &mut String) {
        if self.context.picked.captions.is_empty() {
            return;
        }
        let obsolete = self.context.options.tags.obsolete;
        out.push('\n');
        for (place, captions) in self.context.picked.captions.iter().enumerate() {
            out.push_str("#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs0\",NAME=");
            text::quoted(out, captions.label.as_deref().unwrap_or("default"));
            out.push(',');
            let sequence = self.context.set.sequences.get(captions.sequence);
            let told = sequence.and_then(|sequence| sequence.language);
            push_language(out, captions.language, told.is_none() && obsolete);
            let default = sequence.and_then(|sequence| sequence.default);
            let default = default.unwrap_or(place == 0);
            push_choice(out, default, default);
            out.push_str(",URI=\"");
            let index = &self.context.options.urls.names.index;
            self.base
                .push_playlist(out, index, &[Tracks::of(captions.sequence)]);
            out.push_str("\"\n");
        }
        out.push('\n');
    }

    fn closed_captions(&self) -> &'a [ClosedCaptions] {
        self.context.set.closed_captions.as_deref().unwrap_or_default()
    }

    fn push_closed_captions(&self, out: &mut String) {
        let captions = self.closed_captions();
        let obsolete = self.context.options.tags.obsolete;
        for (place, captions) in captions.iter().enumerate() {
            out.push_str("#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc0\",NAME=");
            text::quoted(out, &captions.label);
            out.push(',');
            push_language(out, captions.language, obsolete);
            let default = captions.default.unwrap_or(place == 0);
            push_choice(out, default, default);
            out.push_str(",INSTREAM-ID=");
            text::quoted(out, &captions.id);
            out.push('\n');
        }
        if !captions.is_empty() {
            out.push('\n');
        }
    }

    /// `INSTREAM-ID` of CEA-708 came with version 7 (RFC 8216, 7).
    fn needs_version_7(&self) -> bool {
        let mut captions = self.closed_captions().iter();
        captions.any(|captions| captions.id.starts_with("SERVICE"))
    }

    /// The streams to choose, once for each codec of the audio renditions. Gives those of the first.
    fn push_variants(&self, out: &mut String) -> Vec<Variant<'a>> {
        let mut codecs: Vec<Option<Codec>> = Vec::new();
        for pick in &self.audio {
            let codec = codec_of(pick);
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        if codecs.is_empty() {
            codecs.push(None);
        }
        let mut first = None;
        for codec in codecs {
            let variants = self.variants(codec);
            for variant in &variants {
                self.push_variant(out, variant, codec);
            }
            out.push('\n');
            first.get_or_insert(variants);
        }
        first.unwrap_or_default()
    }

    /// The streams to choose. With `codec` their audio is that of the renditions of this codec.
    fn variants(&self, codec: Option<Codec>) -> Vec<Variant<'a>> {
        let picked = self.context.picked;
        let group = codec.and_then(|codec| self.audio.iter().copied().find(|pick| is(pick, codec)));
        let mut variants = Vec::new();
        for sequence in 0..self.context.set.sequences.len() {
            let own = self.own_audio(sequence, codec);
            let mut videos = picked
                .of(Kind::Video)
                .filter(|pick| pick.sequence == sequence)
                .peekable();
            if videos.peek().is_none() && codec.is_none() {
                variants.extend(own.map(Variant::audio));
            }
            for video in videos {
                let played = own.or(group).or_else(|| picked.of(Kind::Audio).next());
                let options = self.context.options;
                let apart = (options.unmuxed || options.tags.audio_default) && codec.is_some();
                let mut tracks = vec![Tracks::from(video)];
                tracks.extend(played.filter(|_| !apart).map(Tracks::from));
                variants.push(Variant {
                    video: Some(video),
                    audio: group.or(played),
                    tracks,
                });
            }
        }
        if variants.is_empty() {
            variants.extend(group.map(Variant::audio));
        }
        variants
    }

    /// The longest audio track of a sequence, of `codec` when given.
    fn own_audio(&self, sequence: usize, codec: Option<Codec>) -> Option<&'a Pick> {
        let audio = self.context.picked.of(Kind::Audio);
        let audio = audio.filter(|pick| pick.sequence == sequence);
        let audio = audio.filter(|pick| codec.is_none_or(|codec| is(pick, codec)));
        audio.reduce(|longest, pick| match pick.duration > longest.duration {
            true => pick,
            false => longest,
        })
    }

    fn push_variant(&self, out: &mut String, variant: &Variant<'_>, codec: Option<Codec>) {
        let tags = &self.context.options.tags;
        let video = variant.video.and_then(|pick| Some((pick, pick.described()?)));
        let audio = variant.audio.and_then(|pick| Some((pick, pick.described()?)));
        let picks = || [variant.video, variant.audio].into_iter().flatten();

        out.push_str("#EXT-X-STREAM-INF:");
        if tags.obsolete {
            out.push_str("PROGRAM-ID=1,");
        }
        out.push_str("BANDWIDTH=");
        let bitrates = picks().map(|pick| pick.bitrate);
        text::number(out, bitrates.fold(0, u64::saturating_add));
        if let Some((_, track)) = video {
            push_resolution(out, track);
            if let Some(rate) = 90_000_000_u64.checked_div(track.frame_duration) {
                out.push_str(",FRAME-RATE=");
                text::thousandths(out, rate);
            }
        }
        out.push_str(",CODECS=\"");
        for (place, (_, track)) in video.iter().chain(&audio).enumerate() {
            if place > 0 {
                out.push(',');
            }
            codecs::push(out, track);
        }
        out.push('"');
        let average = picks().map(|pick| pick.average_bitrate.unwrap_or(0));
        if picks()
            .next()
            .and_then(|pick| pick.average_bitrate)
            .is_some_and(|rate| rate > 0)
        {
            out.push_str(",AVERAGE-BANDWIDTH=");
            text::number(out, average.fold(0, u64::saturating_add));
        }
        if let Some((_, track)) = video {
            push_range(out, track, tags.hlg);
        }
        if let Some(codec) = codec {
            out.push_str(",AUDIO=\"audio");
            text::number(out, codecs::group(codec));
            out.push('"');
        }
        if !self.context.picked.captions.is_empty() {
            out.push_str(",SUBTITLES=\"subs0\"");
        }
        match self.context.set.closed_captions.as_deref() {
            Some([]) => out.push_str(",CLOSED-CAPTIONS=NONE"),
            Some(_) => out.push_str(",CLOSED-CAPTIONS=\"cc0\""),
            None => {}
        }
        out.push('\n');
        let index = &self.context.options.urls.names.index;
        self.base.push_playlist(out, index, &variant.tracks);
        out.push('\n');
    }

    /// Whether I-frame playlists can be told at all: they are byte ranges of MPEG-TS in the clear, of one clip.
    fn has_iframes(&self) -> bool {
        let options = self.context.options;
        options.iframes_playlist
            && options.container != ContainerChoice::Fmp4
            && options.encryption.method == Method::None
            && self.context.set.clip_count() == 1
    }

    fn push_iframes(&self, out: &mut String, variant: &Variant<'_>) {
        let options = self.context.options;
        let Some(track) = variant.video.and_then(Pick::described) else {
            return;
        };
        let Some(bitrate) = track.key_bitrate else { return };
        let packed = match options.container {
            ContainerChoice::Auto => {
                let mut picks = variant.tracks.iter().filter_map(Tracks::pick);
                track.codec() == Codec::H264 && !picks.any(|pick| only_in_fmp4(options, pick))
            }
            _ => matches!(track.codec(), Codec::H264 | Codec::Hevc),
        };
        if !packed || !codecs::four_byte_lengths(track) {
            return;
        }
        out.push_str("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=");
        text::number(out, bitrate);
        push_resolution(out, track);
        out.push_str(",CODECS=\"");
        codecs::push(out, track);
        out.push_str("\",URI=\"");
        self.base
            .push_playlist(out, &options.urls.names.iframes, &variant.tracks);
        out.push('"');
        push_range(out, track, options.tags.hlg);
        out.push('\n');
    }
}

impl<'a> Variant<'a> {
    /// Audio alone.
    fn audio(pick: &'a Pick) -> Self {
        Self {
            video: None,
            audio: Some(pick),
            tracks: vec![Tracks::from(pick)],
        }
    }
}

/// The audio tracks that can be renditions: the first of each codec, or where labels tell tracks apart the first of each
/// codec and label.
fn renditions<'a>(context: &'a Context<'a>) -> Vec<&'a Pick> {
    let label = |pick: &'a Pick| pick.label.as_deref().filter(|label| !label.is_empty());
    let mut labels = context.picked.of(Kind::Audio).filter_map(label);
    let first = labels.next();
    let told_apart = labels.any(|label| Some(label) != first);
    let mut renditions: Vec<&'a Pick> = Vec::new();
    for pick in context.picked.of(Kind::Audio) {
        let same =
            |other: &&Pick| codec_of(pick) == codec_of(other) && (!told_apart || pick.label == other.label);
        let told = !told_apart || label(pick).is_some();
        if told && !renditions.iter().any(same) {
            renditions.push(pick);
        }
    }
    renditions
}

fn is(pick: &Pick, codec: Codec) -> bool {
    codec_of(pick) == Some(codec)
}

/// With `whole` the language keeps its three letters, as the reference tells it where no mapping gave it.
fn push_language(out: &mut String, language: Option<Language>, whole: bool) {
    let Some(language) = &language else { return };
    out.push_str("LANGUAGE=");
    text::quoted(
        out,
        if whole {
            language.as_str()
        } else {
            language::tag(language)
        },
    );
    out.push(',');
}

fn push_choice(out: &mut String, automatic: bool, default: bool) {
    let yes = |choice| if choice { "YES" } else { "NO" };
    out.push_str("AUTOSELECT=");
    out.push_str(yes(automatic));
    out.push_str(",DEFAULT=");
    out.push_str(yes(default));
}

fn push_resolution(out: &mut String, track: &TitleTrack) {
    let (width, height) = track.size();
    out.push_str(",RESOLUTION=");
    text::number(out, width.into());
    out.push('x');
    text::number(out, height.into());
}

fn push_range(out: &mut String, track: &TitleTrack, hlg: bool) {
    if let Some(range) = codecs::range(track, hlg) {
        out.push_str(",VIDEO-RANGE=");
        out.push_str(range);
    }
}
