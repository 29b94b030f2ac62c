//! Viewing codes and the categories that they open.

use std::collections::HashMap;

use super::{Result, Store};
use crate::domain::time::Micros;

/// A row of `view_codes` with its categories.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Code {
    pub(crate) id: i64,
    pub(crate) code_hash: Vec<u8>,
    pub(crate) code_sealed: Vec<u8>,
    pub(crate) is_active: bool,
    pub(crate) expires_at: Option<Micros>,
    pub(crate) use_count: i64,
    pub(crate) last_used_at: Option<Micros>,
    pub(crate) created_at: Micros,
    /// What it opens, in the order of the numbers.
    #[sqlx(skip)]
    pub(crate) category_ids: Vec<i64>,
    /// Their names, in the same order.
    #[sqlx(skip)]
    pub(crate) category_names: Vec<String>,
}

/// What is changed of a code; `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct CodeChange {
    pub(crate) is_active: Option<bool>,
    pub(crate) expires_at: Option<Option<Micros>>,
    pub(crate) category_ids: Option<Vec<i64>>,
}

impl Store {
    /// All codes, newest first.
    pub(crate) async fn codes(&self) -> Result<Vec<Code>> {
        let rows: Vec<Code> = read!(self, pool => sqlx::query_as("SELECT * FROM view_codes ORDER BY id DESC").fetch_all(pool).await)?;
        let sql = "SELECT v.code_id, c.id, c.name FROM view_code_categories v JOIN categories c ON c.id = v.category_id ORDER BY c.id";
        let links: Vec<(i64, i64, String)> = read!(self, pool => sqlx::query_as(sql).fetch_all(pool).await)?;
        let mut by_code: HashMap<i64, Vec<(i64, String)>> = HashMap::new();
        for (code, category, name) in links {
            by_code.entry(code).or_default().push((category, name));
        }
        let with = |mut code: Code| {
            (code.category_ids, code.category_names) =
                by_code.remove(&code.id).unwrap_or_default().into_iter().unzip();
            code
        };
        Ok(rows.into_iter().map(with).collect())
    }

    /// One code.
    pub(crate) async fn code(&self, id: i64) -> Result<Option<Code>> {
        Ok(self.codes().await?.into_iter().find(|code| code.id == id))
    }

    /// Makes one; a hash that is there is a unique violation.
    pub(crate) async fn add_code(
        &self,
        hash: &[u8],
        sealed: &[u8],
        is_active: bool,
        expires_at: Option<Micros>,
        categories: &[i64],
    ) -> Result<i64> {
        let sql = "INSERT INTO view_codes (code_hash, code_sealed, is_active, expires_at, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let id: i64 = sqlx::query_scalar(sql).bind(hash).bind(sealed).bind(is_active).bind(expires_at).bind(Micros::now()).fetch_one(&mut *tx).await?;
            for category in categories {
                let sql = "INSERT INTO view_code_categories (code_id, category_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                sqlx::query(sql).bind(id).bind(category).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(id)
        })
    }

    /// Changes one.
    pub(crate) async fn change_code(&self, id: i64, change: &CodeChange) -> Result<()> {
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            if let Some(is_active) = change.is_active {
                sqlx::query("UPDATE view_codes SET is_active = $2 WHERE id = $1").bind(id).bind(is_active).execute(&mut *tx).await?;
            }
            if let Some(expires_at) = change.expires_at {
                sqlx::query("UPDATE view_codes SET expires_at = $2 WHERE id = $1").bind(id).bind(expires_at).execute(&mut *tx).await?;
            }
            if let Some(categories) = &change.category_ids {
                sqlx::query("DELETE FROM view_code_categories WHERE code_id = $1").bind(id).execute(&mut *tx).await?;
                for category in categories {
                    let sql = "INSERT INTO view_code_categories (code_id, category_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                    sqlx::query(sql).bind(id).bind(category).execute(&mut *tx).await?;
                }
            }
            tx.commit().await
        })
    }

    /// Removes one.
    pub(crate) async fn remove_code(&self, id: i64) -> Result<bool> {
        write!(self, pool => sqlx::query("DELETE FROM view_codes WHERE id = $1").bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Counts a use.
    pub(crate) async fn note_code_use(&self, id: i64) -> Result<()> {
        let sql = "UPDATE view_codes SET use_count = use_count + 1, last_used_at = $2 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(Micros::now()).execute(pool).await.map(drop))
    }

    /// The numbers of all categories.
    pub(crate) async fn category_ids(&self) -> Result<Vec<i64>> {
        read!(self, pool => sqlx::query_scalar("SELECT id FROM categories ORDER BY id").fetch_all(pool).await)
    }
}
