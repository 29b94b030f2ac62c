//! The thread of one recording: does what the session says, and takes what the intake gives to the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::source::{Input, InputEvent, Opener};

use super::cutter::Limits;
use super::intake::{Intake, MAX_UNIT_BYTES, Options as IntakeOptions, Output};
use super::recorder::{Event as Told, Options, Phase, Shared};
use super::report::{Gap, Report, Status};
use super::session::{Action, End, Event, Policy, Session};
use super::sink::{Sink, SinkOptions};
use super::{Notice, timeline_policy};

pub(super) struct Worker {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    opener: Box<dyn Opener>,
    path: PathBuf,
    options: Options,
    intake: Intake,
    sink: Sink,
    gaps: Vec<Gap>,
    /// Why the connection before this one ended.
    cause: Option<String>,
    /// The error that ended it, if one did.
    error: Option<Error>,
    tracks_seen: usize,
    /// When the packet came that was read last.
    arrived: Instant,
    outputs: Vec<Output>,
}

/// More gaps than anyone reads; further ones are in the journal and counted.
const MAX_GAPS: usize = 10_000;
/// How often what is going on is told.
const TELL: Duration = Duration::from_millis(250);

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        opener: Box<dyn Opener>,
        path: &Path,
        options: Options,
    ) -> Self {
        let intake = Intake::new(IntakeOptions {
            audio: options.audio,
            timeline: timeline_policy(options.outage),
            limits: Limits::RECORDING,
            start_wait: options.start_wait,
            duration: options.duration,
            early_audio: false,
        });
        let sink = Sink::new(SinkOptions {
            path: path.to_path_buf(),
            reserve: options.reserve.or_else(|| options.duration.and_then(reserve_for)),
            overwrite: options.overwrite,
            finish: options.finish,
            observer: options.observer.clone(),
            buffer: options.buffer,
            clock: Arc::clone(&clock),
        });
        Self {
            arrived: clock.now(),
            shared,
            clock,
            opener,
            path: path.to_path_buf(),
            options,
            intake,
            sink,
            gaps: Vec::new(),
            cause: None,
            error: None,
            tracks_seen: 0,
            outputs: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Report {
        let policy = Policy {
            reconnect: self.options.reconnect,
            connect: self.options.connect_timeout,
            silence: self.options.silence,
            duration: self.options.duration,
        };
        let seed = self.clock.wall().0.cast_unsigned()
            ^ u64::from(crc32c::crc32c(self.path.as_os_str().as_encoded_bytes()));
        let (mut session, mut action) = Session::new(policy, self.clock.now(), seed);
        let mut input: Option<Box<dyn Input>> = None;
        let mut told = self.clock.now();
        let end = loop {
            let mut event = match action {
                Action::Open(limit) => self.open(limit, &mut input),
                Action::Read(limit) => self.read(limit, &mut input),
                Action::Pause(length) => {
                    input = None;
                    self.pause(length)
                }
                Action::Finish(end) => break end,
            };
            if self.shared.is_stopped() {
                event = Event::Stop;
            }
            let now = self.clock.now();
            let read = matches!(event, Event::Packet(_));
            action = session.handle(now, event);
            if let Err(error) = self.deliver() {
                self.error = Some(error);
                action = session.handle(now, Event::StorageFailed);
            }
            if !read || now.saturating_duration_since(told) >= TELL {
                told = now;
                self.tell_live(&action, session.reconnects, read.then_some(self.arrived));
            }
        };
        drop(input);
        self.finish(end, session.reconnects)
    }

    fn open(&mut self, limit: Duration, input: &mut Option<Box<dyn Input>>) -> Event {
        self.shared.tell(Told::Connecting);
        self.shared.interrupt.set_deadline(limit);
        match self.opener.open(&self.shared.interrupt) {
            Ok(opened) => {
                self.error = None;
                self.tracks_seen = 0;
                self.intake
                    .connect(self.clock.now(), self.cause.take(), &mut self.outputs);
                self.shared.tell(Told::Connected);
                *input = Some(opened);
                Event::Opened
            }
            Err(error) => {
                let kind = error.kind();
                self.cause.get_or_insert_with(|| error.report());
                self.error = Some(error);
                Event::OpenFailed(kind)
            }
        }
    }

    fn read(&mut self, limit: Duration, input: &mut Option<Box<dyn Input>>) -> Event {
        let Some(input) = input.as_mut() else {
            return Event::Ended { complete: false };
        };
        self.shared.interrupt.set_deadline(limit.max(input.patience()));
        let began = self.clock.now();
        let event = input.read();
        // A parser may hold a packet until reading is given up. It came before that wait, which is part of the outage.
        let gave_up = self.shared.interrupt.is_late();
        self.arrived = if gave_up { began } else { self.clock.now() };
        let tracks = input.tracks();
        if tracks.len() > self.tracks_seen {
            self.tracks_seen = tracks.len();
            self.intake.tracks(tracks, &mut self.outputs);
        }
        match event {
            Ok(InputEvent::Packet(packet)) if packet.data.len() > MAX_UNIT_BYTES => {
                self.intake.too_large(self.arrived, &mut self.outputs);
                Event::Other
            }
            Ok(InputEvent::Packet(packet)) => {
                self.intake.push(self.arrived, packet, &mut self.outputs);
                Event::Packet(if self.intake.is_full() {
                    Duration::MAX
                } else {
                    self.below_limit()
                })
            }
            Ok(InputEvent::Gap(loss)) => {
                self.intake.lost(loss, &mut self.outputs);
                Event::Other
            }
            Ok(InputEvent::Lost(packets)) => {
                self.intake.missed(self.arrived, packets, &mut self.outputs);
                Event::Other
            }
            Ok(InputEvent::Discontinuity) => {
                self.intake.discontinuity(&mut self.outputs);
                Event::Other
            }
            Ok(InputEvent::Wall(_)) => Event::Other,
            Ok(InputEvent::Unusable { track, reason }) => {
                let codec = input
                    .tracks()
                    .get(track)
                    .map_or_else(String::new, |track| track.codec.clone());
                self.outputs
                    .push(Output::Notice(Notice::TrackDropped { codec, reason }));
                Event::Other
            }
            Ok(InputEvent::End { complete }) => {
                self.cause = Some("the source ended the connection".to_owned());
                Event::Ended { complete }
            }
            Err(error) => {
                let kind = error.kind();
                let silent = kind == ErrorKind::TimedOut;
                self.cause = Some(if silent {
                    format!("no data for {} s", limit.max(input.patience()).as_secs())
                } else {
                    error.report()
                });
                self.error = Some(error);
                Event::ReadFailed(kind)
            }
        }
    }

    /// The position on the timeline, which the wanted length does not end before its last sample is in a fragment.
    fn below_limit(&self) -> Duration {
        let position = self.intake.position();
        match self.options.duration {
            Some(limit) => position.min(limit.saturating_sub(Duration::from_nanos(1))),
            None => position,
        }
    }

    fn pause(&mut self, length: Duration) -> Event {
        let cause = self.cause.clone().unwrap_or_default();
        tracing::info!(path = %self.path.display(), cause, pause_ms = length.as_millis(), "connecting again");
        self.shared.tell(Told::Reconnecting { cause, pause: length });
        self.shared.pause(length);
        Event::Waited
    }

    /// Takes what the intake gave to the disk.
    fn deliver(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            let taken = match output {
                Output::Part { tracks, at } => {
                    let begun = self.sink.begin(tracks, at);
                    if begun.is_ok() {
                        let (path, number) = self.sink.current();
                        self.shared.tell(Told::Part { path, number });
                    }
                    begun
                }
                Output::Track(track) => {
                    self.sink.add_track(track);
                    Ok(())
                }
                Output::Fragment(cut) => self.write(cut),
                Output::Gap {
                    at,
                    length,
                    cause,
                    kind,
                } => {
                    self.list(Gap {
                        at,
                        length,
                        cause,
                        kind,
                    });
                    Ok(())
                }
                Output::Notice(notice) => {
                    tracing::info!(path = %self.path.display(), ?notice, "recording");
                    self.shared.tell(Told::Notice(notice));
                    Ok(())
                }
            };
            if result.is_ok() {
                result = taken;
            }
        }
        self.outputs = outputs;
        result
    }

    fn write(&mut self, cut: super::cutter::Cut) -> Result<(), Error> {
        let length = self.sink.length_of(&cut);
        let shared = Arc::clone(&self.shared);
        let kept = self
            .sink
            .write(cut, &|| shared.is_stopped(), &|| shared.tell(Told::DiskFull))?;
        if !kept {
            let at = self.intake.position().saturating_sub(length);
            self.list(Gap {
                at,
                length,
                cause: "the disk did not take it in time".to_owned(),
                kind: None,
            });
        }
        Ok(())
    }

    fn list(&mut self, gap: Gap) {
        self.sink.note_gap(&gap);
        self.shared.tell(Told::Gap(gap.clone()));
        self.shared.update(|live| live.gaps += 1);
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(gap);
        }
    }

    fn tell_live(&mut self, action: &Action, reconnects: u32, packet: Option<Instant>) {
        let safe = self.sink.durable();
        let still = self.sink.still();
        let received = self.intake.position();
        let begun = self.sink.has_begun() || !received.is_zero();
        self.shared.update(|live| {
            live.phase = match action {
                Action::Read(_) if begun => Phase::Recording,
                Action::Open(_) | Action::Pause(_) if begun => Phase::Reconnecting,
                Action::Finish(_) => Phase::Finishing,
                _ => Phase::Connecting,
            };
            (live.durable, live.durable_bytes, live.disk_full) = (safe.length, safe.bytes, safe.disk_full);
            (live.durable_pictures, live.first_came) = (safe.pictures, safe.since);
            live.still = still;
            live.received = received;
            live.last_packet = packet.or(live.last_packet);
            live.reconnects = reconnects;
        });
    }

    fn finish(mut self, end: End, reconnects: u32) -> Report {
        self.shared.tell(Told::Finishing);
        self.shared.update(|live| {
            live.phase = Phase::Finishing;
            // Finishing moves the media.
            live.still = None;
        });
        self.intake.finish(self.clock.now(), &mut self.outputs);
        let mut error = self.deliver().err().or(self.error.take());
        let finished = self.sink.finish(self.clock.as_ref());
        let recorded = !finished.parts.is_empty();
        if matches!(end, End::Duration | End::Complete | End::Stopped) && recorded {
            error = None;
        }
        let error = finished.error.or(error).or_else(|| {
            (!recorded).then(|| {
                Error::new(
                    ErrorKind::NotFound,
                    "the source sent nothing that could be recorded",
                )
            })
        });
        let status = match Status::of(end, recorded) {
            Status::Completed if error.is_some() => Status::Interrupted,
            status => status,
        };
        self.shared.update(|live| live.phase = Phase::Ended);
        Report {
            status,
            end,
            error,
            parts: finished.parts,
            manifest: finished.manifest,
            gaps: self.gaps,
            reconnects,
            repaired: self.intake.counters(),
            finish_time: finished.time,
        }
    }
}

/// Room for the `moov` of a recording whose length is known: 72 samples a second, each with size, composition and
/// chunk, with something to spare. `None` leaves short ones to the default.
fn reserve_for(duration: Duration) -> Option<u64> {
    let bytes = duration.as_secs().saturating_mul(900).saturating_add(8 << 10);
    (bytes > 60 << 10).then_some(bytes.min(64 << 20))
}
