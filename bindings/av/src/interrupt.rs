//! [`Interrupt`]: how a blocking call is told to give up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A cancellation flag and a deadline that blocking calls watch; clones share both.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<State>);

#[derive(Debug)]
struct State {
    cancelled: AtomicBool,
    /// Milliseconds after `epoch`; `u64::MAX` for no deadline.
    deadline: AtomicU64,
    epoch: Instant,
}

impl Interrupt {
    /// Neither cancelled nor with a deadline.
    #[expect(clippy::new_without_default, reason = "reads the clock")]
    pub fn new() -> Self {
        Self(Arc::new(State {
            cancelled: AtomicBool::new(false),
            deadline: AtomicU64::new(u64::MAX),
            epoch: Instant::now(),
        }))
    }

    /// Asks every call that watches this to return soon; there is no way back.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether [`Interrupt::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// Calls that are still running after `length` from now give up.
    pub fn set_deadline(&self, length: Duration) {
        let at = self.0.epoch.elapsed().saturating_add(length).as_millis();
        self.0
            .deadline
            .store(u64::try_from(at).unwrap_or(u64::MAX - 1), Ordering::Relaxed);
    }

    /// No deadline any more.
    pub fn clear_deadline(&self) {
        self.0.deadline.store(u64::MAX, Ordering::Relaxed);
    }

    /// Whether the deadline has passed.
    pub fn is_late(&self) -> bool {
        let deadline = self.0.deadline.load(Ordering::Relaxed);
        deadline != u64::MAX && self.0.epoch.elapsed().as_millis() >= u128::from(deadline)
    }

    /// Whether a watching call must return now.
    pub fn fired(&self) -> bool {
        self.is_cancelled() || self.is_late()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_and_can_be_moved() {
        let interrupt = Interrupt::new();
        assert!(!interrupt.fired());
        interrupt.set_deadline(Duration::ZERO);
        assert!(interrupt.is_late() && !interrupt.is_cancelled());
        interrupt.set_deadline(Duration::from_secs(60));
        assert!(!interrupt.fired());
        interrupt.clone().cancel();
        assert!(interrupt.fired());
    }
}
