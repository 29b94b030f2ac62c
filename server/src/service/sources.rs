//! Sources: made, changed, removed, and looked into before they are saved.

use std::sync::Arc;
use std::time::Duration;

use mediacore::clock::SystemClock;
use mediacore::probe;
use mediacore::source::{self, Interrupt, SourceUrl};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::events::{Event, Events};
use super::recordings::{Recordings, probed};
use crate::domain::status::Protocol;
use crate::fault::{Fault, Field, blocking};
use crate::store::Store;
use crate::store::sources::{Source, SourceFields};

/// Sources that are looked into at a time because a person asks.
const TESTS: usize = 4;

/// How long a look may take.
const TEST_LIMIT: Duration = Duration::from_secs(12);

/// Sources that one request can move.
const MAX_BULK: usize = 1000;

/// What is changed of a source; `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceChange {
    pub(crate) name: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) url: Option<String>,
    pub(crate) category_id: Option<Option<i64>>,
    pub(crate) retention_days: Option<i64>,
    pub(crate) quota_bytes: Option<Option<i64>>,
    pub(crate) audio: Option<String>,
    pub(crate) transport: Option<String>,
    pub(crate) is_active: Option<bool>,
}

/// What a look into a source found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its tracks, as the library lists them.
    pub(crate) tracks: Vec<Value>,
    /// Bits per second over all, where that can be told.
    pub(crate) bit_rate: Option<u64>,
    /// What is wrong with it.
    pub(crate) notes: Vec<String>,
}

/// The sources.
pub(crate) struct Sources {
    store: Store,
    events: Events,
    recordings: Arc<Recordings>,
    tests: Semaphore,
}

impl Sources {
    /// The sources of the store.
    pub(crate) fn new(store: &Store, events: &Events, recordings: &Arc<Recordings>) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            recordings: Arc::clone(recordings),
            tests: Semaphore::new(TESTS),
        }
    }

    /// All, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn list(&self) -> Result<Vec<Source>, Fault> {
        Ok(self.store.sources().await?)
    }

    /// One.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn one(&self, id: i64) -> Result<Source, Fault> {
        self.store
            .source(id)
            .await?
            .ok_or_else(|| Fault::missing("Source not found"))
    }

    /// The thumbnail of the latest recording of one that is in the library.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn picture(&self, id: i64) -> Result<Option<String>, Fault> {
        self.one(id).await?;
        Ok(self.store.source_picture(id).await?)
    }

    /// Makes one.
    ///
    /// # Errors
    /// `Invalid` and `BadRequest` for what makes no sense.
    pub(crate) async fn add(&self, new: SourceFields) -> Result<Source, Fault> {
        self.check(&new).await?;
        let id = self.store.add_source(&new).await?;
        self.events.tell(Event::SourceChanged { source_id: id });
        self.one(id).await
    }

    /// Changes what is given. An address that is the shown form of the stored one changes nothing: its password was not shown.
    ///
    /// # Errors
    /// As [`add`](Self::add), and `NotFound`.
    pub(crate) async fn change(&self, id: i64, change: SourceChange) -> Result<Source, Fault> {
        let had = self.one(id).await?;
        let url = change
            .url
            .filter(|url| *url != shown_url(&had.url))
            .unwrap_or_else(|| had.url.clone());
        let to = SourceFields {
            name: change.name.unwrap_or(had.name),
            protocol: change.protocol.unwrap_or(had.protocol),
            url,
            category_id: change.category_id.unwrap_or(had.category_id),
            retention_days: change.retention_days.unwrap_or(had.retention_days),
            quota_bytes: change.quota_bytes.unwrap_or(had.quota_bytes),
            audio: change.audio.unwrap_or(had.audio),
            transport: change.transport.unwrap_or(had.transport),
            is_active: change.is_active.unwrap_or(had.is_active),
        };
        self.check(&to).await?;
        if !self.store.set_source(id, &to).await? {
            return Err(Fault::missing("Source not found"));
        }
        self.events.tell(Event::SourceChanged { source_id: id });
        self.one(id).await
    }

    /// Removes one; what it recorded stays.
    ///
    /// # Errors
    /// `NotFound`, and `BadRequest` while it is being recorded.
    pub(crate) async fn remove(&self, id: i64) -> Result<(), Fault> {
        self.one(id).await?;
        if !self.store.remove_source(id).await? {
            return Err(Fault::bad("无法删除正在录制的直播源"));
        }
        self.events.tell(Event::SourceChanged { source_id: id });
        Ok(())
    }

    /// Moves sources into a category; how many there were.
    ///
    /// # Errors
    /// `BadRequest` when there is no such category, `Invalid` for too many.
    pub(crate) async fn set_category(&self, ids: &[i64], category: i64) -> Result<u64, Fault> {
        if ids.len() > MAX_BULK {
            return Err(Fault::field("body.source_ids", format!("at most {MAX_BULK}")));
        }
        if !self.store.category_exists(category).await? {
            return Err(Fault::bad("Category not found"));
        }
        let count = self.store.set_sources_category(ids, category).await?;
        for id in ids {
            self.events.tell(Event::SourceChanged { source_id: *id });
        }
        Ok(count)
    }

    async fn check(&self, fields: &SourceFields) -> Result<(), Fault> {
        let mut wrong = Vec::new();
        let mut say = |place: &str, message: &str| {
            wrong.push(Field {
                place: format!("body.{place}"),
                message: message.to_owned(),
            });
        };
        if fields.name.trim().is_empty() || fields.name.chars().count() > 64 {
            say("name", "1 to 64 characters");
        }
        if !(0..=36_500).contains(&fields.retention_days) {
            say("retention_days", "a number from 0, which is for ever, to 36500");
        }
        if fields.quota_bytes.is_some_and(|quota| quota <= 0) {
            say("quota_bytes", "a number of bytes, or null");
        }
        if !["auto", "copy", "aac", "none"].contains(&fields.audio.as_str()) {
            say("audio", "auto, copy, aac or none");
        }
        if !["auto", "tcp", "udp"].contains(&fields.transport.as_str()) {
            say("transport", "auto, tcp or udp");
        }
        if !wrong.is_empty() {
            return Err(Fault::Invalid(wrong));
        }
        fits(fields.protocol, &fields.url)?;
        SourceUrl::parse(&fields.url)?;
        if let Some(id) = fields.category_id
            && !self.store.category_exists(id).await?
        {
            return Err(Fault::bad("Category not found"));
        }
        Ok(())
    }

    /// Looks into an address without saving it.
    ///
    /// # Errors
    /// Why it can't be seen, in words; `TooMany` when several others look at the same time.
    pub(crate) async fn look(&self, url: &str, transport: &str) -> Result<Result<Found, String>, Fault> {
        let Ok(_place) = self.tests.try_acquire() else {
            return Err(Fault::TooMany(Duration::from_secs(5)));
        };
        let url = match SourceUrl::parse(url) {
            Ok(url) => url,
            Err(error) => return Ok(Err(error.report())),
        };
        let options = self.recordings.source_options(transport);
        let interrupt = Interrupt::new();
        let stop = interrupt.clone();
        let looking = blocking(move || {
            let opener = source::opener(&url, &options, &SystemClock::shared());
            Ok::<_, Fault>(probe::probe_live(opener, &interrupt))
        });
        let found = match tokio::time::timeout(TEST_LIMIT, looking).await {
            Ok(found) => found?,
            Err(_) => {
                stop.cancel();
                return Ok(Err(format!("no answer within {} s", TEST_LIMIT.as_secs())));
            }
        };
        Ok(found.map_err(|error| error.report()).map(|report| Found {
            tracks: report.tracks.iter().map(probed).collect(),
            bit_rate: report.bit_rate,
            notes: report.notes,
        }))
    }
}

/// The address without what must not be seen.
pub(crate) fn shown_url(url: &str) -> String {
    SourceUrl::parse(url).map_or_else(|_| "(not an address)".to_owned(), |url| url.to_string())
}

/// Whether an address is one of the protocol.
fn fits(protocol: Protocol, url: &str) -> Result<(), Fault> {
    let (name, schemes): (&str, &[&str]) = match protocol {
        Protocol::Rtmp => ("RTMP", &["rtmp://"]),
        Protocol::Rtmps => ("RTMPS", &["rtmps://"]),
        Protocol::Rtsp => ("RTSP", &["rtsp://"]),
        Protocol::Rtsps => ("RTSPS", &["rtsps://"]),
        Protocol::Hls => ("HLS", &["http://", "https://"]),
    };
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    if schemes.iter().any(|scheme| lower.starts_with(scheme)) {
        return Ok(());
    }
    Err(Fault::bad(format!(
        "{name} protocol requires {} URL",
        schemes.join(" or ")
    )))
}
