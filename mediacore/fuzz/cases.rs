// What each fuzz target does with its bytes: calls of the public API and what must hold afterwards.
// The targets here and `tests/fuzz_corpus.rs`, which replays the corpora with a stable compiler, share this file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mediacore::codec::{Kind, Language, Normalizer, Rotation};
use mediacore::hls::name::Name;
use mediacore::hls::options::{ContainerChoice, CountPolicy, Durations, Method, Segmentation};
use mediacore::hls::set::{Clip, Sequence, Timeline as Clips};
use mediacore::hls::uri::{Location, decode};
use mediacore::hls::{File, Open, Options, Packager, Reason, Refusal, Request, Set, Title, captions, plan};
use mediacore::layout::Source;
use mediacore::mp4::{SampleIndex, sample_entry};
use mediacore::record::journal::{MAGIC, Reader, Record};
use mediacore::source::TrackInfo;
use mediacore::time::{Millis, Ticks, TimeBase, Timescale};
use mediacore::timeline::{Cause, Outage, Placed, Policy, Sample, Timeline, Times, TrackId, TrackSpec};

/// Opens `data` as a file; when that works, every lookup must agree with the walk over the samples.
pub(crate) fn mp4_index(data: &[u8]) {
    let size = data.len() as u64;
    let Ok(index) = SampleIndex::open(data, size) else {
        return;
    };
    assert!(
        index.heap_size() < data.len().saturating_mul(64) + (1 << 20),
        "memory by a count that lies"
    );
    for track in index.tracks() {
        let count = track.sample_count();
        let mut samples = track.samples(0..count.min(2000));
        let mut end = track.start();
        for number in 0..count.min(2000) {
            let sample = samples
                .next()
                .expect("a walk has as many samples as the count says");
            assert_eq!((sample.number, sample.dts), (number, end));
            assert!(sample.end() <= size, "sample {number} lies in the file");
            end = end.saturating_add(sample.duration);
        }
        assert!(count > 2000 || end == track.end());
        for number in [0, 1, count / 2, count.saturating_sub(1)] {
            let Some(sample) = track.sample(number) else {
                assert!(number >= count);
                continue;
            };
            let found = track.at_dts(sample.dts).and_then(|found| track.sample(found));
            assert_eq!(found.map(|found| found.dts), Some(sample.dts));
            if count < 2000 {
                let found = track.at_pts(sample.pts()).and_then(|found| track.sample(found));
                assert_eq!(found.map(|found| found.pts()), Some(sample.pts()));
            }
            if let Some(sync) = track.sync_before(number) {
                assert!(sync <= number && track.sample(sync).is_some_and(|sample| sample.sync));
            }
            if let Some(sync) = track.sync_after(number) {
                assert!(sync >= number && track.sample(sync).is_some_and(|sample| sample.sync));
            }
        }
        assert_eq!(track.sample(count), None);
        for time in [i64::MIN, -1, 0, i64::MAX].map(Ticks) {
            track.at_dts(time);
            if count < 2000 {
                track.at_pts(time);
            }
        }
        if let Some(shown) = track.presentation() {
            shown.time(track.end());
        }
    }
}

/// Reads `data` as a journal, as it is and with every checksum made right: what is read must stand there byte for byte.
pub(crate) fn journal(data: &[u8]) {
    read_journal(data);
    let mut signed = data.to_vec();
    let mut at = MAGIC.len();
    while let Some(head) = signed.get(at..).and_then(<[u8]>::first_chunk::<4>) {
        let body = at + 4
            ..at.saturating_add(5)
                .saturating_add(u32::from_be_bytes(*head) as usize);
        let Some(covered) = signed.get(body.clone()) else {
            break;
        };
        let crc = crc32c::crc32c_append(crc32c::crc32c(&(at as u64).to_be_bytes()), covered);
        let Some(place) = signed.get_mut(body.end..body.end + 4) else {
            break;
        };
        place.copy_from_slice(&crc.to_be_bytes());
        at = body.end + 4;
    }
    read_journal(&signed);
}

fn read_journal(bytes: &[u8]) {
    let Some(mut reader) = Reader::new(bytes).expect("memory can be read") else {
        return;
    };
    let mut position = reader.position();
    while let Some(record) = reader.read().expect("memory can be read") {
        let (from, to) = (position as usize, reader.position() as usize);
        assert!(from < to && to <= bytes.len(), "record from {from} to {to}");
        assert!(
            record.encode(position) == bytes[from..to],
            "{record:?} at {from} has other bytes"
        );
        if let Record::Fragment(fragment) = &record {
            let end = fragment.placed_runs().map(|(at, run)| at + run.size()).last();
            assert!(end.is_none_or(|end| end == fragment.offset + fragment.len));
        }
        position = reader.position();
    }
    assert!(
        reader.read().expect("memory can be read").is_none(),
        "the end is the end"
    );
    assert_eq!(reader.position(), position);
}

/// Does what `data` says with a timeline: every packet must come out once, in order, with increasing times.
pub(crate) fn timeline(data: &[u8]) {
    let mut input = Input(data);
    let flags = input.byte();
    let outage = if flags & 2 == 0 {
        Outage::Close
    } else {
        Outage::Keep
    };
    let mut timeline = Timeline::new(Policy {
        live: flags & 1 == 0,
        outage,
        ..Policy::default()
    });
    let (mut out, mut events) = (Vec::new(), Vec::new());
    let mut tracks: Vec<(TrackId, u64, i64)> = timeline
        .add_track(input.spec())
        .map(|id| (id, 0, 0))
        .into_iter()
        .collect();
    let mut now = Instant::now();
    let mut packets = 0;
    while !input.0.is_empty() && packets < 20_000 {
        let which = usize::from(input.byte());
        let count = tracks.len();
        let track = &mut tracks[which / 16 % count];
        match which % 16 {
            0..8 => {
                let flags = input.byte();
                let dts = input.time(flags, track.2);
                let pts = match (flags >> 4) & 3 {
                    0 => dts,
                    1 => dts.map(|dts| dts.wrapping_add(i64::from(input.short()))),
                    2 => None,
                    _ => input.time(input.peek(), track.2),
                };
                let duration = if flags & 0x40 == 0 {
                    0
                } else {
                    input.time(flags, 0).unwrap_or(-1)
                };
                let frame = (flags & 0x80 != 0).then(|| i64::from(input.short()));
                track.2 = dts.or(pts).unwrap_or(track.2);
                track.1 += 1;
                packets += 1;
                now += Duration::from_millis(u64::from(input.byte()));
                let times = Times {
                    track: track.0,
                    pts: pts.map(Ticks),
                    dts: dts.map(Ticks),
                    duration: Ticks(duration),
                    sync: which & 1 == 0,
                    frame: frame.map(Ticks),
                };
                timeline.push(now, times, &mut out, &mut events);
            }
            8..11 => {
                let (count, step) = (input.byte() % 64, i64::from(input.short()));
                for _ in 0..count {
                    track.2 = track.2.wrapping_add(step);
                    track.1 += 1;
                    packets += 1;
                    now += Duration::from_millis(20);
                    let time = Some(Ticks(track.2));
                    let times = Times {
                        track: track.0,
                        pts: time,
                        dts: time,
                        duration: Ticks(step),
                        sync: true,
                        frame: None,
                    };
                    timeline.push(now, times, &mut out, &mut events);
                }
            }
            11 => {
                if let Some(id) = timeline.add_track(input.spec()) {
                    tracks.push((id, 0, 0));
                }
            }
            12 => {
                now += Duration::from_secs(u64::from(input.byte()));
                let cause = (which & 16 != 0).then(|| Cause::Connection("reset".to_owned()));
                timeline.begin_session(now, cause, &mut out, &mut events);
            }
            13 => timeline.discontinuity(&mut out, &mut events),
            14 => match (which / 16) & 1 {
                0 => timeline.lost("segment".to_owned()),
                _ => timeline.flush(&mut out, &mut events),
            },
            _ => timeline.update_track(track.0, input.spec(), &mut out, &mut events),
        }
        assert!(
            timeline.held() <= tracks.len() * 160,
            "{} packets held",
            timeline.held()
        );
    }
    timeline.flush(&mut out, &mut events);
    assert_eq!(timeline.held(), 0);
    check_placed(&out, &tracks);
}

fn check_placed(out: &[Placed], tracks: &[(TrackId, u64, i64)]) {
    let mut seen = vec![Vec::new(); tracks.len()];
    let mut last: Vec<Option<Sample>> = vec![None; tracks.len()];
    for placed in out {
        match placed {
            Placed::Sample(sample) => {
                let track = sample.track.index();
                seen[track].push(sample.token);
                assert!(
                    sample.dts.0 >= 0 && sample.pts >= sample.dts && sample.duration.0 >= 1,
                    "{sample:?}"
                );
                if let Some(before) = last[track].replace(*sample) {
                    assert!(sample.token > before.token, "{before:?} before {sample:?}");
                    assert!(
                        before.dts.saturating_add(before.duration) <= sample.dts,
                        "{before:?} overlaps {sample:?}"
                    );
                }
            }
            Placed::Dropped { track, token, .. } => seen[track.index()].push(*token),
        }
    }
    for (tokens, (id, sent, _)) in seen.iter_mut().zip(tracks) {
        tokens.sort_unstable();
        assert!(
            tokens.iter().copied().eq(0..*sent),
            "{id:?}: {sent} packets, {tokens:?}"
        );
    }
}

/// The codecs that [`codec`] takes by number; after them comes a sample entry.
pub(crate) const CODECS: [&str; 10] = [
    "h264", "hevc", "av1", "vp9", "aac", "mp3", "ac3", "eac3", "opus", "flac",
];

/// A codec's number, its configuration and its packets, each behind a 16-bit length (the top bit of a packet's says that
/// a new configuration comes before it); or a sample entry. What becomes of them must be a track that MP4 can describe.
pub(crate) fn codec(data: &[u8]) {
    let mut input = Input(data);
    let number = usize::from(input.byte());
    let Some(name) = CODECS.get(number) else {
        if let Ok(track) = sample_entry::parse(input.0) {
            describe(&track);
        }
        return;
    };
    let extradata = input.bytes().0;
    let info = TrackInfo {
        kind: Some(if number < 4 { Kind::Video } else { Kind::Audio }),
        codec: (*name).to_owned(),
        time_base: TimeBase::MILLIS,
        wrap_bits: 0,
        extradata,
        width: 64,
        height: 64,
        frame_rate: (25, 1),
        pixel_aspect: (0, 1),
        sample_rate: 48_000,
        channels: 2,
        bits_per_sample: 0,
        block_align: 0,
        bit_rate: 0,
        language: Language::UNDETERMINED,
        rotation: Rotation::None,
    };
    let Ok(mut normalizer) = Normalizer::new(&info) else {
        return;
    };
    while !input.0.is_empty() {
        let (mut packet, renewed) = input.bytes();
        let extradata = renewed.then(|| std::mem::replace(&mut packet, input.bytes().0));
        if let Ok(units) = normalizer.push(packet, extradata) {
            let bytes: usize = units.map(|unit| unit.data.len()).sum();
            // Start codes become lengths, and parameter sets that came before may be put in front.
            assert!(
                bytes <= data.len() * 4 + 64,
                "{bytes} bytes of samples from {}",
                data.len()
            );
        }
        normalizer.reorder();
        normalizer.frame_rate();
        if let Some(track) = normalizer.track() {
            describe(track);
        }
    }
}

fn describe(track: &mediacore::codec::Track) {
    track.rfc6381();
    track.colour();
    track.pre_skip();
    track.timescale();
    let entry = sample_entry::write(track);
    let again = sample_entry::parse(&entry).expect("what was written can be read");
    assert_eq!(sample_entry::write(&again), entry, "{track:?}");
}

/// Bytes that decide; zeros when they are used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn peek(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn short(&mut self) -> i16 {
        i16::from_be_bytes(self.array())
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let count = N.min(self.0.len());
        let (head, rest) = self.0.split_at(count);
        array[..count].copy_from_slice(head);
        self.0 = rest;
        array
    }

    /// As many bytes as the next 15 bits say, and the bit above them.
    fn bytes(&mut self) -> (Bytes, bool) {
        let length = u16::from_be_bytes(self.array());
        let count = usize::from(length & 0x7fff).min(self.0.len());
        let (head, rest) = self.0.split_at(count);
        self.0 = rest;
        (Bytes::copy_from_slice(head), length & 0x8000 != 0)
    }

    fn time(&mut self, how: u8, last: i64) -> Option<i64> {
        match how % 16 {
            0..6 => Some(last.wrapping_add(i64::from(self.short()))),
            6..9 => Some(i64::from(i32::from_be_bytes(self.array()))),
            9 => Some(i64::from_be_bytes(self.array())),
            10 => Some(i64::MIN),
            11 => Some(i64::MAX),
            12 => Some(0),
            13 => Some(last.wrapping_add(1 << 33)),
            14 => Some(last.wrapping_mul(i64::from(self.short()))),
            _ => None,
        }
    }

    fn spec(&mut self) -> TrackSpec {
        let (how, scale, wrap) = (self.byte(), self.byte(), self.byte());
        let base = match how % 6 {
            0 | 1 => Some(TimeBase::MPEG),
            2 => Some(TimeBase::MILLIS),
            3 => TimeBase::new(1, i64::from(u32::MAX)),
            4 => TimeBase::new(i64::from(u32::MAX), 1),
            _ => TimeBase::new(1, i64::from(self.short())),
        };
        let scale = match scale % 6 {
            0 | 1 => Some(Timescale::MPEG),
            2 => Timescale::new(48_000),
            3 => Timescale::new(1),
            4 => Timescale::new(u32::MAX),
            _ => Timescale::new(u32::from(self.short().unsigned_abs())),
        };
        TrackSpec {
            kind: if how & 0x40 == 0 { Kind::Video } else { Kind::Audio },
            time_base: base.unwrap_or(TimeBase::MPEG),
            wrap_bits: u32::from(wrap % 70),
            timescale: scale.unwrap_or(Timescale::MPEG),
            frame: (how & 0x80 != 0).then(|| Ticks(i64::from(self.short()))),
            reorder: (wrap & 0x80 != 0).then(|| u32::from(self.byte() % 20)),
        }
    }
}

/// Takes `data` as the path of a request; whatever it is, it is taken apart or refused.
pub(crate) fn hls_name(data: &[u8]) {
    let options = Options::nginx_vod();
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(path) = decode(text) else { return };
    let Ok(location) = Location::parse(&path, &options.urls) else {
        return;
    };
    assert!((1..=32).contains(&location.uris.len()));
    let up = |path: &str| path.split('/').any(|component| component == "..");
    assert!(!location.uris.iter().any(|uri| up(&uri.path)), "no path goes up");
    let set = Set::local(&location.uris);
    assert_eq!(set.sequences.len(), location.uris.len());
    if let Ok(name) = Name::parse(&location.name, &options.urls.names) {
        // The shortest is `f1`.
        assert!(name.selectors.len() * 2 <= location.name.len() && name.version > 0);
    }
}

/// Takes `data` as a mapping, and as subtitles.
pub(crate) fn hls_mapping(data: &[u8]) {
    if let Ok(set) = Set::parse(data) {
        assert!((1..=32).contains(&set.sequences.len()));
        for sequence in &set.sequences {
            assert_eq!(sequence.clips.len(), set.clip_count());
        }
        let answer = ask(&Options::nginx_vod(), &set, "master.m3u8", &Nothing);
        assert!(answer.is_err());
    }
    if let Ok(captions) = captions::Captions::parse(data) {
        let all = captions.segment(Millis(0)..Millis(u64::MAX), captions::Shift::default());
        assert!(all.len() <= data.len().saturating_mul(8) + 64);
    }
}

/// Opens no file.
struct Nothing;

impl Open for Nothing {
    fn open(&self, path: &str) -> Result<File, Refusal> {
        Err(Refusal::new(Reason::NotFound, path))
    }
}

/// Has one file under every name.
struct Only(Arc<Title>);

impl Open for Only {
    fn open(&self, _: &str) -> Result<File, Refusal> {
        Ok(File::Title(Arc::clone(&self.0)))
    }
}

fn ask(options: &Options, set: &Set, name: &str, open: &dyn Open) -> Result<Option<Bytes>, Refusal> {
    let name = Name::parse(name, &options.urls.names)?;
    let request = Request {
        name: &name,
        directory: "/a.mp4",
        origin: "http://h",
    };
    let answer = Packager::new(options.clone()).answer(&request, set, open)?;
    let length = answer.body.length();
    // A file that lies about its samples breaks off; what it gives must be what was promised.
    let body = answer.body.to_bytes(1 << 22).ok();
    if let Some(body) = &body {
        assert_eq!(body.len() as u64, length);
    }
    Ok(body)
}

/// The names that a packager is asked for.
const NAMES: [&str; 10] = [
    "master.m3u8",
    "index.m3u8",
    "iframes.m3u8",
    "init.mp4",
    "seg-1.ts",
    "seg-2-v1.ts",
    "seg-1.m4s",
    "seg-2.m4s",
    "seg-1-a1.m4s",
    "seg-3-v1.m4s",
];

/// How many ways of packaging there are.
const WAYS: usize = 5 * NAMES.len();

/// Packages `data`, a file, in every way.
pub(crate) fn hls_package(data: &[u8]) {
    for way in 0..WAYS {
        package(data, way);
    }
}

/// Packages `data` in the way that its checksum says: an input in all ways takes as long as fifty inputs in one.
pub(crate) fn hls_package_once(data: &[u8]) {
    package(data, crc32c::crc32c(data) as usize % WAYS);
}

fn package(data: &[u8], way: usize) {
    let source: Arc<dyn Source> = Arc::new(Bytes::copy_from_slice(data));
    let Ok(title) = Title::open(source) else { return };
    let open = Only(Arc::new(title));
    let clip = Clip::file("/a.mp4");
    let sequence = Sequence {
        clips: vec![clip],
        ..Sequence::default()
    };
    let mut set = Set {
        sequences: vec![sequence],
        ..Set::default()
    };
    let mut options = match way / NAMES.len() {
        0..=2 => Options::nginx_vod(),
        _ => Options::mediastack(),
    };
    match way / NAMES.len() {
        0 => {}
        1 => options.encryption.method = Method::SampleAes,
        2 => options.encryption.method = Method::Aes128,
        with_clips => {
            options.segmentation.duration = Millis(500);
            options.container = ContainerChoice::Fmp4;
            set.timeline = (with_clips == 4).then(|| Clips {
                durations: vec![Millis(700), Millis(900)],
                discontinuity: data.len().is_multiple_of(2),
            });
        }
    }
    let _ = ask(&options, &set, NAMES[way % NAMES.len()], &open);
}

/// Cuts a timeline that `data` describes: its segments must cover it once, without a gap.
pub(crate) fn hls_plan(data: &[u8]) {
    let mut data = Input(data);
    let mut segmentation: Segmentation = Options::nginx_vod().segmentation;
    let millis = |data: &mut Input<'_>| 500 + u64::from(data.short().unsigned_abs());
    segmentation.duration = Millis(millis(&mut data));
    for _ in 0..data.byte() % 4 {
        segmentation.bootstrap.push(Millis(millis(&mut data)));
    }
    segmentation.count = match data.byte() % 3 {
        0 => CountPolicy::LastShort,
        1 => CountPolicy::LastLong,
        _ => CountPolicy::LastRounded,
    };
    segmentation.durations = Durations::Estimate;
    let clips = data.byte() % 5;
    let discontinuity = clips & 1 == 1;
    let durations: Vec<Millis> = (0..clips).map(|_| Millis(millis(&mut data) * 3)).collect();
    let length = match durations.is_empty() {
        true => Millis(millis(&mut data) * 7),
        false => Millis(durations.iter().map(|clip| clip.0).sum()),
    };
    let timeline = (!durations.is_empty()).then_some(Clips {
        durations: durations.clone(),
        discontinuity,
    });
    let listed =
        plan::estimate(timeline.as_ref(), length, &segmentation, &[], 100_000).expect("few segments");
    let mut at = (0, Millis(0));
    for entry in &listed.entries {
        let places =
            plan::place(entry.number, timeline.as_ref(), length, &segmentation).expect("a listed segment");
        let mut sum = 0;
        for place in &places {
            if place.clip > at.0 {
                assert_eq!(durations.get(at.0), Some(&at.1), "a clip ends where it ends");
                at = (place.clip, Millis(0));
            }
            assert_eq!((place.clip, place.from), at, "no gap and no overlap");
            let end = place.to.unwrap_or(length);
            sum += end.0 - place.from.0;
            at.1 = end;
        }
        assert_eq!(
            listed.millis(entry),
            Millis(sum),
            "playlists tell what segments hold"
        );
    }
    assert_eq!(at.1, *durations.last().unwrap_or(&length), "the whole is covered");
}
