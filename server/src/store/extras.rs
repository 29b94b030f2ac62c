//! Pictures, texts and links of a video.

use super::{Result, Store};
use crate::domain::time::Micros;

/// A row of `video_images`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Image {
    pub(crate) id: i64,
    pub(crate) video_id: i64,
    /// In the folder `images`.
    pub(crate) file_name: String,
    pub(crate) sort_order: i64,
    pub(crate) created_at: Micros,
}

/// A row of `video_texts`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Text {
    pub(crate) id: i64,
    pub(crate) video_id: i64,
    pub(crate) title: String,
    pub(crate) content: Option<String>,
    pub(crate) sort_order: i64,
    pub(crate) created_at: Micros,
}

/// A row of `video_links`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Link {
    pub(crate) id: i64,
    pub(crate) video_id: i64,
    pub(crate) title: String,
    pub(crate) url: String,
    pub(crate) sort_order: i64,
    pub(crate) created_at: Micros,
}

impl Store {
    /// The pictures of a video, in their order.
    pub(crate) async fn images(&self, video: i64) -> Result<Vec<Image>> {
        let sql = "SELECT * FROM video_images WHERE video_id = $1 ORDER BY sort_order, id";
        read!(self, pool => sqlx::query_as(sql).bind(video).fetch_all(pool).await)
    }

    /// Whose picture a file is.
    pub(crate) async fn video_of_image(&self, file_name: &str) -> Result<Option<i64>> {
        let sql = "SELECT video_id FROM video_images WHERE file_name = $1";
        read!(self, pool => sqlx::query_scalar(sql).bind(file_name).fetch_optional(pool).await)
    }

    /// Whose thumbnail a file is.
    pub(crate) async fn videos_of_thumbnail(&self, name: &str) -> Result<Vec<i64>> {
        let sql = "SELECT id FROM videos WHERE thumbnail = $1";
        read!(self, pool => sqlx::query_scalar(sql).bind(name).fetch_all(pool).await)
    }

    /// Adds a picture.
    pub(crate) async fn add_image(&self, video: i64, file_name: &str, sort_order: i64) -> Result<Image> {
        let sql = "INSERT INTO video_images (video_id, file_name, sort_order, created_at) VALUES ($1, $2, $3, $4) RETURNING *";
        save!(self, tx => sqlx::query_as(sql).bind(video).bind(file_name).bind(sort_order).bind(Micros::now()).fetch_one(&mut *tx).await)
    }

    /// Removes a picture; its file's name.
    pub(crate) async fn remove_image(&self, video: i64, id: i64) -> Result<Option<String>> {
        let sql = "DELETE FROM video_images WHERE id = $1 AND video_id = $2 RETURNING file_name";
        save!(self, tx => sqlx::query_scalar(sql).bind(id).bind(video).fetch_optional(&mut *tx).await)
    }

    /// The texts of a video, in their order.
    pub(crate) async fn texts(&self, video: i64) -> Result<Vec<Text>> {
        let sql = "SELECT * FROM video_texts WHERE video_id = $1 ORDER BY sort_order, id";
        read!(self, pool => sqlx::query_as(sql).bind(video).fetch_all(pool).await)
    }

    /// Adds a text.
    pub(crate) async fn add_text(
        &self,
        video: i64,
        title: &str,
        content: Option<&str>,
        sort_order: i64,
    ) -> Result<Text> {
        let sql = "INSERT INTO video_texts (video_id, title, content, sort_order, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING *";
        save!(self, tx => sqlx::query_as(sql).bind(video).bind(title).bind(content).bind(sort_order).bind(Micros::now()).fetch_one(&mut *tx).await)
    }

    /// Changes a text to be this.
    pub(crate) async fn set_text(&self, text: &Text) -> Result<bool> {
        let sql = "UPDATE video_texts SET title = $3, content = $4, sort_order = $5 WHERE id = $1 AND video_id = $2";
        write!(self, pool => sqlx::query(sql)
            .bind(text.id)
            .bind(text.video_id)
            .bind(&text.title)
            .bind(&text.content)
            .bind(text.sort_order)
            .execute(pool)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    /// Removes a text.
    pub(crate) async fn remove_text(&self, video: i64, id: i64) -> Result<bool> {
        let sql = "DELETE FROM video_texts WHERE id = $1 AND video_id = $2";
        write!(self, pool => sqlx::query(sql).bind(id).bind(video).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// The links of a video, in their order.
    pub(crate) async fn links(&self, video: i64) -> Result<Vec<Link>> {
        let sql = "SELECT * FROM video_links WHERE video_id = $1 ORDER BY sort_order, id";
        read!(self, pool => sqlx::query_as(sql).bind(video).fetch_all(pool).await)
    }

    /// Adds a link.
    pub(crate) async fn add_link(&self, video: i64, title: &str, url: &str, sort_order: i64) -> Result<Link> {
        let sql = "INSERT INTO video_links (video_id, title, url, sort_order, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING *";
        save!(self, tx => sqlx::query_as(sql).bind(video).bind(title).bind(url).bind(sort_order).bind(Micros::now()).fetch_one(&mut *tx).await)
    }

    /// Changes a link to be this.
    pub(crate) async fn set_link(&self, link: &Link) -> Result<bool> {
        let sql =
            "UPDATE video_links SET title = $3, url = $4, sort_order = $5 WHERE id = $1 AND video_id = $2";
        write!(self, pool => sqlx::query(sql)
            .bind(link.id)
            .bind(link.video_id)
            .bind(&link.title)
            .bind(&link.url)
            .bind(link.sort_order)
            .execute(pool)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    /// Removes a link.
    pub(crate) async fn remove_link(&self, video: i64, id: i64) -> Result<bool> {
        let sql = "DELETE FROM video_links WHERE id = $1 AND video_id = $2";
        write!(self, pool => sqlx::query(sql).bind(id).bind(video).execute(pool).await.map(|done| done.rows_affected() == 1))
    }
}
