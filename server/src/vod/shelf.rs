//! [`Shelf`]: opened files by identity, weighed, each built once however many want it.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mediacore::hls::File;

use super::files::Identity;

/// Bytes of opened files that are kept.
const CAPACITY: usize = 512 << 20;

/// Opened files that are kept, each of which holds a descriptor.
const COUNT: usize = 4096;

/// Opened files. One stays until as much as fits was opened twice over since it was last asked for.
#[derive(Debug)]
pub(crate) struct Shelf {
    kept: Mutex<Kept>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Kept {
    young: HashMap<Identity, Arc<Slot>>,
    old: HashMap<Identity, Arc<Slot>>,
    /// Bytes of the young.
    bytes: usize,
}

/// The place of one file, which one caller fills while the others wait.
#[derive(Debug, Default)]
struct Slot {
    file: OnceLock<File>,
    building: Mutex<()>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            capacity: CAPACITY,
        }
    }
}

impl Shelf {
    /// The file, when it is open.
    pub(crate) fn get(&self, identity: &Identity) -> Option<File> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = kept.young.get(identity) {
            return slot.file.get().cloned();
        }
        let slot = kept.old.remove(identity)?;
        let file = slot.file.get().cloned();
        let weight = file.as_ref().map_or(0, weight);
        kept.young.insert(*identity, slot);
        kept.weigh(weight, self.capacity);
        file
    }

    /// The file, opened by `build` when nobody has it open. What fails is not kept.
    ///
    /// # Errors
    /// Those of `build`.
    pub(crate) fn get_or_build<E>(
        &self,
        identity: Identity,
        build: impl FnOnce() -> Result<File, E>,
    ) -> Result<File, E> {
        if let Some(file) = self.get(&identity) {
            return Ok(file);
        }
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.young.entry(identity).or_default())
        };
        let building = slot.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = slot.file.get() {
            return Ok(file.clone());
        }
        let built = build();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &built {
            Ok(file) => {
                kept.weigh(weight(file), self.capacity);
                // Nobody else fills a slot while this one builds.
                let _ = slot.file.set(file.clone());
                kept.young.insert(identity, Arc::clone(&slot));
            }
            Err(_) => {
                kept.young.remove(&identity);
            }
        }
        drop(building);
        built
    }
}

impl Kept {
    /// Counts `weight` more bytes among the young.
    fn weigh(&mut self, weight: usize, capacity: usize) {
        if self.bytes.saturating_add(weight) > capacity / 2 || self.young.len() >= COUNT / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(weight);
    }
}

fn weight(file: &File) -> usize {
    let heap = match file {
        File::Title(title) => title.heap_size(),
        File::Captions(captions) => captions.heap_size(),
        File::Empty => 0,
    };
    heap.saturating_add(size_of::<Slot>())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mediacore::hls::captions::Captions;

    use super::*;

    fn captions(bytes: usize) -> File {
        File::Captions(Arc::new(Captions {
            header: "x".repeat(bytes),
            cues: Vec::new(),
        }))
    }

    /// Identities of different files.
    fn identities(count: usize) -> Vec<Identity> {
        let dir = tempfile::tempdir().unwrap();
        let folder = super::super::files::Folder::open(dir.path()).unwrap();
        let one = |number: usize| {
            let name = number.to_string();
            std::fs::write(dir.path().join(&name), &name).unwrap();
            folder.identity(&name).unwrap()
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn many_who_want_the_same_file_have_it_built_once() {
        let (shelf, built) = (Shelf::default(), AtomicUsize::new(0));
        let identity = identities(1)[0];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let build = || {
                        built.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_millis(30));
                        Ok::<_, ()>(captions(1))
                    };
                    assert!(shelf.get_or_build(identity, build).is_ok());
                });
            }
        });
        assert_eq!(built.load(Ordering::Relaxed), 1);
        assert!(shelf.get(&identity).is_some());
    }

    #[test]
    fn a_failure_is_not_kept() {
        let (shelf, identity) = (Shelf::default(), identities(1)[0]);
        assert_eq!(shelf.get_or_build(identity, || Err(7)).err(), Some(7));
        assert!(shelf.get(&identity).is_none());
        assert!(shelf.get_or_build(identity, || Ok::<_, ()>(captions(1))).is_ok());
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let shelf = Shelf {
            kept: Mutex::default(),
            capacity: 100_000,
        };
        let identities = identities(40);
        for identity in &identities {
            shelf
                .get_or_build(*identity, || Ok::<_, ()>(captions(10_000)))
                .unwrap();
            assert!(shelf.get(&identities[0]).is_some());
        }
        let kept = identities.iter().filter(|one| shelf.get(one).is_some()).count();
        assert!((4..=12).contains(&kept), "{kept}");
        assert!(shelf.get(&identities[1]).is_none());
    }
}
