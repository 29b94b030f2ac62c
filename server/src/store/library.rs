//! The library as it is listed, searched and changed.

use std::collections::HashMap;

use serde_json::json;

use super::outbox::{self, tell};
use super::videos::Video;
use super::{Result, Store};
use crate::domain::status::{FileType, SourceType, Topic, VideoStatus};
use crate::domain::time::Micros;

/// What is kept of every video in memory, for lists.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) category_id: Option<i64>,
    pub(crate) status: VideoStatus,
    pub(crate) source_type: SourceType,
    pub(crate) file_type: FileType,
    pub(crate) file_size: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    pub(crate) view_count: i64,
    pub(crate) is_protected: bool,
    pub(crate) deleted_at: Option<Micros>,
    #[sqlx(skip)]
    pub(crate) tags: Vec<i64>,
}

/// A tag of a video.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct VideoTag {
    pub(crate) video_id: i64,
    pub(crate) id: i64,
    pub(crate) name: String,
}

const ENTRY: &str = "SELECT id, title, category_id, status, source_type, file_type, file_size, duration_us, view_count, is_protected, deleted_at FROM videos";

/// Numbers, for a list in a statement.
fn numbers(ids: &[i64]) -> String {
    let texts: Vec<String> = ids.iter().map(i64::to_string).collect();
    texts.join(",")
}

impl Store {
    /// What lists need of all videos, or of these.
    pub(crate) async fn entries(&self, ids: Option<&[i64]>) -> Result<Vec<Entry>> {
        let filter = |column: &str| {
            ids.map(|ids| format!(" WHERE {column} IN ({})", numbers(ids)))
                .unwrap_or_default()
        };
        if ids.is_some_and(<[i64]>::is_empty) {
            return Ok(Vec::new());
        }
        let sql = || sqlx::AssertSqlSafe(format!("{ENTRY}{}", filter("id")));
        let mut entries: Vec<Entry> = read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)?;
        let sql = || {
            sqlx::AssertSqlSafe(format!(
                "SELECT video_id, tag_id FROM video_tags{}",
                filter("video_id")
            ))
        };
        let tags: Vec<(i64, i64)> = read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)?;
        let mut by_video: HashMap<i64, Vec<i64>> = HashMap::new();
        for (video, tag) in tags {
            by_video.entry(video).or_default().push(tag);
        }
        for entry in &mut entries {
            entry.tags = by_video.remove(&entry.id).unwrap_or_default();
        }
        Ok(entries)
    }

    /// These videos, in no order.
    pub(crate) async fn videos_of(&self, ids: &[i64]) -> Result<Vec<Video>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = || sqlx::AssertSqlSafe(format!("SELECT * FROM videos WHERE id IN ({})", numbers(ids)));
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// The tags of these videos, by name.
    pub(crate) async fn tags_of(&self, ids: &[i64]) -> Result<Vec<VideoTag>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = || {
            sqlx::AssertSqlSafe(format!(
                "SELECT v.video_id, t.id, t.name FROM video_tags v JOIN tags t ON t.id = v.tag_id WHERE v.video_id IN ({}) ORDER BY t.name",
                numbers(ids)
            ))
        };
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// Videos whose title has `text` in it, whatever the case.
    pub(crate) async fn search_videos(&self, text: &str) -> Result<Vec<i64>> {
        let like = format!(
            "%{}%",
            text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
        );
        if self.is_postgres() {
            let sql = "SELECT id FROM videos WHERE title ILIKE $1 ESCAPE '\\' \
                       OR to_tsvector('simple', title) @@ plainto_tsquery('simple', $2)";
            return read!(self, pool => sqlx::query_scalar(sql).bind(&like).bind(text).fetch_all(pool).await);
        }
        if text.chars().count() < 3 {
            let sql = "SELECT id FROM videos WHERE title LIKE $1 ESCAPE '\\'";
            return read!(self, pool => sqlx::query_scalar(sql).bind(&like).fetch_all(pool).await);
        }
        let phrase = format!("title : \"{}\"", text.replace('"', "\"\""));
        read!(self, pool => sqlx::query_scalar("SELECT rowid FROM video_search WHERE video_search MATCH $1").bind(&phrase).fetch_all(pool).await)
    }

    /// Changes the words of a video, and whether rules may remove it; `None` stays.
    pub(crate) async fn change_video(
        &self,
        id: i64,
        title: Option<&str>,
        description: Option<Option<&str>>,
        is_protected: Option<bool>,
    ) -> Result<bool> {
        let sql = "UPDATE videos SET title = COALESCE($2, title), description = CASE WHEN $3 THEN $4 ELSE description END, \
                   is_protected = COALESCE($5, is_protected), updated_at = $6 WHERE id = $1";
        write!(self, pool => sqlx::query(sql)
            .bind(id)
            .bind(title)
            .bind(description.is_some())
            .bind(description.flatten())
            .bind(is_protected)
            .bind(Micros::now())
            .execute(pool)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    /// Puts videos into a category; how many there were.
    pub(crate) async fn set_videos_category(&self, ids: &[i64], category: Option<i64>) -> Result<Vec<i64>> {
        let sql = "UPDATE videos SET category_id = $2, updated_at = $3 WHERE id = $1 AND deleted_at IS NULL";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut done = Vec::new();
            for id in ids {
                let changed = sqlx::query(sql).bind(id).bind(category).bind(Micros::now()).execute(&mut *tx).await?;
                done.extend((changed.rows_affected() == 1).then_some(*id));
            }
            tx.commit().await?;
            Ok(done)
        })
    }

    /// Gives videos exactly these tags; those that there were.
    pub(crate) async fn set_videos_tags(&self, ids: &[i64], tags: &[i64]) -> Result<Vec<i64>> {
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut done = Vec::new();
            for id in ids {
                let touched = sqlx::query("UPDATE videos SET updated_at = $2 WHERE id = $1 AND deleted_at IS NULL").bind(id).bind(Micros::now()).execute(&mut *tx).await?;
                if touched.rows_affected() == 0 {
                    continue;
                }
                sqlx::query("DELETE FROM video_tags WHERE video_id = $1").bind(id).execute(&mut *tx).await?;
                for tag in tags {
                    let sql = "INSERT INTO video_tags (video_id, tag_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                    sqlx::query(sql).bind(id).bind(tag).execute(&mut *tx).await?;
                }
                done.push(*id);
            }
            tx.commit().await?;
            Ok(done)
        })
    }

    /// Publishes videos or takes them back; those that there were.
    pub(crate) async fn review_videos(&self, ids: &[i64], status: VideoStatus, by: i64) -> Result<Vec<i64>> {
        let sql = "UPDATE videos SET status = $2, reviewed_at = $3, reviewed_by = $4, updated_at = $3 WHERE id = $1 AND deleted_at IS NULL";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut done = Vec::new();
            for id in ids {
                let had: Option<VideoStatus> = sqlx::query_scalar("SELECT status FROM videos WHERE id = $1").bind(id).fetch_optional(&mut *tx).await?;
                let changed = sqlx::query(sql).bind(id).bind(status).bind(Micros::now()).bind(by).execute(&mut *tx).await?;
                if changed.rows_affected() == 1 {
                    done.push(*id);
                    if had != Some(status) {
                        tell!(tx, outbox::topic_of(status), outbox::Video, id);
                    }
                }
            }
            tx.commit().await?;
            Ok(done)
        })
    }

    /// Keeps rules from removing videos, or lets them; those that there were.
    pub(crate) async fn protect_videos(&self, ids: &[i64], is_protected: bool) -> Result<Vec<i64>> {
        let sql = "UPDATE videos SET is_protected = $2, updated_at = $3 WHERE id = $1 AND deleted_at IS NULL";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut done = Vec::new();
            for id in ids {
                let changed = sqlx::query(sql).bind(id).bind(is_protected).bind(Micros::now()).execute(&mut *tx).await?;
                done.extend((changed.rows_affected() == 1).then_some(*id));
            }
            tx.commit().await?;
            Ok(done)
        })
    }

    /// Puts videos into the trash, or takes them out; those that were not there, or were.
    pub(crate) async fn bin_videos(&self, ids: &[i64], into: bool) -> Result<Vec<i64>> {
        let sql = if into {
            "UPDATE videos SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL"
        } else {
            "UPDATE videos SET deleted_at = NULL, updated_at = $2 WHERE id = $1 AND deleted_at IS NOT NULL"
        };
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut done = Vec::new();
            for id in ids {
                let changed = sqlx::query(sql).bind(id).bind(Micros::now()).execute(&mut *tx).await?;
                if changed.rows_affected() == 0 {
                    continue;
                }
                done.push(*id);
                if into {
                    tell!(tx, Topic::VideoDeleted, outbox::Video, id, json!({"permanent": false}));
                } else {
                    let status: VideoStatus = sqlx::query_scalar("SELECT status FROM videos WHERE id = $1").bind(id).fetch_one(&mut *tx).await?;
                    tell!(tx, outbox::topic_of(status), outbox::Video, id, json!({"restored": true}));
                }
            }
            tx.commit().await?;
            Ok(done)
        })
    }

    /// Adds to the counts of views.
    pub(crate) async fn add_views(&self, views: &[(i64, i64)]) -> Result<()> {
        let sql = "UPDATE videos SET view_count = view_count + $2 WHERE id = $1";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            for (id, count) in views {
                sqlx::query(sql).bind(id).bind(count).execute(&mut *tx).await?;
            }
            tx.commit().await
        })
    }
}
