//! [`Views`]: views that were counted and are not written yet. They are written together, once a second.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts by video.
#[derive(Debug, Default)]
pub(super) struct Views(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    counted: HashMap<i64, i64>,
    /// On the way to the database.
    writing: HashMap<i64, i64>,
}

impl Views {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one; how many are not in the database yet.
    pub(super) fn add(&self, id: i64) -> i64 {
        let mut counts = self.lock();
        let counted = counts.counted.entry(id).or_default();
        *counted += 1;
        let counted = *counted;
        counted + counts.writing.get(&id).copied().unwrap_or(0)
    }

    /// How many are not in the database yet.
    pub(super) fn pending(&self, id: i64) -> i64 {
        let counts = self.lock();
        let of = |map: &HashMap<i64, i64>| map.get(&id).copied().unwrap_or(0);
        of(&counts.counted) + of(&counts.writing)
    }

    /// Those that are to be written.
    pub(super) fn take(&self) -> Vec<(i64, i64)> {
        let mut counts = self.lock();
        counts.writing = std::mem::take(&mut counts.counted);
        counts.writing.iter().map(|(id, count)| (*id, *count)).collect()
    }

    /// They are in the database.
    pub(super) fn written(&self) {
        self.lock().writing.clear();
    }

    /// They could not be written.
    pub(super) fn give_back(&self, counted: &[(i64, i64)]) {
        let mut counts = self.lock();
        counts.writing.clear();
        for (id, count) in counted {
            *counts.counted.entry(*id).or_default() += count;
        }
    }
}
