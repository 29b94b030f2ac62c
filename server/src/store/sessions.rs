//! Sessions of administrators, and those that were ended early.

use super::{Result, Store};
use crate::domain::time::Micros;

/// A row of `sessions`.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::FromRow)]
pub(crate) struct Session {
    /// Its token's own name.
    pub(crate) id: String,
    pub(crate) admin_id: i64,
    pub(crate) created_at: Micros,
    pub(crate) expires_at: Micros,
    pub(crate) last_seen_at: Micros,
    /// Of the client.
    pub(crate) address: String,
    pub(crate) user_agent: String,
}

const ADD: &str = "INSERT INTO sessions (id, admin_id, created_at, expires_at, last_seen_at, address, user_agent) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Its token is void, though its signature is good and it has not expired.
const REVOKE: &str =
    "INSERT INTO revoked_tokens (token_id, expires_at) VALUES ($1, $2) ON CONFLICT (token_id) DO NOTHING";

impl Store {
    /// Begins a session, and notes that its account signed in.
    pub(crate) async fn add_session(&self, session: &Session) -> Result<()> {
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(ADD)
                .bind(&session.id)
                .bind(session.admin_id)
                .bind(session.created_at)
                .bind(session.expires_at)
                .bind(session.last_seen_at)
                .bind(&session.address)
                .bind(&session.user_agent)
                .execute(&mut *tx)
                .await?;
            let sql = "UPDATE admins SET last_login_at = $2 WHERE id = $1";
            sqlx::query(sql).bind(session.admin_id).bind(session.created_at).execute(&mut *tx).await?;
            tx.commit().await
        })
    }

    /// The sessions of all accounts that last, newest first.
    pub(crate) async fn sessions(&self) -> Result<Vec<Session>> {
        let sql = "SELECT id, admin_id, created_at, expires_at, last_seen_at, address, user_agent FROM sessions \
                   WHERE expires_at > $1 ORDER BY created_at DESC, id";
        read!(self, pool => sqlx::query_as(sql).bind(Micros::now()).fetch_all(pool).await)
    }

    /// Notes when sessions were last seen.
    pub(crate) async fn note_sessions_seen(&self, seen: &[(String, Micros)]) -> Result<()> {
        let sql = "UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            for (id, at) in seen {
                sqlx::query(sql).bind(id).bind(at).execute(&mut *tx).await?;
            }
            tx.commit().await
        })
    }

    /// Ends sessions.
    pub(crate) async fn end_sessions(&self, ended: &[(String, Micros)]) -> Result<()> {
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            for (id, expires_at) in ended {
                sqlx::query(REVOKE).bind(id).bind(expires_at).execute(&mut *tx).await?;
                sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id).execute(&mut *tx).await?;
            }
            tx.commit().await
        })
    }

    /// The sessions that were ended and would not have expired by now.
    pub(crate) async fn ended_sessions(&self) -> Result<Vec<(String, Micros)>> {
        let sql = "SELECT token_id, expires_at FROM revoked_tokens WHERE expires_at > $1";
        read!(self, pool => sqlx::query_as(sql).bind(Micros::now()).fetch_all(pool).await)
    }

    /// Forgets sessions that have expired, ended or not; how many there were.
    pub(crate) async fn sweep_sessions(&self, now: Micros) -> Result<u64> {
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let ended = sqlx::query("DELETE FROM revoked_tokens WHERE expires_at <= $1").bind(now).execute(&mut *tx).await?;
            let expired = sqlx::query("DELETE FROM sessions WHERE expires_at <= $1").bind(now).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(ended.rows_affected() + expired.rows_affected())
        })
    }
}
