//! The loop that starts what is due.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Schedules, cron, next_run, seconds};
use crate::domain::cron::Cron;
use crate::domain::status::RunOutcome;
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::metrics::RUNS;
use crate::service::events::Event;
use crate::service::recordings::{ALREADY, Recordings, Request};
use crate::store::schedules::{Claim, NewRun, Schedule};

/// The clock is looked at this often: a person may set it.
const LOOK: Duration = Duration::from_secs(30);

/// Time zones are changed by governments, and new data of them is looked for this often.
const RULES: Duration = Duration::from_secs(600);

/// How late a run without a duration may start.
const GRACE: Duration = Duration::from_secs(300);

/// How long a start waits for a database or a disk that is away.
const AWAY: Duration = Duration::from_secs(120);

/// Runs missed in a row that the ledger notes: the newest.
const MAX_MISSED: usize = 100;

/// What came of a start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Started {
    /// This task records.
    Task(i64),
    /// The source was being recorded.
    Already,
}

/// A start under way.
pub(crate) type Starting = Pin<Box<dyn Future<Output = Result<Started, Fault>> + Send>>;

/// What starts recordings.
pub(crate) trait Start: Send + Sync {
    /// Starts recording a source for a schedule, until `window_end` if there is one.
    fn start(&self, source_id: i64, schedule_id: i64, window_end: Option<Micros>) -> Starting;
}

impl Start for Arc<Recordings> {
    fn start(&self, source_id: i64, schedule_id: i64, window_end: Option<Micros>) -> Starting {
        let recordings = Self::clone(self);
        Box::pin(async move {
            let request = Request {
                schedule_id: Some(schedule_id),
                window_end,
                ..Request::default()
            };
            let latest = Micros::now().after(AWAY);
            loop {
                match recordings.start(source_id, request.clone()).await {
                    Ok(task) => return Ok(Started::Task(task.id)),
                    Err(Fault::BadRequest(text)) if text == ALREADY => return Ok(Started::Already),
                    Err(Fault::Unavailable(why)) if Micros::now() < latest && !recordings.is_stopping() => {
                        tracing::warn!("schedule {schedule_id} starts a little later: {why}");
                        tokio::time::sleep(Duration::from_secs(2)).await;
                    }
                    Err(fault) => return Err(fault),
                }
            }
        })
    }
}

/// A run that is ours to start.
#[derive(Clone, Debug)]
struct Ours {
    run: NewRun,
    window_end: Option<Micros>,
}

impl Schedules {
    /// Starts what is due, until `stop` says so; then waits for the starts that are under way.
    pub(crate) async fn run(self: Arc<Self>, starter: Arc<dyn Start>, mut stop: watch::Receiver<bool>) {
        let mut starts = JoinSet::new();
        let mut ruled: Option<tokio::time::Instant> = None;
        while !*stop.borrow() {
            if ruled.is_none_or(|at| at.elapsed() >= RULES) {
                ruled = Some(tokio::time::Instant::now());
                if let Err(fault) = self.follow_rules(Micros::now()).await {
                    tracing::error!("planned runs were not compared with the rules of their zones: {fault}");
                }
            }
            let wait = match self.tick(Micros::now(), &starter, &mut starts).await {
                Ok(wait) => wait,
                Err(fault) => {
                    match &fault {
                        Fault::Internal(cause) => tracing::error!("schedules wait: {cause:#}"),
                        fault => tracing::error!("schedules wait: {fault}"),
                    }
                    Duration::from_secs(2)
                }
            };
            while starts.try_join_next().is_some() {}
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.changed.notified() => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        while starts.join_next().await.is_some() {}
    }

    /// Starts what is due at `now`; how long nothing is.
    pub(super) async fn tick(
        self: &Arc<Self>,
        now: Micros,
        starter: &Arc<dyn Start>,
        starts: &mut JoinSet<()>,
    ) -> Result<Duration, Fault> {
        for schedule in self.store.unplanned_schedules().await? {
            let Ok(cron) = cron(&schedule.cron_expr, &schedule.zone) else {
                continue;
            };
            if let Some(next) = next_run(schedule.ends_at, &cron, now.timestamp()) {
                self.store.plan_schedule(schedule.id, next).await?;
            }
        }
        let due = self.store.due_schedules(now).await?;
        if !due.is_empty() {
            let claims: Vec<(Claim, Option<Micros>)> =
                due.iter().map(|schedule| claim(schedule, now)).collect();
            let (claims, ends): (Vec<Claim>, Vec<Option<Micros>>) = claims.into_iter().unzip();
            let claimed = self.store.claim_schedules(&claims).await?;
            for run in claims.iter().flat_map(|claim| &claim.missed) {
                RUNS.count(run.outcome.as_str());
            }
            let ours: Vec<Ours> = claims
                .into_iter()
                .zip(ends)
                .filter(|(claim, _)| claimed.contains(&claim.schedule_id))
                .filter_map(|(claim, window_end)| {
                    Some(Ours {
                        run: claim.start?,
                        window_end,
                    })
                })
                .collect();
            if !ours.is_empty() {
                starts.spawn(Arc::clone(self).start_all(ours, Arc::clone(starter)));
            }
        }
        let next = self.store.earliest_run().await?;
        let wait = next.map_or(LOOK, |next| next.since(Micros::now()));
        // A schedule that nobody can claim, because its expression is wrong, does not keep us busy.
        Ok(wait.clamp(Duration::from_millis(5), LOOK))
    }

    /// Moves the runs that were planned by rules of their zone that hold no more: new time zone data has come.
    async fn follow_rules(&self, now: Micros) -> Result<(), Fault> {
        let rows = self.store.schedules().await?;
        let moved = blocking(move || Ok::<_, Fault>(rows.iter().filter_map(|row| moved(row, now)).collect()));
        let moved: Vec<(i64, Micros, Option<Micros>)> = moved.await?;
        for (id, planned, next) in moved {
            if self.store.move_run(id, planned, next).await? {
                let text = |at: Micros| at.timestamp().to_string();
                let next = next.map_or_else(|| "never".to_owned(), text);
                tracing::warn!(
                    "schedule {id} runs at {next} by the rules of its zone, not at {}",
                    text(planned)
                );
                self.events.tell(Event::ScheduleChanged { schedule_id: id });
            }
        }
        Ok(())
    }

    /// Starts all at once, and says in the ledger how each ended.
    async fn start_all(self: Arc<Self>, ours: Vec<Ours>, starter: Arc<dyn Start>) {
        let starting: FuturesUnordered<_> = ours
            .into_iter()
            .map(|ours| {
                // On a task of its own: one that stood still while the ledger is written could hold the connection that the ledger waits for.
                let starting = starter.start(ours.run.source_id, ours.run.schedule_id, ours.window_end);
                let started = tokio::spawn(starting);
                async move {
                    let started = started.await.map_err(Fault::from).flatten();
                    ended(ours.run, started)
                }
            })
            .collect();
        let mut ended = starting.ready_chunks(100);
        while let Some(runs) = ended.next().await {
            if let Err(error) = self.store.finish_runs(&runs).await {
                tracing::error!("the ledger of {} runs is not right: {error}", runs.len());
            }
            for run in runs {
                RUNS.count(run.outcome.as_str());
                self.events.tell(Event::ScheduleChanged {
                    schedule_id: run.schedule_id,
                });
            }
        }
    }
}

/// A planned run that its expression does not give any more, and the one that it gives instead.
fn moved(schedule: &Schedule, now: Micros) -> Option<(i64, Micros, Option<Micros>)> {
    let planned = schedule
        .next_run_at
        .filter(|at| schedule.is_active && *at > now)?;
    let cron = cron(&schedule.cron_expr, &schedule.zone).ok()?;
    let just_before = planned.timestamp() - Duration::from_secs(1);
    if cron.next_after(just_before) == Some(planned.timestamp()) {
        return None;
    }
    Some((
        schedule.id,
        planned,
        next_run(schedule.ends_at, &cron, now.timestamp()),
    ))
}

fn ended(run: NewRun, started: Result<Started, Fault>) -> NewRun {
    let (outcome, reason, task_id) = match started {
        Ok(Started::Task(task)) => (RunOutcome::Started, None, Some(task)),
        Ok(Started::Already) => (RunOutcome::AlreadyRecording, None, None),
        Err(fault) => {
            let id = run.schedule_id;
            match &fault {
                Fault::Internal(cause) => tracing::error!("schedule {id} can't start: {cause:#}"),
                fault => tracing::warn!("schedule {id} can't start: {fault}"),
            }
            (RunOutcome::Failed, Some(fault.to_string()), None)
        }
    };
    NewRun {
        outcome,
        reason,
        task_id,
        ..run
    }
}

/// What becomes of a schedule that is due: the newest run starts if its window is open, the others are missed. Also when the window ends.
fn claim(schedule: &Schedule, now: Micros) -> (Claim, Option<Micros>) {
    let due = schedule.next_run_at.unwrap_or(now);
    let run = |planned_at, outcome, reason: &str| NewRun {
        schedule_id: schedule.id,
        source_id: schedule.source_id,
        planned_at,
        outcome,
        reason: Some(reason.to_owned()),
        task_id: None,
    };
    let mut claim = Claim {
        schedule_id: schedule.id,
        due,
        next: None,
        missed: Vec::new(),
        start: None,
    };
    let Ok(cron) = cron(&schedule.cron_expr, &schedule.zone) else {
        claim
            .missed
            .push(run(due, RunOutcome::Failed, "Invalid cron expression"));
        return (claim, None);
    };
    claim.next = next_run(schedule.ends_at, &cron, now.timestamp());
    let mut planned = planned_until(&cron, due, now);
    planned.retain(|at| schedule.ends_at.is_none_or(|end| *at <= end));
    let mut window_end = None;
    let length = schedule.duration_s.map(seconds);
    if let Some(newest) = planned.last().copied()
        && newest.after(length.unwrap_or(GRACE)) > now
    {
        planned.pop();
        window_end = length.map(|length| newest.after(length));
        // True if the server is killed now.
        claim.start = Some(run(
            newest,
            RunOutcome::Failed,
            "The server stopped before it began",
        ));
    }
    let missed = planned.into_iter().rev().take(MAX_MISSED);
    claim.missed = missed
        .map(|at| run(at, RunOutcome::Missed, "The server was not running"))
        .collect();
    (claim, window_end)
}

/// The runs from `due`, which is one, to `now`; the newest if they are many.
fn planned_until(cron: &Cron, due: Micros, now: Micros) -> Vec<Micros> {
    // A hundred runs may lie within hours or years: the span grows until they are found.
    let mut span = Duration::from_secs(100 * 60);
    loop {
        let from = due.max(now.before(span));
        let first = Micros(from.0.saturating_sub(1)).timestamp();
        let runs = std::iter::successors(cron.next_after(first), |at| cron.next_after(*at));
        let runs: Vec<Micros> = runs.map(Micros::from).take_while(|at| *at <= now).collect();
        if from == due || runs.len() > MAX_MISSED {
            return runs;
        }
        span = span.saturating_mul(4);
    }
}
