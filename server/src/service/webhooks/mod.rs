//! [`Webhooks`]: who is told of what happens elsewhere, by a signed POST.
//!
//! ```text
//! a change ─▶ rows of the change and of its messages, one transaction (store::outbox) ─▶ one sender for each webhook ─▶ 2xx: delivered
//!                                                                                          └▶ else again, later, for a day
//! ```
//! A message is delivered at least once: a crash between the receiver's answer and the note of it sends it again, under the same
//! `webhook-id`. Messages are signed as the convention "Standard Webhooks" has it. A webhook has one request under way at a time, so a slow
//! receiver holds up nobody else; there are at most [`MOST`].

mod run;
mod send;

#[cfg(test)]
mod tests;

use mediacore::clock::SystemClock;
use mediacore::source::{Egress, Interrupt, SourceUrl};
use serde_json::json;
use tokio::sync::Notify;

use super::events::Events;
use super::keys::Keys;
use crate::domain::status::Topic;
use crate::domain::time::Micros;
use crate::fault::{Fault, Field, blocking};
use crate::store::Store;
use crate::store::outbox;
use crate::store::webhooks::{Delivery, Webhook, WebhookFields};

pub(crate) use run::watch_storage;
pub(crate) use send::Sent;
use send::{Letter, Secret};

/// Webhooks that there can be.
pub(crate) const MOST: i64 = 32;

/// Characters of the longest description.
const MAX_DESCRIPTION: usize = 500;

/// What secrets are sealed for.
const PURPOSE: &str = "webhook secrets";

/// The webhooks.
pub(crate) struct Webhooks {
    store: Store,
    events: Events,
    keys: Keys,
    egress: Egress,
    /// Whose the messages under way are.
    owner: String,
    changed: Notify,
}

/// A webhook as administrators see it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Its row; the address in it is not to be shown.
    pub(crate) row: Webhook,
    /// The address without what may be secret.
    pub(crate) url: String,
    /// What it is told of.
    pub(crate) events: Vec<Topic>,
}

/// What a new webhook is.
#[derive(Clone, Debug)]
pub(crate) struct NewWebhook {
    /// Where it is.
    pub(crate) url: String,
    /// What it is for.
    pub(crate) description: String,
    /// What it is told of.
    pub(crate) events: Vec<Topic>,
    /// Whether it is told at all.
    pub(crate) is_active: bool,
}

/// What is changed of a webhook; `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebhookChange {
    pub(crate) url: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) events: Option<Vec<Topic>>,
    pub(crate) is_active: Option<bool>,
}

impl Webhooks {
    /// The webhooks of `store`; messages go where `egress` allows. `owner` names this server among those of one database.
    pub(crate) fn new(store: &Store, events: &Events, keys: &Keys, egress: Egress, owner: &str) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            keys: keys.clone(),
            egress,
            owner: owner.to_owned(),
            changed: Notify::new(),
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn list(&self) -> Result<Vec<Shown>, Fault> {
        Ok(self.store.webhooks().await?.into_iter().map(shown).collect())
    }

    async fn row(&self, id: i64) -> Result<Webhook, Fault> {
        self.store.webhook(id).await?.ok_or_else(missing)
    }

    /// Makes one; with its secret, which is never shown again.
    ///
    /// # Errors
    /// `Invalid` for wrong fields, `Conflict` when there are too many.
    pub(crate) async fn add(&self, new: NewWebhook) -> Result<(Shown, String), Fault> {
        let fields = self.fields(&new)?;
        let secret = Secret::make().map_err(Fault::Internal)?;
        let sealed = self.seal(&secret)?;
        let added = self.store.add_webhook(&fields, &sealed, MOST).await?;
        let id = added.ok_or_else(|| Fault::Conflict(format!("There are {MOST} webhooks already")))?;
        Ok((shown(self.row(id).await?), secret.text()))
    }

    /// Changes what is given of one. An address that is the shown form of the stored one changes nothing: its password was not shown.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub(crate) async fn change(&self, id: i64, change: WebhookChange) -> Result<Shown, Fault> {
        let had = self.row(id).await?;
        let to = NewWebhook {
            url: change
                .url
                .filter(|url| *url != shown_url(&had.url))
                .unwrap_or_else(|| had.url.clone()),
            description: change.description.unwrap_or_else(|| had.description.clone()),
            events: change.events.unwrap_or_else(|| topics(&had.events)),
            is_active: change.is_active.unwrap_or(had.is_active),
        };
        let fields = self.fields(&to)?;
        self.store.set_webhook(id, &fields).await?;
        self.changed.notify_one();
        Ok(shown(self.row(id).await?))
    }

    /// Gives one another secret, which is never shown again; the old one is worth nothing from then on.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn rotate(&self, id: i64) -> Result<String, Fault> {
        let secret = Secret::make().map_err(Fault::Internal)?;
        let sealed = self.seal(&secret)?;
        if !self.store.set_webhook_secret(id, &sealed).await? {
            return Err(missing());
        }
        Ok(secret.text())
    }

    /// Removes one with its messages.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn remove(&self, id: i64) -> Result<(), Fault> {
        if self.store.remove_webhook(id).await? {
            Ok(())
        } else {
            Err(missing())
        }
    }

    /// Sends one a message of the type `webhook.test` now, whether it is active or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn test(&self, id: i64) -> Result<Sent, Fault> {
        let row = self.row(id).await?;
        let letter = Letter {
            id: outbox::message_id(),
            body: outbox::body("webhook.test", Micros::now(), &json!({"webhook_id": id})),
        };
        self.send(&row, letter, Interrupt::new()).await
    }

    /// The newest messages for one.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn deliveries(&self, id: i64) -> Result<Vec<Delivery>, Fault> {
        self.row(id).await?;
        Ok(self.store.deliveries(id).await?)
    }

    /// Sends a message again, also one that was delivered or given up.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn retry(&self, delivery: i64) -> Result<Delivery, Fault> {
        let again = self.store.retry_delivery(delivery).await?;
        let again = again.ok_or_else(|| Fault::missing("Delivery not found"))?;
        self.changed.notify_one();
        Ok(again)
    }

    async fn send(&self, row: &Webhook, letter: Letter, interrupt: Interrupt) -> Result<Sent, Fault> {
        let Some(secret) = self
            .keys
            .open(PURPOSE, &row.secret_sealed)
            .and_then(Secret::of_bytes)
        else {
            return Ok(Sent::failed(
                "the webhook's secret was sealed under another server key: rotate it".to_owned(),
            ));
        };
        let url = match SourceUrl::parse(&row.url) {
            Ok(url) => url,
            Err(error) => return Ok(Sent::failed(error.report())),
        };
        let egress = self.egress.clone();
        blocking(move || {
            Ok::<_, Fault>(send::send(
                &url,
                &secret,
                &letter,
                &egress,
                &interrupt,
                &SystemClock::shared(),
            ))
        })
        .await
    }

    fn seal(&self, secret: &Secret) -> Result<Vec<u8>, Fault> {
        self.keys.seal(PURPOSE, secret.bytes()).map_err(Fault::Internal)
    }

    fn fields(&self, new: &NewWebhook) -> Result<WebhookFields, Fault> {
        let mut wrong = Vec::new();
        let mut say = |place: &str, message: String| {
            wrong.push(Field {
                place: format!("body.{place}"),
                message,
            });
        };
        match SourceUrl::parse(&new.url) {
            Err(error) => say("url", error.report()),
            Ok(url) if !url.scheme().is_http() => say("url", "an address of http or https".to_owned()),
            Ok(url) => {
                // Names are looked up when a message is sent, each time.
                let refused = url
                    .host()
                    .trim_matches(['[', ']'])
                    .parse()
                    .is_ok_and(|address| !self.egress.permits(address));
                if refused {
                    say(
                        "url",
                        "the server may not reach this address (allow_private_sources)".to_owned(),
                    );
                }
            }
        }
        if new.description.chars().count() > MAX_DESCRIPTION {
            say("description", format!("at most {MAX_DESCRIPTION} characters"));
        }
        let mut events = new.events.clone();
        events.sort_unstable();
        events.dedup();
        if events.is_empty() {
            say("events", "at least one".to_owned());
        }
        if !wrong.is_empty() {
            return Err(Fault::Invalid(wrong));
        }
        Ok(WebhookFields {
            url: new.url.clone(),
            description: new.description.clone(),
            events: json!(events).to_string(),
            is_active: new.is_active,
        })
    }
}

fn missing() -> Fault {
    Fault::missing("Webhook not found")
}

/// The topics of a row; one that this version does not know is left out.
fn topics(json: &str) -> Vec<Topic> {
    let words: Vec<String> = serde_json::from_str(json).unwrap_or_default();
    words.iter().filter_map(|word| Topic::parse(word)).collect()
}

fn shown_url(url: &str) -> String {
    super::sources::shown_url(url)
}

fn shown(row: Webhook) -> Shown {
    Shown {
        url: shown_url(&row.url),
        events: topics(&row.events),
        row,
    }
}
