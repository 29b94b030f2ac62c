//! What a check of the database against the files reads, and what it corrects.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::jobs::Job;
use super::tasks::Task;
use super::uploads::Upload;
use super::videos::Video;
use super::{Result, Store, sqlite_path};
use crate::domain::time::Micros;

/// Complaints of one examination that are read: a broken file has thousands.
const COMPLAINTS: usize = 100;

/// A file of a video of several.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Part {
    pub(crate) video_id: i64,
    pub(crate) file_name: String,
    pub(crate) file_size: i64,
    pub(crate) duration_us: i64,
}

/// Everything that names files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) videos: Vec<Video>,
    pub(crate) parts: Vec<Part>,
    /// Video and file.
    pub(crate) images: Vec<(i64, String)>,
    /// Those that have not ended.
    pub(crate) tasks: Vec<Task>,
    /// Those whose files are theirs: what is done is in a result, what is to be done in a payload.
    pub(crate) jobs: Vec<Job>,
    pub(crate) uploads: Vec<Upload>,
    /// Uploads whose counts are not what their chunks come to.
    pub(crate) miscounted: Vec<String>,
}

/// Looks into the file of a SQLite database without changing it; the complaints, of which a sound one has none.
///
/// # Errors
/// When it can't be opened, or is no database at all.
pub(crate) async fn examine(url: &str) -> anyhow::Result<Vec<String>> {
    if url.starts_with("postgres") {
        return Ok(Vec::new());
    }
    let options = SqliteConnectOptions::new()
        .filename(sqlite_path(url)?)
        .busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?;
    let mut complaints: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(100)")
        .fetch_all(&pool)
        .await?;
    complaints.retain(|line| line != "ok");
    let foreign: Vec<(String, Option<i64>, String)> =
        sqlx::query_as("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check")
            .fetch_all(&pool)
            .await?;
    let named = foreign.into_iter().map(|(table, row, parent)| {
        let row = row.map_or_else(|| "?".to_owned(), |row| row.to_string());
        format!("row {row} of {table} names a row of {parent} that is not there")
    });
    complaints.extend(named);
    complaints.truncate(COMPLAINTS);
    pool.close().await;
    Ok(complaints)
}

impl Store {
    /// Everything that names files.
    pub(crate) async fn rows_with_files(&self) -> Result<Rows> {
        let miscounted = "SELECT u.id FROM uploads u WHERE u.protocol = 'chunks' AND u.status = 'uploading' \
                          AND u.chunks <> (SELECT COUNT(*) FROM upload_chunks c WHERE c.upload_id = u.id)";
        let jobs = "SELECT * FROM jobs WHERE kind IN ('audio', 'trim', 'import', 'purge', 'thumbnail') AND status <> 'cancelled' \
                    AND (kind <> 'purge' OR status <> 'completed') AND (kind <> 'thumbnail' OR status IN ('pending', 'processing')) ORDER BY id";
        Ok(Rows {
            videos: read!(self, pool => sqlx::query_as("SELECT * FROM videos ORDER BY id").fetch_all(pool).await)?,
            parts: read!(self, pool => sqlx::query_as("SELECT video_id, file_name, file_size, duration_us FROM video_parts ORDER BY video_id, position").fetch_all(pool).await)?,
            images: read!(self, pool => sqlx::query_as("SELECT video_id, file_name FROM video_images ORDER BY id").fetch_all(pool).await)?,
            tasks: read!(self, pool => sqlx::query_as("SELECT * FROM tasks WHERE status IN ('pending', 'recording') ORDER BY id").fetch_all(pool).await)?,
            jobs: read!(self, pool => sqlx::query_as(jobs).fetch_all(pool).await)?,
            uploads: read!(self, pool => sqlx::query_as("SELECT * FROM uploads ORDER BY id").fetch_all(pool).await)?,
            miscounted: read!(self, pool => sqlx::query_scalar(miscounted).fetch_all(pool).await)?,
        })
    }

    /// Whether a file belongs to a task, and every such task has ended.
    pub(crate) async fn is_over(&self, name: &str) -> Result<bool> {
        let sql = "SELECT COUNT(*), COUNT(CASE WHEN status IN ('pending', 'recording') THEN 1 END) FROM tasks WHERE file_name = $1";
        let (all, open): (i64, i64) =
            read!(self, pool => sqlx::query_as(sql).bind(name).fetch_one(pool).await)?;
        Ok(all > 0 && open == 0)
    }

    /// Says how large and how long a file is, in every row that has it; the videos that have it.
    pub(crate) async fn correct_file(&self, name: &str, size: i64, duration_us: i64) -> Result<Vec<i64>> {
        let part = "UPDATE video_parts SET file_size = $2, duration_us = $3 WHERE file_name = $1";
        let single = "UPDATE videos SET file_size = $2, duration_us = $3, updated_at = $4 WHERE file_name = $1 AND clip_of IS NULL";
        let task = "UPDATE tasks SET file_size = $2, duration_us = $3, updated_at = $4 WHERE file_name = $1 AND file_size IS NOT NULL \
                    AND id IN (SELECT task_id FROM videos WHERE file_name = $1)";
        let whole = "UPDATE videos SET file_size = (SELECT SUM(file_size) FROM video_parts p WHERE p.video_id = videos.id), \
                     duration_us = (SELECT SUM(duration_us) FROM video_parts p WHERE p.video_id = videos.id), updated_at = $2 \
                     WHERE clip_of IS NULL AND id IN (SELECT video_id FROM video_parts WHERE file_name = $1)";
        let all = "SELECT id FROM videos WHERE file_name = $1 UNION SELECT video_id FROM video_parts WHERE file_name = $1 ORDER BY 1";
        let now = Micros::now();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(part).bind(name).bind(size).bind(duration_us).execute(&mut *tx).await?;
            sqlx::query(single).bind(name).bind(size).bind(duration_us).bind(now).execute(&mut *tx).await?;
            sqlx::query(task).bind(name).bind(size).bind(duration_us).bind(now).execute(&mut *tx).await?;
            sqlx::query(whole).bind(name).bind(now).execute(&mut *tx).await?;
            let videos = sqlx::query_scalar(all).bind(name).fetch_all(&mut *tx).await?;
            tx.commit().await?;
            Ok(videos)
        })
    }

    /// Makes size and length of a video of several files what those come to.
    pub(crate) async fn correct_totals(&self, video: i64) -> Result<()> {
        let sql = "UPDATE videos SET file_size = (SELECT SUM(file_size) FROM video_parts p WHERE p.video_id = videos.id), \
                   duration_us = (SELECT SUM(duration_us) FROM video_parts p WHERE p.video_id = videos.id), updated_at = $2 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(video).bind(Micros::now()).execute(pool).await.map(drop))
    }

    /// Notes since when the media of a video is missing, or that it is there.
    pub(crate) async fn set_missing(&self, video: i64, since: Option<Micros>) -> Result<()> {
        let sql = "UPDATE videos SET missing_since = $2, updated_at = $3 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(video).bind(since).bind(Micros::now()).execute(pool).await.map(drop))
    }

    /// Takes from a video the picture of this name, which is gone, and asks for another one.
    pub(crate) async fn picture_again(&self, video: i64, name: &str) -> Result<()> {
        let take = "UPDATE videos SET thumbnail = NULL, updated_at = $3 WHERE id = $1 AND thumbnail = $2";
        let ask = "INSERT INTO jobs (kind, video_id, payload, status, run_after, created_at, updated_at) \
                   VALUES ('thumbnail', $1, '{}', 'pending', $2, $2, $2) ON CONFLICT DO NOTHING";
        let now = Micros::now();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(take).bind(video).bind(name).bind(now).execute(&mut *tx).await?;
            sqlx::query(ask).bind(video).bind(now).execute(&mut *tx).await?;
            tx.commit().await
        })
    }

    /// Does a finished job again, whose result is gone.
    pub(crate) async fn job_again(&self, id: i64) -> Result<bool> {
        let sql = "UPDATE jobs SET status = 'pending', attempts = 0, progress = 0, result = NULL, completed_at = NULL, run_after = $2, \
                   updated_at = $2 WHERE id = $1 AND status = 'completed' AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.video_id = jobs.video_id \
                   AND o.kind = jobs.kind AND o.status IN ('pending', 'processing'))";
        write!(self, pool => sqlx::query(sql).bind(id).bind(Micros::now()).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Counts the chunks of an upload again.
    pub(crate) async fn count_chunks(&self, id: &str) -> Result<()> {
        let chunks = "SELECT chunk_index FROM upload_chunks WHERE upload_id = $1";
        let sizes = "SELECT file_size, chunk_size FROM uploads WHERE id = $1";
        let sql = "UPDATE uploads SET chunks = $2, received = $3 WHERE id = $1";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let there: Vec<i64> = sqlx::query_scalar(chunks).bind(id).fetch_all(&mut *tx).await?;
            let (whole, each): (i64, i64) = sqlx::query_as(sizes).bind(id).fetch_one(&mut *tx).await?;
            let bytes = |index: &i64| each.min(whole.saturating_sub(index.saturating_mul(each))).max(0);
            let received: i64 = there.iter().map(bytes).sum();
            let count = i64::try_from(there.len()).unwrap_or(i64::MAX);
            sqlx::query(sql).bind(id).bind(count).bind(received).execute(&mut *tx).await?;
            tx.commit().await
        })
    }

    /// Whether the index of the search has what the videos have.
    pub(crate) async fn search_is_whole(&self) -> bool {
        let super::Pools::Sqlite { writes, .. } = &self.pools else {
            return true;
        };
        let sql = "INSERT INTO video_search (video_search, rank) VALUES ('integrity-check', 1)";
        sqlx::query(sql).execute(writes).await.is_ok()
    }

    /// Makes the index of the search anew.
    pub(crate) async fn rebuild_search(&self) -> Result<()> {
        let super::Pools::Sqlite { writes, .. } = &self.pools else {
            return Ok(());
        };
        let sql = "INSERT INTO video_search (video_search) VALUES ('rebuild')";
        sqlx::query(sql).execute(writes).await.map(drop)
    }
}
