//! Checks: whether sources send media, without recording it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mediacore::clock::SystemClock;
use mediacore::source::{self, InputEvent, Interrupt, Opener, SourceUrl};
use tokio::sync::{Semaphore, watch};

use super::events::{Event, Events};
use super::recordings::{Recordings, State};
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::listen::told;
use crate::store::Store;
use crate::store::sources::Source;

/// Tries of a check that a person asks for.
const TRIES: u32 = 10;

/// How long one try may take.
const TRY_LIMIT: Duration = Duration::from_secs(5);

/// How long it may take to notice that the time is over.
const GRACE: Duration = Duration::from_secs(1);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(5);

/// Checks at a time.
const AT_ONCE: usize = 16;

/// Checks sources, by and by and when asked.
pub(crate) struct Checks {
    store: Store,
    events: Events,
    recordings: Arc<Recordings>,
    interval: Duration,
    places: Arc<Semaphore>,
    /// Sources that a person has checked right now.
    asked: Mutex<HashSet<i64>>,
}

impl Checks {
    /// Checks each source every `interval`.
    pub(crate) fn new(
        store: &Store,
        events: &Events,
        recordings: &Arc<Recordings>,
        interval: Duration,
    ) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            recordings: Arc::clone(recordings),
            interval,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            asked: Mutex::default(),
        }
    }

    /// Checks by and by until `stop` says so. Each source has its own moment in the interval, so that they are not all asked at once.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut since: std::collections::HashMap<i64, tokio::time::Instant> =
            std::collections::HashMap::new();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = told(&mut stop) => return,
            }
            let sources = match self.store.sources().await {
                Ok(sources) => sources,
                Err(error) => {
                    tracing::warn!("sources can't be read: {error}");
                    continue;
                }
            };
            let now = tokio::time::Instant::now();
            let there: HashSet<i64> = sources.iter().map(|source| source.id).collect();
            since.retain(|id, _| there.contains(id));
            for source in sources.into_iter().filter(|source| source.is_active) {
                // A new one is checked at once; after that the numbers spread them over the interval.
                let spread = self.interval.mul_f64((source.id % 16) as f64 / 64.0);
                let due = since
                    .get(&source.id)
                    .is_none_or(|then| now.duration_since(*then) >= self.interval + spread);
                if due {
                    since.insert(source.id, now);
                    let this = Arc::clone(&self);
                    tokio::spawn(async move { this.by_the_way(&source).await });
                }
            }
        }
    }

    async fn by_the_way(&self, source: &Source) {
        if self.is_asked(source.id) {
            return;
        }
        let Ok(_place) = self.places.acquire().await else {
            return;
        };
        let verdict = self.verdict(source).await;
        let first = source.last_check_time.is_none();
        let changed = source.is_online != verdict.is_ok();
        if let Err(error) = self.note(source.id, &verdict).await {
            tracing::warn!("the check of source {} is not noted: {error:?}", source.id);
        }
        if first || changed {
            self.tell(source.id, verdict.is_ok(), None);
        }
    }

    fn is_asked(&self, id: i64) -> bool {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id)
    }

    /// Checks a source because a person asks: up to ten tries, each of which is told. One check of a source at a time.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn ask(self: &Arc<Self>, id: i64) -> Result<(), Fault> {
        let source = self
            .store
            .source(id)
            .await?
            .ok_or_else(|| Fault::missing("Source not found"))?;
        if !self
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id)
        {
            return Ok(());
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            for attempt in 1..=TRIES {
                let verdict = this.verdict(&source).await;
                if let Err(error) = this.note(id, &verdict).await {
                    tracing::warn!("the check of source {id} is not noted: {error:?}");
                }
                let more = verdict.is_err() && attempt < TRIES;
                this.tell(id, verdict.is_ok(), Some((attempt, more)));
                if !more {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            this.asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
        });
        Ok(())
    }

    /// What a vendor says about the stream `name/channel`: every source whose address has that in its path is on- or offline.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn pushed(&self, name: &str, channel: &str, online: bool) -> Result<(), Fault> {
        if name.is_empty() || channel.is_empty() {
            return Ok(());
        }
        let wanted = format!("{name}/{channel}").to_lowercase();
        let verdict = if online {
            Ok(())
        } else {
            Err("its platform says that it ended".to_owned())
        };
        for source in self.store.sources().await? {
            let path = SourceUrl::parse(&source.url).map(|url| url.path().to_lowercase());
            if path.is_ok_and(|path| path.contains(&wanted)) {
                self.note(source.id, &verdict).await?;
                self.tell(source.id, online, None);
            }
        }
        Ok(())
    }

    async fn note(&self, id: i64, verdict: &Result<(), String>) -> Result<(), Fault> {
        Ok(self
            .store
            .note_source_check(id, verdict.is_ok(), verdict.as_ref().err().map(String::as_str))
            .await?)
    }

    fn tell(&self, source_id: i64, is_online: bool, attempt: Option<(u32, bool)>) {
        self.events.tell(Event::SourceStatusChanged {
            source_id,
            is_online,
            attempt: attempt.map(|(attempt, _)| attempt),
            max_attempts: attempt.map(|_| TRIES),
            checking: attempt.map(|(_, more)| more),
            timestamp: Micros::now(),
        });
    }

    /// Whether media comes; why not.
    async fn verdict(&self, source: &Source) -> Result<(), String> {
        // A recording knows best, and a camera may have one connection only.
        match self.recordings.live_of(source.id).map(|live| live.state) {
            Some(State::Recording | State::Finishing | State::DiskFull) => return Ok(()),
            Some(State::Reconnecting) => {
                return Err("the connection is lost and is being made again".to_owned());
            }
            Some(State::Stalled) => return Err("it is connected and sends nothing".to_owned()),
            Some(State::Connecting) | None => {}
        }
        let url = SourceUrl::parse(&source.url).map_err(|error| error.report())?;
        let mut options = self.recordings.source_options(&source.transport);
        options.connect_timeout = TRY_LIMIT;
        options.read_timeout = TRY_LIMIT;
        let interrupt = Interrupt::new();
        let stop = interrupt.clone();
        let looking = blocking(move || {
            interrupt.set_deadline(TRY_LIMIT);
            let mut opener = source::opener(&url, &options, &SystemClock::shared());
            Ok::<_, Fault>(first_packet(opener.as_mut(), &interrupt))
        });
        match tokio::time::timeout(TRY_LIMIT + GRACE, looking).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(error))) => Err(error.report()),
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(_) => {
                stop.cancel();
                Err(format!("no media within {} s", TRY_LIMIT.as_secs()))
            }
        }
    }
}

/// Connects and waits for media.
fn first_packet(opener: &mut dyn Opener, interrupt: &Interrupt) -> mediacore::Result<()> {
    let mut input = opener.open(interrupt)?;
    loop {
        match input.read()? {
            InputEvent::Packet(_) => return Ok(()),
            InputEvent::End { .. } => {
                return Err(mediacore::Error::new(
                    mediacore::ErrorKind::NotFound,
                    "the source sends nothing",
                ));
            }
            _ => {}
        }
    }
}
