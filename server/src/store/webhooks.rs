//! Webhooks, and the messages that wait for them or were delivered.

use std::time::Duration;

use super::outbox::LIFE;
use super::{Result, Store};
use crate::domain::status::DeliveryStatus;
use crate::domain::time::Micros;

/// A row of `webhooks`, with how its newest message went.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Webhook {
    pub(crate) id: i64,
    /// With its credentials.
    pub(crate) url: String,
    pub(crate) description: String,
    /// JSON.
    pub(crate) events: String,
    pub(crate) is_active: bool,
    pub(crate) secret_sealed: Vec<u8>,
    pub(crate) failures_in_row: i64,
    pub(crate) last_delivery_at: Option<Micros>,
    pub(crate) created_at: Micros,
    pub(crate) updated_at: Micros,
    pub(crate) last_status: Option<DeliveryStatus>,
}

/// What a webhook is told to be.
#[derive(Clone, Debug)]
pub(crate) struct WebhookFields {
    pub(crate) url: String,
    pub(crate) description: String,
    /// JSON.
    pub(crate) events: String,
    pub(crate) is_active: bool,
}

/// A row of `webhook_deliveries`: a message for one webhook.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Delivery {
    pub(crate) id: i64,
    pub(crate) webhook_id: i64,
    pub(crate) message_id: String,
    pub(crate) event: String,
    /// JSON, as it is sent.
    pub(crate) payload: String,
    pub(crate) status: DeliveryStatus,
    pub(crate) attempts: i64,
    pub(crate) next_attempt_at: Option<Micros>,
    pub(crate) give_up_at: Micros,
    pub(crate) response_status: Option<i64>,
    pub(crate) error: Option<String>,
    pub(crate) created_at: Micros,
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// `Pending` when there will be another.
    pub(crate) status: DeliveryStatus,
    pub(crate) next_attempt_at: Option<Micros>,
    pub(crate) response_status: Option<i64>,
    pub(crate) error: Option<String>,
    /// The receiver wants no more of them.
    pub(crate) is_gone: bool,
}

const SELECT: &str = "SELECT w.*, (SELECT d.status FROM webhook_deliveries d WHERE d.webhook_id = w.id ORDER BY d.id DESC LIMIT 1) \
                      AS last_status FROM webhooks w";

/// Deliveries of a list.
const LISTED: i64 = 100;

impl Store {
    /// All webhooks, in the order in which they were made.
    pub(crate) async fn webhooks(&self) -> Result<Vec<Webhook>> {
        let sql = || sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY w.id"));
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// One webhook.
    pub(crate) async fn webhook(&self, id: i64) -> Result<Option<Webhook>> {
        let sql = || sqlx::AssertSqlSafe(format!("{SELECT} WHERE w.id = $1"));
        read!(self, pool => sqlx::query_as(sql()).bind(id).fetch_optional(pool).await)
    }

    /// Makes a webhook unless there are `most` already; its number.
    pub(crate) async fn add_webhook(
        &self,
        new: &WebhookFields,
        sealed: &[u8],
        most: i64,
    ) -> Result<Option<i64>> {
        let sql = "INSERT INTO webhooks (url, description, events, is_active, secret_sealed, created_at, updated_at) \
                   SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BOOLEAN), $5, CAST($6 AS BIGINT), CAST($6 AS BIGINT) \
                   WHERE (SELECT COUNT(*) FROM webhooks) < $7 RETURNING id";
        save!(self, tx => sqlx::query_scalar(sql)
            .bind(&new.url)
            .bind(&new.description)
            .bind(&new.events)
            .bind(new.is_active)
            .bind(sealed)
            .bind(Micros::now())
            .bind(most)
            .fetch_optional(&mut *tx)
            .await)
    }

    /// Changes a webhook. One that is turned on again starts without failures.
    pub(crate) async fn set_webhook(&self, id: i64, to: &WebhookFields) -> Result<bool> {
        let sql = "UPDATE webhooks SET url = $2, description = $3, events = $4, \
                   failures_in_row = CASE WHEN $5 AND NOT is_active THEN 0 ELSE failures_in_row END, is_active = $5, updated_at = $6 WHERE id = $1";
        write!(self, pool => sqlx::query(sql)
            .bind(id)
            .bind(&to.url)
            .bind(&to.description)
            .bind(&to.events)
            .bind(to.is_active)
            .bind(Micros::now())
            .execute(pool)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    /// Gives a webhook another secret.
    pub(crate) async fn set_webhook_secret(&self, id: i64, sealed: &[u8]) -> Result<bool> {
        let sql = "UPDATE webhooks SET secret_sealed = $2, updated_at = $3 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(sealed).bind(Micros::now()).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Removes a webhook with its messages.
    pub(crate) async fn remove_webhook(&self, id: i64) -> Result<bool> {
        write!(self, pool => sqlx::query("DELETE FROM webhooks WHERE id = $1").bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// The newest messages for a webhook.
    pub(crate) async fn deliveries(&self, webhook: i64) -> Result<Vec<Delivery>> {
        let sql = "SELECT * FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY id DESC LIMIT $2";
        read!(self, pool => sqlx::query_as(sql).bind(webhook).bind(LISTED).fetch_all(pool).await)
    }

    /// One message.
    #[cfg(test)]
    pub(crate) async fn delivery(&self, id: i64) -> Result<Option<Delivery>> {
        read!(self, pool => sqlx::query_as("SELECT * FROM webhook_deliveries WHERE id = $1").bind(id).fetch_optional(pool).await)
    }

    /// Sends a message again, now; a day is given to it from now on.
    pub(crate) async fn retry_delivery(&self, id: i64) -> Result<Option<Delivery>> {
        let sql = "UPDATE webhook_deliveries SET status = 'pending', next_attempt_at = $2, give_up_at = $3, updated_at = $2 WHERE id = $1 RETURNING *";
        let now = Micros::now();
        save!(self, tx => sqlx::query_as(sql).bind(id).bind(now).bind(now.after(LIFE)).fetch_optional(&mut *tx).await)
    }

    /// Webhooks for which messages wait, and when the first of them can be sent.
    pub(crate) async fn waiting_webhooks(&self) -> Result<Vec<(i64, Micros)>> {
        let sql = "SELECT d.webhook_id, MIN(CASE WHEN d.lease_until > d.next_attempt_at THEN d.lease_until ELSE d.next_attempt_at END) \
                   FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id WHERE w.is_active AND d.status = 'pending' GROUP BY d.webhook_id";
        read!(self, pool => sqlx::query_as(sql).fetch_all(pool).await)
    }

    /// Takes the message for a webhook that has been due longest, and holds it as `owner` for `lease`.
    pub(crate) async fn claim_delivery(
        &self,
        webhook: i64,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Delivery>> {
        macro_rules! claim {
            ($lock:literal) => {
                concat!(
                    "UPDATE webhook_deliveries SET attempts = attempts + 1, lease_owner = $2, lease_until = $3, updated_at = $4 \
                     WHERE id = (SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id \
                     WHERE d.webhook_id = $1 AND w.is_active AND d.status = 'pending' AND d.next_attempt_at <= $4 \
                     AND (d.lease_until IS NULL OR d.lease_until < $4) ORDER BY d.next_attempt_at, d.id LIMIT 1",
                    $lock,
                    ") RETURNING *"
                )
            };
        }
        let sql = if self.is_postgres() {
            claim!(" FOR UPDATE OF d SKIP LOCKED")
        } else {
            claim!("")
        };
        let now = Micros::now();
        save!(self, tx => sqlx::query_as(sql).bind(webhook).bind(owner).bind(now.after(lease)).bind(now).fetch_optional(&mut *tx).await)
    }

    /// Frees what `owner` held when it ended in the middle: whether the receiver has it is not known, so it is sent again.
    pub(crate) async fn free_deliveries(&self, owner: &str) -> Result<u64> {
        let sql =
            "UPDATE webhook_deliveries SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";
        write!(self, pool => sqlx::query(sql).bind(owner).execute(pool).await.map(|done| done.rows_affected()))
    }

    /// Notes how an attempt went, at the message and at its webhook.
    pub(crate) async fn note_attempt(
        &self,
        delivery: &Delivery,
        owner: &str,
        attempt: &Attempt,
    ) -> Result<()> {
        let note = "UPDATE webhook_deliveries SET status = $3, next_attempt_at = $4, response_status = $5, error = $6, lease_owner = NULL, \
                    lease_until = NULL, updated_at = $7 WHERE id = $1 AND lease_owner = $2";
        let count = "UPDATE webhooks SET failures_in_row = CASE WHEN $2 THEN 0 ELSE failures_in_row + 1 END, last_delivery_at = $3, \
                     is_active = is_active AND NOT $4 WHERE id = $1";
        let now = Micros::now();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(note)
                .bind(delivery.id)
                .bind(owner)
                .bind(attempt.status)
                .bind(attempt.next_attempt_at)
                .bind(attempt.response_status)
                .bind(&attempt.error)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            sqlx::query(count)
                .bind(delivery.webhook_id)
                .bind(attempt.status == DeliveryStatus::Delivered)
                .bind(now)
                .bind(attempt.is_gone)
                .execute(&mut *tx)
                .await?;
            tx.commit().await
        })
    }

    /// Gives up what has waited too long for a webhook that is off, and forgets what is over and was made before `then`.
    pub(crate) async fn tidy_deliveries(&self, then: Micros) -> Result<()> {
        let give_up = "UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL, error = 'the webhook was turned off', updated_at = $1 \
                       WHERE status = 'pending' AND give_up_at < $1 AND webhook_id IN (SELECT id FROM webhooks WHERE NOT is_active)";
        let forget = "DELETE FROM webhook_deliveries WHERE created_at < $1 AND status <> 'pending'";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(give_up).bind(Micros::now()).execute(&mut *tx).await?;
            sqlx::query(forget).bind(then).execute(&mut *tx).await?;
            tx.commit().await
        })
    }
}
