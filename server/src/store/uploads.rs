//! Uploads: files that come in pieces, until they are videos.

use serde_json::Value;

use super::outbox::{self, tell};
use super::{Result, Store};
use crate::domain::status::{Topic, UploadStatus};
use crate::domain::time::Micros;
use crate::store::videos::NewVideo;

/// Uploads that are removed at a time.
const EXPIRED: i64 = 100;

/// A row of `uploads`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Upload {
    /// UUIDv4.
    pub(crate) id: String,
    /// `chunks` or `tus`.
    pub(crate) protocol: String,
    /// What the client calls the file.
    pub(crate) file_name: String,
    pub(crate) file_size: i64,
    pub(crate) chunk_size: i64,
    pub(crate) total_chunks: i64,
    /// Bytes that are on the disk.
    pub(crate) received: i64,
    /// Chunks that are on the disk.
    pub(crate) chunks: i64,
    pub(crate) status: UploadStatus,
    /// JSON: what the client said about it.
    pub(crate) metadata: String,
    /// The name of its file in the storage folder, once all of it is there.
    pub(crate) target: Option<String>,
    pub(crate) video_id: Option<i64>,
    pub(crate) error_message: Option<String>,
    pub(crate) created_at: Micros,
    pub(crate) expires_at: Micros,
}

/// A new upload.
#[derive(Clone, Debug)]
pub(crate) struct NewUpload {
    pub(crate) id: String,
    pub(crate) protocol: &'static str,
    pub(crate) file_name: String,
    pub(crate) file_size: i64,
    pub(crate) chunk_size: i64,
    pub(crate) total_chunks: i64,
    /// JSON.
    pub(crate) metadata: String,
    pub(crate) expires_at: Micros,
}

impl Store {
    /// Begins an upload.
    pub(crate) async fn add_upload(&self, new: &NewUpload) -> Result<Upload> {
        let sql = "INSERT INTO uploads (id, protocol, file_name, file_size, chunk_size, total_chunks, status, metadata, created_at, \
                   updated_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, 'uploading', $7, $8, $8, $9) RETURNING *";
        save!(self, tx => sqlx::query_as(sql)
            .bind(&new.id)
            .bind(new.protocol)
            .bind(&new.file_name)
            .bind(new.file_size)
            .bind(new.chunk_size)
            .bind(new.total_chunks)
            .bind(&new.metadata)
            .bind(Micros::now())
            .bind(new.expires_at)
            .fetch_one(&mut *tx)
            .await)
    }

    /// One upload.
    pub(crate) async fn upload(&self, id: &str) -> Result<Option<Upload>> {
        read!(self, pool => sqlx::query_as("SELECT * FROM uploads WHERE id = $1").bind(id).fetch_optional(pool).await)
    }

    /// Bytes that are still to come of uploads that were gone on with since `then`.
    pub(crate) async fn outstanding_bytes(&self, then: Micros) -> Result<i64> {
        let sql = "SELECT CAST(COALESCE(SUM(file_size - received), 0) AS BIGINT) FROM uploads WHERE status = 'uploading' AND updated_at > $1";
        read!(self, pool => sqlx::query_scalar(sql).bind(then).fetch_one(pool).await)
    }

    /// The chunks that are on the disk, in order.
    pub(crate) async fn upload_chunks(&self, id: &str) -> Result<Vec<i64>> {
        let sql = "SELECT chunk_index FROM upload_chunks WHERE upload_id = $1 ORDER BY chunk_index";
        read!(self, pool => sqlx::query_scalar(sql).bind(id).fetch_all(pool).await)
    }

    /// Says that a chunk of `bytes` is on the disk. How many chunks are; `None` when the upload is over.
    pub(crate) async fn add_chunk(
        &self,
        id: &str,
        index: i64,
        bytes: i64,
        expires_at: Micros,
    ) -> Result<Option<i64>> {
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            // The row is locked first, so that it can't go away in between.
            let sql = "UPDATE uploads SET updated_at = $2, expires_at = $3 WHERE id = $1 AND status = 'uploading'";
            let open = sqlx::query(sql).bind(id).bind(Micros::now()).bind(expires_at).execute(&mut *tx).await?;
            if open.rows_affected() == 0 {
                return Ok(None);
            }
            let sql = "INSERT INTO upload_chunks (upload_id, chunk_index) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            let new = sqlx::query(sql).bind(id).bind(index).execute(&mut *tx).await?.rows_affected();
            let (count, bytes) = if new == 1 { (1_i64, bytes) } else { (0, 0) };
            let sql = "UPDATE uploads SET chunks = chunks + $2, received = received + $3 WHERE id = $1 RETURNING chunks";
            let chunks: i64 = sqlx::query_scalar(sql).bind(id).bind(count).bind(bytes).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(Some(chunks))
        })
    }

    /// Says that a chunk of `bytes` is not on the disk, because it is about to be written over.
    pub(crate) async fn drop_chunk(&self, id: &str, index: i64, bytes: i64) -> Result<()> {
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let sql = "DELETE FROM upload_chunks WHERE upload_id = $1 AND chunk_index = $2";
            let gone = sqlx::query(sql).bind(id).bind(index).execute(&mut *tx).await?;
            if gone.rows_affected() == 1 {
                let sql = "UPDATE uploads SET chunks = chunks - 1, received = received - $2 WHERE id = $1";
                sqlx::query(sql).bind(id).bind(bytes).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(())
        })
    }

    /// Says how many bytes from the start are on the disk. `false` when the upload is over.
    pub(crate) async fn set_received(&self, id: &str, received: i64, expires_at: Micros) -> Result<bool> {
        let sql = "UPDATE uploads SET received = $2, updated_at = $3, expires_at = $4 WHERE id = $1 AND status = 'uploading'";
        write!(self, pool => sqlx::query(sql).bind(id).bind(received).bind(Micros::now()).bind(expires_at).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Gives an upload the name that its file is about to get.
    pub(crate) async fn set_upload_target(&self, id: &str, target: &str) -> Result<()> {
        let sql = "UPDATE uploads SET target = $2 WHERE id = $1 AND status = 'uploading'";
        write!(self, pool => sqlx::query(sql).bind(id).bind(target).execute(pool).await.map(drop))
    }

    /// Says that an upload can't become a video, and why.
    pub(crate) async fn fail_upload(&self, id: &str, why: &str) -> Result<()> {
        let sql = "UPDATE uploads SET status = 'failed', error_message = $2, updated_at = $3 WHERE id = $1 AND status = 'uploading'";
        write!(self, pool => sqlx::query(sql).bind(id).bind(why).bind(Micros::now()).execute(pool).await.map(drop))
    }

    /// Makes an upload into a video with its tags, and asks for its picture and, with a payload for it, its import. The video;
    /// `None` when the upload is over, and nothing has changed.
    pub(crate) async fn complete_upload(
        &self,
        id: &str,
        new: &NewVideo,
        tags: &[i64],
        import: Option<&Value>,
    ) -> Result<Option<i64>> {
        let now = Micros::now();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let sql = "INSERT INTO videos (category_id, title, description, file_name, file_size, duration_us, source_type, file_type, \
                       status, tracks, gaps, created_at, updated_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, '[]', $10, $10) RETURNING id";
            let video: i64 = sqlx::query_scalar(sql)
                .bind(new.category_id)
                .bind(&new.title)
                .bind(&new.description)
                .bind(&new.file_name)
                .bind(new.file_size)
                .bind(new.duration_us)
                .bind(new.source_type)
                .bind(new.file_type)
                .bind(&new.tracks)
                .bind(now)
                .fetch_one(&mut *tx)
                .await?;
            let sql = "UPDATE uploads SET status = 'completed', video_id = $2, chunks = 0, updated_at = $3 WHERE id = $1 AND status = 'uploading'";
            let open = sqlx::query(sql).bind(id).bind(video).bind(now).execute(&mut *tx).await?;
            if open.rows_affected() == 0 {
                tx.rollback().await?;
                return Ok(None);
            }
            for tag in tags {
                let sql = "INSERT INTO video_tags (video_id, tag_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                sqlx::query(sql).bind(video).bind(tag).execute(&mut *tx).await?;
            }
            sqlx::query("DELETE FROM upload_chunks WHERE upload_id = $1").bind(id).execute(&mut *tx).await?;
            let job = "INSERT INTO jobs (kind, video_id, payload, status, run_after, created_at, updated_at) \
                       VALUES ($1, $2, $3, 'pending', $4, $4, $4)";
            sqlx::query(job).bind("thumbnail").bind(video).bind("{}").bind(now).execute(&mut *tx).await?;
            if let Some(payload) = import {
                sqlx::query(job).bind("import").bind(video).bind(payload.to_string()).bind(now).execute(&mut *tx).await?;
            }
            tell!(tx, Topic::VideoCreated, outbox::Video, video);
            tx.commit().await?;
            Ok(Some(video))
        })
    }

    /// Whether there are a category and tags of these numbers.
    pub(crate) async fn knows_category_and_tags(
        &self,
        category: Option<i64>,
        tags: &[i64],
    ) -> Result<(bool, bool)> {
        let count = "SELECT COUNT(*) FROM categories WHERE id = $1";
        let category_known = match category {
            Some(id) => {
                let found: i64 =
                    read!(self, pool => sqlx::query_scalar(count).bind(id).fetch_one(pool).await)?;
                found == 1
            }
            None => true,
        };
        let mut tags_known = true;
        for tag in tags {
            let sql = "SELECT COUNT(*) FROM tags WHERE id = $1";
            let found: i64 = read!(self, pool => sqlx::query_scalar(sql).bind(tag).fetch_one(pool).await)?;
            tags_known &= found == 1;
        }
        Ok((category_known, tags_known))
    }

    /// Forgets an upload. `false` when there is none.
    pub(crate) async fn remove_upload(&self, id: &str) -> Result<bool> {
        write!(self, pool => sqlx::query("DELETE FROM uploads WHERE id = $1").bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Uploads that nobody went on with.
    pub(crate) async fn expired_uploads(&self) -> Result<Vec<Upload>> {
        let sql = "SELECT * FROM uploads WHERE expires_at < $1 ORDER BY expires_at LIMIT $2";
        read!(self, pool => sqlx::query_as(sql).bind(Micros::now()).bind(EXPIRED).fetch_all(pool).await)
    }
}
