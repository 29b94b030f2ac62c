//! The end of a job and what it changes, in one transaction: it happens once or not at all.

use serde_json::{Value, json};

use super::jobs::Job;
use super::outbox::{self, tell};
use super::{Result, Store};
use crate::domain::status::{FileType, Topic, VideoStatus};
use crate::domain::time::Micros;

/// A file, or several that are one.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    /// Relative to the storage folder: the file, or the manifest of several.
    pub(crate) file_name: String,
    pub(crate) file_size: i64,
    pub(crate) duration_us: i64,
    pub(crate) file_type: FileType,
    /// JSON.
    pub(crate) tracks: String,
    /// JSON.
    pub(crate) gaps: String,
    /// The files of several: name, bytes, microseconds; in order.
    pub(crate) parts: Vec<(String, i64, i64)>,
}

/// A span of a video, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) of: i64,
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
}

/// What a job that is done changes.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// A video gets a picture in place of the one `before`, unless a person chose another meanwhile.
    Thumbnail {
        video: i64,
        before: Option<String>,
        name: String,
    },
    /// A video gets other files; what belonged to the old ones is removed at `purge_at`.
    Replace {
        video: i64,
        /// The file name that it had when the work began.
        before: String,
        media: Media,
        /// It shows something else now: it is to be reviewed, and its sound is another.
        review: bool,
        /// Payload and result of a finished job `audio`.
        audio: Option<(Value, Value)>,
        /// Files, relative to the storage folder.
        old: Vec<String>,
        purge_at: Micros,
    },
    /// A video like `like` is made.
    Add {
        like: i64,
        title: String,
        media: Media,
        /// It is a span of another one's file.
        span: Option<Span>,
        /// Payload and result of a finished job `audio`.
        audio: Option<(Value, Value)>,
    },
}

/// How the end of a job went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// It is done; the video that it changed or made.
    Done(Option<i64>),
    /// It is another's, or was taken back: nothing has changed.
    Lost,
    /// The video has other files than it had when the work began, or is gone: nothing has changed, and it is still held.
    Changed,
}

/// A finished job `audio`.
const AUDIO: &str = "INSERT INTO jobs (kind, video_id, payload, result, status, progress, run_after, created_at, updated_at, completed_at) \
                     VALUES ('audio', $1, $2, $3, 'completed', 1000, $4, $4, $4, $4)";

/// A file of a video of several.
const PART: &str = "INSERT INTO video_parts (video_id, position, file_name, file_size, duration_us) VALUES ($1, $2, $3, $4, $5)";

/// A picture is to be made.
const PICTURE: &str = "INSERT INTO jobs (kind, video_id, payload, status, run_after, created_at, updated_at) \
                       VALUES ('thumbnail', $1, '{\"anew\":true}', 'pending', $2, $2, $2) ON CONFLICT DO NOTHING";

impl Store {
    /// Ends a job that `owner` holds with its `result` and its effect. All of it happens, or nothing.
    pub(crate) async fn finish_job(
        &self,
        job: &Job,
        owner: &str,
        result: &Value,
        effect: &Effect,
    ) -> Result<Ended> {
        let mut result = result.clone();
        let now = Micros::now();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let changed: Option<i64> = match effect {
                Effect::Nothing => None,
                Effect::Thumbnail { video, before, name } => {
                    let sql = "UPDATE videos SET thumbnail = $2, updated_at = $3 WHERE id = $1 \
                               AND COALESCE(thumbnail, '') = CAST($4 AS TEXT)";
                    let before = before.as_deref().unwrap_or_default();
                    let replaced = sqlx::query(sql).bind(video).bind(name).bind(now).bind(before).execute(&mut *tx).await?;
                    if replaced.rows_affected() == 0 {
                        tx.rollback().await?;
                        return Ok(Ended::Changed);
                    }
                    Some(*video)
                }
                Effect::Replace { video, before, media, review, audio, old, purge_at } => {
                    let sql = "SELECT status FROM videos WHERE id = $1";
                    let had: Option<VideoStatus> = sqlx::query_scalar(sql).bind(video).fetch_optional(&mut *tx).await?;
                    let sql = "UPDATE videos SET file_name = $2, file_size = $3, duration_us = $4, file_type = $5, tracks = $6, \
                               gaps = $7, status = CASE WHEN $8 THEN 'pending' ELSE status END, \
                               clip_of = NULL, clip_from_us = NULL, clip_to_us = NULL, updated_at = $9 WHERE id = $1 AND file_name = $10 \
                               AND NOT ($8 AND EXISTS (SELECT 1 FROM videos AS clips WHERE clips.clip_of = $1))";
                    let replaced = sqlx::query(sql)
                        .bind(video)
                        .bind(&media.file_name)
                        .bind(media.file_size)
                        .bind(media.duration_us)
                        .bind(media.file_type)
                        .bind(&media.tracks)
                        .bind(&media.gaps)
                        .bind(review)
                        .bind(now)
                        .bind(before)
                        .execute(&mut *tx)
                        .await?;
                    if replaced.rows_affected() == 0 {
                        tx.rollback().await?;
                        return Ok(Ended::Changed);
                    }
                    if *review && had == Some(VideoStatus::Published) {
                        tell!(tx, Topic::VideoOffline, outbox::Video, video);
                    }
                    let sql = "UPDATE videos SET file_name = $2, updated_at = $3 WHERE clip_of = $1";
                    sqlx::query(sql).bind(video).bind(&media.file_name).bind(now).execute(&mut *tx).await?;
                    sqlx::query("DELETE FROM video_parts WHERE video_id = $1").bind(video).execute(&mut *tx).await?;
                    for ((name, size, duration), position) in media.parts.iter().zip(0_i64..) {
                        sqlx::query(PART).bind(video).bind(position).bind(name).bind(size).bind(duration).execute(&mut *tx).await?;
                    }
                    if *review {
                        let sql = "DELETE FROM jobs WHERE video_id = $1 AND kind = 'audio'";
                        sqlx::query(sql).bind(video).execute(&mut *tx).await?;
                    }
                    let sql = "SELECT thumbnail FROM videos WHERE id = $1";
                    let picture: Option<String> = sqlx::query_scalar(sql).bind(video).fetch_one(&mut *tx).await?;
                    if *review || picture.is_none() {
                        sqlx::query(PICTURE).bind(video).bind(now).execute(&mut *tx).await?;
                    }
                    if let Some((payload, made)) = audio {
                        sqlx::query(AUDIO).bind(video).bind(payload.to_string()).bind(made.to_string()).bind(now).execute(&mut *tx).await?;
                    }
                    if !old.is_empty() {
                        let sql = "INSERT INTO jobs (kind, payload, status, run_after, created_at, updated_at) \
                                   VALUES ('purge', $1, 'pending', $2, $3, $3)";
                        sqlx::query(sql).bind(json!({ "files": old }).to_string()).bind(purge_at).bind(now).execute(&mut *tx).await?;
                    }
                    Some(*video)
                }
                Effect::Add { like, title, media, span, audio } => {
                    let sql = "INSERT INTO videos (category_id, title, description, file_name, file_size, duration_us, source_type, \
                               file_type, status, tracks, gaps, clip_of, clip_from_us, clip_to_us, created_at, updated_at) \
                               SELECT category_id, CAST($2 AS TEXT), description, CAST($3 AS TEXT), CAST($4 AS BIGINT), \
                               CAST($5 AS BIGINT), source_type, CAST($6 AS TEXT), 'pending', CAST($7 AS TEXT), CAST($8 AS TEXT), \
                               CAST($9 AS BIGINT), CAST($10 AS BIGINT), CAST($11 AS BIGINT), CAST($12 AS BIGINT), \
                               CAST($12 AS BIGINT) FROM videos WHERE id = $1 RETURNING id";
                    let made: Option<i64> = sqlx::query_scalar(sql)
                        .bind(like)
                        .bind(title)
                        .bind(&media.file_name)
                        .bind(media.file_size)
                        .bind(media.duration_us)
                        .bind(media.file_type.as_str())
                        .bind(&media.tracks)
                        .bind(&media.gaps)
                        .bind(span.map(|span| span.of))
                        .bind(span.map(|span| span.from_us))
                        .bind(span.map(|span| span.to_us))
                        .bind(now)
                        .fetch_optional(&mut *tx)
                        .await?;
                    let Some(made) = made else {
                        tx.rollback().await?;
                        return Ok(Ended::Changed);
                    };
                    for ((name, size, duration), position) in media.parts.iter().zip(0_i64..) {
                        sqlx::query(PART).bind(made).bind(position).bind(name).bind(size).bind(duration).execute(&mut *tx).await?;
                    }
                    let sql = "INSERT INTO video_tags (video_id, tag_id) SELECT CAST($1 AS BIGINT), tag_id FROM video_tags WHERE video_id = $2";
                    sqlx::query(sql).bind(made).bind(like).execute(&mut *tx).await?;
                    sqlx::query(PICTURE).bind(made).bind(now).execute(&mut *tx).await?;
                    if let Some((payload, sound)) = audio {
                        sqlx::query(AUDIO).bind(made).bind(payload.to_string()).bind(sound.to_string()).bind(now).execute(&mut *tx).await?;
                    }
                    tell!(tx, Topic::VideoCreated, outbox::Video, made);
                    Some(made)
                }
            };
            if let (Some(video), Some(fields)) = (changed, result.as_object_mut()) {
                fields.insert("video_id".to_owned(), video.into());
            }
            let sql = "UPDATE jobs SET status = 'completed', progress = 1000, result = $3, lease_owner = NULL, lease_until = NULL, \
                       error_message = NULL, updated_at = $4, completed_at = $4 WHERE id = $1 AND lease_owner = $2 AND status = 'processing'";
            let ended = sqlx::query(sql).bind(job.id).bind(owner).bind(result.to_string()).bind(now).execute(&mut *tx).await?;
            if ended.rows_affected() == 0 {
                tx.rollback().await?;
                return Ok(Ended::Lost);
            }
            tx.commit().await?;
            Ok(Ended::Done(changed))
        })
    }

    /// Whether a video, in the trash or not, has this file.
    pub(crate) async fn file_in_use(&self, name: &str) -> Result<bool> {
        let sql = "SELECT (SELECT COUNT(*) FROM videos WHERE file_name = $1) + (SELECT COUNT(*) FROM video_parts WHERE file_name = $1)";
        let count: i64 = read!(self, pool => sqlx::query_scalar(sql).bind(name).fetch_one(pool).await)?;
        Ok(count > 0)
    }

    /// Videos that are spans of this one.
    pub(crate) async fn clips_of(&self, video: i64) -> Result<i64> {
        let sql = "SELECT COUNT(*) FROM videos WHERE clip_of = $1";
        read!(self, pool => sqlx::query_scalar(sql).bind(video).fetch_one(pool).await)
    }
}
