//! Administrators, and values of the installation.

use super::{Result, Store};
use crate::domain::time::Micros;

/// An administrator.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Admin {
    /// Its number.
    pub(crate) id: i64,
    /// The name to sign in with.
    pub(crate) username: String,
    /// argon2id as a PHC string, or bcrypt of an import until the next sign-in.
    pub(crate) password_hash: String,
    /// Tokens of another version are void.
    pub(crate) token_version: i64,
    /// When it was made.
    pub(crate) created_at: Micros,
    /// When it last signed in.
    pub(crate) last_login_at: Option<Micros>,
}

const COLUMNS: &str = "id, username, password_hash, token_version, created_at, last_login_at";

impl Store {
    /// All administrators, oldest first.
    pub(crate) async fn admins(&self) -> Result<Vec<Admin>> {
        let sql = || sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM admins ORDER BY id"));
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// The one of this name.
    pub(crate) async fn admin_named(&self, username: &str) -> Result<Option<Admin>> {
        let sql = || sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM admins WHERE username = $1"));
        read!(self, pool => sqlx::query_as(sql()).bind(username).fetch_optional(pool).await)
    }

    /// Makes one; a taken name is a unique violation.
    pub(crate) async fn add_admin(&self, username: &str, password_hash: &str) -> Result<Admin> {
        let sql = || {
            sqlx::AssertSqlSafe(format!(
                "INSERT INTO admins (username, password_hash, created_at) VALUES ($1, $2, $3) RETURNING {COLUMNS}"
            ))
        };
        save!(self, tx => sqlx::query_as(sql()).bind(username).bind(password_hash).bind(Micros::now()).fetch_one(&mut *tx).await)
    }

    /// Changes the password; with `end_sessions` all tokens of the account are void.
    pub(crate) async fn set_admin_password(&self, id: i64, hash: &str, end_sessions: bool) -> Result<bool> {
        let raise = i64::from(end_sessions);
        let sql = "UPDATE admins SET password_hash = $2, token_version = token_version + $3 WHERE id = $1";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let changed = sqlx::query(sql).bind(id).bind(hash).bind(raise).execute(&mut *tx).await?;
            if end_sessions {
                sqlx::query("DELETE FROM sessions WHERE admin_id = $1").bind(id).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(changed.rows_affected() == 1)
        })
    }

    /// Removes one, but never the last.
    pub(crate) async fn remove_admin(&self, id: i64) -> Result<bool> {
        let sql = "DELETE FROM admins WHERE id = $1 AND EXISTS (SELECT 1 FROM admins WHERE id <> $1)";
        write!(self, pool => sqlx::query(sql).bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// A value that belongs to the installation.
    pub(crate) async fn setting(&self, name: &str) -> Result<Option<String>> {
        read!(self, pool => sqlx::query_scalar("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(pool).await)
    }

    /// Sets it.
    pub(crate) async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        write!(self, pool => sqlx::query(sql).bind(name).bind(value).execute(pool).await.map(drop))
    }
}
