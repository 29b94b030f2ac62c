//! The senders: one for each webhook that has messages waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mediacore::source::Interrupt;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use super::Webhooks;
use super::send::{LIMIT, Letter, Sent, back_off};
use crate::domain::status::{DeliveryStatus, Topic};
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::listen::told;
use crate::metrics::MESSAGES;
use crate::service::events::Event;
use crate::service::monitor::{Monitor, Sample};
use crate::store::Store;
use crate::store::webhooks::{Attempt, Delivery};

/// How often it is looked for messages that nobody said anything about, such as those of another node.
const LOOK: Duration = Duration::from_secs(5);

/// How long a message is held by the one who sends it; longer than an attempt may take.
const LEASE: Duration = Duration::from_secs(3 * LIMIT.as_secs());

/// How long messages that are over are listed.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often old ones are forgotten.
const TIDY: Duration = Duration::from_secs(3600);

impl Webhooks {
    /// Sends what waits until `stop` says so. What is under way then is cut off and sent at the next start.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        // One server holds the folder, so what an earlier run of it held is free.
        if let Err(error) = self.store.free_deliveries(&self.owner).await {
            tracing::error!("messages of an earlier run are sent later: {error}");
        }
        let mut heard = self.events.listen();
        let mut tidy = tokio::time::interval(TIDY);
        let mut senders = JoinSet::new();
        let mut busy: HashMap<Id, (i64, Interrupt)> = HashMap::new();
        loop {
            let waiting = self.store.waiting_webhooks().await.unwrap_or_else(|error| {
                tracing::warn!("messages to webhooks can't be read: {error}");
                Vec::new()
            });
            let now = Micros::now();
            let mut wait = LOOK;
            for (id, at) in waiting {
                if busy.values().any(|(other, _)| *other == id) {
                    continue;
                }
                if at > now {
                    wait = wait.min(at.since(now));
                    continue;
                }
                let interrupt = Interrupt::new();
                let sender = senders.spawn(Arc::clone(&self).send_all(id, interrupt.clone()));
                busy.insert(sender.id(), (id, interrupt));
            }
            tokio::select! {
                () = told(&mut stop) => break,
                () = worth_a_look(&mut heard) => {}
                () = self.changed.notified() => {}
                Some(ended) = senders.join_next_with_id(), if !senders.is_empty() => {
                    let id = match ended {
                        Ok((id, ())) => id,
                        Err(error) => {
                            tracing::error!("a sender of messages ended: {error}");
                            error.id()
                        }
                    };
                    busy.remove(&id);
                }
                _ = tidy.tick() => {
                    if let Err(error) = self.store.tidy_deliveries(Micros::now().before(REMEMBERED)).await {
                        tracing::warn!("old messages to webhooks stay: {error}");
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
        for (_, interrupt) in busy.values() {
            interrupt.cancel();
        }
        while senders.join_next().await.is_some() {}
    }

    /// Sends what is due for a webhook, one message after the other.
    async fn send_all(self: Arc<Self>, webhook: i64, interrupt: Interrupt) {
        while !interrupt.is_cancelled() {
            let sent = match self.store.claim_delivery(webhook, &self.owner, LEASE).await {
                Ok(Some(delivery)) => self.attempt(&delivery, &interrupt).await,
                Ok(None) => return,
                Err(error) => Err(error.into()),
            };
            if let Err(fault) = sent {
                // Its lease ends, and it is sent again.
                tracing::warn!(webhook, "a message is sent later: {fault:?}");
                tokio::time::sleep(LOOK).await;
                return;
            }
        }
    }

    async fn attempt(&self, delivery: &Delivery, interrupt: &Interrupt) -> Result<(), Fault> {
        let Some(row) = self.store.webhook(delivery.webhook_id).await? else {
            return Ok(());
        };
        let letter = Letter {
            id: delivery.message_id.clone(),
            body: delivery.payload.clone(),
        };
        let sent = self.send(&row, letter, interrupt.clone()).await?;
        if sent.is_cut_off {
            return Ok(());
        }
        MESSAGES.count(if sent.is_delivered { "delivered" } else { "failed" });
        let attempt = attempt(delivery, sent, Micros::now());
        if let Some(why) = &attempt.error {
            tracing::info!(
                webhook = row.id,
                message_id = delivery.message_id,
                attempts = delivery.attempts,
                "a message was not taken: {why}"
            );
        }
        if attempt.is_gone {
            tracing::warn!(
                webhook = row.id,
                "a webhook is turned off: its receiver says that it is gone"
            );
        }
        self.store.note_attempt(delivery, &self.owner, &attempt).await?;
        Ok(())
    }
}

/// What becomes of a message after an attempt that went like this.
fn attempt(delivery: &Delivery, sent: Sent, now: Micros) -> Attempt {
    let mut random = [0];
    // Without randomness all waits are the shortest ones.
    let _ = getrandom::fill(&mut random);
    let wait = back_off(
        delivery.attempts,
        sent.retry_after,
        f64::from(random[0]) / f64::from(u8::MAX),
    );
    let next = Some(now.after(wait)).filter(|at| *at < delivery.give_up_at && !sent.is_gone());
    let (status, next_attempt_at) = match next {
        _ if sent.is_delivered => (DeliveryStatus::Delivered, None),
        Some(at) => (DeliveryStatus::Pending, Some(at)),
        None => (DeliveryStatus::Failed, None),
    };
    Attempt {
        status,
        next_attempt_at,
        response_status: sent.status.map(i64::from),
        is_gone: sent.is_gone(),
        error: sent.error,
    }
}

/// Waits for an event of the kind that webhooks are told of. That some were missed is one.
async fn worth_a_look(heard: &mut broadcast::Receiver<Event>) {
    loop {
        match heard.recv().await {
            Ok(
                Event::TaskChanged { .. } | Event::VideoChanged { .. } | Event::SourceStatusChanged { .. },
            )
            | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// How often the free space is looked at.
const SPACE: Duration = Duration::from_secs(5);

/// What the last message about free space was, in the store, so that a restart repeats none.
const TOLD_LOW: &str = "storage_low_told";

/// Tells webhooks when the media's disk has less free space than `low` until `stop` says so: once, until it has a tenth more again.
pub(crate) async fn watch_storage(
    store: Store,
    monitor: Arc<Monitor>,
    low: u64,
    mut stop: watch::Receiver<bool>,
) {
    let mut tick = tokio::time::interval(SPACE);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = told(&mut stop) => return,
        }
        if let Err(error) = tell_low(&store, &monitor.now(), low).await {
            tracing::warn!("that the disk is getting full can't be told: {error}");
        }
    }
}

pub(super) async fn tell_low(store: &Store, now: &Sample, low: u64) -> Result<(), sqlx::Error> {
    if low == 0 || now.disk_total == 0 {
        return Ok(());
    }
    let is_told = store.setting(TOLD_LOW).await?.as_deref() == Some("yes");
    if now.disk_free < low && !is_told {
        tracing::warn!(
            free_bytes = now.disk_free,
            low_bytes = low,
            "the disk of the media is getting full"
        );
        let data = json!({
            "free_bytes": now.disk_free,
            "total_bytes": now.disk_total,
            "low_bytes": low,
            "hours_until_full": now.hours_until_full,
        });
        store.tell(Topic::StorageLow, data).await?;
        store.set_setting(TOLD_LOW, "yes").await?;
    } else if is_told && now.disk_free >= low.saturating_add(low / 10) {
        store.set_setting(TOLD_LOW, "no").await?;
    }
    Ok(())
}
