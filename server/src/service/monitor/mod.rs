//! What the machine does: sampled on a thread of its own, so that no request waits for it; with a history of a day and a forecast.

mod history;
mod sample;
mod settings;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::time::Micros;

use history::History;
pub(crate) use history::Point;
pub(crate) use sample::Sample;
use sample::Sampler;
pub(crate) use settings::settings;

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(2);

/// The monitor.
pub(crate) struct Monitor {
    sampler: Mutex<Sampler>,
    now: watch::Sender<Arc<Sample>>,
    history: Mutex<History>,
    started_at: Micros,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Monitor {
    /// Takes the first sample; `storage` is the folder whose disk counts.
    pub(crate) fn new(storage: &Path) -> Self {
        let mut sampler = Sampler::new(storage);
        let first = sampler.take();
        let mut history = History::default();
        history.push(&first);
        Self {
            sampler: Mutex::new(sampler),
            now: watch::Sender::new(Arc::new(first)),
            history: Mutex::new(history),
            started_at: Micros::now(),
        }
    }

    /// Takes samples until `stop` says so.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                changed = stop.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    continue;
                }
            }
            let this = Arc::clone(&self);
            // A disk that hangs holds up the samples, and nothing else.
            let taken = tokio::task::spawn_blocking(move || this.look());
            tokio::select! {
                taken = taken => if let Err(error) = taken {
                    tracing::error!("a sample of the machine is lost: {error}");
                },
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
    }

    fn look(&self) {
        let mut sample = lock(&self.sampler).take();
        let mut history = lock(&self.history);
        history.push(&sample);
        sample.hours_until_full = history.hours_until_full(sample.disk_free);
        drop(history);
        self.now.send_replace(Arc::new(sample));
    }

    /// The latest sample.
    pub(crate) fn now(&self) -> Arc<Sample> {
        Arc::clone(&self.now.borrow())
    }

    /// Since when the server runs.
    pub(crate) const fn started_at(&self) -> Micros {
        self.started_at
    }

    /// The last minutes, oldest first: every ten seconds for an hour, every minute before that.
    pub(crate) fn history(&self, minutes: u32) -> Vec<Point> {
        let from = Micros::now().before(Duration::from_secs(u64::from(minutes).saturating_mul(60)));
        lock(&self.history).since(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sample_is_there_at_once_and_changes_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let monitor = Arc::new(Monitor::new(folder.path()));
        let first = monitor.now();
        assert!(first.disk_total > 0 && first.memory_percent > 0.0 && first.memory_percent <= 100.0);
        assert!((0.0..=100.0).contains(&first.cpu_percent));
        assert_eq!(first.disk_total, first.disk_used + first.disk_free);
        assert!(first.process_memory > 0);
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(Arc::clone(&monitor).run(stopped));
        tokio::time::sleep(EVERY + Duration::from_millis(500)).await;
        assert!(monitor.now().at > first.at);
        stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(1), running)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(monitor.history(60).len(), 1);
    }
}
