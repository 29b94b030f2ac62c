//! Sources: the live inputs that are configured.

use super::outbox::{self, tell};
use super::{Result, Store};
use crate::domain::status::{Protocol, Topic};
use crate::domain::time::Micros;

/// A row of `sources`, with its category's name and whether it is being recorded.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Source {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    /// With its credentials.
    pub(crate) url: String,
    pub(crate) category_id: Option<i64>,
    pub(crate) category_name: Option<String>,
    pub(crate) category_sort_order: Option<i64>,
    pub(crate) retention_days: i64,
    pub(crate) quota_bytes: Option<i64>,
    pub(crate) audio: String,
    pub(crate) transport: String,
    pub(crate) is_active: bool,
    pub(crate) is_online: bool,
    pub(crate) last_check_time: Option<Micros>,
    pub(crate) last_error: Option<String>,
    pub(crate) created_at: Micros,
    pub(crate) updated_at: Micros,
    pub(crate) is_recording: bool,
}

/// What a source is told to be.
#[derive(Clone, Debug)]
pub(crate) struct SourceFields {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) url: String,
    pub(crate) category_id: Option<i64>,
    pub(crate) retention_days: i64,
    pub(crate) quota_bytes: Option<i64>,
    pub(crate) audio: String,
    pub(crate) transport: String,
    pub(crate) is_active: bool,
}

const SELECT: &str = "SELECT s.*, c.name AS category_name, c.sort_order AS category_sort_order, \
    EXISTS (SELECT 1 FROM tasks t WHERE t.source_id = s.id AND t.status IN ('pending', 'recording')) AS is_recording \
    FROM sources s LEFT JOIN categories c ON c.id = s.category_id";

impl Store {
    /// All sources, newest first.
    pub(crate) async fn sources(&self) -> Result<Vec<Source>> {
        let sql = || sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY s.id DESC"));
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// The source of this number and name; or else the only one of this name.
    pub(crate) async fn source_like(&self, id: Option<i64>, name: &str) -> Result<Option<i64>> {
        let sql = "SELECT id FROM sources WHERE name = $1 ORDER BY id";
        let named: Vec<i64> = read!(self, pool => sqlx::query_scalar(sql).bind(name).fetch_all(pool).await)?;
        Ok(match (named.as_slice(), id) {
            (all, Some(id)) if all.contains(&id) => Some(id),
            ([one], _) => Some(*one),
            _ => None,
        })
    }

    /// One source.
    pub(crate) async fn source(&self, id: i64) -> Result<Option<Source>> {
        let sql = || sqlx::AssertSqlSafe(format!("{SELECT} WHERE s.id = $1"));
        read!(self, pool => sqlx::query_as(sql()).bind(id).fetch_optional(pool).await)
    }

    /// The thumbnail of the latest video that was recorded of a source and is not in the trash.
    pub(crate) async fn source_picture(&self, id: i64) -> Result<Option<String>> {
        let sql = "SELECT v.thumbnail FROM tasks t JOIN videos v ON v.task_id = t.id \
                   WHERE t.source_id = $1 AND v.deleted_at IS NULL AND v.thumbnail IS NOT NULL ORDER BY v.id DESC LIMIT 1";
        read!(self, pool => sqlx::query_scalar(sql).bind(id).fetch_optional(pool).await)
    }

    /// Makes one.
    pub(crate) async fn add_source(&self, new: &SourceFields) -> Result<i64> {
        let sql = "INSERT INTO sources (name, protocol, url, category_id, retention_days, quota_bytes, audio, transport, is_active, \
                   created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) RETURNING id";
        save!(self, tx => sqlx::query_scalar(sql)
            .bind(&new.name)
            .bind(new.protocol)
            .bind(&new.url)
            .bind(new.category_id)
            .bind(new.retention_days)
            .bind(new.quota_bytes)
            .bind(&new.audio)
            .bind(&new.transport)
            .bind(new.is_active)
            .bind(Micros::now())
            .fetch_one(&mut *tx)
            .await)
    }

    /// Changes one to be this.
    pub(crate) async fn set_source(&self, id: i64, to: &SourceFields) -> Result<bool> {
        let sql = "UPDATE sources SET name = $2, protocol = $3, url = $4, category_id = $5, retention_days = $6, quota_bytes = $7, \
                   audio = $8, transport = $9, is_active = $10, updated_at = $11 WHERE id = $1";
        write!(self, pool => sqlx::query(sql)
            .bind(id)
            .bind(&to.name)
            .bind(to.protocol)
            .bind(&to.url)
            .bind(to.category_id)
            .bind(to.retention_days)
            .bind(to.quota_bytes)
            .bind(&to.audio)
            .bind(&to.transport)
            .bind(to.is_active)
            .bind(Micros::now())
            .execute(pool)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    /// Removes one that is not being recorded; its tasks and videos stay. False when it is, or is gone.
    pub(crate) async fn remove_source(&self, id: i64) -> Result<bool> {
        let sql = "DELETE FROM sources WHERE id = $1 \
                   AND NOT EXISTS (SELECT 1 FROM tasks WHERE source_id = $1 AND status IN ('pending', 'recording'))";
        write!(self, pool => sqlx::query(sql).bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Puts sources into a category; how many there were.
    pub(crate) async fn set_sources_category(&self, ids: &[i64], category: i64) -> Result<u64> {
        let sql = "UPDATE sources SET category_id = $2, updated_at = $3 WHERE id = $1";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut count = 0;
            for id in ids {
                count += sqlx::query(sql).bind(id).bind(category).bind(Micros::now()).execute(&mut *tx).await?.rows_affected();
            }
            tx.commit().await?;
            Ok(count)
        })
    }

    /// Notes what a check found.
    pub(crate) async fn note_source_check(&self, id: i64, online: bool, error: Option<&str>) -> Result<()> {
        let sql = "UPDATE sources SET is_online = $2, last_error = $3, last_check_time = $4 WHERE id = $1";
        let had = "SELECT is_online FROM sources WHERE id = $1";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let had: Option<bool> = sqlx::query_scalar(had).bind(id).fetch_optional(&mut *tx).await?;
            let done = sqlx::query(sql).bind(id).bind(online).bind(error).bind(Micros::now()).execute(&mut *tx).await?;
            // The first check of a source that is away tells nothing new: it was not known to be there.
            if done.rows_affected() == 1 && online != had.unwrap_or(false) {
                let topic = if online { Topic::SourceOnline } else { Topic::SourceOffline };
                tell!(tx, topic, outbox::Source, id);
            }
            tx.commit().await
        })
    }

    /// Whether there is such a category.
    pub(crate) async fn category_exists(&self, id: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM categories WHERE id = $1)";
        read!(self, pool => sqlx::query_scalar(sql).bind(id).fetch_one(pool).await)
    }
}
