//! `mediastack record`.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use mediacore::clock::{Clock, SystemClock};
use mediacore::record::{self, End, Event, Live, Notice, Phase, Recorder, Recording, Report, Status};
use mediacore::source::{self, SourceUrl};
use mediacore::timeline::{Counters, Outage};
use mediacore::{Error, ErrorKind, Result};
use serde::Serialize;

use super::answer::Answer;
use super::json::{ErrorView, GapView, PartView, TrackView, path, seconds};
use super::progress::{Sample, Screen, Window, amount, count};
use super::signals::Caught;
use super::{duration, exit, hooks, json};

/// Record a live stream into an MP4 file
///
/// The file can't be lost: after a crash, `mediastack recover` finishes it. SIGINT and SIGTERM stop and finish it; a second
/// signal ends the program at once.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// rtmp(s)://, rtsp(s)://, or http(s):// (HLS, or a progressive stream). `-` takes it from the environment variable
    /// MEDIASTACK_URL or, without that, from the first line of standard input, so that no password is on the command line
    #[arg(value_name = "URL")]
    url: String,
    /// The file to write; more parts, if the stream changes its codec, are `OUT.part2.mp4`, …
    #[arg(value_name = "OUT.mp4")]
    output: PathBuf,
    /// How much to record, such as 30s, 10m, 1h30m [default: until the source ends]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    duration: Option<Duration>,
    /// How RTSP media comes [default: tcp, or udp if the server wants that]
    #[arg(long, value_name = "TRANSPORT")]
    rtsp_transport: Option<Transport>,
    /// What to do about audio
    #[arg(long, value_name = "AUDIO", default_value = "auto")]
    audio: Audio,
    /// Give up when the source stays away for longer; 0 never connects again
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    max_reconnect_time: Duration,
    /// Replace a file that exists
    #[arg(long)]
    overwrite: bool,
    /// How long to wait for a source that doesn't answer at first [default: 3s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, hide_short_help = true)]
    wait_for_source: Option<Duration>,
    /// Whether a gap's time stays in the file (keep) or the media after it follows at once (close)
    #[arg(long, value_name = "GAPS", default_value = "close", hide_short_help = true)]
    gaps: Gaps,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Transport {
    Tcp,
    Udp,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Audio {
    /// Copy what MP4 and browsers take, transcode the rest to AAC
    Auto,
    /// Copy what MP4 takes, drop the rest
    Copy,
    /// AAC always
    Aac,
    /// No audio
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Gaps {
    Close,
    Keep,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, json: bool) -> Result<Answer> {
    let url = SourceUrl::parse(&address(&arguments.url)?)?;
    if arguments.duration.is_some_and(|length| length.is_zero()) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "--duration 0: nothing to record",
        ));
    }
    let clock = SystemClock::shared();
    let opener = source::opener(&url, &source_options(arguments), &clock);
    let caught = Caught::new()?;
    let recording = Recorder::default().start(opener, &arguments.output, options(arguments)?)?;
    let stopper = recording.stopper();
    let watch = caught.watch(move || stopper.stop())?;
    let screen = Screen::new(json);
    follow(&recording, screen, clock.as_ref(), &format!("{url}"));
    let report = recording.wait();
    drop(watch);
    Ok(answer(&report, &arguments.output))
}

/// The address as it was given or, for `-`, from where it isn't seen.
fn address(given: &str) -> Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    secret("MEDIASTACK_URL", source::MAX_URL_BYTES, "address")
}

/// What the environment variable `name` says or, without it, the first line of standard input, of at most `limit` bytes.
pub(super) fn secret(name: &str, limit: usize, what: &str) -> Result<String> {
    if let Ok(text) = std::env::var(name) {
        return Ok(text);
    }
    let mut line = String::new();
    std::io::Read::take(std::io::stdin().lock(), limit as u64 + 2)
        .read_line(&mut line)
        .map_err(|cause| Error::storage(format!("read the {what} from standard input"), cause))?;
    match line.trim() {
        "" => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("no {what} in {name} nor on standard input"),
        )),
        text => Ok(text.to_owned()),
    }
}

fn source_options(arguments: &Arguments) -> source::Options {
    source::Options {
        rtsp_transport: match arguments.rtsp_transport {
            None => source::RtspTransport::Auto,
            Some(Transport::Tcp) => source::RtspTransport::Tcp,
            Some(Transport::Udp) => source::RtspTransport::Udp,
        },
        ..source::Options::default()
    }
}

fn options(arguments: &Arguments) -> Result<record::Options> {
    Ok(record::Options {
        audio: match arguments.audio {
            Audio::Auto => record::AudioPolicy::Auto,
            Audio::Copy => record::AudioPolicy::Copy,
            Audio::Aac => record::AudioPolicy::Aac,
            Audio::None => record::AudioPolicy::None,
        },
        duration: arguments.duration,
        reconnect: record::Reconnect {
            max_time: arguments.max_reconnect_time,
            wait_for_source: arguments
                .wait_for_source
                .unwrap_or(record::Reconnect::default().wait_for_source),
            ..record::Reconnect::default()
        },
        outage: match arguments.gaps {
            Gaps::Close => Outage::Close,
            Gaps::Keep => Outage::Keep,
        },
        finish: hooks::preference()?,
        observer: hooks::observer(),
        overwrite: arguments.overwrite,
        ..record::Options::default()
    })
}

/// Shows what happens until the recording is over.
fn follow(recording: &Recording, mut screen: Screen, clock: &dyn Clock, url: &str) {
    let mut window = Window::default();
    let mut state = State::default();
    loop {
        let over = recording.is_over();
        while let Ok(event) = recording.events().try_recv() {
            tell(event, &mut screen, &mut state, clock.now());
        }
        if over {
            break;
        }
        let now = clock.now();
        if screen.is_due(now) {
            let live = recording.live();
            if live.phase == Phase::Recording {
                window.push(Sample {
                    at: now,
                    received: live.received,
                    written: live.durable,
                    bytes: live.durable_bytes,
                });
            } else {
                window.clear();
            }
            screen.redraw(now, &progress_line(&live, &state, &window, now, url));
        }
        match recording.events().recv_timeout(WAKE) {
            Ok(event) => tell(event, &mut screen, &mut state, clock.now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => clock.sleep(WAKE),
        }
    }
    screen.clear();
}

/// How soon the end is noticed.
const WAKE: Duration = Duration::from_millis(50);

/// What the last events said about a connection that is gone.
#[derive(Debug, Default)]
struct State {
    retry: Option<(Instant, String)>,
    /// Something is being recorded.
    begun: bool,
}

fn tell(event: Event, screen: &mut Screen, state: &mut State, now: Instant) {
    match &event {
        Event::Reconnecting { cause, pause } => state.retry = Some((now + *pause, cause.clone())),
        Event::Connecting | Event::Connected => state.retry = None,
        _ => {}
    }
    state.begun |= matches!(event, Event::Part { .. });
    // Before anything is recorded, another try is no news: if none succeeds, the error says why.
    if let Some(line) =
        event_line(&event).filter(|_| state.begun || !matches!(event, Event::Reconnecting { .. }))
    {
        screen.event(now, &line);
    }
}

/// What is worth a line of its own.
fn event_line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Part { path, number } if *number > 1 => format!("part {number}: {}", path.display()),
        Event::Reconnecting { cause, pause } => {
            format!("reconnecting in {:.1} s: {cause}", pause.as_secs_f64())
        }
        Event::Gap(gap) => format!(
            "gap at {}: {:.3} s{}: {}",
            duration::clock(gap.at),
            gap.length.as_secs_f64(),
            gap.kind.map(|kind| format!(" of {kind}")).unwrap_or_default(),
            gap.cause
        ),
        Event::Notice(notice) => notice_line(notice),
        Event::DiskFull => "disk full: waiting for room".to_owned(),
        _ => return None,
    })
}

fn notice_line(notice: &Notice) -> String {
    match notice {
        Notice::TrackDropped { codec, reason } => format!("track {codec} is not recorded: {reason}"),
        Notice::TrackTranscoded { codec } => format!("track {codec} is transcoded to AAC"),
        Notice::TrackMissing { codec } => format!("track {codec} was announced and has sent nothing"),
        Notice::NoKeyFrame { waited } => {
            format!("no key frame for {} s; waiting for one", waited.as_secs())
        }
        Notice::ClockReset { at, from, to } => format!(
            "the source's clock jumped from {:.3} s to {:.3} s; the recording goes on at {}",
            from.as_secs_f64(),
            to.as_secs_f64(),
            duration::clock(*at)
        ),
        Notice::PacketsDropped { reason, count } => format!("{count} packets dropped: {reason}"),
    }
}

fn progress_line(live: &Live, state: &State, window: &Window, now: Instant, url: &str) -> String {
    let what = match live.phase {
        Phase::Connecting => format!("connecting to {url}"),
        Phase::Recording if live.disk_full => "disk full".to_owned(),
        Phase::Recording => "recording".to_owned(),
        Phase::Reconnecting => match &state.retry {
            Some((then, _)) => {
                let left = then.saturating_duration_since(now).as_secs_f64().ceil();
                format!("reconnecting in {left:.0} s")
            }
            None => "reconnecting".to_owned(),
        },
        Phase::Finishing => "finishing".to_owned(),
        Phase::Ended => "ended".to_owned(),
    };
    let mut line = format!("{what}  {}", amount(live.durable, live.durable_bytes));
    let speed = window.words();
    if !speed.is_empty() {
        line += &format!("  {speed}");
    }
    if live.reconnects > 0 {
        line += &format!("  {}", count(live.reconnects.into(), "reconnect"));
    }
    if live.gaps > 0 {
        line += &format!("  {}", count(live.gaps, "gap"));
    }
    if let (Phase::Reconnecting, Some((_, cause))) = (live.phase, &state.retry) {
        line += &format!("  ({cause})");
    }
    line
}

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct View {
    status: &'static str,
    end: &'static str,
    path: String,
    duration_s: f64,
    size_bytes: u64,
    tracks: Vec<TrackView>,
    parts: Vec<PartView>,
    manifest: Option<String>,
    reconnects: u32,
    gaps: Vec<GapView>,
    finish_ms: f64,
    finish_method: Option<&'static str>,
    repaired: RepairedView,
    error: Option<ErrorView>,
}

#[derive(Debug, Serialize)]
struct RepairedView {
    packets: u64,
    dropped: u64,
    wraps: u64,
    outliers: u64,
    nudged: u64,
    raised: u64,
    derived: u64,
    resets: u64,
    resyncs: u64,
}

impl RepairedView {
    fn of(counters: &Counters) -> Self {
        Self {
            packets: counters.packets,
            dropped: counters.dropped,
            wraps: counters.wraps,
            outliers: counters.outliers,
            nudged: counters.nudged,
            raised: counters.raised,
            derived: counters.derived,
            resets: counters.resets,
            resyncs: counters.resyncs,
        }
    }
}

impl View {
    fn of(report: &Report, output: &Path) -> Self {
        Self {
            status: report.status.as_str(),
            end: report.end.as_str(),
            path: path(output),
            duration_s: seconds(report.duration()),
            size_bytes: report.size(),
            tracks: report.parts.first().map(json::tracks).unwrap_or_default(),
            parts: report.parts.iter().map(PartView::of).collect(),
            manifest: report.manifest.as_deref().map(path),
            reconnects: report.reconnects,
            gaps: report.gaps.iter().map(GapView::of).collect(),
            finish_ms: json::millis(report.finish_time),
            finish_method: report
                .parts
                .last()
                .and_then(|part| part.method)
                .map(|method| method.as_str()),
            repaired: RepairedView::of(&report.repaired),
            error: ending(report).map(ErrorView::of),
        }
    }
}

/// The error that ended the recording; a stop that was asked for is none.
fn ending(report: &Report) -> Option<&Error> {
    let asked = report.end == End::Stopped && report.status != Status::Failed;
    report
        .error
        .as_ref()
        .filter(|error| !(asked && error.kind() == ErrorKind::Cancelled))
}

fn answer(report: &Report, output: &Path) -> Answer {
    let view = View::of(report, output);
    let text = if report.parts.is_empty() {
        String::new()
    } else {
        summary(&view)
    };
    let mut answer = Answer::new(&view, text).exit(exit_code(report));
    match ending(report) {
        Some(error) if report.status == Status::Failed => answer = answer.note(error.report()),
        Some(error) => {
            let end = match report.end {
                End::SourceLost => "the source stayed away",
                End::Storage => "the disk failed",
                _ => "the recording ended early",
            };
            answer = answer.note(format_args!("{}: {end}: {}", output.display(), error.report()));
        }
        None if report.status == Status::Failed => {
            answer = answer.note(format_args!("{}: nothing was recorded", output.display()));
        }
        None => {}
    }
    if report.parts.iter().any(|part| part.method.is_none()) {
        answer = answer.note(format_args!(
            "{}: not finished; `mediastack recover` finishes it",
            output.display()
        ));
    }
    answer
}

fn exit_code(report: &Report) -> u8 {
    let unfinished = report.parts.iter().any(|part| part.method.is_none());
    let of_error = |otherwise| exit::code(report.error.as_ref().map_or(otherwise, Error::kind));
    match (report.status, report.end) {
        (Status::Failed, End::Stopped) => exit::CANCELLED,
        (Status::Failed, _) => of_error(ErrorKind::Internal),
        (_, End::Storage) => exit::code(ErrorKind::Storage),
        _ if unfinished => of_error(ErrorKind::Storage),
        (Status::Completed, _) | (_, End::Stopped | End::SourceLost) => exit::SUCCESS,
        _ => of_error(ErrorKind::Internal),
    }
}

fn summary(view: &View) -> String {
    let mut lines = json::summary(&view.path, view.duration_s, view.size_bytes, &view.parts);
    if view.reconnects > 0 {
        lines.push(format!("  {}", count(view.reconnects.into(), "reconnect")));
    }
    const SHOWN: usize = 10;
    for gap in view.gaps.iter().take(SHOWN) {
        lines.push(format!(
            "  gap at {:.3} s, {:.3} s: {}",
            gap.at_s, gap.length_s, gap.cause
        ));
    }
    if view.gaps.len() > SHOWN {
        lines.push(format!("  and {} more gaps", view.gaps.len() - SHOWN));
    }
    lines.join("\n")
}
