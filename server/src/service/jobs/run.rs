//! The workers: claim, do, renew, end.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mediacore::remux::Observer;
use mediacore::source::Interrupt;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::source::path_of;
use super::{Failure, Jobs, Running, audio, import, purge, thumbnail, trim};
use crate::domain::status::JobStatus;
use crate::domain::time::Micros;
use crate::service::events::Event;
use crate::store::effects::{Effect, Ended};
use crate::store::jobs::Job;
use crate::worker::{Watch, Workers};

/// Jobs that are done at a time.
pub(crate) const WORKERS: usize = 2;

/// Encoding takes a processor for minutes: one such job at a time, so that short ones don't wait for it.
const SLOW: &str = "audio";

/// How often the queue is looked at when nobody says that there is something new.
const POLL: Duration = Duration::from_secs(1);

/// How long a job is held without being renewed.
const LEASE: Duration = Duration::from_secs(60);

/// How often a job's progress is written, and its lease renewed.
const RENEW: Duration = Duration::from_secs(1);

/// How often a job is tried.
const ATTEMPTS: i64 = 3;

/// How long a job waits after its first failure; each further wait is four times as long.
const BACK_OFF: Duration = Duration::from_secs(5);

/// How long jobs whose result nobody asks for are listed.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often old jobs are forgotten.
const FORGET: Duration = Duration::from_secs(3600);

/// One job at work.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) jobs: Jobs,
    pub(super) job: Job,
    pub(super) interrupt: Interrupt,
    /// 0 to 1000.
    progress: Arc<AtomicI64>,
}

/// What a job that went well comes to.
#[derive(Debug)]
pub(super) struct Done {
    /// JSON.
    pub(super) result: Value,
    pub(super) effect: Effect,
    /// Files that were made, relative to the storage folder: removed when the job is not ours any more.
    pub(super) made: Vec<String>,
    /// Files that go to the trash, relative to the storage folder.
    pub(super) old: Vec<String>,
    /// Files that nobody wants back, relative to the storage folder.
    pub(super) useless: Vec<String>,
}

impl Done {
    /// A result that changes nothing.
    pub(super) const fn with(result: Value) -> Self {
        Self {
            result,
            effect: Effect::Nothing,
            made: Vec::new(),
            old: Vec::new(),
            useless: Vec::new(),
        }
    }
}

impl Run {
    /// The payload.
    pub(super) fn payload<T: serde::de::DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.job.payload)
            .map_err(|error| Failure::Final(format!("a payload that can't be read: {error}")))
    }

    /// What a worker is watched with; progress goes from `from` to `to` of 1000.
    pub(super) fn watch(&self, from: i64, to: i64) -> Watch {
        Watch {
            interrupt: self.interrupt.clone(),
            progress: Some(self.observer(from, to)),
        }
    }

    /// Who reads media.
    pub(super) fn workers(&self) -> &Workers {
        &self.jobs.0.workers
    }

    /// Writes down how far the work is, between `from` and `to` of 1000.
    fn observer(&self, from: i64, to: i64) -> Observer {
        let progress = Arc::clone(&self.progress);
        Observer(Arc::new(move |now| {
            let share = u128::from(now.done.min(now.total)) * 1000 / u128::from(now.total.max(1));
            let share = i64::try_from(share).unwrap_or(1000);
            progress.store(from + (to - from) * share / 1000, Ordering::Relaxed);
        }))
    }

    /// The storage folder.
    pub(super) fn storage(&self) -> &Path {
        self.jobs.0.folders.storage()
    }

    /// Removes what an earlier try left when the server ended in the middle of it: everything with the name of an output, which
    /// is this job's alone.
    async fn clear(&self) -> Result<(), Failure> {
        let payload: Value = self.payload()?;
        for output in [payload.get("output"), payload.pointer("/audio/output")] {
            let Some(output) = output.and_then(Value::as_str) else {
                continue;
            };
            let Some(path) = path_of(self.storage(), output) else {
                continue;
            };
            if self.jobs.0.store.file_in_use(output).await? {
                continue;
            }
            tokio::task::spawn_blocking(move || clear(&path)).await??;
        }
        Ok(())
    }

    async fn perform(self) -> Result<Done, Failure> {
        let folders = Arc::clone(&self.jobs.0.folders);
        let there = tokio::task::spawn_blocking(move || folders.check()).await?;
        there.map_err(|error| Failure::Again(format!("{error:#}")))?;
        if self.job.attempts > 1 {
            self.clear().await?;
        }
        let before = self.file_name().await?;
        match self.kind().await {
            // An import or a trim took the file away while it was to be opened: there is another one in its place.
            Err(Failure::Final(why)) if self.file_name().await? != before => {
                tracing::debug!(
                    job = self.job.id,
                    "the video's file was replaced meanwhile: {why}"
                );
                self.kind().await
            }
            done => done,
        }
    }

    async fn kind(&self) -> Result<Done, Failure> {
        match self.job.kind.as_str() {
            "thumbnail" => thumbnail::perform(self).await,
            "audio" => audio::perform(self).await,
            "trim" => trim::perform(self).await,
            "import" => import::perform(self).await,
            "purge" => purge::perform(self).await,
            other => Err(Failure::Final(format!("{other:?} is no kind of job"))),
        }
    }

    /// The file of the job's video, if it has one.
    async fn file_name(&self) -> Result<Option<String>, Failure> {
        let Some(id) = self.job.video_id else {
            return Ok(None);
        };
        Ok(self.jobs.0.store.video(id).await?.map(|video| video.file_name))
    }
}

/// Removes what is beside `path` and has its name, whatever stands before and after.
fn clear(path: &Path) -> std::io::Result<()> {
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str())) else {
        return Ok(());
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().contains(stem) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without a sender nobody wants it any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Jobs {
    /// Works on the queue until `stop` says so; what runs then goes back into it.
    pub(crate) async fn run(self, workers: usize, mut stop: watch::Receiver<bool>) {
        // One server holds the folder, so what an earlier run of it held is free.
        let name = format!("{}/", self.0.folders.token());
        if let Err(error) = self.0.store.free_jobs(&name).await {
            tracing::error!("jobs of an earlier run are done again later: {error}");
        }
        let mut running = JoinSet::new();
        let mut forget = tokio::time::interval(FORGET);
        loop {
            while running.len() < workers && !*stop.borrow() {
                let owner = format!("{name}{}", uuid::Uuid::now_v7().simple());
                let is_slow = self.running().values().any(|running| running.kind == SLOW);
                let but = is_slow.then_some(SLOW);
                match self.0.store.claim_job(&owner, LEASE, but).await {
                    Ok(Some(job)) => {
                        let now = Running {
                            kind: job.kind.clone(),
                            interrupt: Interrupt::new(),
                        };
                        self.running().insert(job.id, now.clone());
                        running.spawn(self.clone().hold(job, owner, now.interrupt));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!("the queue of jobs can't be read: {error}");
                        break;
                    }
                }
            }
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = self.0.wake.notified() => {}
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!("a job's worker ended: {error}");
                    }
                }
                _ = forget.tick() => {
                    if let Err(error) = self.0.store.forget_jobs(Micros::now().before(REMEMBERED)).await {
                        tracing::warn!("old jobs stay: {error}");
                    }
                }
                () = tokio::time::sleep(POLL) => {}
            }
        }
        for running in self.running().values() {
            running.interrupt.cancel();
        }
        while running.join_next().await.is_some() {}
    }

    /// Does a job that is held as `owner`, and ends it.
    async fn hold(self, job: Job, owner: String, interrupt: Interrupt) {
        let ended = self.work(&job, &owner, &interrupt).await;
        self.running().remove(&job.id);
        if let Err(error) = ended {
            // Its lease ends, and it is done again.
            tracing::warn!(
                job = job.id,
                kind = job.kind,
                "a job's end can't be written: {error}"
            );
        }
    }

    async fn work(&self, job: &Job, owner: &str, interrupt: &Interrupt) -> Result<(), sqlx::Error> {
        self.tell(job, JobStatus::Processing, job.progress);
        if job.attempts > ATTEMPTS {
            let why = format!("it was begun {ATTEMPTS} times, and the server ended each time");
            return self.failed(job, owner, &why).await;
        }
        let progress = Arc::new(AtomicI64::new(0));
        let run = Run {
            jobs: self.clone(),
            job: job.clone(),
            interrupt: interrupt.clone(),
            progress: Arc::clone(&progress),
        };
        let mut work = tokio::spawn(run.perform());
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + RENEW, RENEW);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = 0;
        let done = loop {
            tokio::select! {
                done = &mut work => break done.unwrap_or_else(|error| Err(error.into())),
                _ = tick.tick() => {
                    let now = progress.load(Ordering::Relaxed).clamp(0, 1000);
                    match self.0.store.renew_job(job.id, owner, now, LEASE).await {
                        Ok(true) if now != told => {
                            told = now;
                            self.tell(job, JobStatus::Processing, now);
                        }
                        Ok(true) => {}
                        Ok(false) => interrupt.cancel(),
                        Err(error) => tracing::warn!(job = job.id, "a lease can't be renewed: {error}"),
                    }
                }
            }
        };
        match done {
            Ok(done) => self.finish(job, owner, done).await,
            Err(failure) => self.not_done(job, owner, failure).await,
        }
    }

    async fn failed(&self, job: &Job, owner: &str, why: &str) -> Result<(), sqlx::Error> {
        let why = self.words(why);
        tracing::warn!(job = job.id, kind = job.kind, "a job failed: {why}");
        if self.0.store.fail_job(job.id, owner, &why).await? {
            self.tell(job, JobStatus::Failed, job.progress);
        }
        Ok(())
    }

    async fn finish(&self, job: &Job, owner: &str, done: Done) -> Result<(), sqlx::Error> {
        let ended = self
            .0
            .store
            .finish_job(job, owner, &done.result, &done.effect)
            .await?;
        let storage = self.0.folders.storage().to_path_buf();
        let (old, useless) = match ended {
            Ended::Done(_) => (done.old, done.useless),
            Ended::Lost | Ended::Changed => (Vec::new(), done.made),
        };
        let _ = tokio::task::spawn_blocking(move || {
            for name in old {
                purge::to_trash(&storage, &name);
            }
            for name in useless {
                let _ = fs::remove_file(storage.join(name));
            }
        })
        .await;
        match ended {
            Ended::Done(changed) => {
                self.tell(job, JobStatus::Completed, 1000);
                if let Some(video_id) = changed {
                    self.0.events.tell(Event::VideoChanged { video_id });
                    // It may have left another job.
                    self.wake();
                }
                Ok(())
            }
            Ended::Lost => Ok(()),
            Ended::Changed => {
                let why = "the video's file was changed meanwhile".to_owned();
                self.not_done(job, owner, Failure::Again(why)).await
            }
        }
    }

    async fn not_done(&self, job: &Job, owner: &str, failure: Failure) -> Result<(), sqlx::Error> {
        let attempts = match failure {
            Failure::Once(_) => 2,
            _ => ATTEMPTS,
        };
        match failure {
            Failure::Stopped => {
                if self
                    .0
                    .store
                    .postpone_job(job.id, owner, Duration::ZERO, None)
                    .await?
                {
                    self.tell(job, JobStatus::Pending, 0);
                }
                Ok(())
            }
            Failure::Again(why) | Failure::Once(why) if job.attempts < attempts => {
                let why = self.words(&why);
                let wait = BACK_OFF * 4_u32.pow(u32::try_from(job.attempts - 1).unwrap_or(0).min(5));
                tracing::warn!(
                    job = job.id,
                    kind = job.kind,
                    "a job is tried again in {wait:?}: {why}"
                );
                if self.0.store.postpone_job(job.id, owner, wait, Some(&why)).await? {
                    self.tell(job, JobStatus::Pending, 0);
                }
                Ok(())
            }
            Failure::Again(why) | Failure::Once(why) | Failure::Final(why) => {
                self.failed(job, owner, &why).await
            }
        }
    }

    /// A text without the server's folders.
    fn words(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.folders.storage().display()), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_try_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| folder.path().join(name);
        fs::write(name(".1-a.mp4.00ff.part"), "x").unwrap();
        fs::create_dir(name(".1-a.mp4.00fe.part")).unwrap();
        fs::write(name(".1-a.mp4.00fe.part").join("whole.mp4"), "x").unwrap();
        fs::write(name("1-a.part2.mp4"), "x").unwrap();
        fs::write(name("1-b.mp4"), "x").unwrap();
        clear(&name("1-a.mp4")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(name("1-b.mp4").exists());
    }
}
