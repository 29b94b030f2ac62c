//! Recordings that ended and could not be finished, because the disk was full or failed: they are finished when it takes more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mediacore::record::finish::Preference;
use mediacore::record::recover::{self, Outcome as Found, Recovered};
use tokio::sync::watch;

use super::{Recordings, base_of};
use crate::fault::{Fault, blocking};
use crate::service::events::Event;
use crate::service::jobs::{to_bytes, to_micros};

/// How often they are looked for.
const EVERY: Duration = Duration::from_secs(30);

/// The longest time until one that can't be finished is tried again.
const LONGEST: Duration = Duration::from_secs(3600);

/// When each one that could not be finished is tried next, and after what pause.
type Later = HashMap<String, (Instant, Duration)>;

impl Recordings {
    /// Finishes what could not be finished, until `stop` says so.
    pub(crate) async fn tend(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut later = Later::new();
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = crate::listen::told(&mut stop) => return,
            }
            if let Err(fault) = self.finish_known(&mut later).await {
                tracing::warn!("unfinished recordings can't be looked for: {fault:?}");
            }
        }
    }

    /// Finishes the recordings whose task has ended and whose journal is still there; how many were.
    ///
    /// # Errors
    /// When the store fails, or the storage folder is not there.
    pub(crate) async fn finish_left(&self) -> Result<usize, Fault> {
        self.finish_known(&mut Later::new()).await
    }

    async fn finish_known(&self, later: &mut Later) -> Result<usize, Fault> {
        let folders = Arc::clone(&self.folders);
        let found = blocking(move || {
            folders.check().map_err(Fault::Internal)?;
            recover::unfinished_in(folders.storage()).map_err(Fault::from)
        })
        .await?;
        let mut done = 0;
        for path in found {
            let Some(name) = self.own_name(&path) else {
                continue;
            };
            let now = Instant::now();
            let is_early = later.get(&name).is_some_and(|(at, _)| *at > now);
            if is_early || self.is_active(&base_of(&name)) || !self.store.is_over(&base_of(&name)).await? {
                continue;
            }
            let recovered =
                tokio::task::spawn_blocking(move || recover::recover(&path, Preference::Auto, &|_, _| {}))
                    .await?;
            match recovered {
                Ok(recovered) => {
                    later.remove(&name);
                    self.note_finished(&name, &recovered).await?;
                    done += 1;
                }
                Err(error) => {
                    let pause = later
                        .get(&name)
                        .map_or(EVERY, |(_, pause)| (*pause * 2).min(LONGEST));
                    later.insert(name.clone(), (now + pause, pause));
                    tracing::warn!("{name} can't be finished yet: {}", error.report());
                }
            }
        }
        Ok(done)
    }

    /// Corrects the rows of a file that is finished now.
    async fn note_finished(&self, name: &str, recovered: &Recovered) -> Result<(), Fault> {
        if recovered.outcome == Found::Empty {
            return Ok(());
        }
        let (size, length) = (to_bytes(recovered.size), to_micros(recovered.duration));
        let videos = self.store.correct_file(name, size, length).await?;
        tracing::info!("{name} is finished now");
        if videos.is_empty() {
            // Its task ended without it.
            if let Some(video_id) = self.adopt(&base_of(name)).await? {
                tracing::warn!("{name}, which could not be finished before, is video {video_id} now");
            }
        }
        for video_id in videos {
            self.events.tell(Event::VideoChanged { video_id });
        }
        Ok(())
    }
}
