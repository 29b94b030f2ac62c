//! Retention: what the rules of [`domain::retention`](crate::domain::retention) plan is carried out here, every few minutes and as soon
//! as the disk is short of space.
//!
//! ```text
//! rows, free space ─▶ plan ─▶ into the trash, by 100 in one transaction        (age, quotas)
//!                          └▶ for good, one after the other, by the remover    (free space)
//! ```
//! Each statement asks once more whether the rule may still take the video. Nothing is removed while the storage folder is not the one that
//! the server was started with, and a server that is to stop ends between two removals.

mod space;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::events::{Event, Events};
use super::jobs::AudioResult;
use super::removal::{Remover, Why};
use crate::domain::retention::{self as rules, Bytes, File, Plan, Rule};
use crate::domain::status::RemovalReason;
use crate::domain::time::Micros;
use crate::fault::{Fault, Field, blocking};
use crate::listen::told;
use crate::store::Store;
use crate::store::retention::{By, Held, Holdings, Note, Policy, Removed};

pub(crate) use space::Disk;

/// How often the rules are applied.
const EVERY: Duration = Duration::from_secs(300);

/// When they are applied for the first time after a start: once what a crash left is taken up.
const FIRST: Duration = Duration::from_secs(20);

/// How often it is looked whether the disk is short of space.
const LOOK: Duration = Duration::from_secs(15);

/// Videos that go into the trash in one transaction.
const BATCH: usize = 100;

/// Videos that a preview names.
const NAMED: usize = 1000;

/// What is changed of the policy; `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    pub(crate) is_active: Option<bool>,
    pub(crate) total_quota_bytes: Option<Option<i64>>,
    pub(crate) min_free_bytes: Option<Option<i64>>,
    pub(crate) keep_published: Option<bool>,
}

/// The policy, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) policy: Policy,
    pub(crate) next_run_at: Option<Micros>,
    /// Bytes of all videos that are not in the trash.
    pub(crate) used: u64,
    /// Bytes of the disk that can be written.
    pub(crate) free: u64,
}

/// A video that would go.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) video_id: i64,
    pub(crate) title: String,
    pub(crate) source: Option<(i64, String)>,
    pub(crate) bytes: u64,
    pub(crate) created_at: Micros,
    pub(crate) reason: RemovalReason,
    pub(crate) detail: String,
}

/// What a policy would remove now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preview {
    /// The first of them.
    pub(crate) items: Vec<Candidate>,
    pub(crate) total_bytes: u64,
    pub(crate) total_count: usize,
    /// Videos that stay because they are protected.
    pub(crate) protected: usize,
    /// Videos that stay because they are published.
    pub(crate) published: usize,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ran {
    pub(crate) count: usize,
    pub(crate) bytes: u64,
}

/// Applies the rules.
pub(crate) struct Retention {
    store: Store,
    events: Events,
    remover: Remover,
    disk: Disk,
    /// What uploads leave free.
    reserve: u64,
    stopping: watch::Receiver<bool>,
    /// One run at a time.
    running: tokio::sync::Mutex<()>,
    next_run_at: Mutex<Option<Micros>>,
}

/// What a plan is made of, and its words.
struct Ground {
    held: Vec<Held>,
    videos: Vec<rules::Video>,
    sources: HashMap<i64, Rule>,
    free: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bytes(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Retention {
    /// For the videos of `store` on `disk`, of which uploads leave `reserve` bytes free.
    pub(crate) fn new(
        store: &Store,
        events: &Events,
        remover: &Remover,
        disk: Disk,
        reserve: u64,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            remover: remover.clone(),
            disk,
            reserve,
            stopping,
            running: tokio::sync::Mutex::default(),
            next_run_at: Mutex::default(),
        }
    }

    /// The policy, and where it stands.
    ///
    /// # Errors
    /// When the store or the disk fails.
    pub(crate) async fn state(&self) -> Result<State, Fault> {
        let policy = self.store.retention().await?;
        let next_run_at = lock(&self.next_run_at).filter(|_| policy.is_active);
        let ground = self.ground().await?;
        Ok(State {
            policy,
            next_run_at,
            used: rules::used(&ground.videos),
            free: ground.free,
        })
    }

    /// Changes the policy.
    ///
    /// # Errors
    /// `Invalid` for limits that make no sense.
    pub(crate) async fn change(&self, change: Change) -> Result<State, Fault> {
        let policy = self.with(change).await?;
        self.store.set_retention(&policy).await?;
        self.state().await
    }

    /// The policy as it would be.
    async fn with(&self, change: Change) -> Result<Policy, Fault> {
        let had = self.store.retention().await?;
        let policy = Policy {
            is_active: change.is_active.unwrap_or(had.is_active),
            total_quota_bytes: change.total_quota_bytes.unwrap_or(had.total_quota_bytes),
            min_free_bytes: change.min_free_bytes.unwrap_or(had.min_free_bytes),
            keep_published: change.keep_published.unwrap_or(had.keep_published),
            last_run_at: had.last_run_at,
        };
        let mut wrong = Vec::new();
        let mut say = |place: &str, message: String| {
            wrong.push(Field {
                place: format!("body.{place}"),
                message,
            });
        };
        if policy.total_quota_bytes.is_some_and(|quota| quota <= 0) {
            say("total_quota_bytes", "a number of bytes, or null".to_owned());
        }
        match policy.min_free_bytes {
            Some(free) if free <= 0 => say("min_free_bytes", "a number of bytes, or null".to_owned()),
            // Where uploads are refused already, recordings would never be removed for them.
            Some(free) if change.min_free_bytes.is_some() && bytes(free) < self.reserve => say(
                "min_free_bytes",
                format!(
                    "at least {}, which the setting min_free_space keeps uploads from using",
                    Bytes(self.reserve)
                ),
            ),
            _ => {}
        }
        if wrong.is_empty() {
            Ok(policy)
        } else {
            Err(Fault::Invalid(wrong))
        }
    }

    fn rules(&self, policy: &Policy) -> rules::Policy {
        rules::Policy {
            total_quota: policy.total_quota_bytes.map(bytes),
            min_free: policy.min_free_bytes.map(|free| bytes(free).max(self.reserve)),
            keep_published: policy.keep_published,
        }
    }

    async fn ground(&self) -> Result<Ground, Fault> {
        let Holdings {
            videos,
            mut parts,
            sounds,
            worked_on,
            recorded,
            cut_from,
        } = self.store.holdings().await?;
        let mut sound: HashMap<i64, Vec<File>> = HashMap::new();
        for (video, result) in sounds {
            if let Ok(made) = serde_json::from_str::<AudioResult>(&result) {
                sound.entry(video).or_default().push(File {
                    name: made.path,
                    bytes: bytes(made.size),
                });
            }
        }
        let of = |row: &Held| {
            let mut files = sound.remove(&row.id).unwrap_or_default();
            match parts.remove(&row.id) {
                _ if row.is_clip => {}
                Some(parts) => files.extend(parts.into_iter().map(|(name, size)| File {
                    name,
                    bytes: bytes(size),
                })),
                None => files.push(File {
                    name: row.file_name.clone(),
                    bytes: bytes(row.file_size.unwrap_or(0)),
                }),
            }
            rules::Video {
                id: row.id,
                source: row.source_id,
                at: row.at,
                binned_at: row.deleted_at,
                files,
                is_protected: row.is_protected,
                is_published: row.is_published,
                is_busy: worked_on.contains(&row.id) || row.task_id.is_some_and(|id| recorded.contains(&id)),
                has_clips: cut_from.contains(&row.id),
            }
        };
        let sources = self.store.sources().await?.into_iter().map(|source| {
            let rule = Rule {
                name: source.name,
                days: bytes(source.retention_days),
                quota: source.quota_bytes.map(bytes),
            };
            (source.id, rule)
        });
        Ok(Ground {
            videos: videos.iter().map(of).collect(),
            held: videos,
            sources: sources.collect(),
            free: self.free().await?,
        })
    }

    /// Bytes of the disk that can be written, or will be when those who still read what was removed are done.
    async fn free(&self) -> Result<u64, Fault> {
        let disk = self.disk.clone();
        blocking(move || {
            disk.free()
                .map_err(|error| Fault::internal(format!("ask for free space: {error}")))
        })
        .await
    }

    /// What the policy with `change` would remove now if it were active.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub(crate) async fn preview(&self, change: Change) -> Result<Preview, Fault> {
        let policy = self.rules(&self.with(change).await?);
        let ground = self.ground().await?;
        blocking(move || {
            let plan = rules::plan(
                &policy,
                &ground.sources,
                &ground.videos,
                ground.free,
                Micros::now(),
            );
            Ok::<_, Fault>(ground.shown(&plan))
        })
        .await
    }

    /// Applies the rules now.
    ///
    /// # Errors
    /// `BadRequest` when they are not active, `Unavailable` when the storage folder is not there.
    pub(crate) async fn run(&self) -> Result<Ran, Fault> {
        let _one = self.running.lock().await;
        let policy = self.store.retention().await?;
        if !policy.is_active {
            return Err(Fault::bad(
                "Retention is off: nothing is removed until it is active",
            ));
        }
        self.there().await?;
        let rules = self.rules(&policy);
        let ground = self.ground().await?;
        let (ground, plan) = blocking(move || {
            let now = Micros::now();
            let plan = rules::plan(&rules, &ground.sources, &ground.videos, ground.free, now);
            Ok::<_, Fault>((ground, plan))
        })
        .await?;
        let ran = self.carry_out(&ground, &plan, policy.keep_published).await?;
        self.store.note_retention_run(Micros::now()).await?;
        if plan.lacking > 0 {
            tracing::warn!(
                "the disk lacks {} of the free space that is to be, and nothing is left that may be removed for it",
                Bytes(plan.lacking)
            );
        }
        Ok(ran)
    }

    async fn there(&self) -> Result<(), Fault> {
        self.remover.check_folder().await.map_err(|fault| {
            tracing::error!("nothing is removed: {fault:?}");
            Fault::Unavailable("The storage folder is not there: is its disk mounted?".to_owned())
        })
    }

    async fn carry_out(&self, ground: &Ground, plan: &Plan, keep_published: bool) -> Result<Ran, Fault> {
        let titles: HashMap<i64, &str> = ground
            .held
            .iter()
            .map(|row| (row.id, row.title.as_str()))
            .collect();
        let notes: Vec<Note> = plan
            .removals
            .iter()
            .filter(|removal| !removal.at_once)
            .map(|removal| Note {
                video_id: removal.id,
                title: titles.get(&removal.id).copied().unwrap_or_default().to_owned(),
                bytes: i64::try_from(removal.bytes).unwrap_or(i64::MAX),
                reason: removal.reason,
                detail: removal.detail.clone(),
            })
            .collect();
        let mut ran = Ran::default();
        for batch in notes.chunks(BATCH) {
            if *self.stopping.borrow() {
                return Ok(ran);
            }
            let done = self.store.bin_by_rule(batch, keep_published).await?;
            for id in &done {
                self.events.tell(Event::VideoChanged { video_id: *id });
            }
            ran.count += done.len();
            let of = |note: &&Note| done.contains(&note.video_id);
            ran.bytes += batch.iter().filter(of).map(|note| bytes(note.bytes)).sum::<u64>();
        }
        for removal in plan.removals.iter().filter(|removal| removal.at_once) {
            if *self.stopping.borrow() {
                return Ok(ran);
            }
            self.there().await?;
            let Some(video) = self.store.video(removal.id).await? else {
                continue;
            };
            let why = Why {
                reason: removal.reason,
                detail: removal.detail.clone(),
            };
            let size = i64::try_from(removal.bytes).unwrap_or(i64::MAX);
            let by = By::Rule { keep_published };
            if self.remover.remove(&video, by, why, size).await? {
                ran.count += 1;
                ran.bytes += removal.bytes;
            }
        }
        if ran.count > 0 {
            tracing::info!("the rules removed {} videos, {}", ran.count, Bytes(ran.bytes));
        }
        Ok(ran)
    }

    /// What was removed, and why, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn removals(&self, before: Option<i64>, limit: i64) -> Result<Vec<Removed>, Fault> {
        Ok(self.store.removals(before, limit).await?)
    }

    /// Applies the rules by and by, and when the disk is short of space, until the server stops.
    pub(crate) async fn keep(&self) {
        let mut stop = self.stopping.clone();
        let mut heard = self.events.listen();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut due = tokio::time::Instant::now() + FIRST;
        self.plan_next(FIRST);
        // When nothing can be removed any more, looking again and again would not help.
        let mut helpless = true;
        loop {
            let urgent = tokio::select! {
                () = told(&mut stop) => return,
                () = tokio::time::sleep_until(due) => false,
                _ = look.tick() => true,
                event = heard.recv() => match event {
                    Ok(Event::TaskChanged { .. }) | Err(RecvError::Lagged(_)) => true,
                    Ok(_) => continue,
                    Err(RecvError::Closed) => return,
                },
            };
            if urgent && (helpless || !self.is_short().await) {
                continue;
            }
            let removed = match self.run_if_active().await {
                Ok(ran) => ran.count,
                Err(fault) => {
                    tracing::error!("the rules of retention can't be applied: {fault:?}");
                    0
                }
            };
            helpless = urgent && removed == 0;
            if !urgent {
                due = tokio::time::Instant::now() + EVERY;
                self.plan_next(EVERY);
            }
        }
    }

    fn plan_next(&self, wait: Duration) {
        *lock(&self.next_run_at) = Some(Micros::now().after(wait));
    }

    async fn run_if_active(&self) -> Result<Ran, Fault> {
        if self.store.retention().await?.is_active {
            self.run().await
        } else {
            Ok(Ran::default())
        }
    }

    /// Whether the rule of free space has something to do.
    async fn is_short(&self) -> bool {
        let Ok(policy) = self.store.retention().await else {
            return false;
        };
        let wanted = self.rules(&policy).min_free.filter(|_| policy.is_active);
        match wanted {
            Some(wanted) => self.free().await.is_ok_and(|free| free < wanted),
            None => false,
        }
    }
}

impl Ground {
    fn shown(&self, plan: &Plan) -> Preview {
        let rows: HashMap<i64, &Held> = self.held.iter().map(|row| (row.id, row)).collect();
        let items = plan.removals.iter().take(NAMED).filter_map(|removal| {
            let row = rows.get(&removal.id)?;
            let source = row
                .source_id
                .and_then(|id| Some((id, self.sources.get(&id)?.name.clone())));
            Some(Candidate {
                video_id: row.id,
                title: row.title.clone(),
                source,
                bytes: removal.bytes,
                created_at: row.created_at,
                reason: removal.reason,
                detail: removal.detail.clone(),
            })
        });
        Preview {
            items: items.collect(),
            total_bytes: plan.bytes(),
            total_count: plan.removals.len(),
            protected: plan.protected,
            published: plan.published,
        }
    }
}

#[cfg(test)]
mod tests;
