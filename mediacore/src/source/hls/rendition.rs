//! [`Rendition`]: one media playlist, followed, and its segments fetched, as runs of bytes that one demuxer can read.
//!
//! A run ends where timestamps or codecs may change or media is missing: the demuxer sees an end, gives what it still
//! holds, and the next run gets a new one. Within a run segments follow each other without a seam, so that the frame at
//! the end of one is completed by the next. A segment is fetched whole before its first byte is used: a partial one
//! never reaches a demuxer.
//!
//! Why segments and playlists are retried here, although `record::policy` owns reconnecting: the origin keeps a segment
//! only as long as it is in the playlist's window. Opening the source anew would lose the place in the window, and with
//! it media that is still there. So a segment is tried again for one target duration, the playlist for 30 seconds; then
//! the segment is a gap, or the connection an error, and the policy takes over.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fetch::Fetcher;
use super::follow::{Follower, Start, Step};
use super::limits;
use super::packed;
use super::playlist::{Map, Media, Playlist, Segment};
use super::store::Store;
use crate::clock::{Clock, WallTime};
use crate::error::{Error, ErrorKind, Result};
use crate::source::{InputEvent, Interrupt, Loss, SourceUrl, stopped};
use crate::time::Ticks;

/// What a run of segments is, by its first bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// MPEG transport stream.
    Ts,
    /// Fragmented MP4.
    Mp4,
    /// ADTS frames behind an ID3 tag.
    Adts,
    /// MP3 frames behind an ID3 tag.
    Mp3,
    /// AC-3 or E-AC-3 frames behind an ID3 tag.
    Ac3,
}

/// What [`Rendition::advance`] reached.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Reached {
    /// A segment is ready to be read.
    Segment,
    /// The run ends here; the reason is among the events.
    Boundary,
    /// Nothing more comes.
    End,
}

/// A wall-clock time at a place of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallMark {
    /// Playlist time since the run's first segment.
    pub(crate) offset: Duration,
    /// How long the segment lasts.
    pub(crate) length: Duration,
    pub(crate) wall: WallTime,
}

/// See the module.
pub(crate) struct Rendition {
    fetcher: Fetcher,
    follower: Follower,
    url: SourceUrl,
    base: SourceUrl,
    interrupt: Interrupt,
    clock: Arc<dyn Clock>,
    failing_since: Option<Instant>,
    failures: u32,
    lost_in_a_row: u32,
    /// Bytes that the demuxer is reading.
    current: Option<(Segment, Store)>,
    /// The first segment of the next run.
    held: Option<(Segment, Store)>,
    /// The initialisation section that the run began with.
    map: Option<Arc<Map>>,
    in_run: bool,
    format: Option<Format>,
    /// The 90 kHz time of a packed audio run's first frame.
    packed_start: Ticks,
    run_length: Duration,
    walls: VecDeque<WallMark>,
    events: VecDeque<InputEvent>,
    ended: Option<bool>,
    failure: Option<Error>,
}

/// Segments lost one after another before the source counts as unreachable.
const LOST_IN_A_ROW: u32 = 5;
/// The shortest time that is given to retries of a segment.
const MIN_RETRY: Duration = Duration::from_secs(2);

impl Rendition {
    /// Follows a playlist that was already read once; `base` is where it came from after redirects.
    pub(crate) fn new(
        fetcher: Fetcher,
        url: SourceUrl,
        (base, media): (SourceUrl, Media),
        start: Start,
        interrupt: &Interrupt,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let now = clock.now();
        let mut follower = Follower::new(start, now);
        follower.update(media, now);
        Self {
            fetcher,
            follower,
            url,
            base,
            interrupt: interrupt.clone(),
            clock: clock.clone(),
            failing_since: None,
            failures: 0,
            lost_in_a_row: 0,
            current: None,
            held: None,
            map: None,
            in_run: false,
            format: None,
            packed_start: Ticks::ZERO,
            run_length: Duration::ZERO,
            walls: VecDeque::new(),
            events: VecDeque::new(),
            ended: None,
            failure: None,
        }
    }

    /// The playlist's target duration.
    pub(crate) fn target(&self) -> Duration {
        self.follower.target()
    }

    /// What happened before the next run, in order.
    pub(crate) fn pop_event(&mut self) -> Option<InputEvent> {
        self.events.pop_front()
    }

    /// The next wall-clock mark of the run.
    pub(crate) fn walls(&mut self) -> &mut VecDeque<WallMark> {
        &mut self.walls
    }

    /// Why reading failed, once.
    pub(crate) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// How the source ended.
    pub(crate) fn ended(&self) -> Option<bool> {
        self.ended
    }

    /// The 90 kHz time of a packed audio run's first frame.
    pub(crate) fn packed_start(&self) -> Ticks {
        self.packed_start
    }

    /// Begins the next run, if a segment for it can be had: its format, or `None` when there is an event or the end.
    pub(crate) fn begin_run(&mut self) -> Result<Option<Format>> {
        self.in_run = false;
        self.current = None;
        let (segment, mut store) = match self.held.take() {
            Some(held) => held,
            None => match self.fetch_next()? {
                Some(fetched) => fetched,
                None => return Ok(None),
            },
        };
        if segment.discontinuity {
            self.events.push_back(InputEvent::Discontinuity);
            self.held = Some((
                Segment {
                    discontinuity: false,
                    ..segment
                },
                store,
            ));
            return Ok(None);
        }
        let map = match &segment.map {
            Some(map) => match self.fetch_map(map, segment.sequence)? {
                Some(map) => Some(map),
                None => return Ok(None),
            },
            None => None,
        };
        let format = match sniff(map.as_deref(), store.start()) {
            Some(format) => format,
            None => {
                self.lose(
                    segment.sequence,
                    segment.length,
                    "neither MPEG-TS, fragmented MP4 nor packed audio",
                );
                return self.too_many_lost(None).map(|()| None);
            }
        };
        self.packed_start = Ticks::ZERO;
        if is_packed(format) {
            let (tag, time) = packed::tag(store.start());
            store.skip(tag);
            self.packed_start = time.unwrap_or_default();
        }
        self.map = segment.map.clone();
        self.format = Some(format);
        self.in_run = true;
        self.run_length = Duration::ZERO;
        self.walls.clear();
        if let Some(section) = map {
            let mut with_map = Store::default();
            with_map.push(&section)?;
            self.enter(segment, store);
            // The section is read before the segment.
            self.held = self.current.take();
            self.current = Some((Segment::default(), with_map));
        } else {
            self.enter(segment, store);
        }
        Ok(Some(format))
    }

    /// The segment that the demuxer was given could not be demuxed: it is a gap.
    pub(crate) fn reject_run(&mut self, why: &str) -> Result<()> {
        let (sequence, length) = match self.held.take().or(self.current.take()) {
            Some((segment, _)) => (Some(segment.sequence), Some(segment.length)),
            None => (None, None),
        };
        let what = sequence.map_or("a segment".to_owned(), |sequence| format!("segment {sequence}"));
        self.events.push_back(InputEvent::Gap(Loss {
            length,
            cause: format!("{what}: {why}"),
        }));
        self.in_run = false;
        self.current = None;
        self.lost_in_a_row += 1;
        self.too_many_lost(Some(Error::new(ErrorKind::Malformed, why.to_owned())))
    }

    fn enter(&mut self, segment: Segment, store: Store) {
        self.lost_in_a_row = 0;
        if let Some(wall) = segment.wall {
            self.walls.push_back(WallMark {
                offset: self.run_length,
                length: segment.length,
                wall,
            });
        }
        self.run_length = self.run_length.saturating_add(segment.length);
        self.current = Some((segment, store));
    }

    /// Goes on within the run: to the next segment, or to the run's end.
    fn advance(&mut self) -> Result<Reached> {
        self.current = None;
        if let Some((segment, store)) = self.held.take() {
            // Only behind an initialisation section; everything else that is held ends the run.
            self.current = Some((segment, store));
            return Ok(Reached::Segment);
        }
        let Some((segment, mut store)) = self.fetch_next()? else {
            self.in_run = false;
            return Ok(if self.ended.is_some() {
                Reached::End
            } else {
                Reached::Boundary
            });
        };
        if segment.discontinuity || segment.map != self.map {
            self.held = Some((segment, store));
            self.in_run = false;
            return Ok(Reached::Boundary);
        }
        if self.format.is_some_and(is_packed) {
            let (tag, _) = packed::tag(store.start());
            store.skip(tag);
        }
        self.enter(segment, store);
        Ok(Reached::Segment)
    }

    /// The next segment of the playlist, waited for and fetched; `None` when an event came first, or the end.
    fn fetch_next(&mut self) -> Result<Option<(Segment, Store)>> {
        loop {
            stopped(&self.interrupt, || format!("reading {}", self.url))?;
            match self.follower.step(self.clock.now()) {
                Step::Segment(segment) => {
                    return match self.fetch(&segment)? {
                        Some(store) => Ok(Some((segment, store))),
                        None => Ok(None),
                    };
                }
                Step::Gap(loss) => {
                    self.events.push_back(InputEvent::Gap(loss));
                    return Ok(None);
                }
                Step::Restart => {
                    self.events.push_back(InputEvent::Discontinuity);
                    return Ok(None);
                }
                Step::Reload(at) => {
                    self.wait(at)?;
                    self.reload()?;
                }
                Step::End { complete } => {
                    self.ended = Some(complete);
                    return Ok(None);
                }
            }
        }
    }

    /// One segment, tried again while it may still come; `None` (and an event) when it is lost.
    fn fetch(&mut self, segment: &Segment) -> Result<Option<Store>> {
        let started = self.clock.now();
        let target = self.follower.target().max(MIN_RETRY);
        let (retry, longest) = if self.follower.is_live() {
            (target, target * 2)
        } else {
            (target, limits::VOD_TIME)
        };
        let mut pause = Duration::from_millis(250);
        loop {
            let elapsed = self.clock.now().saturating_duration_since(started);
            let time = longest.saturating_sub(elapsed).max(Duration::from_millis(100));
            let cause = match self.fetcher.segment(&self.base, segment, time) {
                Ok(store) => return Ok(Some(store)),
                Err(cause) => cause,
            };
            stopped(&self.interrupt, || format!("reading {}", self.url))?;
            if matches!(cause.kind(), ErrorKind::Unsupported | ErrorKind::Storage) {
                return Err(cause);
            }
            let hopeless = matches!(
                cause.kind(),
                ErrorKind::Refused | ErrorKind::LimitExceeded | ErrorKind::InvalidInput
            );
            let again = self.clock.now() + pause;
            if hopeless || again.saturating_duration_since(started) > retry {
                self.lose(segment.sequence, segment.length, &cause.report());
                self.too_many_lost(Some(cause))?;
                return Ok(None);
            }
            self.wait(again)?;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    fn fetch_map(&mut self, map: &Map, sequence: u64) -> Result<Option<Vec<u8>>> {
        let mut last = None;
        for attempt in 0..3 {
            if attempt > 0 {
                self.wait(self.clock.now() + Duration::from_millis(500))?;
            }
            match self.fetcher.map(&self.base, map, sequence) {
                Ok(section) => return Ok(Some(section)),
                Err(cause) => last = Some(cause),
            }
            stopped(&self.interrupt, || format!("reading {}", self.url))?;
        }
        let cause = last.as_ref().map_or_else(String::new, Error::report);
        self.lose(
            sequence,
            Duration::ZERO,
            &format!("its initialisation section: {cause}"),
        );
        self.too_many_lost(last).map(|()| None)
    }

    fn lose(&mut self, sequence: u64, length: Duration, why: &str) {
        let length = (!length.is_zero()).then_some(length);
        self.events.push_back(InputEvent::Gap(Loss {
            length,
            cause: format!("segment {sequence}: {why}"),
        }));
        self.lost_in_a_row += 1;
    }

    fn too_many_lost(&self, cause: Option<Error>) -> Result<()> {
        if self.lost_in_a_row < LOST_IN_A_ROW {
            return Ok(());
        }
        let message = format!("{}: {} segments in a row are lost", self.url, self.lost_in_a_row);
        let kind = cause.as_ref().map_or(ErrorKind::Malformed, Error::kind);
        let error = Error::new(kind, message);
        Err(match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }

    fn reload(&mut self) -> Result<()> {
        let asked = self.clock.now();
        let answer = self.fetcher.playlist(&self.url);
        stopped(&self.interrupt, || format!("reading {}", self.url))?;
        let cause = match answer {
            Ok((base, Playlist::Media(media))) => {
                self.base = base;
                self.failing_since = None;
                self.failures = 0;
                self.follower.update(media, asked);
                return Ok(());
            }
            Ok((_, Playlist::Multivariant(_))) => Error::new(
                ErrorKind::Malformed,
                format!("{}: became a multivariant playlist", self.url),
            ),
            Err(cause) => cause,
        };
        let now = self.clock.now();
        let since = *self.failing_since.get_or_insert(asked);
        if now.saturating_duration_since(since) >= limits::PLAYLIST_PATIENCE {
            let message = format!("{}: the playlist can't be read for 30 s", self.url);
            return Err(Error::new(ErrorKind::Unreachable, message).with_source(cause));
        }
        tracing::debug!(cause = cause.report(), "playlist reload failed");
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_millis(500).saturating_mul(1 << self.failures.min(4));
        self.follower.postpone(now + pause.min(self.follower.target()));
        Ok(())
    }

    fn wait(&self, until: Instant) -> Result<()> {
        loop {
            stopped(&self.interrupt, || format!("reading {}", self.url))?;
            let left = until.saturating_duration_since(self.clock.now());
            if left.is_zero() {
                return Ok(());
            }
            self.clock.sleep(left.min(Duration::from_millis(50)));
        }
    }
}

/// A rendition that a demuxer reads from and its owner asks about, on one thread.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Rendition>>);

impl Shared {
    pub(crate) fn new(rendition: Rendition) -> Self {
        Self(Arc::new(Mutex::new(rendition)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Rendition> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Shared {
    /// The bytes of the run; 0 at its end.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut rendition = self.lock();
        loop {
            if !rendition.in_run || into.is_empty() {
                return Ok(0);
            }
            if let Some((_, store)) = &mut rendition.current {
                let read = store.read(into)?;
                if read > 0 {
                    return Ok(read);
                }
            }
            if let Err(error) = rendition.advance() {
                let text = error.report();
                rendition.in_run = false;
                rendition.failure = Some(error);
                return Err(io::Error::other(text));
            }
        }
    }
}

fn is_packed(format: Format) -> bool {
    matches!(format, Format::Adts | Format::Mp3 | Format::Ac3)
}

fn sniff(map: Option<&[u8]>, start: &[u8]) -> Option<Format> {
    let is_box = |bytes: &[u8]| {
        let known: [&[u8]; 6] = [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"emsg"];
        bytes.get(4..8).is_some_and(|name| known.contains(&name))
    };
    if map.map_or_else(|| is_box(start), is_box) {
        return Some(Format::Mp4);
    }
    let synced = |at: usize| start.get(at).is_none_or(|byte| *byte == 0x47);
    if start.first() == Some(&0x47) && synced(188) && synced(376) {
        return Some(Format::Ts);
    }
    let (tag, _) = packed::tag(start);
    match start.get(tag..)? {
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Some(Format::Adts),
        [0xff, second, ..] if second & 0xe0 == 0xe0 => Some(Format::Mp3),
        [0x0b, 0x77, ..] => Some(Format::Ac3),
        _ => None,
    }
}
