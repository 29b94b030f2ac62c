//! Categories.

use super::{Result, Store};
use crate::domain::time::Micros;

/// A row of `categories`, with how many videos are in it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Category {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) sort_order: i64,
    pub(crate) created_at: Micros,
    /// Videos of every status, but those of the trash.
    pub(crate) video_count: i64,
}

impl Store {
    /// Makes one; a taken name is a unique violation.
    pub(crate) async fn add_category(&self, name: &str, sort_order: i64) -> Result<Category> {
        let sql = "INSERT INTO categories (name, sort_order, created_at) VALUES ($1, $2, $3) \
                   RETURNING id, name, sort_order, created_at, CAST(0 AS BIGINT) AS video_count";
        save!(self, tx => sqlx::query_as(sql).bind(name).bind(sort_order).bind(Micros::now()).fetch_one(&mut *tx).await)
    }

    /// The category of this name.
    pub(crate) async fn category_named(&self, name: &str) -> Result<Option<i64>> {
        read!(self, pool => sqlx::query_scalar("SELECT id FROM categories WHERE name = $1").bind(name).fetch_optional(pool).await)
    }
}
