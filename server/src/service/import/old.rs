//! The tables of the old server.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::domain::time::Micros;

/// The old database, read only.
pub(super) struct Old(SqlitePool);

/// Makes a row and the statement that reads all of them.
macro_rules! tables {
    ($($name:ident $list:ident $table:literal { $($field:ident: $kind:ty,)+ })+) => {
        $(
            #[derive(Debug, sqlx::FromRow)]
            pub(super) struct $name { $(pub(super) $field: $kind,)+ }
        )+

        impl Old {
            $(
                pub(super) async fn $list(&self) -> Result<Vec<$name>> {
                    let sql = concat!("SELECT ", tables!(@columns $($field)+), " FROM ", $table, " ORDER BY id");
                    sqlx::query_as(sql).fetch_all(&self.0).await.context(concat!("read the table ", $table))
                }
            )+
        }
    };
    (@columns $first:ident $($field:ident)*) => { concat!(stringify!($first) $(, ", ", stringify!($field))*) };
}

tables! {
    Admin admins "admins" { id: i64, username: String, password_hash: String, created_at: String, last_login_at: Option<String>, }
    Category categories "categories" { id: i64, name: String, sort_order: Option<i64>, created_at: String, }
    Tag tags "tags" { id: i64, name: String, created_at: String, }
    Source sources "live_sources" {
        id: i64, name: String, protocol: String, url: String, category_id: Option<i64>, retention_days: Option<i64>,
        is_active: Option<bool>, last_check_time: Option<String>, created_at: String, updated_at: Option<String>,
    }
    Schedule schedules "schedules" {
        id: i64, source_id: i64, cron_expr: String, is_active: Option<bool>, last_run_at: Option<String>, created_at: String,
    }
    Task tasks "record_tasks" {
        id: i64, source_id: i64, status: String, started_at: Option<String>, ended_at: Option<String>, file_path: Option<String>,
        file_size: Option<i64>, duration: Option<i64>, error_message: Option<String>, created_at: String,
    }
    Video videos "video_files" {
        id: i64, task_id: Option<i64>, category_id: Option<i64>, title: String, description: Option<String>, file_path: String,
        file_size: Option<i64>, duration: Option<i64>, thumbnail: Option<String>, view_count: Option<i64>, source_type: String,
        file_type: String, status: String, reviewed_at: Option<String>, reviewed_by: Option<i64>, created_at: String,
    }
    Image images "video_images" { id: i64, video_id: i64, image_path: String, sort_order: Option<i64>, created_at: String, }
    Text texts "video_texts" {
        id: i64, video_id: i64, title: String, content: Option<String>, sort_order: Option<i64>, created_at: String,
    }
    Link links "video_links" { id: i64, video_id: i64, title: String, url: String, sort_order: Option<i64>, created_at: String, }
    Code codes "view_codes" { id: i64, code: String, is_active: Option<bool>, created_at: String, expires_at: Option<String>, }
}

impl Old {
    /// Opens it without changing it.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await;
        Ok(Self(pool.with_context(|| format!("open {}", path.display()))?))
    }

    pub(super) async fn video_tags(&self) -> Result<Vec<(i64, i64)>> {
        let sql = "SELECT DISTINCT video_id, tag_id FROM video_tags WHERE tag_id IN (SELECT id FROM tags)";
        sqlx::query_as(sql)
            .fetch_all(&self.0)
            .await
            .context("read the table video_tags")
    }

    pub(super) async fn code_categories(&self) -> Result<Vec<(i64, i64)>> {
        let sql = "SELECT DISTINCT code_id, category_id FROM view_code_categories \
                   WHERE code_id IN (SELECT id FROM view_codes) AND category_id IN (SELECT id FROM categories)";
        sqlx::query_as(sql)
            .fetch_all(&self.0)
            .await
            .context("read the table view_code_categories")
    }

    /// Uploads that are not complete.
    pub(super) async fn unfinished(&self) -> Result<i64> {
        let sql = "SELECT COUNT(*) FROM upload_tasks WHERE lower(status) = 'uploading'";
        sqlx::query_scalar(sql)
            .fetch_one(&self.0)
            .await
            .context("read the table upload_tasks")
    }
}

/// A text without a zone that is UTC. What can't be read is the beginning of time.
pub(super) fn utc(text: &str) -> Micros {
    local(text, &TimeZone::UTC)
}

/// A text without a zone that is of the old server's.
pub(super) fn local(text: &str, zone: &TimeZone) -> Micros {
    text.trim()
        .parse::<DateTime>()
        .ok()
        .and_then(|at| zone.to_ambiguous_zoned(at).compatible().ok())
        .map_or(Micros(0), |at| at.timestamp().into())
}
