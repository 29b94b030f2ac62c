//! Retention: its policy, what it looks at, and what it removed.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::outbox::{self, tell};
use super::{Result, Store};
use crate::domain::status::{RemovalReason, Topic};
use crate::domain::time::Micros;

/// The row of `retention`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Policy {
    pub(crate) is_active: bool,
    pub(crate) total_quota_bytes: Option<i64>,
    pub(crate) min_free_bytes: Option<i64>,
    pub(crate) keep_published: bool,
    pub(crate) last_run_at: Option<Micros>,
}

/// What the rules look at of a video.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Held {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) source_id: Option<i64>,
    pub(crate) file_name: String,
    pub(crate) file_size: Option<i64>,
    /// When its recording ended, or when it was made.
    pub(crate) at: Micros,
    pub(crate) created_at: Micros,
    pub(crate) deleted_at: Option<Micros>,
    pub(crate) is_protected: bool,
    pub(crate) is_published: bool,
    pub(crate) is_clip: bool,
    /// Of the task that began it.
    pub(crate) task_id: Option<i64>,
}

/// All that the rules look at.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) videos: Vec<Held>,
    /// The files of videos of several: name and bytes.
    pub(crate) parts: HashMap<i64, Vec<(String, i64)>>,
    /// JSON: what jobs `audio` made, by video.
    pub(crate) sounds: Vec<(i64, String)>,
    /// Videos for which there is a job that is not over.
    pub(crate) worked_on: HashSet<i64>,
    /// Tasks whose video is being recorded, or will be.
    pub(crate) recorded: HashSet<i64>,
    /// Videos that others are spans of.
    pub(crate) cut_from: HashSet<i64>,
}

/// A row of `removals`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Removed {
    pub(crate) id: i64,
    pub(crate) removed_at: Micros,
    pub(crate) video_id: i64,
    pub(crate) title: String,
    pub(crate) bytes: i64,
    pub(crate) reason: RemovalReason,
    pub(crate) detail: String,
}

/// A removal that is to be noted.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) video_id: i64,
    pub(crate) title: String,
    pub(crate) bytes: i64,
    pub(crate) reason: RemovalReason,
    /// The limit and what was measured, for people.
    pub(crate) detail: String,
}

impl Note {
    /// What webhooks are told beside the video.
    fn told(&self, permanent: bool) -> serde_json::Value {
        json!({"permanent": permanent, "reason": self.reason, "detail": self.detail})
    }
}

/// Who removes a video, and what it must be for that still.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum By {
    /// Its time in the trash is over.
    Trash,
    /// A rule.
    Rule { keep_published: bool },
}

const NOTE: &str = "INSERT INTO removals (removed_at, video_id, title, bytes, reason, detail) VALUES ($1, $2, $3, $4, $5, $6)";

/// What holds for each removal: others are not spans of it.
const NO_CLIPS: &str = "NOT EXISTS (SELECT 1 FROM videos clips WHERE clips.clip_of = videos.id)";

/// What a rule may take: `$2` says whether what is published stays.
const FREE: &str = "NOT is_protected AND (deleted_at IS NOT NULL OR NOT $2 OR status <> 'published') \
                    AND NOT EXISTS (SELECT 1 FROM videos clips WHERE clips.clip_of = videos.id) \
                    AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.video_id = videos.id AND jobs.status IN ('pending', 'processing')) \
                    AND NOT EXISTS (SELECT 1 FROM tasks WHERE (tasks.id = videos.task_id OR tasks.continues_id = videos.task_id) \
                    AND (tasks.status IN ('pending', 'recording') OR tasks.goes_on))";

macro_rules! note {
    ($tx:expr, $note:expr, $now:expr) => {
        sqlx::query(NOTE)
            .bind($now)
            .bind($note.video_id)
            .bind(&$note.title)
            .bind($note.bytes)
            .bind($note.reason)
            .bind(&$note.detail)
            .execute(&mut *$tx)
            .await?
    };
}

impl Store {
    /// The policy.
    pub(crate) async fn retention(&self) -> Result<Policy> {
        let sql = "SELECT is_active, total_quota_bytes, min_free_bytes, keep_published, last_run_at FROM retention WHERE id = 1";
        read!(self, pool => sqlx::query_as(sql).fetch_one(pool).await)
    }

    /// Changes the policy; not when it last ran.
    pub(crate) async fn set_retention(&self, to: &Policy) -> Result<()> {
        let sql = "UPDATE retention SET is_active = $1, total_quota_bytes = $2, min_free_bytes = $3, keep_published = $4 WHERE id = 1";
        write!(self, pool => sqlx::query(sql)
            .bind(to.is_active)
            .bind(to.total_quota_bytes)
            .bind(to.min_free_bytes)
            .bind(to.keep_published)
            .execute(pool)
            .await
            .map(drop))
    }

    /// Notes that the rules were applied.
    pub(crate) async fn note_retention_run(&self, at: Micros) -> Result<()> {
        let sql = "UPDATE retention SET last_run_at = $1 WHERE id = 1";
        write!(self, pool => sqlx::query(sql).bind(at).execute(pool).await.map(drop))
    }

    /// All videos, in the trash or not, as the rules look at them.
    pub(crate) async fn holdings(&self) -> Result<Holdings> {
        let sql = "SELECT id, title, source_id, file_name, file_size, COALESCE(recorded_at, created_at) AS at, created_at, deleted_at, \
                   is_protected, status = 'published' AS is_published, clip_of IS NOT NULL AS is_clip, task_id FROM videos ORDER BY id";
        let videos = read!(self, pool => sqlx::query_as(sql).fetch_all(pool).await)?;
        let sql = "SELECT video_id, file_name, file_size FROM video_parts ORDER BY video_id, position";
        let rows: Vec<(i64, String, i64)> = read!(self, pool => sqlx::query_as(sql).fetch_all(pool).await)?;
        let mut parts: HashMap<i64, Vec<(String, i64)>> = HashMap::new();
        for (video, name, bytes) in rows {
            parts.entry(video).or_default().push((name, bytes));
        }
        let sql = "SELECT video_id, result FROM jobs WHERE kind = 'audio' AND status = 'completed' AND video_id IS NOT NULL \
                   AND result IS NOT NULL";
        let sounds = read!(self, pool => sqlx::query_as(sql).fetch_all(pool).await)?;
        let sql = "SELECT DISTINCT video_id FROM jobs WHERE status IN ('pending', 'processing') AND video_id IS NOT NULL";
        let worked_on: Vec<i64> = read!(self, pool => sqlx::query_scalar(sql).fetch_all(pool).await)?;
        let sql = "SELECT COALESCE(continues_id, id) FROM tasks WHERE status IN ('pending', 'recording') OR goes_on";
        let recorded: Vec<i64> = read!(self, pool => sqlx::query_scalar(sql).fetch_all(pool).await)?;
        let sql = "SELECT DISTINCT clip_of FROM videos WHERE clip_of IS NOT NULL";
        let cut_from: Vec<i64> = read!(self, pool => sqlx::query_scalar(sql).fetch_all(pool).await)?;
        Ok(Holdings {
            videos,
            parts,
            sounds,
            worked_on: worked_on.into_iter().collect(),
            recorded: recorded.into_iter().collect(),
            cut_from: cut_from.into_iter().collect(),
        })
    }

    /// Puts videos into the trash by a rule, and notes it, both or neither; those that the rule may still take.
    pub(crate) async fn bin_by_rule(&self, notes: &[Note], keep_published: bool) -> Result<Vec<i64>> {
        let sql = || {
            sqlx::AssertSqlSafe(format!(
                "UPDATE videos SET deleted_at = $3, updated_at = $3 WHERE id = $1 AND deleted_at IS NULL AND {FREE}"
            ))
        };
        let now = Micros::now();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut done = Vec::new();
            for note in notes {
                let changed = sqlx::query(sql()).bind(note.video_id).bind(keep_published).bind(now).execute(&mut *tx).await?;
                if changed.rows_affected() == 1 {
                    note!(tx, note, now);
                    tell!(tx, Topic::VideoDeleted, outbox::Video, note.video_id, note.told(false));
                    done.push(note.video_id);
                }
            }
            tx.commit().await?;
            Ok(done)
        })
    }

    /// Removes the row of a video whose file is still `file_name`, notes it, and leaves a job at `purge_at` that removes `files`: all of it
    /// or nothing. The job's number; `None` when the video is not what it must be for that any more.
    pub(crate) async fn remove_video(
        &self,
        note: &Note,
        by: By,
        file_name: &str,
        files: &[String],
        purge_at: Micros,
    ) -> Result<Option<i64>> {
        let (keep_published, free) = match by {
            By::Trash => (false, format!("deleted_at IS NOT NULL AND NOT $2 AND {NO_CLIPS}")),
            By::Rule { keep_published } => (keep_published, FREE.to_owned()),
        };
        let with = |verb: &str| {
            sqlx::AssertSqlSafe(format!(
                "{verb} FROM videos WHERE id = $1 AND file_name = $3 AND {free}"
            ))
        };
        let (look, sql) = (|| with("SELECT COUNT(*)"), || with("DELETE"));
        let now = Micros::now();
        let payload = json!({ "files": files }).to_string();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let there = sqlx::query_scalar::<_, i64>(look()).bind(note.video_id).bind(keep_published).bind(file_name);
            if there.fetch_one(&mut *tx).await? == 0 {
                return Ok(None);
            }
            // Told while there is something to tell of; a row that is taken at this moment rolls it back.
            tell!(tx, Topic::VideoDeleted, outbox::Video, note.video_id, note.told(true));
            let gone = sqlx::query(sql()).bind(note.video_id).bind(keep_published).bind(file_name).execute(&mut *tx).await?;
            if gone.rows_affected() == 0 {
                return Ok(None);
            }
            note!(tx, note, now);
            let purge = "INSERT INTO jobs (kind, payload, status, run_after, created_at, updated_at) \
                         VALUES ('purge', $1, 'pending', $2, $3, $3) RETURNING id";
            let job: i64 = sqlx::query_scalar(purge).bind(&payload).bind(purge_at).bind(now).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(Some(job))
        })
    }

    /// Forgets a job `purge` whose files are gone already.
    pub(crate) async fn forget_purge(&self, job: i64) -> Result<()> {
        let sql = "DELETE FROM jobs WHERE id = $1 AND kind = 'purge'";
        write!(self, pool => sqlx::query(sql).bind(job).execute(pool).await.map(drop))
    }

    /// Videos that were put into the trash before `at`.
    pub(crate) async fn deleted_before(&self, at: Micros) -> Result<Vec<super::videos::Video>> {
        let sql = "SELECT * FROM videos WHERE deleted_at < $1 ORDER BY id LIMIT 1000";
        read!(self, pool => sqlx::query_as(sql).bind(at).fetch_all(pool).await)
    }

    /// Makes a video a recording that ended `at`.
    #[cfg(test)]
    pub(crate) async fn pretend_recorded(&self, id: i64, source: i64, at: Micros) -> Result<()> {
        let sql = "UPDATE videos SET source_id = $2, recorded_at = $3 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(source).bind(at).execute(pool).await.map(drop))
    }

    /// What was removed, and why, newest first; what came before the removal `before`.
    pub(crate) async fn removals(&self, before: Option<i64>, limit: i64) -> Result<Vec<Removed>> {
        let sql = "SELECT id, removed_at, video_id, title, bytes, reason, detail FROM removals \
                   WHERE (CAST($1 AS BIGINT) IS NULL OR id < $1) ORDER BY id DESC LIMIT $2";
        read!(self, pool => sqlx::query_as(sql).bind(before).bind(limit).fetch_all(pool).await)
    }
}
