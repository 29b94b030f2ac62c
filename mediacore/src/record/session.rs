//! What to do next: the state machine of one recording, without a clock, a socket or a file.

use std::time::{Duration, Instant};

use crate::error::ErrorKind;

/// When to connect again, and when to give up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reconnect {
    /// A source that stays away for longer than this ends the recording. Zero never connects again.
    pub max_time: Duration,
    /// The first pause between two tries; it doubles up to `most`, and each pause is shortened at random by up to a half, so that
    /// a hundred recorders don't knock at once.
    pub first: Duration,
    /// The longest pause between two tries.
    pub most: Duration,
    /// How long to try a source that has never answered; 3 s, for a server that hiccups. Zero fails at the first refusal. A
    /// refusal that will not change by waiting (credentials, an address that is none) is an error at once.
    pub wait_for_source: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            max_time: Duration::from_secs(600),
            first: Duration::from_secs(1),
            most: Duration::from_secs(30),
            wait_for_source: Duration::from_secs(3),
        }
    }
}

/// Limits of the state machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Policy {
    pub(crate) reconnect: Reconnect,
    /// How long connecting may take.
    pub(crate) connect: Duration,
    /// How long a connection may be silent.
    pub(crate) silence: Duration,
    /// How much to record.
    pub(crate) duration: Option<Duration>,
}

/// How much longer than asked for a recording may take on the wall clock, when the source falls behind.
const LATE: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// The connection is made.
    Opened,
    /// It could not be made.
    OpenFailed(ErrorKind),
    /// A packet came; this much is on the timeline now.
    Packet(Duration),
    /// Something else came, that is no media.
    Other,
    /// Reading failed.
    ReadFailed(ErrorKind),
    /// The source ended; `complete` when it says that this was all.
    Ended {
        /// Whether the source says so.
        complete: bool,
    },
    /// A pause is over.
    Waited,
    /// The disk failed.
    StorageFailed,
    /// Somebody wants it to end.
    Stop,
}

/// What to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Connect, giving up after this long.
    Open(Duration),
    /// Read the next event, giving up after this long.
    Read(Duration),
    /// Let go of the connection and pause.
    Pause(Duration),
    /// Finish.
    Finish(End),
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum End {
    /// As much as asked for was recorded.
    Duration,
    /// The source says that this was all.
    Complete,
    /// Somebody stopped it.
    Stopped,
    /// The source went away and stayed away.
    SourceLost,
    /// The disk failed.
    Storage,
    /// The source was never reached, or what it sends can't be recorded.
    Failed,
}

impl End {
    /// The reason in lower-case words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duration => "duration_reached",
            Self::Complete => "source_complete",
            Self::Stopped => "stopped",
            Self::SourceLost => "source_lost",
            Self::Storage => "storage_failed",
            Self::Failed => "failed",
        }
    }
}

/// The state of one recording.
#[derive(Debug)]
pub(crate) struct Session {
    policy: Policy,
    state: State,
    /// When the first packet came.
    began: Option<Instant>,
    /// When the source went away, or when the first try was made.
    lost: Instant,
    pause: Duration,
    random: u64,
    pub(crate) reconnects: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Connecting,
    Receiving,
    Paused,
    Finished(End),
}

impl Session {
    /// Begins by connecting; `seed` scatters the pauses.
    pub(crate) fn new(policy: Policy, now: Instant, seed: u64) -> (Self, Action) {
        let session = Self {
            policy,
            state: State::Connecting,
            began: None,
            lost: now,
            pause: policy.reconnect.first,
            random: seed | 1,
            reconnects: 0,
        };
        (session, Action::Open(policy.connect))
    }

    /// Takes one event and says what to do. Total: an event that makes no sense in a state is answered with what the state is
    /// about, and a finished recording stays finished.
    pub(crate) fn handle(&mut self, now: Instant, event: Event) -> Action {
        if let State::Finished(end) = self.state {
            return Action::Finish(end);
        }
        match event {
            Event::Stop => self.finish(End::Stopped),
            Event::StorageFailed => self.finish(End::Storage),
            Event::Opened => {
                self.state = State::Receiving;
                self.read(now)
            }
            Event::OpenFailed(ErrorKind::Cancelled) | Event::ReadFailed(ErrorKind::Cancelled) => {
                self.finish(End::Stopped)
            }
            Event::OpenFailed(kind) => self.retry(now, kind),
            Event::Packet(position) => {
                if self.began.is_some() && self.pause != self.policy.reconnect.first {
                    self.pause = self.policy.reconnect.first;
                }
                self.began.get_or_insert(now);
                self.lost = now;
                match self.policy.duration {
                    Some(wanted) if position >= wanted => self.finish(End::Duration),
                    _ => self.read(now),
                }
            }
            Event::Other => self.read(now),
            Event::Ended { complete: true } => self.finish(End::Complete),
            Event::Ended { complete: false } => self.retry(now, ErrorKind::Unreachable),
            Event::ReadFailed(kind) => self.retry(now, kind),
            Event::Waited => {
                self.state = State::Connecting;
                self.reconnects += u32::from(self.began.is_some());
                Action::Open(
                    self.policy
                        .connect
                        .min(self.left(now))
                        .max(Duration::from_secs(1)),
                )
            }
        }
    }

    fn read(&mut self, now: Instant) -> Action {
        let over = self
            .policy
            .duration
            .zip(self.began)
            .is_some_and(|(wanted, began)| {
                now.saturating_duration_since(began) >= wanted.saturating_add(LATE)
            });
        if over {
            self.finish(End::Duration)
        } else {
            Action::Read(self.policy.silence)
        }
    }

    fn retry(&mut self, now: Instant, kind: ErrorKind) -> Action {
        let recorded = self.began.is_some();
        let hopeless = !recorded && !worth_waiting_for(kind);
        if hopeless || self.left(now).is_zero() {
            return self.finish(if recorded { End::SourceLost } else { End::Failed });
        }
        self.state = State::Paused;
        let pause = self.pause;
        self.pause = (pause * 2).min(self.policy.reconnect.most);
        Action::Pause(self.shortened(pause).min(self.left(now)))
    }

    /// How long to go on trying.
    fn left(&self, now: Instant) -> Duration {
        let gone = now.saturating_duration_since(self.lost);
        let (patience, until_end) = match self.began {
            None => (self.policy.reconnect.wait_for_source, None),
            Some(began) => (
                self.policy.reconnect.max_time,
                self.policy.duration.map(|wanted| {
                    wanted
                        .saturating_add(LATE)
                        .saturating_sub(now.saturating_duration_since(began))
                }),
            ),
        };
        let left = patience.saturating_sub(gone);
        until_end.map_or(left, |end| left.min(end))
    }

    /// Between half of `pause` and all of it (xorshift64).
    fn shortened(&mut self, pause: Duration) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = (self.random >> 40) as u32;
        pause / 2 + pause / 2 * (share >> 8) / (1 << 16)
    }

    fn finish(&mut self, end: End) -> Action {
        self.state = State::Finished(end);
        Action::Finish(end)
    }
}

/// Whether a source that answered so at the first try may answer better later.
fn worth_waiting_for(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::TimedOut | ErrorKind::Unreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        reconnect: Reconnect {
            max_time: Duration::from_secs(60),
            first: Duration::from_secs(1),
            most: Duration::from_secs(8),
            wait_for_source: Duration::ZERO,
        },
        connect: Duration::from_secs(10),
        silence: Duration::from_secs(10),
        duration: None,
    };

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn receiving(policy: Policy) -> (Session, Instant) {
        let now = Instant::now();
        let (mut session, action) = Session::new(policy, now, 42);
        assert_eq!(action, Action::Open(secs(10)));
        assert_eq!(session.handle(now, Event::Opened), Action::Read(secs(10)));
        assert_eq!(
            session.handle(now, Event::Packet(Duration::ZERO)),
            Action::Read(secs(10))
        );
        (session, now)
    }

    #[test]
    fn a_source_that_never_answered_is_an_error_at_once() {
        let now = Instant::now();
        let (mut session, _) = Session::new(POLICY, now, 1);
        assert_eq!(
            session.handle(now, Event::OpenFailed(ErrorKind::Unreachable)),
            Action::Finish(End::Failed)
        );
        let patient = Reconnect {
            wait_for_source: secs(30),
            ..POLICY.reconnect
        };
        let (mut session, _) = Session::new(
            Policy {
                reconnect: patient,
                ..POLICY
            },
            now,
            1,
        );
        assert!(matches!(
            session.handle(now, Event::OpenFailed(ErrorKind::NotFound)),
            Action::Pause(_)
        ));
        assert_eq!(
            session.handle(now, Event::OpenFailed(ErrorKind::Refused)),
            Action::Finish(End::Failed)
        );
    }

    #[test]
    fn pauses_double_are_shortened_by_half_at_most_and_end() {
        let (mut session, mut now) = receiving(POLICY);
        let mut event = Event::Ended { complete: false };
        let (mut longest, mut tries) = (secs(1), 0);
        loop {
            match session.handle(now, event) {
                Action::Pause(pause) => {
                    assert!(pause <= longest, "{pause:?} of {longest:?}");
                    assert!(pause >= longest / 2 || tries > 8, "{pause:?} of {longest:?}");
                    longest = (longest * 2).min(secs(8));
                    now += pause;
                }
                Action::Finish(end) => {
                    assert_eq!(end, End::SourceLost);
                    break;
                }
                other => panic!("{other:?}"),
            }
            assert!(matches!(session.handle(now, Event::Waited), Action::Open(_)));
            tries += 1;
            event = Event::OpenFailed(ErrorKind::Unreachable);
        }
        assert!((8..=20).contains(&tries), "{tries}");
        assert_eq!(session.reconnects, tries);
    }

    #[test]
    fn media_that_comes_back_resets_patience() {
        let (mut session, mut now) = receiving(POLICY);
        for _ in 0..5 {
            now += secs(50);
            assert!(matches!(
                session.handle(now - secs(50), Event::ReadFailed(ErrorKind::TimedOut)),
                Action::Pause(_)
            ));
            assert!(matches!(session.handle(now, Event::Waited), Action::Open(_)));
            assert!(matches!(session.handle(now, Event::Opened), Action::Read(_)));
            assert!(matches!(
                session.handle(now, Event::Packet(secs(1))),
                Action::Read(_)
            ));
            assert!(matches!(
                session.handle(now, Event::Packet(secs(1))),
                Action::Read(_)
            ));
        }
        assert_eq!(session.reconnects, 5);
    }

    #[test]
    fn the_wanted_length_ends_it_by_media_or_late_by_the_clock() {
        let policy = Policy {
            duration: Some(secs(30)),
            ..POLICY
        };
        let (mut session, now) = receiving(policy);
        assert_eq!(
            session.handle(now, Event::Packet(secs(30))),
            Action::Finish(End::Duration)
        );
        let (mut session, now) = receiving(policy);
        assert!(matches!(
            session.handle(now + secs(39), Event::Other),
            Action::Read(_)
        ));
        assert_eq!(
            session.handle(now + secs(40), Event::Other),
            Action::Finish(End::Duration)
        );
    }

    #[test]
    fn nothing_wakes_a_finished_recording() {
        for end in [Event::Stop, Event::StorageFailed, Event::Ended { complete: true }] {
            let (mut session, now) = receiving(POLICY);
            let finished = session.handle(now, end);
            assert!(matches!(finished, Action::Finish(_)));
            for event in [
                Event::Opened,
                Event::Waited,
                Event::Packet(secs(9)),
                Event::Stop,
                Event::Other,
            ] {
                assert_eq!(session.handle(now, event), finished);
            }
        }
    }
}
