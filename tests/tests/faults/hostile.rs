//! Streams with wrong times: sent over HTTP-FLV as they would come from an encoder, recorded by the binary, and compared packet by packet
//! with the truth.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use mediastack_tests::fixtures::media;
use mediastack_tests::flv::{self, Kind, Tag};
use mediastack_tests::judge::{self, Verdict, assert_faststart};
use mediastack_tests::origin::{Origin, Reply};
use mediastack_tests::ports;
use mediastack_tests::recording::Target;
use rustix::process::Signal;
use serde_json::Value;

/// A tag on its way.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// When it leaves, in seconds from the start.
    pub(crate) at: f64,
    /// When it was true, in milliseconds of the fixture; its own time may lie.
    pub(crate) truth: i64,
    /// What is sent.
    pub(crate) tag: Tag,
}

impl Sent {
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.tag.kind == kind && !self.tag.is_setup()
    }
}

/// What is right for a stream.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    /// Seconds that the file may be shorter than the truth, where media is missing and its time is closed.
    pub(crate) shorter: f64,
    /// Pictures that may be missing.
    pub(crate) pictures: usize,
    /// Packets of sound that may be missing.
    pub(crate) sounds: usize,
    /// Gaps that are listed, at most.
    pub(crate) gaps: usize,
    /// Files.
    pub(crate) parts: usize,
    /// Whether there is sound.
    pub(crate) sound: bool,
    /// How far sound and picture may be apart, in seconds.
    pub(crate) apart: f64,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            shorter: 0.0,
            pictures: 0,
            sounds: 0,
            gaps: 0,
            parts: 1,
            sound: true,
            apart: 0.040,
        }
    }
}

/// One hostile stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Its name.
    pub(crate) name: &'static str,
    /// The fixture that it is made of.
    pub(crate) fixture: &'static str,
    pub(crate) sent: Vec<Sent>,
    pub(crate) expect: Expect,
}

/// A fixture by its name, or any file by its path.
fn path(fixture: &str) -> PathBuf {
    if fixture.starts_with('/') {
        fixture.into()
    } else {
        media(fixture)
    }
}

/// How much of a fixture a stream sends.
const LENGTH: i64 = 8000;

impl Stream {
    /// The first eight seconds of a fixture, as they are.
    pub(crate) fn of(name: &'static str, fixture: &'static str) -> Stream {
        Stream::long(name, fixture, LENGTH)
    }

    /// So many milliseconds of a fixture.
    pub(crate) fn long(name: &'static str, fixture: &'static str, length: i64) -> Stream {
        let tags = flv::read(&path(fixture));
        let sent = tags
            .into_iter()
            .filter(|tag| tag.time < length)
            .map(|tag| Sent {
                at: tag.time as f64 / 1e3,
                truth: tag.time,
                tag,
            })
            .collect();
        Stream {
            name,
            fixture,
            sent,
            expect: Expect::default(),
        }
    }

    /// Changes each tag; the number counts the tags of its kind that hold media.
    pub(crate) fn each(mut self, mut change: impl FnMut(usize, &mut Sent)) -> Stream {
        let mut counts = [0; 3];
        for sent in &mut self.sent {
            let count = &mut counts[sent.tag.kind as usize];
            change(*count, sent);
            *count += usize::from(!sent.tag.is_setup());
        }
        self
    }

    /// Adds to the times of all tags from `from` milliseconds on, or of one kind of them.
    pub(crate) fn shift(self, kind: Option<Kind>, from: i64, by: i64) -> Stream {
        self.each(|_, sent| {
            if sent.truth >= from && kind.is_none_or(|kind| sent.tag.kind == kind) {
                sent.tag.time += by;
            }
        })
    }

    /// Adds to the time of one tag.
    pub(crate) fn one(self, kind: Kind, number: usize, by: i64) -> Stream {
        self.each(|count, sent| {
            if sent.is(kind) && count == number {
                sent.tag.time += by;
            }
        })
    }

    /// Puts what `more` makes of a tag in front of it.
    pub(crate) fn in_front(mut self, mut more: impl FnMut(&Sent) -> Option<Sent>) -> Stream {
        for sent in std::mem::take(&mut self.sent) {
            self.sent.extend(more(&sent));
            self.sent.push(sent);
        }
        self
    }

    /// Leaves tags out.
    pub(crate) fn without(mut self, mut which: impl FnMut(&Sent) -> bool) -> Stream {
        self.sent.retain(|sent| !which(sent));
        self
    }

    /// Changes the order to that of the times at which they are sent, and keeps the order of equals.
    pub(crate) fn in_order(mut self) -> Stream {
        self.sent.sort_by(|a, b| a.at.total_cmp(&b.at));
        self
    }

    pub(crate) fn expect(mut self, change: impl FnOnce(&mut Expect)) -> Stream {
        change(&mut self.expect);
        self
    }
}

/// What came of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// The furthest that sound and picture are apart, in seconds.
    pub(crate) apart: f64,
    /// By how much the file is longer or shorter than it should be, in seconds.
    pub(crate) off: f64,
    /// Seconds of pictures that are missing.
    pub(crate) lost: f64,
    /// The most memory of a recording, in MiB.
    pub(crate) peak: f64,
}

/// Runs streams, several at a time. Fails with all that went wrong.
#[track_caller]
pub(crate) fn run(streams: Vec<Stream>) -> Seen {
    let names: Vec<&str> = streams.iter().map(|stream| stream.name).collect();
    let queue = Mutex::new(streams.into_iter());
    let worst = Mutex::new(Seen::default());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no holder panics").next();
                    let Some(stream) = next else { return };
                    match one(&stream) {
                        Ok(seen) => {
                            let mut worst = worst.lock().expect("no holder panics");
                            worst.apart = worst.apart.max(seen.apart);
                            worst.off = worst.off.max(seen.off);
                            worst.lost = worst.lost.max(seen.lost);
                            worst.peak = worst.peak.max(seen.peak);
                        }
                        Err(why) => failed
                            .lock()
                            .expect("no holder panics")
                            .push(format!("{}: {why}", stream.name)),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no holder panics");
    assert!(
        failed.is_empty(),
        "{} of {} streams: {failed:#?}",
        failed.len(),
        names.len()
    );
    worst.into_inner().expect("no holder panics")
}

/// What stands in a fixture: for each packet its kind and its place.
#[derive(Debug)]
struct Known {
    /// By hash.
    places: HashMap<String, (Kind, usize)>,
}

fn known(fixture: &'static str) -> &'static Known {
    static ALL: OnceLock<Mutex<HashMap<&'static str, &'static Known>>> = OnceLock::new();
    let mut all = ALL.get_or_init(Mutex::default).lock().expect("no holder panics");
    all.entry(fixture).or_insert_with(|| {
        let probed = judge::probe(&path(fixture));
        let mut places = HashMap::new();
        for (kind, name) in [(Kind::Video, "video"), (Kind::Audio, "audio")] {
            for (place, packet) in probed.first(name).packets.iter().enumerate() {
                places.insert(packet.hash.clone(), (kind, place));
            }
        }
        Box::leak(Box::new(Known { places }))
    })
}

/// Serves a stream to the first who asks, at its own pace, and leaves the connection open behind it.
pub(crate) fn serve(stream: &Stream) -> Origin {
    let sent = Mutex::new(Some(stream.sent.clone()));
    Origin::start(move |_| {
        let Some(sent) = sent.lock().expect("no holder panics").take() else {
            return Reply::status(404);
        };
        Reply::stream("video/x-flv", move |out| {
            out.write_all(flv::HEADER)?;
            let began = Instant::now();
            for sent in sent {
                let at = Duration::from_secs_f64(sent.at);
                std::thread::sleep(at.saturating_sub(began.elapsed()));
                out.write_all(&sent.tag.bytes())?;
            }
            std::thread::sleep(Duration::from_secs(30));
            Ok(())
        })
    })
}

/// Forgets the most memory that a process has had.
pub(crate) fn forget_peak(process: u32) {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("it runs");
}

/// The most memory that a process has had, in MiB.
pub(crate) fn peak(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn one(stream: &Stream) -> Result<Seen, String> {
    let last = stream.sent.iter().map(|sent| sent.at).fold(0.0, f64::max);
    let origin = serve(stream);
    let target = Target::default();
    let running = target.record(&origin.url("live.flv"), &[]);
    ports::wait_for("the request", Duration::from_secs(10), || {
        origin.count("live") > 0
    });
    std::thread::sleep(Duration::from_secs_f64(last + 1.0));
    let peak = peak(running.id());
    running.signal(Signal::INT);
    let run = running.finish(Duration::from_secs(20));
    if run.code != Some(0) {
        return Err(format!("exit {:?}: {}", run.code, run.stderr));
    }
    if run.stderr.len() > 20_000 {
        return Err(format!("{} bytes of log", run.stderr.len()));
    }
    let seen = judge(stream, &run.json(), &target)?;
    Ok(Seen { peak, ..seen })
}

fn judge(stream: &Stream, report: &Value, target: &Target) -> Result<Seen, String> {
    let expect = &stream.expect;
    let gaps = report["gaps"].as_array().map_or(0, Vec::len);
    if gaps > expect.gaps || report["reconnects"] != 0 {
        return Err(format!("gaps or reconnects: {report}"));
    }
    let parts: Vec<PathBuf> = match report["parts"].as_array() {
        Some(parts) if !parts.is_empty() => parts
            .iter()
            .map(|part| target.dir().join(part["path"].as_str().unwrap_or_default()))
            .collect(),
        _ => vec![target.file()],
    };
    if parts.len() != expect.parts {
        return Err(format!("{} files: {report}", parts.len()));
    }
    let mut seen = Seen::default();
    let mut kept: HashMap<(Kind, usize), usize> = HashMap::new();
    let mut length = 0.0;
    for part in &parts {
        assert_faststart(part);
        let verdict = judge::probe(part);
        check_order(&verdict)?;
        length += verdict.duration;
        let placed = places(stream, &verdict)?;
        for (kind, place, _) in &placed {
            *kept.entry((*kind, *place)).or_default() += 1;
        }
        seen.apart = seen.apart.max(apart(stream, &placed));
    }
    // A millisecond more: FLV rounds both to milliseconds.
    if seen.apart > expect.apart + 0.001 {
        return Err(format!(
            "sound and picture are {:.3} s apart: {report}",
            seen.apart
        ));
    }
    if let Some((twice, _)) = kept.iter().find(|(_, count)| **count > 1) {
        return Err(format!("{twice:?} is there twice"));
    }
    let truth = Truth::of(stream);
    let missing = |kind: Kind| {
        let sent = truth.sent.iter().filter(|((sent, place), time)| {
            *sent == kind && **time >= truth.start && !kept.contains_key(&(kind, *place))
        });
        sent.count()
    };
    let (pictures, sounds) = (missing(Kind::Video), missing(Kind::Audio));
    if pictures > expect.pictures || (expect.sound && sounds > expect.sounds) {
        return Err(format!("{pictures} pictures and {sounds} sounds are missing"));
    }
    seen.lost = pictures as f64 * 0.04;
    let wanted = (truth.end - truth.start) as f64 / 1e3 - expect.shorter;
    seen.off = (length - wanted).abs();
    if seen.off > 0.045 {
        return Err(format!("{length:.3} s long instead of {wanted:.3} s: {report}"));
    }
    Ok(seen)
}

fn check_order(verdict: &Verdict) -> Result<(), String> {
    if !verdict.warnings.is_empty() {
        return Err(format!("ffprobe warns: {:?}", verdict.warnings));
    }
    for track in &verdict.tracks {
        if let Some(pair) = track.packets.windows(2).find(|pair| pair[0].dts >= pair[1].dts) {
            return Err(format!("{} DTS do not increase: {pair:?}", track.kind));
        }
        if let Some(packet) = track.packets.iter().find(|packet| packet.pts + 1e-6 < packet.dts) {
            return Err(format!("{} PTS before DTS: {packet:?}", track.kind));
        }
    }
    Ok(())
}

/// The packets of a file: kind, place in the fixture, and time of presentation in the file.
fn places(stream: &Stream, verdict: &Verdict) -> Result<Vec<(Kind, usize, f64)>, String> {
    let known = known(stream.fixture);
    let packets = verdict.tracks.iter().flat_map(|track| &track.packets);
    packets
        .map(|packet| {
            let (kind, place) = *known
                .places
                .get(&packet.hash)
                .ok_or_else(|| format!("not of the source: {packet:?}"))?;
            Ok((kind, place, packet.pts))
        })
        .collect()
}

/// What was sent.
struct Truth {
    /// When each packet is to be presented, in milliseconds.
    sent: HashMap<(Kind, usize), i64>,
    /// The first key frame.
    start: i64,
    /// The end of the last packet.
    end: i64,
}

impl Truth {
    fn of(stream: &Stream) -> Truth {
        // Places count the packets of the fixture, of which a stream may leave some out.
        let times = fixture_times(stream.fixture);
        let mut sent = HashMap::new();
        let (mut start, mut end) = (i64::MAX, 0);
        for tag in stream.sent.iter().filter(|sent| !sent.tag.is_setup()) {
            let kind = tag.tag.kind;
            let Some(place) = times.get(&(kind, tag.truth)) else {
                continue;
            };
            let shown = times_shown(stream.fixture, kind, *place);
            sent.insert((kind, *place), shown);
            if tag.tag.is_key() {
                start = start.min(shown);
            }
            if kind == Kind::Video || stream.expect.sound {
                end = end.max(shown + if kind == Kind::Video { 40 } else { 21 });
            }
        }
        Truth { sent, start, end }
    }
}

/// The place of the packet with this decoding time.
fn fixture_times(fixture: &'static str) -> HashMap<(Kind, i64), usize> {
    let mut counts: HashMap<Kind, usize> = HashMap::new();
    let tags = flv::read(&path(fixture));
    tags.iter()
        .filter(|tag| !tag.is_setup())
        .map(|tag| {
            let count = counts.entry(tag.kind).or_default();
            *count += 1;
            ((tag.kind, tag.time), *count - 1)
        })
        .collect()
}

fn times_shown(fixture: &'static str, kind: Kind, place: usize) -> i64 {
    type Shown = HashMap<Kind, Vec<i64>>;
    static ALL: OnceLock<Mutex<HashMap<&'static str, Shown>>> = OnceLock::new();
    let mut all = ALL.get_or_init(Mutex::default).lock().expect("no holder panics");
    let shown = all.entry(fixture).or_insert_with(|| {
        let mut shown: Shown = HashMap::new();
        for tag in flv::read(&path(fixture)).iter().filter(|tag| !tag.is_setup()) {
            shown
                .entry(tag.kind)
                .or_default()
                .push(tag.time + tag.composition());
        }
        shown
    });
    shown[&kind][place]
}

/// The furthest that a sound is from where it belongs beside the picture of the same true time.
fn apart(stream: &Stream, placed: &[(Kind, usize, f64)]) -> f64 {
    let shift = |(kind, place, time): &(Kind, usize, f64)| {
        let truth = times_shown(stream.fixture, *kind, *place) as f64 / 1e3;
        (truth, time - truth)
    };
    let mut pictures: Vec<(f64, f64)> = placed
        .iter()
        .filter(|(kind, ..)| *kind == Kind::Video)
        .map(shift)
        .collect();
    pictures.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut worst: f64 = 0.0;
    for sound in placed.iter().filter(|(kind, ..)| *kind == Kind::Audio) {
        let (truth, moved) = shift(sound);
        let after = pictures.partition_point(|(time, _)| *time < truth);
        // Beside a hole in the pictures both sides are right.
        let beside = [after.checked_sub(1), Some(after)];
        let near = beside
            .into_iter()
            .flatten()
            .filter_map(|index| pictures.get(index));
        let least = near
            .filter(|(time, _)| (time - truth).abs() < 0.1)
            .map(|(_, shift)| (shift - moved).abs())
            .reduce(f64::min);
        worst = worst.max(least.unwrap_or(0.0));
    }
    worst
}
