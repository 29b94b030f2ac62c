//! Schedules, and the ledger of their planned runs.

use super::{Result, Store};
use crate::domain::status::RunOutcome;
use crate::domain::time::Micros;

/// A row of `schedules`, with its source's name and how its last run ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Schedule {
    pub(crate) id: i64,
    pub(crate) source_id: i64,
    pub(crate) source_name: String,
    pub(crate) cron_expr: String,
    /// An IANA zone.
    pub(crate) zone: String,
    pub(crate) duration_s: Option<i64>,
    pub(crate) ends_at: Option<Micros>,
    pub(crate) is_active: bool,
    pub(crate) last_run_at: Option<Micros>,
    pub(crate) next_run_at: Option<Micros>,
    pub(crate) created_at: Micros,
    pub(crate) updated_at: Micros,
    pub(crate) last_outcome: Option<RunOutcome>,
}

/// What a schedule is told to be.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleFields {
    pub(crate) cron_expr: String,
    pub(crate) zone: String,
    pub(crate) duration_s: Option<i64>,
    pub(crate) ends_at: Option<Micros>,
    pub(crate) is_active: bool,
    pub(crate) next_run_at: Option<Micros>,
}

/// A row of `schedule_runs`: how a planned run ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Run {
    pub(crate) id: i64,
    pub(crate) schedule_id: i64,
    pub(crate) source_id: i64,
    pub(crate) planned_at: Micros,
    pub(crate) decided_at: Micros,
    pub(crate) outcome: RunOutcome,
    pub(crate) reason: Option<String>,
    pub(crate) task_id: Option<i64>,
}

/// What is noted of a planned run.
#[derive(Clone, Debug)]
pub(crate) struct NewRun {
    pub(crate) schedule_id: i64,
    pub(crate) source_id: i64,
    pub(crate) planned_at: Micros,
    pub(crate) outcome: RunOutcome,
    pub(crate) reason: Option<String>,
    pub(crate) task_id: Option<i64>,
}

/// A schedule whose runs are due.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) schedule_id: i64,
    /// What `next_run_at` is while nobody has claimed it.
    pub(crate) due: Micros,
    /// What comes next.
    pub(crate) next: Option<Micros>,
    /// Runs that are too late.
    pub(crate) missed: Vec<NewRun>,
    /// The run that is to start; what it says is true until [`Store::finish_runs`] says otherwise.
    pub(crate) start: Option<NewRun>,
}

/// Gives a schedule its next run, if the one that is known is still planned.
const MOVE: &str = "UPDATE schedules SET next_run_at = $3 WHERE id = $1 AND next_run_at = $2 AND is_active";

const SELECT: &str = "SELECT c.*, s.name AS source_name, \
    (SELECT r.outcome FROM schedule_runs r WHERE r.schedule_id = c.id ORDER BY r.planned_at DESC LIMIT 1) AS last_outcome \
    FROM schedules c JOIN sources s ON s.id = c.source_id";

/// Rows of the longest answer about the ledger.
pub(crate) const MAX_RUNS: i64 = 1000;

impl Store {
    /// All schedules, newest first.
    pub(crate) async fn schedules(&self) -> Result<Vec<Schedule>> {
        let sql = || sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY c.id DESC"));
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// One schedule.
    pub(crate) async fn schedule(&self, id: i64) -> Result<Option<Schedule>> {
        let sql = || sqlx::AssertSqlSafe(format!("{SELECT} WHERE c.id = $1"));
        read!(self, pool => sqlx::query_as(sql()).bind(id).fetch_optional(pool).await)
    }

    /// Makes a schedule; its number.
    pub(crate) async fn add_schedule(&self, source_id: i64, new: &ScheduleFields) -> Result<i64> {
        let sql = "INSERT INTO schedules (source_id, cron_expr, zone, duration_s, ends_at, is_active, next_run_at, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING id";
        save!(self, tx => sqlx::query_scalar(sql)
            .bind(source_id)
            .bind(&new.cron_expr)
            .bind(&new.zone)
            .bind(new.duration_s)
            .bind(new.ends_at)
            .bind(new.is_active)
            .bind(new.next_run_at)
            .bind(Micros::now())
            .fetch_one(&mut *tx)
            .await)
    }

    /// Changes a schedule.
    pub(crate) async fn set_schedule(&self, id: i64, to: &ScheduleFields) -> Result<bool> {
        let sql = "UPDATE schedules SET cron_expr = $2, zone = $3, duration_s = $4, ends_at = $5, is_active = $6, next_run_at = $7, \
                   updated_at = $8 WHERE id = $1";
        write!(self, pool => sqlx::query(sql)
            .bind(id)
            .bind(&to.cron_expr)
            .bind(&to.zone)
            .bind(to.duration_s)
            .bind(to.ends_at)
            .bind(to.is_active)
            .bind(to.next_run_at)
            .bind(Micros::now())
            .execute(pool)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    /// Removes a schedule; its ledger stays.
    pub(crate) async fn remove_schedule(&self, id: i64) -> Result<bool> {
        let sql = "DELETE FROM schedules WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Schedules whose next run is not after `now`, earliest first; at most 1 000.
    pub(crate) async fn due_schedules(&self, now: Micros) -> Result<Vec<Schedule>> {
        let sql = || {
            sqlx::AssertSqlSafe(format!(
                "{SELECT} WHERE c.is_active AND c.next_run_at <= $1 ORDER BY c.next_run_at, c.id LIMIT 1000"
            ))
        };
        read!(self, pool => sqlx::query_as(sql()).bind(now).fetch_all(pool).await)
    }

    /// Active schedules that nobody has planned a run of, such as imported ones.
    pub(crate) async fn unplanned_schedules(&self) -> Result<Vec<Schedule>> {
        let sql = || sqlx::AssertSqlSafe(format!("{SELECT} WHERE c.is_active AND c.next_run_at IS NULL"));
        read!(self, pool => sqlx::query_as(sql()).fetch_all(pool).await)
    }

    /// Plans the next run of a schedule that has none.
    pub(crate) async fn plan_schedule(&self, id: i64, next: Micros) -> Result<bool> {
        let sql = "UPDATE schedules SET next_run_at = $2 WHERE id = $1 AND next_run_at IS NULL AND is_active";
        write!(self, pool => sqlx::query(sql).bind(id).bind(next).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Moves the next run of a schedule from `planned`, unless it was started or planned anew meanwhile.
    pub(crate) async fn move_run(&self, id: i64, planned: Micros, next: Option<Micros>) -> Result<bool> {
        write!(self, pool => sqlx::query(MOVE).bind(id).bind(planned).bind(next).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// The earliest next run.
    pub(crate) async fn earliest_run(&self) -> Result<Option<Micros>> {
        let sql = "SELECT MIN(next_run_at) FROM schedules WHERE is_active AND next_run_at IS NOT NULL";
        read!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await)
    }

    /// Takes due runs, all in one transaction, and writes them into the ledger; the schedules whose run is ours to start. Another server
    /// that was faster has the others, and a run that stands in the ledger does not start again.
    pub(crate) async fn claim_schedules(&self, claims: &[Claim]) -> Result<Vec<i64>> {
        let note = "INSERT INTO schedule_runs (schedule_id, source_id, planned_at, decided_at, outcome, reason, task_id) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (schedule_id, planned_at) DO NOTHING";
        let now = Micros::now();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut ours = Vec::new();
            for claim in claims {
                let done = sqlx::query(MOVE).bind(claim.schedule_id).bind(claim.due).bind(claim.next).execute(&mut *tx).await?;
                if done.rows_affected() == 0 {
                    continue;
                }
                for (run, starts) in claim.missed.iter().map(|run| (run, false)).chain(claim.start.iter().map(|run| (run, true))) {
                    let noted = sqlx::query(note)
                        .bind(run.schedule_id)
                        .bind(run.source_id)
                        .bind(run.planned_at)
                        .bind(now)
                        .bind(run.outcome)
                        .bind(&run.reason)
                        .bind(run.task_id)
                        .execute(&mut *tx)
                        .await?;
                    if starts && noted.rows_affected() == 1 {
                        ours.push(claim.schedule_id);
                    }
                }
            }
            tx.commit().await?;
            Ok(ours)
        })
    }

    /// Says in the ledger how runs ended. A start sets its schedule's last run.
    pub(crate) async fn finish_runs(&self, runs: &[NewRun]) -> Result<()> {
        let note = "UPDATE schedule_runs SET decided_at = $3, outcome = $4, reason = $5, task_id = $6 WHERE schedule_id = $1 AND planned_at = $2";
        let ran = "UPDATE schedules SET last_run_at = $2 WHERE id = $1";
        let now = Micros::now();
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            for run in runs {
                sqlx::query(note)
                    .bind(run.schedule_id)
                    .bind(run.planned_at)
                    .bind(now)
                    .bind(run.outcome)
                    .bind(&run.reason)
                    .bind(run.task_id)
                    .execute(&mut *tx)
                    .await?;
                if run.outcome == RunOutcome::Started {
                    sqlx::query(ran).bind(run.schedule_id).bind(now).execute(&mut *tx).await?;
                }
            }
            tx.commit().await
        })
    }

    /// The ledger of a schedule, newest first.
    pub(crate) async fn runs_of(&self, schedule_id: i64, limit: i64) -> Result<Vec<Run>> {
        let sql = "SELECT * FROM schedule_runs WHERE schedule_id = $1 ORDER BY planned_at DESC LIMIT $2";
        read!(self, pool => sqlx::query_as(sql).bind(schedule_id).bind(limit).fetch_all(pool).await)
    }

    /// The ledger of a span of time, newest first; at most [`MAX_RUNS`].
    pub(crate) async fn runs_between(&self, from: Micros, to: Micros) -> Result<Vec<Run>> {
        let sql = "SELECT * FROM schedule_runs WHERE planned_at >= $1 AND planned_at < $2 ORDER BY planned_at DESC, id DESC LIMIT $3";
        read!(self, pool => sqlx::query_as(sql).bind(from).bind(to).bind(MAX_RUNS).fetch_all(pool).await)
    }

    /// Forgets what the ledger says of runs before then.
    pub(crate) async fn forget_runs(&self, before: Micros) -> Result<u64> {
        let sql = "DELETE FROM schedule_runs WHERE planned_at < $1";
        write!(self, pool => sqlx::query(sql).bind(before).execute(pool).await.map(|done| done.rows_affected()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::status::Protocol;
    use crate::store::sources::SourceFields;
    use crate::store::tests::stores;

    /// A source that schedules can be made for.
    pub(crate) async fn source(store: &Store, name: &str) -> i64 {
        let new = SourceFields {
            name: name.to_owned(),
            protocol: Protocol::Rtmp,
            url: "rtmp://127.0.0.1/live/a".to_owned(),
            category_id: None,
            retention_days: 30,
            quota_bytes: None,
            audio: "auto".to_owned(),
            transport: "auto".to_owned(),
            is_active: true,
        };
        store.add_source(&new).await.unwrap()
    }

    fn fields(next: Option<Micros>) -> ScheduleFields {
        ScheduleFields {
            cron_expr: "* * * * *".to_owned(),
            zone: "UTC".to_owned(),
            duration_s: Some(60),
            ends_at: None,
            is_active: true,
            next_run_at: next,
        }
    }

    #[tokio::test]
    async fn a_run_is_claimed_once_and_stands_in_the_ledger_once() {
        for (store, _folder) in stores().await {
            let source = source(&store, "A").await;
            let due = Micros(1_000_000);
            let id = store.add_schedule(source, &fields(Some(due))).await.unwrap();
            assert_eq!(store.earliest_run().await.unwrap(), Some(due));
            assert!(store.due_schedules(Micros(999_999)).await.unwrap().is_empty());
            assert_eq!(store.due_schedules(due).await.unwrap()[0].id, id);
            let run = |planned_at, outcome| NewRun {
                schedule_id: id,
                source_id: source,
                planned_at,
                outcome,
                reason: None,
                task_id: None,
            };
            let claim = |due, next| Claim {
                schedule_id: id,
                due,
                next,
                missed: vec![run(Micros(5), RunOutcome::Missed)],
                start: Some(run(Micros(1_000_000), RunOutcome::Failed)),
            };
            let next = Some(Micros(2_000_000));
            assert_eq!(store.claim_schedules(&[claim(due, next)]).await.unwrap(), [id]);
            let again = store.claim_schedules(&[claim(due, next)]).await.unwrap();
            assert!(again.is_empty(), "another server");
            let again = store
                .claim_schedules(&[claim(Micros(2_000_000), next)])
                .await
                .unwrap();
            assert!(again.is_empty(), "the clock went back");
            assert!(store.schedule(id).await.unwrap().unwrap().last_run_at.is_none());
            store.finish_runs(&[run(due, RunOutcome::Started)]).await.unwrap();
            let runs = store.runs_of(id, 10).await.unwrap();
            assert_eq!(
                runs.iter().map(|run| run.outcome).collect::<Vec<_>>(),
                [RunOutcome::Started, RunOutcome::Missed]
            );
            let schedule = store.schedule(id).await.unwrap().unwrap();
            assert_eq!(schedule.last_outcome, Some(RunOutcome::Started));
            assert!(schedule.last_run_at.is_some());
            assert_eq!(schedule.source_name, "A");
            assert!(store.remove_schedule(id).await.unwrap());
            assert!(!store.remove_schedule(id).await.unwrap());
            assert_eq!(
                store
                    .runs_between(Micros(0), Micros(2_000_000))
                    .await
                    .unwrap()
                    .len(),
                2
            );
            assert_eq!(store.forget_runs(Micros(2_000_000)).await.unwrap(), 2);
            let unplanned = store.add_schedule(source, &fields(None)).await.unwrap();
            assert_eq!(store.unplanned_schedules().await.unwrap()[0].id, unplanned);
            assert!(store.plan_schedule(unplanned, due).await.unwrap());
            assert!(!store.plan_schedule(unplanned, due).await.unwrap());
            let later = Micros(due.0 + 1);
            assert!(!store.move_run(unplanned, later, None).await.unwrap());
            assert!(store.move_run(unplanned, due, Some(later)).await.unwrap());
            assert_eq!(
                store.schedule(unplanned).await.unwrap().unwrap().next_run_at,
                Some(later)
            );
            let mut off = fields(None);
            off.is_active = false;
            assert!(store.set_schedule(unplanned, &off).await.unwrap());
            assert!(store.unplanned_schedules().await.unwrap().is_empty());
        }
    }
}
