//! [`Packager`]: from a parsed request and its set to the answer.

use std::borrow::Cow;

use bytes::Bytes;

use super::frames::Segment;
use super::name::{Name, What};
use super::options::{Container, Durations, Method, Options};
use super::pick::{self, File, Open, Pick, Picked};
use super::plan::{self, Cuts, Place, Segments, SyncSamples};
use super::playlist::{self, KeyFrame};
use super::refusal::{Reason, Refusal};
use super::select::{self, Selection};
use super::set::{ClipSource, Set, TrackMask};
use super::spans::{ClipSpan, Spans};
use super::template::Variables;
use super::{captions, crypt, fmp4, ts};
use crate::codec::Kind;
use crate::layout::Layout;
use crate::time::Millis;

/// A packaging location: options that every request to it shares.
#[derive(Clone, Debug)]
pub struct Packager {
    options: Options,
}

/// One request as the packager needs it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The parsed file name.
    pub name: &'a Name,
    /// The directory part of the path as it was asked for, decoded, with its path parameters: `/loc/a.mp4`.
    pub directory: &'a str,
    /// `http://host` or `https://host` as the client wrote it; empty when it sent no host.
    pub origin: &'a str,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The MIME type.
    pub content_type: &'static str,
    /// The body, its length known.
    pub body: Layout,
}

impl Packager {
    /// A location with these options.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Answers one request. Opens the files that it needs through `open`, no others.
    ///
    /// Media is not read, except for the lengths of NAL units where the file has them in fewer than four bytes, and where
    /// SAMPLE-AES in MPEG-TS makes the length depend on the bytes.
    ///
    /// # Errors
    /// A [`Refusal`] with the reference's reason.
    pub fn answer(&self, request: &Request<'_>, set: &Set, open: &dyn Open) -> Result<Answer, Refusal> {
        let spans = Spans::of(set)?;
        let mut set = Cow::Borrowed(set);
        if spans.timeline != set.timeline {
            set.to_mut().timeline.clone_from(&spans.timeline);
        }
        let work = Work {
            options: &self.options,
            request,
            set: &set,
            spans: &spans,
            open,
        };
        match request.name.what {
            What::Master => work.master(),
            What::Index => work.index(),
            What::Iframes => work.iframes(),
            What::Key => work.key(),
            What::Init { clip } => work.init(clip),
            What::Segment { container, number } => work.segment(container, number),
        }
    }
}

/// One request with all that it is answered from.
struct Work<'a> {
    options: &'a Options,
    request: &'a Request<'a>,
    set: &'a Set,
    spans: &'a Spans,
    open: &'a dyn Open,
}

impl Work<'_> {
    fn picked(&self, span: ClipSpan) -> Result<Picked, Refusal> {
        pick::pick(
            self.request.name,
            self.set,
            self.spans,
            span,
            self.options,
            self.open,
        )
    }

    fn described(&self) -> Result<Picked, Refusal> {
        self.picked(self.spans.reference(self.set)?)
    }

    fn context<'b>(&'b self, picked: &'b Picked) -> playlist::Context<'b> {
        playlist::Context {
            set: self.set,
            options: self.options,
            picked,
            request: self.request,
        }
    }

    fn selection(&self) -> Selection<'_> {
        Selection {
            name: self.request.name,
            set: self.set,
            spans: self.spans,
            options: self.options,
            open: self.open,
            as_declared: false,
        }
    }

    fn master(&self) -> Result<Answer, Refusal> {
        let picked = self.described()?;
        Ok(playlist_of(playlist::master(&self.context(&picked))?))
    }

    fn index(&self) -> Result<Answer, Refusal> {
        let picked = self.described()?;
        let encryption = &self.options.encryption;
        // The reference knows no path where it fills in a key's URI.
        let uri = encryption
            .key_uri
            .as_ref()
            .map(|uri| uri.expand(&Variables::default()));
        let key = playlist::Key {
            iv: (encryption.method != Method::None).then(|| self.fixed_iv()),
            uri: uri.as_deref(),
        };
        let segments = self.segments(&picked)?;
        Ok(playlist_of(playlist::media(
            &self.context(&picked),
            &key,
            &segments,
        )?))
    }

    fn iframes(&self) -> Result<Answer, Refusal> {
        let picked = self.described()?;
        let context = self.context(&picked);
        playlist::check_iframes(&context)?;
        let segments = self.segments(&picked)?;
        let mut frames: Vec<KeyFrame> = Vec::new();
        let mut found = Vec::new();
        let mirrored = self.options.mirrored.iframes;
        let set = if mirrored {
            self.last_files()?
        } else {
            Cow::Borrowed(self.set)
        };
        let selection = Selection {
            set: &set,
            as_declared: mirrored,
            ..self.selection()
        };
        let mut options = Cow::Borrowed(&self.options.ts);
        if picked.of(Kind::Video).next().is_some() {
            for entry in &segments.entries {
                let places = self.places(entry.number, picked.length)?;
                let segment = select::segment(&selection, entry.number, &places)?;
                found.clear();
                ts::key_frames(&segment, &options, &mut found)?;
                if mirrored && options.id3 {
                    options.to_mut().id3 = false;
                    options.to_mut().announce_id3 = true;
                }
                frames.extend(found.iter().map(|key| KeyFrame {
                    segment: entry.number,
                    offset: key.offset,
                    size: key.size,
                    pts: key.pts,
                }));
            }
        }
        Ok(playlist_of(playlist::iframes(&context, frames)?))
    }

    /// The set as the reference sees it for I-frame playlists: of files that are played as one clip, only the last.
    fn last_files(&self) -> Result<Cow<'_, Set>, Refusal> {
        let mut set = Cow::Borrowed(self.set);
        let span = self.spans.reference(self.set)?;
        for (place, sequence) in self.set.sequences.iter().enumerate() {
            for (number, clip) in sequence.clips.iter().enumerate() {
                if let ClipSource::Concat { .. } = clip.source {
                    let path = span.described(clip)?.path.to_owned();
                    let clips = set
                        .to_mut()
                        .sequences
                        .get_mut(place)
                        .map(|sequence| &mut sequence.clips);
                    if let Some(clip) = clips.and_then(|clips| clips.get_mut(number)) {
                        clip.source = ClipSource::File(path);
                    }
                }
            }
        }
        Ok(set)
    }

    fn key(&self) -> Result<Answer, Refusal> {
        if self.options.encryption.method == Method::None {
            return Err(Refusal::bad_request(
                "nothing is encrypted here, so there is no key",
            ));
        }
        self.described()?;
        Ok(Answer {
            content_type: "application/octet-stream",
            body: Bytes::copy_from_slice(&self.secret_key()).into(),
        })
    }

    fn init(&self, clip: Option<u32>) -> Result<Answer, Refusal> {
        let numbered = clip.and_then(|clip| self.spans.clips.get(usize::try_from(clip).ok()?));
        let picked = match numbered {
            Some(span) => self.picked(*span)?,
            None => self.described()?,
        };
        if picked.tracks.is_empty() {
            return Err(Refusal::bad_request("subtitles have no initialisation segment"));
        }
        let tracks: Vec<_> = picked.tracks.iter().filter_map(Pick::described).collect();
        let listed = match self.options.segmentation.length {
            super::options::LengthPolicy::Max => picked.length,
            super::options::LengthPolicy::Min => picked.shortest,
        };
        let version = self.request.name.version;
        let body = Bytes::from(fmp4::init(&tracks, listed, version, self.protection().as_ref()));
        let video = picked.of(Kind::Video).next().is_some();
        let body = match self.options.encryption.method {
            Method::Aes128 => crypt::encrypt(body.into(), self.secret_key(), self.fixed_iv()),
            Method::None | Method::SampleAes => body.into(),
        };
        Ok(Answer {
            content_type: if video { "video/mp4" } else { "audio/mp4" },
            body,
        })
    }

    fn segment(&self, container: Container, number: u32) -> Result<Answer, Refusal> {
        if container == Container::Vtt {
            return self.captions(number);
        }
        let length = match &self.set.timeline {
            // Only the files of the segment itself are opened then.
            Some(timeline) => timeline
                .durations
                .iter()
                .fold(Millis::ZERO, |sum, clip| sum.saturating_add(*clip)),
            None => self.described()?.length,
        };
        let places = self.places(number, length)?;
        let segment = select::segment(&self.selection(), number, &places)?;
        match container {
            Container::Fmp4 => self.fmp4(&segment),
            Container::Ts | Container::Vtt => self.ts(&segment),
        }
    }

    fn segments(&self, picked: &Picked) -> Result<Segments, Refusal> {
        let sequence = picked.tracks.first().map_or(0, |pick| pick.sequence);
        let mut keys = plan::told_keys(self.set, sequence);
        if keys.is_empty() && self.clips_are_cut_at_samples() {
            keys = (0..self.spans.clips.len()).map(|clip| self.cuts(clip)).collect();
        }
        plan::segments(self.set, self.options, picked, &keys)
    }

    fn places(&self, number: u32, length: Millis) -> Result<Vec<Place>, Refusal> {
        let segmentation = plan::segmentation(self.set, &self.options.segmentation);
        let selected = pick::selected(self.request.name, self.set)?;
        let first = selected
            .first()
            .map_or(0, |(sequence, _): &(usize, TrackMask)| *sequence);
        let timeline = self.set.timeline.as_ref();
        let mut keys = plan::told_keys(self.set, first);
        if keys.is_empty() && self.clips_are_cut_at_samples() {
            // Only the clips that the segment lies in are opened.
            let nominal = plan::place(number, timeline, length, &segmentation)?;
            let clips = self.spans.clips.len();
            keys = (0..clips)
                .map(|clip| {
                    let lies_there = nominal.iter().any(|place| place.clip == clip);
                    lies_there.then(|| self.cuts(clip)).flatten()
                })
                .collect();
        }
        plan::place_at_keys(number, timeline, length, &segmentation, &keys)
    }

    /// Whether the clips of a timeline are cut where their samples say, in playlists too.
    fn clips_are_cut_at_samples(&self) -> bool {
        let segmentation = &self.options.segmentation;
        self.set.timeline.is_some()
            && segmentation.align
            && segmentation.durations == Durations::Accurate
            && !self.options.mirrored.grid_of_clips
    }

    /// Where clip `clip` of what is left of the set may be cut; `None` where the grid says it: without video, where every sample is a
    /// sync sample, and for several files that are played as one. What can't be opened says why when its segments are asked for.
    fn cuts(&self, clip: usize) -> Option<Cuts<'_>> {
        let span = self.spans.clips.get(clip)?;
        let selected = pick::selected(self.request.name, self.set).ok()?;
        selected.into_iter().find_map(|(sequence, mask)| {
            let clip = span.clip(self.set.sequences.get(sequence)?).ok()?;
            let ClipSource::File(path) = &clip.source else {
                return None;
            };
            let File::Title(title) = self.open.open(path).ok()? else {
                return None;
            };
            let mask = mask.and(clip.tracks);
            let (track, ..) =
                pick::numbered(&title, self.request.name.what, self.options).find(|(_, number, track)| {
                    let led = || title.samples(track).is_some_and(|index| !index.all_sync());
                    track.kind() == Kind::Video && pick::in_mask(mask, Kind::Video, *number) && led()
                })?;
            Some(Cuts::Samples(SyncSamples {
                track,
                from: span.from.saturating_add(clip.from),
                edit_list: !self.options.ignore_edit_list,
                title,
            }))
        })
    }

    fn ts(&self, segment: &Segment) -> Result<Answer, Refusal> {
        let options = &self.options.ts;
        let iv = crypt::segment_iv(segment.number);
        let method = self.options.encryption.method;
        let cipher = (method == Method::SampleAes).then(|| crypt::SampleCipher::new(self.secret_key(), iv));
        let mut body = Layout::new();
        body.push_made(ts::Mux::new(segment, options, cipher)?);
        if method == Method::Aes128 {
            body = crypt::encrypt(body, self.secret_key(), iv);
        }
        Ok(Answer {
            content_type: "video/MP2T",
            body,
        })
    }

    fn fmp4(&self, segment: &Segment) -> Result<Answer, Refusal> {
        let version = self.request.name.version;
        let moved = self.options.mirrored.moved_fragments;
        let body = fmp4::segment(segment, version, moved, self.protection().as_ref())?;
        let video = segment.streams.iter().any(|stream| stream.kind() == Kind::Video);
        let body = match self.options.encryption.method {
            Method::Aes128 => crypt::encrypt(body, self.secret_key(), self.fixed_iv()),
            Method::None | Method::SampleAes => body,
        };
        Ok(Answer {
            content_type: if video { "video/mp4" } else { "audio/mp4" },
            body,
        })
    }

    fn captions(&self, number: u32) -> Result<Answer, Refusal> {
        let picked = self.described()?;
        let Some(found) = picked.captions.first() else {
            return Err(Refusal::new(Reason::NoStreams, "no subtitles are selected"));
        };
        let mut text: Option<String> = None;
        for place in self.places(number, picked.length)? {
            let from = found.from.saturating_add(place.from);
            let to = place
                .to
                .map_or(Millis(u64::MAX), |to| found.from.saturating_add(to));
            let shift = captions::Shift {
                earlier: found.from,
                later: found.later,
            };
            text = Some(found.captions.segment(from..to, shift));
        }
        let Some(text) = text else {
            return Err(Refusal::new(
                Reason::NoStreams,
                format!("no subtitles in segment {}", u64::from(number) + 1),
            ));
        };
        Ok(Answer {
            content_type: "text/vtt",
            body: Bytes::from(text).into(),
        })
    }
}

/// Keys.
impl Work<'_> {
    fn protection(&self) -> Option<fmp4::Protection> {
        (self.options.encryption.method == Method::SampleAes).then(|| fmp4::Protection {
            key: self.secret_key(),
            // As the reference has it; a constant IV is no secret, and the key is the media's own.
            iv: match self.options.encryption.iv_seed {
                Some(_) => self.fixed_iv(),
                None => [0; 16],
            },
        })
    }

    fn variables(&self) -> Variables<'_> {
        let uri = self
            .set
            .sequences
            .first()
            .map_or("", |sequence| sequence.uri.as_str());
        Variables {
            file: uri,
            uri,
            set: self.set.id.as_deref().unwrap_or_default(),
        }
    }

    fn secret_key(&self) -> [u8; 16] {
        let secret = self.options.encryption.secret.as_ref();
        match secret {
            Some(secret) => crypt::key(&secret.expand(&self.variables())),
            None => crypt::key(self.variables().uri),
        }
    }

    /// The same for all media of a location: the reference fills in no variable here.
    fn fixed_iv(&self) -> [u8; 16] {
        let encryption = &self.options.encryption;
        match encryption.iv_seed.as_ref().or(encryption.secret.as_ref()) {
            Some(seed) => crypt::fixed_iv(&seed.expand(&Variables::default())),
            None => crypt::fixed_iv(self.variables().uri),
        }
    }
}

fn playlist_of(text: String) -> Answer {
    Answer {
        content_type: playlist::CONTENT_TYPE,
        body: Bytes::from(text).into(),
    }
}
