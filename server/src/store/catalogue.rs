//! Tags, and categories as they are listed and changed.

use super::categories::Category;
use super::{Result, Store};
use crate::domain::time::Micros;

/// A row of `tags`, with how many videos have it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Tag {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) created_at: Micros,
    /// Videos of every status, but those of the trash.
    pub(crate) video_count: i64,
}

const CATEGORIES: &str = "SELECT c.id, c.name, c.sort_order, c.created_at, \
    (SELECT COUNT(*) FROM videos v WHERE v.category_id = c.id AND v.deleted_at IS NULL) AS video_count FROM categories c";

const TAGS: &str = "SELECT t.id, t.name, t.created_at, \
    (SELECT COUNT(*) FROM video_tags x JOIN videos v ON v.id = x.video_id WHERE x.tag_id = t.id AND v.deleted_at IS NULL) AS video_count FROM tags t";

impl Store {
    /// All categories, in their order.
    pub(crate) async fn categories(&self) -> Result<Vec<Category>> {
        let sql = || sqlx::AssertSqlSafe(format!("{CATEGORIES} ORDER BY c.sort_order, c.id"));
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// Numbers, names and order of all categories.
    pub(crate) async fn category_names(&self) -> Result<Vec<(i64, String, i64)>> {
        read!(self, pool => sqlx::query_as("SELECT id, name, sort_order FROM categories").fetch_all(pool).await)
    }

    /// One category.
    pub(crate) async fn category(&self, id: i64) -> Result<Option<Category>> {
        let sql = || sqlx::AssertSqlSafe(format!("{CATEGORIES} WHERE c.id = $1"));
        read!(self, pool => sqlx::query_as(sql()).bind(id).fetch_optional(pool).await)
    }

    /// Changes what is given; a taken name is a unique violation.
    pub(crate) async fn set_category(
        &self,
        id: i64,
        name: Option<&str>,
        sort_order: Option<i64>,
    ) -> Result<bool> {
        let sql = "UPDATE categories SET name = COALESCE($2, name), sort_order = COALESCE($3, sort_order) WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(name).bind(sort_order).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Removes a category without videos; those of the trash lose it.
    pub(crate) async fn remove_category(&self, id: i64) -> Result<bool> {
        let sql = "DELETE FROM categories WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM videos WHERE category_id = $1 AND deleted_at IS NULL)";
        write!(self, pool => sqlx::query(sql).bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// All tags, by name.
    pub(crate) async fn tags(&self) -> Result<Vec<Tag>> {
        let sql = || sqlx::AssertSqlSafe(format!("{TAGS} ORDER BY t.name"));
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// Makes a tag; a taken name is a unique violation.
    pub(crate) async fn add_tag(&self, name: &str) -> Result<Tag> {
        let sql = "INSERT INTO tags (name, created_at) VALUES ($1, $2) RETURNING id, name, created_at, CAST(0 AS BIGINT) AS video_count";
        save!(self, tx => sqlx::query_as(sql).bind(name).bind(Micros::now()).fetch_one(&mut *tx).await)
    }

    /// One tag.
    pub(crate) async fn tag(&self, id: i64) -> Result<Option<Tag>> {
        let sql = || sqlx::AssertSqlSafe(format!("{TAGS} WHERE t.id = $1"));
        read!(self, pool => sqlx::query_as(sql()).bind(id).fetch_optional(pool).await)
    }

    /// Changes what is given; a taken name is a unique violation.
    pub(crate) async fn set_tag(&self, id: i64, name: Option<&str>) -> Result<bool> {
        let sql = "UPDATE tags SET name = COALESCE($2, name) WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(name).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Removes a tag.
    pub(crate) async fn remove_tag(&self, id: i64) -> Result<bool> {
        write!(self, pool => sqlx::query("DELETE FROM tags WHERE id = $1").bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }
}
