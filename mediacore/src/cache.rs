//! [`Cache`]: values that cost time to make, kept by key, weighed, each made once however many want it.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Values by key, for many threads.
///
/// A value stays until half of the capacity was filled twice over since it was last asked for: two generations, so that asking
/// is one look-up under a lock that is never held while something is made. Values are handed out as clones; make them cheap to
/// clone.
pub struct Cache<K, V> {
    kept: Mutex<Kept<K, V>>,
    limits: Limits,
    weight: fn(&V) -> usize,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: usize,
    count: usize,
}

impl Limits {
    /// Whether a value fits into a generation; a heavier one is handed out and not kept.
    const fn can_keep(self, weight: usize) -> bool {
        weight <= self.bytes / 2
    }
}

struct Kept<K, V> {
    young: HashMap<K, Arc<Slot<V>>>,
    old: HashMap<K, Arc<Slot<V>>>,
    /// Weight of the young.
    bytes: usize,
}

/// The place of one value, which one caller fills while the others wait.
struct Slot<V> {
    value: OnceLock<V>,
    building: Mutex<()>,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self {
            value: OnceLock::new(),
            building: Mutex::new(()),
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// A cache of at most `bytes`, as `weight` tells them for a value, and of at most `count` values. A value of more than half
    /// of that is not kept.
    pub fn new(bytes: usize, count: usize, weight: fn(&V) -> usize) -> Self {
        let kept = Kept {
            young: HashMap::new(),
            old: HashMap::new(),
            bytes: 0,
        };
        Self {
            kept: Mutex::new(kept),
            limits: Limits { bytes, count },
            weight,
        }
    }

    /// The value, when it is there.
    pub fn get<Q: Eq + Hash + ToOwned<Owned = K> + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let mut kept = self.lock();
        if let Some(slot) = kept.young.get(key) {
            return slot.value.get().cloned();
        }
        let slot = kept.old.remove(key)?;
        let value = slot.value.get().cloned();
        let weight = value.as_ref().map_or(0, |value| self.weigh(value));
        kept.make_room(weight, self.limits);
        kept.young.insert(key.to_owned(), slot);
        value
    }

    /// Keeps `value` in place of what was there.
    pub fn insert(&self, key: K, value: V) {
        let weight = self.weigh(&value);
        let slot = Slot::default();
        // The slot is new.
        let _ = slot.value.set(value);
        let mut kept = self.lock();
        kept.old.remove(&key);
        let before = kept.young.remove(&key);
        let before = before.and_then(|slot| Some(self.weigh(slot.value.get()?)));
        kept.bytes = kept.bytes.saturating_sub(before.unwrap_or(0));
        if self.limits.can_keep(weight) {
            kept.make_room(weight, self.limits);
            kept.young.insert(key, Arc::new(slot));
        }
    }

    /// The value, made by `build` when it is not there; who asks meanwhile waits for that one. What fails is not kept, and the
    /// next who waits tries again.
    ///
    /// # Errors
    /// Those of `build`.
    pub fn get_or_build<E>(&self, key: K, build: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(value) = self.get(&key) {
            return Ok(value);
        }
        let slot = Arc::clone(self.lock().young.entry(key.clone()).or_default());
        let building = slot.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = slot.value.get() {
            return Ok(value.clone());
        }
        let built = build();
        let mut kept = self.lock();
        match &built {
            Ok(value) => {
                // Nobody else fills a slot while this one builds.
                let _ = slot.value.set(value.clone());
                let weight = self.weigh(value);
                if self.limits.can_keep(weight) {
                    kept.make_room(weight, self.limits);
                    kept.young.insert(key, Arc::clone(&slot));
                } else {
                    kept.young.remove(&key);
                }
            }
            Err(_) => {
                kept.young.remove(&key);
            }
        }
        drop(kept);
        drop(building);
        built
    }

    /// Drops the values that `keep` says no to. It is asked without the lock; what is being made meanwhile stays.
    pub fn retain(&self, keep: impl Fn(&V) -> bool) {
        let all: Vec<(K, Arc<Slot<V>>)> = {
            let kept = self.lock();
            let both = kept.young.iter().chain(&kept.old);
            both.map(|(key, slot)| (key.clone(), Arc::clone(slot))).collect()
        };
        for (key, slot) in all {
            let Some(value) = slot.value.get().filter(|value| !keep(value)) else {
                continue;
            };
            let weight = self.weigh(value);
            let mut kept = self.lock();
            // Another one may have come to its place.
            let same = |there: Option<&Arc<Slot<V>>>| there.is_some_and(|there| Arc::ptr_eq(there, &slot));
            if same(kept.young.get(&key)) {
                kept.young.remove(&key);
                kept.bytes = kept.bytes.saturating_sub(weight);
            } else if same(kept.old.get(&key)) {
                kept.old.remove(&key);
            }
        }
    }

    fn weigh(&self, value: &V) -> usize {
        (self.weight)(value).saturating_add(size_of::<Slot<V>>() + size_of::<K>())
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Kept<K, V> {
    /// Counts `weight` more bytes among the young, which become the old when that is too much.
    fn make_room(&mut self, weight: usize, limits: Limits) {
        if self.bytes.saturating_add(weight) > limits.bytes / 2
            || self.young.len() >= limits.count.div_ceil(2)
        {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(weight);
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn cache(bytes: usize) -> Cache<String, Arc<str>> {
        Cache::new(bytes, 1000, |value| value.len())
    }

    #[test]
    fn many_who_want_the_same_value_have_it_built_once() {
        let (cache, built) = (cache(1 << 20), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let build = || {
                        built.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_millis(30));
                        Ok::<_, ()>("value".into())
                    };
                    assert_eq!(cache.get_or_build("a".to_owned(), build).as_deref(), Ok("value"));
                });
            }
        });
        assert_eq!(built.load(Ordering::Relaxed), 1);
        assert_eq!(cache.get("a").as_deref(), Some("value"));
    }

    #[test]
    fn what_is_not_wanted_any_more_goes_from_both_generations() {
        let cache = cache(1000);
        let text = |length: usize| -> Arc<str> { "x".repeat(length).into() };
        for length in 101..109 {
            cache.insert(length.to_string(), text(length));
        }
        let generations = || {
            let kept = cache.lock();
            (kept.young.len(), kept.old.len())
        };
        let (young, old) = generations();
        assert!(young > 0 && old > 0);
        cache.retain(|_| true);
        assert_eq!(generations(), (young, old));
        let oldest = cache.lock().old.keys().next().cloned().unwrap();
        cache.retain(|value| value.len().to_string() != oldest && value.len() != 108);
        assert_eq!(generations(), (young - 1, old - 1));
        assert_eq!(cache.get("108"), None);
        cache.retain(|_| false);
        assert_eq!(generations(), (0, 0));
        assert_eq!(cache.lock().bytes, 0);
    }

    #[test]
    fn a_failure_is_not_kept_and_a_panic_spoils_nothing() {
        let cache = cache(1 << 20);
        let key = || "a".to_owned();
        assert_eq!(cache.get_or_build(key(), || Err(7)).err(), Some(7));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = cache.get_or_build(key(), || -> Result<_, ()> { panic!("on purpose") });
        }));
        assert!(panicked.is_err());
        assert_eq!(cache.get("a"), None);
        assert!(cache.get_or_build(key(), || Ok::<_, ()>("x".into())).is_ok());
        cache.insert(key(), "y".into());
        assert_eq!(cache.get("a").as_deref(), Some("y"));
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let cache = cache(100_000);
        for number in 0..40 {
            cache.insert(number.to_string(), "x".repeat(10_000).into());
            assert!(cache.get("0").is_some());
        }
        let kept = (0..40)
            .filter(|number| cache.get(number.to_string().as_str()).is_some())
            .count();
        assert!((4..=12).contains(&kept), "{kept}");
        assert!(cache.get("1").is_none());
    }

    #[test]
    fn what_is_too_heavy_is_handed_out_and_not_kept() {
        let cache = cache(100_000);
        let heavy: Arc<str> = "x".repeat(60_000).into();
        let built = cache.get_or_build("a".to_owned(), || Ok::<_, ()>(Arc::clone(&heavy)));
        assert!(built.is_ok_and(|built| built.len() == 60_000));
        cache.insert("b".to_owned(), heavy);
        assert!(cache.get("a").is_none() && cache.get("b").is_none());
    }

    #[test]
    fn the_number_of_values_is_limited_too() {
        let cache: Cache<u32, ()> = Cache::new(usize::MAX, 10, |()| 0);
        for number in 0..1000 {
            cache.insert(number, ());
        }
        assert!((0..1000).filter(|number| cache.get(number).is_some()).count() <= 10);
    }
}
