//! [`Responses`]: playlists and other small bodies, kept while nothing that they are made of changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::files::Identity;
use super::service::Found;

/// Bytes of bodies that are kept.
const CAPACITY: usize = 64 << 20;

/// Bytes that an entry costs beside its body.
const OVERHEAD: usize = 1024;

/// One kept response.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The response.
    pub(crate) found: Arc<Found>,
    /// The files that it is made of, in the state that it is made of.
    pub(crate) files: Arc<[(String, Identity)]>,
    /// The same of mappings.
    pub(crate) mappings: Arc<[(String, u64)]>,
}

/// Kept responses by host and path.
#[derive(Debug, Default)]
pub(crate) struct Responses(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    young: HashMap<String, (Stored, usize)>,
    old: HashMap<String, (Stored, usize)>,
    bytes: usize,
}

impl Responses {
    /// The key of a path at a host.
    pub(crate) fn key(origin: &str, path: &str) -> String {
        let mut key = String::with_capacity(origin.len() + 1 + path.len());
        key.push_str(origin);
        key.push(' ');
        key.push_str(path);
        key
    }

    /// What is kept under `key`; the caller looks whether it is still true.
    pub(crate) fn get(&self, key: &str) -> Option<Stored> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stored, _)) = kept.young.get(key) {
            return Some(stored.clone());
        }
        let (stored, size) = kept.old.remove(key)?;
        kept.insert(key.to_owned(), stored.clone(), size);
        Some(stored)
    }

    /// Keeps `stored`, whose body has `size` bytes, until twice the capacity was used since it was last asked for.
    pub(crate) fn put(&self, key: String, stored: Stored, size: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.old.remove(&key);
        kept.insert(key, stored, size.saturating_add(OVERHEAD));
    }
}

impl Kept {
    fn insert(&mut self, key: String, stored: Stored, size: usize) {
        if self.bytes.saturating_add(size) > CAPACITY / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        if let Some((_, before)) = self.young.insert(key, (stored, size)) {
            self.bytes = self.bytes.saturating_sub(before);
        }
        self.bytes = self.bytes.saturating_add(size);
    }
}
