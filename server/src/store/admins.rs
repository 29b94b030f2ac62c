//! Administrators and the sessions that were ended early.

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

    /// Makes one; a taken name is a unique violation.
    pub(crate) async fn add_admin(&self, username: &str, password_hash: &str) -> Result<Admin> {
        let sql = || {
            sqlx::AssertSqlSafe(format!(
                "INSERT INTO admins (username, password_hash, created_at) VALUES ($1, $2, $3) RETURNING {COLUMNS}"
            ))
        };
        write!(self, pool => sqlx::query_as(sql()).bind(username).bind(password_hash).bind(Micros::now()).fetch_one(pool).await)
    }

    /// Changes the password; with `end_sessions` all tokens of the account are void.
    pub(crate) async fn set_admin_password(&self, id: i64, hash: &str, end_sessions: bool) -> Result<bool> {
        let raise = i64::from(end_sessions);
        let sql = "UPDATE admins SET password_hash = $2, token_version = token_version + $3 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(hash).bind(raise).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Notes a sign-in.
    pub(crate) async fn note_admin_login(&self, id: i64) -> Result<()> {
        let sql = "UPDATE admins SET last_login_at = $2 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(Micros::now()).execute(pool).await.map(drop))
    }

    /// Removes one, but never the last.
    pub(crate) async fn remove_admin(&self, id: i64) -> Result<bool> {
        let sql = "DELETE FROM admins WHERE id = $1 AND EXISTS (SELECT 1 FROM admins WHERE id <> $1)";
        write!(self, pool => sqlx::query(sql).bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Ends a session.
    pub(crate) async fn revoke_token(&self, token_id: &str, expires_at: Micros) -> Result<()> {
        let sql = "INSERT INTO revoked_tokens (token_id, expires_at) VALUES ($1, $2) ON CONFLICT (token_id) DO NOTHING";
        write!(self, pool => sqlx::query(sql).bind(token_id).bind(expires_at).execute(pool).await.map(drop))
    }

    /// The sessions that were ended and would not have expired by now; forgets the others.
    pub(crate) async fn revoked_tokens(&self) -> Result<Vec<(String, Micros)>> {
        write!(self, pool => {
            sqlx::query("DELETE FROM revoked_tokens WHERE expires_at < $1").bind(Micros::now()).execute(pool).await?;
            sqlx::query_as("SELECT token_id, expires_at FROM revoked_tokens").fetch_all(pool).await
        })
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
