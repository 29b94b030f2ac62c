//! Jobs: long work that waits, runs, and survives a restart.

use std::time::Duration;

use super::{Result, Store};
use crate::domain::status::JobStatus;
use crate::domain::time::Micros;

/// Jobs of a list.
const LISTED: i64 = 200;

/// A row of `jobs`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Job {
    pub(crate) id: i64,
    /// `thumbnail`, `audio`, `trim`, …
    pub(crate) kind: String,
    pub(crate) video_id: Option<i64>,
    /// JSON.
    pub(crate) payload: String,
    /// JSON.
    pub(crate) result: Option<String>,
    pub(crate) status: JobStatus,
    /// 0 to 1000.
    pub(crate) progress: i64,
    pub(crate) attempts: i64,
    pub(crate) run_after: Micros,
    pub(crate) error_message: Option<String>,
    pub(crate) created_at: Micros,
    pub(crate) updated_at: Micros,
    pub(crate) completed_at: Option<Micros>,
}

impl Store {
    /// Puts a job into the queue. One of the same kind for the same video that is not over is a unique violation.
    pub(crate) async fn add_job(
        &self,
        kind: &str,
        video_id: Option<i64>,
        payload: &serde_json::Value,
    ) -> Result<Job> {
        let sql = "INSERT INTO jobs (kind, video_id, payload, status, run_after, created_at, updated_at) \
                   VALUES ($1, $2, $3, 'pending', $4, $4, $4) RETURNING *";
        let payload = payload.to_string();
        save!(self, tx => sqlx::query_as(sql).bind(kind).bind(video_id).bind(&payload).bind(Micros::now()).fetch_one(&mut *tx).await)
    }

    /// One job.
    pub(crate) async fn job(&self, id: i64) -> Result<Option<Job>> {
        read!(self, pool => sqlx::query_as("SELECT * FROM jobs WHERE id = $1").bind(id).fetch_optional(pool).await)
    }

    /// The newest jobs, of one status or of all.
    pub(crate) async fn jobs(&self, status: Option<JobStatus>) -> Result<Vec<Job>> {
        let sql =
            "SELECT * FROM jobs WHERE (CAST($1 AS TEXT) IS NULL OR status = $1) ORDER BY id DESC LIMIT $2";
        let status = status.map(JobStatus::as_str);
        read!(self, pool => sqlx::query_as(sql).bind(status).bind(LISTED).fetch_all(pool).await)
    }

    /// The newest jobs of one kind for a video.
    pub(crate) async fn video_jobs(&self, video: i64, kind: &str) -> Result<Vec<Job>> {
        let sql = "SELECT * FROM jobs WHERE video_id = $1 AND kind = $2 ORDER BY id DESC LIMIT $3";
        read!(self, pool => sqlx::query_as(sql).bind(video).bind(kind).bind(LISTED).fetch_all(pool).await)
    }

    /// Takes the next job that is due, or whose holder is gone, and holds it as `owner` for `lease`. Jobs of the kind `but` wait.
    pub(crate) async fn claim_job(
        &self,
        owner: &str,
        lease: Duration,
        but: Option<&str>,
    ) -> Result<Option<Job>> {
        macro_rules! claim {
            ($lock:literal) => {
                concat!(
                    "UPDATE jobs SET status = 'processing', attempts = attempts + 1, lease_owner = $1, lease_until = $2, updated_at = $3 \
                     WHERE id = (SELECT id FROM jobs WHERE status IN ('pending', 'processing') AND run_after <= $3 \
                     AND (status = 'pending' OR lease_until < $3) AND kind <> $4 ORDER BY run_after, id LIMIT 1",
                    $lock,
                    ") RETURNING *"
                )
            };
        }
        let now = Micros::now();
        let but = but.unwrap_or_default();
        let due = "SELECT id FROM jobs WHERE status IN ('pending', 'processing') AND run_after <= $1 \
                   AND (status = 'pending' OR lease_until < $1) AND kind <> $2 LIMIT 1";
        // A look costs no turn at writing.
        let due: Option<i64> =
            read!(self, pool => sqlx::query_scalar(due).bind(now).bind(but).fetch_optional(pool).await)?;
        if due.is_none() {
            return Ok(None);
        }
        let sql = if self.is_postgres() {
            claim!(" FOR UPDATE SKIP LOCKED")
        } else {
            claim!("")
        };
        save!(self, tx => sqlx::query_as(sql).bind(owner).bind(now.after(lease)).bind(now).bind(but).fetch_optional(&mut *tx).await)
    }

    /// Says how far a job is and holds it longer. `false` when it is not `owner`'s any more.
    pub(crate) async fn renew_job(
        &self,
        id: i64,
        owner: &str,
        progress: i64,
        lease: Duration,
    ) -> Result<bool> {
        let sql = "UPDATE jobs SET progress = $3, lease_until = $4, updated_at = $5 \
                   WHERE id = $1 AND lease_owner = $2 AND status = 'processing'";
        let now = Micros::now();
        write!(self, pool => sqlx::query(sql).bind(id).bind(owner).bind(progress).bind(now.after(lease)).bind(now).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Gives a job back, to be done again after `wait`. One that was only `stopped` has not used up an attempt.
    pub(crate) async fn postpone_job(
        &self,
        id: i64,
        owner: &str,
        wait: Duration,
        why: Option<&str>,
    ) -> Result<bool> {
        let sql = "UPDATE jobs SET status = 'pending', lease_owner = NULL, lease_until = NULL, run_after = $3, progress = 0, \
                   error_message = $4, attempts = attempts - $5, updated_at = $6 \
                   WHERE id = $1 AND lease_owner = $2 AND status = 'processing'";
        let now = Micros::now();
        let unused = i64::from(why.is_none());
        write!(self, pool => sqlx::query(sql).bind(id).bind(owner).bind(now.after(wait)).bind(why).bind(unused).bind(now).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Ends a job without a result.
    pub(crate) async fn fail_job(&self, id: i64, owner: &str, why: &str) -> Result<bool> {
        let sql = "UPDATE jobs SET status = 'failed', lease_owner = NULL, lease_until = NULL, error_message = $3, \
                   updated_at = $4, completed_at = $4 WHERE id = $1 AND lease_owner = $2 AND status = 'processing'";
        write!(self, pool => sqlx::query(sql).bind(id).bind(owner).bind(why).bind(Micros::now()).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Takes a job back that is not over. `None` when it is, or is not there.
    pub(crate) async fn cancel_job(&self, id: i64) -> Result<Option<Job>> {
        let sql = "UPDATE jobs SET status = 'cancelled', lease_owner = NULL, lease_until = NULL, updated_at = $2, completed_at = $2 \
                   WHERE id = $1 AND status IN ('pending', 'processing') RETURNING *";
        save!(self, tx => sqlx::query_as(sql).bind(id).bind(Micros::now()).fetch_optional(&mut *tx).await)
    }

    /// Puts a job that failed or was cancelled into the queue again. `None` when it is in another state; a unique violation
    /// when another of its kind waits for the video.
    pub(crate) async fn retry_job(&self, id: i64) -> Result<Option<Job>> {
        let sql = "UPDATE jobs SET status = 'pending', attempts = 0, progress = 0, error_message = NULL, result = NULL, \
                   completed_at = NULL, run_after = $2, updated_at = $2 \
                   WHERE id = $1 AND status IN ('failed', 'cancelled') RETURNING *";
        save!(self, tx => sqlx::query_as(sql).bind(id).bind(Micros::now()).fetch_optional(&mut *tx).await)
    }

    /// Frees the jobs of holders whose name starts with `prefix`: an earlier run of this server that ended in the middle.
    pub(crate) async fn free_jobs(&self, prefix: &str) -> Result<u64> {
        let sql = "UPDATE jobs SET lease_until = 0 WHERE status = 'processing' AND lease_owner LIKE $1";
        let pattern = format!("{prefix}%");
        write!(self, pool => sqlx::query(sql).bind(&pattern).execute(pool).await.map(|done| done.rows_affected()))
    }

    /// Forgets jobs that ended before `then` and whose result nobody asks for.
    pub(crate) async fn forget_jobs(&self, then: Micros) -> Result<u64> {
        let sql = "DELETE FROM jobs WHERE kind IN ('thumbnail', 'import', 'purge') AND status IN ('completed', 'cancelled') \
                   AND completed_at < $1";
        write!(self, pool => sqlx::query(sql).bind(then).execute(pool).await.map(|done| done.rows_affected()))
    }
}
