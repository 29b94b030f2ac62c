//! Schedules: made, changed and removed, what they plan, and how their runs ended. The loop that starts them: [`run`].

mod run;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::Notify;

use super::events::{Event, Events};
use crate::domain::cron::{Cron, Language};
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::store::Store;
use crate::store::schedules::{MAX_RUNS, Run, Schedule, ScheduleFields};

#[cfg(test)]
use run::{Start, Started, Starting};

/// Runs that an answer says come next.
const NEXT: usize = 5;

/// Runs of the longest calendar.
const MAX_UPCOMING: usize = 1000;

/// Runs of one schedule in it: more than every half hour of a week, so that one that runs each minute does not hide the others.
const MAX_OF_ONE: usize = 400;

/// Seconds of the shortest and the longest run.
const DURATION: std::ops::RangeInclusive<i64> = 10..=366 * 86_400;

/// A new schedule.
#[derive(Clone, Debug)]
pub(crate) struct NewSchedule {
    pub(crate) source_id: i64,
    pub(crate) cron_expr: String,
    /// `None` is the server's.
    pub(crate) zone: Option<String>,
    pub(crate) duration_s: Option<i64>,
    pub(crate) ends_at: Option<Micros>,
    pub(crate) is_active: bool,
}

/// What is changed of a schedule; `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScheduleChange {
    pub(crate) cron_expr: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) duration_s: Option<Option<i64>>,
    pub(crate) ends_at: Option<Option<Micros>>,
    pub(crate) is_active: Option<bool>,
}

/// A schedule and what it plans.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) schedule: Schedule,
    /// The next run, RFC 3339 with the zone's offset.
    pub(crate) next_run_at: Option<String>,
    /// The next five.
    pub(crate) next_runs: Vec<String>,
    /// The expression in words.
    pub(crate) description: String,
}

/// What an expression plans.
#[derive(Clone, Debug)]
pub(crate) struct Preview {
    /// The zone.
    pub(crate) zone: String,
    /// The next five runs, RFC 3339 with the zone's offset.
    pub(crate) next_runs: Vec<String>,
    /// The expression in words.
    pub(crate) description: String,
}

/// A run that is to come.
#[derive(Clone, Debug)]
pub(crate) struct Upcoming {
    pub(crate) schedule_id: i64,
    pub(crate) source_id: i64,
    pub(crate) source_name: String,
    /// RFC 3339 with the zone's offset.
    pub(crate) starts_at: String,
    /// The same; `None` is when the source ends or a person stops it.
    pub(crate) ends_at: Option<String>,
}

/// The schedules.
pub(crate) struct Schedules {
    store: Store,
    events: Events,
    /// The zone of a schedule that names none.
    zone: String,
    /// A schedule was made or changed.
    changed: Notify,
}

impl Schedules {
    /// The schedules of the store.
    pub(crate) fn new(store: &Store, events: &Events, zone: &TimeZone) -> Self {
        let name = zone.iana_name().unwrap_or_else(|| {
            tracing::warn!(
                "the system's time zone has no name: schedules are in UTC unless they name a zone"
            );
            "UTC"
        });
        Self {
            store: store.clone(),
            events: events.clone(),
            zone: name.to_owned(),
            changed: Notify::new(),
        }
    }

    /// All, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn list(&self, language: Language) -> Result<Vec<Planned>, Fault> {
        let rows = self.store.schedules().await?;
        blocking(move || {
            let now = Timestamp::now();
            Ok::<_, Fault>(rows.into_iter().map(|row| planned(row, now, language)).collect())
        })
        .await
    }

    /// One.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn one(&self, id: i64, language: Language) -> Result<Planned, Fault> {
        Ok(planned(self.row(id).await?, Timestamp::now(), language))
    }

    async fn row(&self, id: i64) -> Result<Schedule, Fault> {
        let row = self.store.schedule(id).await?;
        row.ok_or_else(|| Fault::missing("Schedule not found"))
    }

    /// Makes one.
    ///
    /// # Errors
    /// `NotFound` for its source, `BadRequest` for the expression, `Invalid` for the rest.
    pub(crate) async fn add(&self, new: NewSchedule, language: Language) -> Result<Planned, Fault> {
        if self.store.source(new.source_id).await?.is_none() {
            return Err(Fault::missing("Source not found"));
        }
        let fields = fields(
            &new.cron_expr,
            new.zone.as_deref().unwrap_or(&self.zone),
            new.duration_s,
            new.ends_at,
            new.is_active,
        )?;
        let id = self.store.add_schedule(new.source_id, &fields).await?;
        self.tell(id);
        self.one(id, language).await
    }

    /// Changes one. What it has started goes on.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest` for the expression, `Invalid` for the rest.
    pub(crate) async fn change(
        &self,
        id: i64,
        change: ScheduleChange,
        language: Language,
    ) -> Result<Planned, Fault> {
        let row = self.row(id).await?;
        let fields = fields(
            change.cron_expr.as_deref().unwrap_or(&row.cron_expr),
            change.zone.as_deref().unwrap_or(&row.zone),
            change.duration_s.unwrap_or(row.duration_s),
            change.ends_at.unwrap_or(row.ends_at),
            change.is_active.unwrap_or(row.is_active),
        )?;
        if !self.store.set_schedule(id, &fields).await? {
            return Err(Fault::missing("Schedule not found"));
        }
        self.tell(id);
        self.one(id, language).await
    }

    /// Removes one. What it has started goes on, and its ledger stays.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn remove(&self, id: i64) -> Result<(), Fault> {
        if !self.store.remove_schedule(id).await? {
            return Err(Fault::missing("Schedule not found"));
        }
        self.tell(id);
        Ok(())
    }

    fn tell(&self, id: i64) {
        self.events.tell(Event::ScheduleChanged { schedule_id: id });
        self.changed.notify_one();
    }

    /// What an expression would plan.
    ///
    /// # Errors
    /// `BadRequest` for the expression, `Invalid` for the zone.
    pub(crate) fn preview(
        &self,
        expression: &str,
        zone: Option<&str>,
        language: Language,
    ) -> Result<Preview, Fault> {
        let cron = cron(expression, zone.unwrap_or(&self.zone))?;
        let next = cron.next_n(Timestamp::now(), NEXT);
        Ok(Preview {
            zone: zone.unwrap_or(&self.zone).to_owned(),
            next_runs: next.into_iter().map(|at| cron.show(at)).collect(),
            description: cron.describe(language),
        })
    }

    /// How the runs of one ended, newest first.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn runs_of(&self, id: i64) -> Result<Vec<Run>, Fault> {
        self.row(id).await?;
        Ok(self.store.runs_of(id, MAX_RUNS).await?)
    }

    /// How the runs of a span of time ended, newest first; the last 30 days unless it is said.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn runs(&self, from: Option<Micros>, to: Option<Micros>) -> Result<Vec<Run>, Fault> {
        let to = to.unwrap_or_else(|| Micros::now().after(Duration::from_secs(1)));
        let from = from.unwrap_or_else(|| to.before(Duration::from_secs(30 * 86_400)));
        Ok(self.store.runs_between(from, to).await?)
    }

    /// The runs of all active schedules within the next hours, earliest first; at most 1 000.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn upcoming(&self, from: Option<Micros>, hours: u32) -> Result<Vec<Upcoming>, Fault> {
        let mut rows = self.store.schedules().await?;
        rows.retain(|row| row.is_active);
        let now = from.map_or_else(Micros::now, |from| from.max(Micros::now()));
        let end = now.after(Duration::from_secs(u64::from(hours).saturating_mul(3600)));
        blocking(move || Ok::<_, Fault>(merged(&rows, now, end))).await
    }
}

/// The runs of all in order.
fn merged(rows: &[Schedule], now: Micros, end: Micros) -> Vec<Upcoming> {
    let crons: Vec<(&Schedule, Cron)> = rows
        .iter()
        .filter_map(|row| Some((row, cron(&row.cron_expr, &row.zone).ok()?)))
        .collect();
    let first = |(index, (row, cron)): (usize, &(&Schedule, Cron))| {
        Some(Reverse((next_run(row.ends_at, cron, now.timestamp())?, index)))
    };
    let mut heap: BinaryHeap<Reverse<(Micros, usize)>> = crons.iter().enumerate().filter_map(first).collect();
    let mut upcoming = Vec::new();
    let mut counts = vec![0; crons.len()];
    while let Some(Reverse((at, index))) = heap.pop() {
        if at > end || upcoming.len() >= MAX_UPCOMING {
            break;
        }
        let Some((row, cron)) = crons.get(index) else {
            continue;
        };
        let length = row.duration_s.map(seconds);
        upcoming.push(Upcoming {
            schedule_id: row.id,
            source_id: row.source_id,
            source_name: row.source_name.clone(),
            starts_at: cron.show(at.timestamp()),
            ends_at: length.map(|length| cron.show(at.after(length).timestamp())),
        });
        let count = counts.get_mut(index).map_or(MAX_OF_ONE, |count| {
            *count += 1;
            *count
        });
        if count < MAX_OF_ONE
            && let Some(next) = next_run(row.ends_at, cron, at.timestamp())
        {
            heap.push(Reverse((next, index)));
        }
    }
    upcoming
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

/// The first run after `then` that still starts.
fn next_run(ends_at: Option<Micros>, cron: &Cron, then: Timestamp) -> Option<Micros> {
    let next = Micros::from(cron.next_after(then)?);
    ends_at.is_none_or(|end| next <= end).then_some(next)
}

fn cron(expression: &str, zone: &str) -> Result<Cron, Fault> {
    let zone = match zone.len() {
        0..=64 => TimeZone::get(zone).ok(),
        _ => None,
    };
    let zone =
        zone.ok_or_else(|| Fault::field("body.timezone", "an IANA time zone, such as Asia/Shanghai"))?;
    Cron::parse(expression, zone).map_err(|why| Fault::bad(format!("Invalid cron expression. {why}")))
}

fn fields(
    expression: &str,
    zone: &str,
    duration_s: Option<i64>,
    ends_at: Option<Micros>,
    is_active: bool,
) -> Result<ScheduleFields, Fault> {
    let cron = cron(expression, zone)?;
    if duration_s.is_some_and(|length| !DURATION.contains(&length)) {
        let limits = format!("{} to {} seconds", DURATION.start(), DURATION.end());
        return Err(Fault::field("body.duration_s", limits));
    }
    let next_run_at = next_run(ends_at, &cron, Timestamp::now()).filter(|_| is_active);
    Ok(ScheduleFields {
        cron_expr: expression.trim().to_owned(),
        zone: zone.to_owned(),
        duration_s,
        ends_at,
        is_active,
        next_run_at,
    })
}

fn planned(schedule: Schedule, now: Timestamp, language: Language) -> Planned {
    let Ok(cron) = cron(&schedule.cron_expr, &schedule.zone) else {
        // Written by another program.
        return Planned {
            schedule,
            next_run_at: None,
            next_runs: Vec::new(),
            description: String::new(),
        };
    };
    let ends_at = schedule.ends_at;
    let count = if schedule.is_active { NEXT } else { 0 };
    let next = std::iter::successors(next_run(ends_at, &cron, now), |at| {
        next_run(ends_at, &cron, at.timestamp())
    });
    let next_runs: Vec<String> = next.take(count).map(|at| cron.show(at.timestamp())).collect();
    Planned {
        next_run_at: next_runs.first().cloned(),
        next_runs,
        description: cron.describe(language),
        schedule,
    }
}
