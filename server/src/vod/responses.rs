//! [`Responses`]: playlists and other small bodies, kept while nothing that they are made of changes.

use std::sync::Arc;

use mediacore::cache::Cache;

use super::files::Identity;
use super::service::Found;

/// Bytes of bodies that are kept.
const CAPACITY: usize = 64 << 20;

/// Bodies that are kept.
const COUNT: usize = 65_536;

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

/// Kept responses by host and path. Who takes one looks whether it is still true.
pub(crate) type Responses = Cache<String, Stored>;

/// A place for responses.
pub(crate) fn responses() -> Responses {
    Cache::new(CAPACITY, COUNT, |stored| stored.found.size())
}

/// The key of a path at a host.
pub(crate) fn key(origin: &str, path: &str) -> String {
    let mut key = String::with_capacity(origin.len() + 1 + path.len());
    key.push_str(origin);
    key.push(' ');
    key.push_str(path);
    key
}
