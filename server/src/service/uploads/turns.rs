//! [`Turns`]: who writes which part of which upload. The newest request for a part has it: the one before is told to stop,
//! for a client that sends a part again has given up its connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// All turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    uploads: Mutex<HashMap<String, Busy>>,
    /// Somebody ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Busy {
    /// What stops the writer of a part.
    writers: HashMap<i64, watch::Sender<bool>>,
    /// Nobody begins any more.
    closed: bool,
}

/// The right to write a part, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    upload: String,
    part: i64,
    stop: watch::Receiver<bool>,
}

/// Nobody writes any part, until it is dropped.
#[derive(Debug)]
pub(super) struct Closed {
    turns: Turns,
    upload: String,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Busy>> {
        self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn to write a part. `None` when the upload is being completed or removed.
    pub(super) async fn enter(&self, upload: &str, part: i64) -> Option<Turn> {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            {
                let mut uploads = self.lock();
                let busy = uploads.entry(upload.to_owned()).or_default();
                if busy.closed {
                    return None;
                }
                match busy.writers.get(&part) {
                    Some(writer) => {
                        writer.send_replace(true);
                    }
                    None => {
                        let (writer, stop) = watch::channel(false);
                        busy.writers.insert(part, writer);
                        return Some(Turn {
                            turns: self.clone(),
                            upload: upload.to_owned(),
                            part,
                            stop,
                        });
                    }
                }
            }
            ended.await;
        }
    }

    /// Stops all writers of an upload, and waits until they have.
    pub(super) async fn close(&self, upload: &str) -> Closed {
        let mut mine = None;
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            {
                let mut uploads = self.lock();
                let busy = uploads.entry(upload.to_owned()).or_default();
                if mine.is_none() && !busy.closed {
                    busy.closed = true;
                    mine = Some(Closed {
                        turns: self.clone(),
                        upload: upload.to_owned(),
                    });
                }
                if busy.writers.is_empty()
                    && let Some(mine) = mine.take()
                {
                    return mine;
                }
                for writer in busy.writers.values() {
                    writer.send_replace(true);
                }
            }
            ended.await;
        }
    }

    fn leave(&self, upload: &str, change: impl FnOnce(&mut Busy)) {
        let mut uploads = self.lock();
        if let Some(busy) = uploads.get_mut(upload) {
            change(busy);
            if busy.writers.is_empty() && !busy.closed {
                uploads.remove(upload);
            }
        }
        drop(uploads);
        self.0.ended.notify_waiters();
    }
}

impl Turn {
    /// Waits until it is to end.
    pub(super) async fn told(&mut self) {
        // The sender lives as long as the turn.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let part = self.part;
        self.turns.leave(&self.upload, |busy| {
            busy.writers.remove(&part);
        });
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.turns.leave(&self.upload, |busy| busy.closed = false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_newest_writes_and_closing_waits_for_all() {
        let turns = Turns::default();
        let mut first = turns.enter("a", 0).await.unwrap();
        let _other = turns.enter("b", 0).await.unwrap();
        let second = tokio::spawn({
            let turns = turns.clone();
            async move { turns.enter("a", 0).await.unwrap() }
        });
        first.told().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!second.is_finished(), "it waits until the first has ended");
        drop(first);
        let mut second = second.await.unwrap();
        let closing = tokio::spawn({
            let turns = turns.clone();
            async move { turns.close("a").await }
        });
        second.told().await;
        assert!(turns.enter("a", 1).await.is_none());
        drop(second);
        drop(closing.await.unwrap());
        drop(turns.enter("a", 1).await.unwrap());
        assert_eq!(turns.lock().len(), 1, "what ended is forgotten");
    }
}
