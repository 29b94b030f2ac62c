//! HLS sources: playlists that we follow and segments that libav demuxes from our bytes, so that every retry, gap,
//! key, discontinuity, wall-clock time and address is ours to see.

mod choose;
mod crypt;
mod fetch;
mod follow;
mod limits;
mod packed;
mod playlist;
mod rendition;
mod run;
mod store;
mod time;

use std::sync::Arc;

pub use follow::Start;
pub(crate) use limits::PLAYLIST_BYTES;
pub(crate) use playlist::is_playlist;

use fetch::Fetcher;
use playlist::{Media, Playlist};
use rendition::{Rendition, Shared};
use run::{Item, Reader};

use crate::clock::Clock;
use crate::codec::Kind;
use crate::error::{Error, ErrorKind, Result};
use crate::source::http::Client;
use crate::source::{Input, InputEvent, Interrupt, SourceUrl, TrackInfo};
use crate::time::Ticks;

/// One connection to an HLS source: the chosen variant, and its audio rendition where it has a playlist of its own.
pub(crate) struct HlsInput {
    readers: Vec<Reader>,
    tracks: Vec<TrackInfo>,
    /// Events that came while the tracks were looked for.
    early: std::collections::VecDeque<InputEvent>,
    ended: Vec<Option<bool>>,
}

impl HlsInput {
    /// Goes on from a playlist's text, read from `base`, as far as the first description of the tracks.
    pub(crate) fn open(
        client: Arc<Client>,
        url: &SourceUrl,
        (base, body): (SourceUrl, &[u8]),
        start: Start,
        interrupt: &Interrupt,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let in_source = |cause: Error| cause.context(format!("reading {url}"));
        let follow = |url: SourceUrl, read: (SourceUrl, Media)| {
            let fetcher = Fetcher::new(client.clone());
            Shared::new(Rendition::new(fetcher, url, read, start, interrupt, clock))
        };
        let readers = match playlist::parse(body).map_err(in_source)? {
            Playlist::Media(media) => {
                let shared = follow(url.clone(), (base, media));
                vec![Reader::new(shared, None, true, interrupt)]
            }
            Playlist::Multivariant(multivariant) => {
                let choice = choose::choose(&multivariant).map_err(in_source)?;
                let fetcher = Fetcher::new(client.clone());
                let variant = base.join(&choice.variant.uri)?;
                let read = media(&fetcher, &variant)?;
                tracing::debug!(variant = %variant, bandwidth = choice.variant.bandwidth, "variant chosen");
                let audio = match choice.audio.and_then(|audio| audio.uri.as_deref()) {
                    Some(uri) => Some(base.join(uri)?),
                    None => None,
                };
                let without = audio.is_some().then_some(Kind::Audio);
                let mut readers = vec![Reader::new(follow(variant, read), without, true, interrupt)];
                if let Some(audio) = audio {
                    let read = media(&fetcher, &audio)?;
                    readers.push(Reader::new(
                        follow(audio, read),
                        Some(Kind::Video),
                        false,
                        interrupt,
                    ));
                }
                readers
            }
        };
        let ended = readers.iter().map(|_| None).collect();
        let mut input = Self {
            readers,
            tracks: Vec::new(),
            early: Default::default(),
            ended,
        };
        input.find_tracks()?;
        Ok(input)
    }

    /// Reads until every rendition has a packet or its end.
    fn find_tracks(&mut self) -> Result<()> {
        for index in 0..self.readers.len() {
            while self.ended.get(index) == Some(&None) {
                if let Some(event) = self.step(index)? {
                    let is_packet = matches!(event, InputEvent::Packet(_));
                    self.early.push_back(event);
                    if is_packet {
                        break;
                    }
                }
            }
        }
        if self.tracks.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "the playlist has no segment with a picture or sound",
            ));
        }
        Ok(())
    }

    fn step(&mut self, index: usize) -> Result<Option<InputEvent>> {
        let Some(reader) = self.readers.get_mut(index) else {
            return Ok(None);
        };
        Ok(match reader.next(&mut self.tracks)? {
            Item::Packet(packet) => Some(InputEvent::Packet(packet)),
            Item::Event(event) => Some(event),
            Item::Nothing => None,
            Item::End { complete } => {
                if let Some(ended) = self.ended.get_mut(index) {
                    *ended = Some(complete);
                }
                None
            }
        })
    }

    /// The rendition that is behind the others.
    fn behind(&self) -> Option<usize> {
        let running = self.ended.iter().enumerate().filter(|(_, ended)| ended.is_none());
        let position = |index: usize| self.readers.get(index).and_then(|reader| reader.position);
        running
            .map(|(index, _)| index)
            .reduce(|a, b| match (position(a), position(b)) {
                (None, _) => a,
                (_, None) => b,
                (Some(a_at), Some(b_at)) if is_after(a_at, b_at) => b,
                _ => a,
            })
    }
}

impl Input for HlsInput {
    fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    fn read(&mut self) -> Result<InputEvent> {
        if let Some(event) = self.early.pop_front() {
            return Ok(event);
        }
        while let Some(index) = self.behind() {
            if let Some(event) = self.step(index)? {
                return Ok(event);
            }
        }
        let complete = self.ended.iter().all(|ended| *ended == Some(true));
        Ok(InputEvent::End { complete })
    }

    fn patience(&self) -> std::time::Duration {
        let longest = self.readers.iter().map(Reader::target).max().unwrap_or_default();
        // One target duration until the segment is there, one until it is fetched, one for retries, and the playlist's
        // own patience ends the wait in any case.
        (longest * 3).max(limits::STALE_MIN) + limits::SMALL_TIME
    }
}

/// Whether `a` is later than `b` on a 33-bit clock; MP4's 64-bit times are compared the same way, which is right while
/// they lie within 13 hours of each other.
fn is_after(a: Ticks, b: Ticks) -> bool {
    let ahead = a.saturating_sub(b).0.rem_euclid(1 << 33);
    ahead > 0 && ahead < 1 << 32
}

fn media(fetcher: &Fetcher, url: &SourceUrl) -> Result<(SourceUrl, Media)> {
    match fetcher.playlist(url)? {
        (base, Playlist::Media(media)) => Ok((base, media)),
        (_, Playlist::Multivariant(_)) => {
            let message = format!("{url}: a multivariant playlist inside another");
            Err(Error::new(ErrorKind::Malformed, message))
        }
    }
}

#[cfg(test)]
mod tests;
