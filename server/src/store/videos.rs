//! Videos: the items of the library.

use super::{Result, Store};
use crate::domain::status::{FileType, SourceType, VideoStatus};
use crate::domain::time::Micros;

/// A row of `videos`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Video {
    pub(crate) id: i64,
    pub(crate) task_id: Option<i64>,
    pub(crate) category_id: Option<i64>,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    /// Relative to the storage folder: the file, or the manifest of several.
    pub(crate) file_name: String,
    pub(crate) file_size: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    pub(crate) thumbnail: Option<String>,
    pub(crate) view_count: i64,
    pub(crate) source_type: SourceType,
    pub(crate) file_type: FileType,
    pub(crate) status: VideoStatus,
    pub(crate) reviewed_at: Option<Micros>,
    pub(crate) reviewed_by: Option<i64>,
    /// JSON.
    pub(crate) tracks: String,
    /// JSON.
    pub(crate) gaps: String,
    pub(crate) clip_of: Option<i64>,
    pub(crate) clip_from_us: Option<i64>,
    pub(crate) clip_to_us: Option<i64>,
    pub(crate) deleted_at: Option<Micros>,
    /// No rule removes it.
    pub(crate) is_protected: bool,
    /// A check found its media gone, then.
    pub(crate) missing_since: Option<Micros>,
    pub(crate) created_at: Micros,
    pub(crate) updated_at: Micros,
}

/// What a new video is.
#[derive(Clone, Debug)]
pub(crate) struct NewVideo {
    pub(crate) task_id: Option<i64>,
    pub(crate) category_id: Option<i64>,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) file_name: String,
    pub(crate) file_size: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    pub(crate) source_type: SourceType,
    pub(crate) file_type: FileType,
    /// JSON: what `mediastack probe --json` calls `tracks`.
    pub(crate) tracks: String,
    /// JSON: `[{"at_s", "length_s", "cause"}]`.
    pub(crate) gaps: String,
    /// The files of several: name, bytes, microseconds; in order.
    pub(crate) parts: Vec<(String, i64, i64)>,
}

impl Store {
    #[cfg(test)]
    /// Puts a video into the library, to be reviewed.
    pub(crate) async fn add_video(&self, new: &NewVideo) -> Result<i64> {
        let sql = "INSERT INTO videos (task_id, category_id, title, description, file_name, file_size, duration_us, \
                   source_type, file_type, status, tracks, gaps, created_at, updated_at, source_id) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $12, $12, \
                   (SELECT source_id FROM tasks WHERE id = $1)) RETURNING id";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let id: i64 = sqlx::query_scalar(sql)
                .bind(new.task_id)
                .bind(new.category_id)
                .bind(&new.title)
                .bind(&new.description)
                .bind(&new.file_name)
                .bind(new.file_size)
                .bind(new.duration_us)
                .bind(new.source_type)
                .bind(new.file_type)
                .bind(&new.tracks)
                .bind(&new.gaps)
                .bind(Micros::now())
                .fetch_one(&mut *tx)
                .await?;
            let part = "INSERT INTO video_parts (video_id, position, file_name, file_size, duration_us) VALUES ($1, $2, $3, $4, $5)";
            for ((name, size, duration), position) in new.parts.iter().zip(0_i64..) {
                sqlx::query(part).bind(id).bind(position).bind(name).bind(size).bind(duration).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(id)
        })
    }

    /// One video, in the trash or not.
    pub(crate) async fn video(&self, id: i64) -> Result<Option<Video>> {
        read!(self, pool => sqlx::query_as("SELECT * FROM videos WHERE id = $1").bind(id).fetch_optional(pool).await)
    }

    /// The files of a video of several parts, in order.
    pub(crate) async fn video_parts(&self, id: i64) -> Result<Vec<(String, i64, i64)>> {
        let sql =
            "SELECT file_name, file_size, duration_us FROM video_parts WHERE video_id = $1 ORDER BY position";
        read!(self, pool => sqlx::query_as(sql).bind(id).fetch_all(pool).await)
    }

    /// Sets the picture of a video: a name in the folder `thumbnails`.
    pub(crate) async fn set_video_thumbnail(&self, id: i64, name: &str) -> Result<bool> {
        let sql = "UPDATE videos SET thumbnail = $2, updated_at = $3 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(name).bind(Micros::now()).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// The videos of a file of the storage folder: as their file, or as one of their parts.
    pub(crate) async fn videos_of_file(&self, name: &str) -> Result<Vec<i64>> {
        let sql = "SELECT id FROM videos WHERE file_name = $1 UNION SELECT video_id FROM video_parts WHERE file_name = $1 ORDER BY 1";
        read!(self, pool => sqlx::query_scalar(sql).bind(name).fetch_all(pool).await)
    }
}
